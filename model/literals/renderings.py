"""Renderings of a literal in another language: numbers, dates, times.

"1,000.5" may stay or become "1.000,5", "1 000,5" or "1000,5", but never "10,005"; "27.12.1986" may
become "27 December 1986"; "3 p.m." may become "15 Uhr"; and small numbers may become words. What
is not named here is written as it was.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tformer.model.literals.finding import Literal

_SEPARATORS = re.compile(r"[.,'\u2019 \u00a0\u202f]")
_GROUPING = r"[.,'\u2019 \u00a0\u202f]?"
_GROUPINGS = {"en": r"[,'\u2019 \u00a0\u202f]?", "de": r"[.'\u2019 \u00a0\u202f]?"}
_NOT_BEFORE = r"(?<!\d)(?<!\d[.,])"
_NOT_BEHIND = r"(?!\d|[.,]\d)"
_MINUS = r"(?:[-\u2212\u2013]\s?|minus )"

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar M\u00e4rz April Mai Juni Juli August September Oktober November Dezember",
}

_WORDS = {
    "en": (
        "zero|no |nil",
        "one|first|an? |once|single",
        "two|second|both|twice|double|couple|pair|half",
        "three|third|triple|thrice",
        "four|quarter",
        "fi(?:ve|f)",
        "six",
        "seven",
        "eight",
        "nin",
        "ten",
        "eleven",
        "twel(?:ve|f)|dozen|noon|midnight",
    ),
    "de": (
        "null|kein",
        "ein|erst|Erst",
        "zwei|zwo|beide|halb|doppel",
        "drei|dritt",
        "vier",
        "f\u00fcnf",
        "sechs|sechz",
        "sieb",
        "acht",
        "neun",
        "zehn",
        "elf",
        "zw\u00f6lf|dutzend|mittag|mitternacht",
    ),
}
"""The beginnings of words that say the numbers from 0."""

_TENS = {
    "en": "twenty thirt fort fift sixt sevent eight ninet hundred thousand million billion",
    "de": "zwanzig drei\u00dfig vierzig f\u00fcnfzig sechzig siebzig achtzig neunzig hundert "
    "tausend million milliard",
}
_TENS_VALUES = (*range(20, 100, 10), 100, 1000, 10**6, 10**9)

_CLOCK = re.compile(r"[ \u00a0]?(?:[ap]\.?m\b|uhr|o['\u2019]clock|h\b)", re.IGNORECASE)
_DECADE = re.compile(r"['\u2019]?(?:s|er)\b")

UNITS = {
    "$": r"\$|dollar|USD",
    "\u20ac": r"\u20ac|euro|EUR",
    "\u00a3": r"\u00a3|pfund|pound|GBP|sterling",
    "\u00a5": r"\u00a5|yen|yuan|JPY|CNY",
    "%": r"%|prozent|per ?cent|pct|v\.H\.",
    "\u2030": r"\u2030|promill|per mill?e",
    "\u00b0": r"\u00b0|\u00ba|grad|degree",
    "EUR": r"\bEUR|\u20ac|euro",
    "USD": r"\bUSD|\$|dollar",
    "GBP": r"\bGBP|\u00a3|pfund|pound|sterling",
    "CHF": r"\bCHF|\bSFr|franken|francs?\b",
    "JPY": r"\bJPY|\u00a5|yen",
}
"""Signs and codes of amounts, and what may take their places."""

MEASURES = {
    "kWh": r"kWh|kilowatt",
    "kW": r"kW\b|kilowatt",
    "MW": r"MW\b|megawatt",
    "GHz": r"GHz|gigahert",
    "MHz": r"MHz|megahert",
    "GB": r"GB\b|giga",
    "MB": r"MB\b|mega",
    "TB": r"TB\b|tera",
    "kg": r"kg|kilo",
    "km": r"km|kph|kilomet",
    "cm": r"cm|[cz]entimet",
    "mm": r"mm\b|millimet",
    "mg": r"mg\b|milligram",
    "ml": r"ml\b|millilit",
}
"""Symbols of units that all languages write alike, and words for them."""

CURRENCIES = "$\u20ac\u00a3\u00a5"
"""Signs of money, of which a translation may not say another one than its source."""


def written(literal: Literal, text: str, target: str) -> re.Pattern[str]:
    """A pattern of the ways in which a literal of a text may be written in the target language."""
    behind = text[literal.end : literal.end + 12]
    clock = bool(_CLOCK.match(behind)) or literal.kind.name == "time"
    decade = bool(_DECADE.match(behind))
    return _written(literal.kind.name, literal.text, target, clock, decade)


@lru_cache(4096)
def _written(kind: str, text: str, target: str, clock: bool, decade: bool) -> re.Pattern[str]:
    makers = {"date": _date, "time": _time, "ratio": _ratio, "short dimensions": _dimensions}
    make = makers.get(kind, _exact)
    ways = [_number(text, target) if kind == "number" else make(text)]
    if kind == "date":
        ways.append(_long_date(text))
    if kind == "number" and text.isdigit():
        ways += _of_integer(int(text), target, clock, decade) if len(text) < 11 else []
    return re.compile("|".join(f"(?:{way})" for way in ways if way), re.IGNORECASE)


_NO_ARTICLE = re.compile(r"\.|\s?(?:bis|to|and|und|or|oder|[-\u2013])\s?\d")
"""Text behind a 1 that is an ordinal or begins a range: "1. Mai", "1 bis 100"."""

_FIRST = {"en": "one|first|once", "de": "eins|erst"}
"""The beginnings of words that say 1 and are no articles."""


def words_for(literal: Literal, source: str, target: str) -> re.Pattern[str] | None:
    """A pattern of words that may say a number, if it is small; None for everything else.

    Args:
        literal: the number.
        source: text that it is in; an ordinal ("am 1. Mai") is not said by an article.
        target: language of the words.
    """
    if literal.kind.name != "number" or not literal.text.isdigit() or len(literal.text) > 10:
        return None
    number = int(literal.text)
    first = _FIRST.get(target.partition("-")[0].lower())
    is_article = not _NO_ARTICLE.match(source, literal.end)
    if number == 1 and first and not is_article:
        return re.compile(rf"\b(?:{first})", re.IGNORECASE)
    return _words_for(number, target)


def says_in_words(number: int, text: str) -> bool:
    """Return whether a text of any language with a table says a number in words."""
    patterns = (_words_for(number, language) for language in _WORDS)
    return any(pattern.search(text) for pattern in patterns if pattern)


_NUMERALS = {
    "en": r"""\b(?:two|twi|three|thri|thir|four|fi[fv]|six|seven|eigh|nin|ten|elev|twel|hundred
        |thousand|million|billion|dozen|noon|midnight|half|halv|quarter|score|decade|centur)
        |[a-z]teen|[a-z]ty\b""",
    "de": r"""\b(?:zw|drei|dri|vier|f\u00fcnf|sech|sieb|acht|neun|zehn|elf|milli|dutzend|mittag
        |mitternacht|halb|jahrzehnt|jahrhundert)|hundert|tausend|zehn|zig|drei\u00dfig""",
}
"""Signs of words that say a number from 2 up, by language."""
_ROMAN = r"|\b[ivxlc]{2,}\b"


def may_say_numbers(text: str, language: str) -> bool:
    """Return whether a text has words that may become a number, or is in a language without a
    table."""
    pattern = _NUMERALS.get(language.partition("-")[0].lower())
    return pattern is None or bool(re.search(pattern + _ROMAN, text, re.IGNORECASE | re.VERBOSE))


@lru_cache(1024)
def _words_for(number: int, target: str) -> re.Pattern[str] | None:
    language = target.partition("-")[0].lower()
    if language not in _WORDS:
        return re.compile(r"\w") if number <= 12 else None
    if number <= 12:
        return re.compile(rf"\b(?:{_WORDS[language][number]})", re.IGNORECASE)
    if number in _TENS_VALUES:
        word = _TENS[language].split()[_TENS_VALUES.index(number)]
        return re.compile(word, re.IGNORECASE)
    return None


def localised(literal: Literal, source: str, target: str) -> str:
    """A literal as the target language writes it; as it is, where that is not certain."""
    pair = source.partition("-")[0].lower(), target.partition("-")[0].lower()
    if literal.kind.name != "number" or pair not in (("en", "de"), ("de", "en")):
        return literal.text
    thousands, decimal = (",", ".") if pair[0] == "en" else (".", ",")
    whole = rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+"
    if not re.fullmatch(rf"[-\u2212]?(?:{whole})(?:{re.escape(decimal)}\d+)?", literal.text):
        return literal.text
    return literal.text.translate(str.maketrans(thousands + decimal, decimal + thousands))


def _exact(text: str) -> str:
    before = r"(?<!\w)" if text[0].isalnum() else ""
    behind = r"(?!\w)" if text[-1].isalnum() else ""
    spaced = re.sub(r"(?<=[A-Za-z])(?=\d)", "-", text)
    loose = re.sub(r"\\[-\u00a0 ]|\u00a0", "[- \u00a0]?", re.escape(spaced))
    return before + loose + behind


def _number(text: str, target: str) -> str:
    """A pattern of the ways to write a number.

    Thousands have the mark of the source or of the target language: without one in the source,
    1,936 is 1936 in English only.
    """
    sign = ""
    if text[0] in "-\u2212":
        sign, text = _MINUS, text[1:]
    groups = _SEPARATORS.split(text)
    marks = _SEPARATORS.findall(text)
    fraction = ""
    grouped = all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3
    if len(groups) > 1 and (not grouped or len(set(marks)) > 1):
        plain_list = len(groups) > 2 and not all(len(group) == 3 for group in groups[1:-1])
        if plain_list:  # a list or a version, no number
            return _NOT_BEFORE + sign + r"[.,]\s?".join(groups) + _NOT_BEHIND
        fraction = groups.pop()
    digits = "".join(groups)
    if not fraction:
        grouping = _GROUPING if marks else _GROUPINGS.get(target[:2].lower(), _GROUPING)
        return _NOT_BEFORE + sign + _grouped(digits, grouping) + _NOT_BEHIND
    # Never the same mark for both: 1.000.5 is no number.
    ways = (
        _grouped(digits, between) + mark + fraction
        for between, mark in ((r"\.", ","), (",", r"\."), (r"['\u2019 \u00a0\u202f]?", "[.,]"))
    )
    return _NOT_BEFORE + sign + f"(?:{'|'.join(ways)})" + _NOT_BEHIND


def _grouped(digits: str, between: str) -> str:
    """Digits that may stand in groups of three."""
    if len(digits) < 4 or digits[0] == "0":
        return digits
    first = len(digits) % 3
    groups = [digits[:first]] if first else []
    groups += [digits[at : at + 3] for at in range(first, len(digits), 3)]
    return between.join(groups)


def _date(text: str) -> str:
    groups = re.split(r"[-./]", text)
    plain = [group.lstrip("0") or "0" for group in groups]
    parts = [group if len(group) == 4 else f"0?{group}" for group in plain]
    between = r"\s?[-./]\s?"
    orders = [parts, parts[::-1], [parts[1], parts[0], parts[2]]]
    return "|".join(_NOT_BEFORE + between.join(order) + r"(?!\d)" for order in orders)


def _long_date(text: str) -> str:
    """Day, month in words, year, in any order."""
    numbers = [int(group) for group in re.split(r"[-./]", text)]
    year = next((n for n in numbers if n > 99), numbers[2])
    rest = [n for n in numbers if n != year][:2] or numbers[:2]
    ways = []
    for day, month in (rest, rest[::-1]) if len(rest) == 2 else ():
        if 1 <= month <= 12:
            names = "|".join(months.split()[month - 1] for months in _MONTHS.values())
            day_text = rf"0?{day}(?:\.|st|nd|rd|th)?"
            ways.append(rf"(?<!\d){day_text} (?:of )?(?:{names}),? (?:19|20)?{year}(?!\d)")
            ways.append(rf"(?:{names}) {day_text},? (?:19|20)?{year}(?!\d)")
    return "|".join(ways)


def _time(text: str) -> str:
    hour, *rest = re.split("[:.]", text)
    hours = {int(hour), (int(hour) + 12) % 24, int(hour) - 12}
    either = "|".join(f"0?{h}" for h in sorted(hours) if h >= 0)
    exact = rf"(?<!\d)(?:{either})\s?[:.h]\s?" + r"\s?[:.]\s?".join(rest) + r"(?!\d)"
    return exact if set("".join(rest)) != {"0"} else rf"{exact}|(?<!\d)(?:{either})(?![\d:])"


def _ratio(text: str) -> str:
    first, second = re.split("[:/]", text)
    return rf"(?<!\d){first}\s?[-:/\u2013\u2044]\s?{second}(?!\d)"


def _dimensions(text: str) -> str:
    first, second = re.split("[ x\u00d7]+", text)
    return rf"(?<!\d){first}\s?[x\u00d7]\s?{second}(?!\d)"


def _of_integer(number: int, target: str, clock: bool, decade: bool) -> list[str]:
    ways = []
    if clock:
        others = {(number + 12) % 24, number - 12} if number <= 24 else set()
        ways += [rf"(?<![\d.,]){n}(?!\d)" for n in others if n >= 0]
    if decade and number % 10 == 0 and number > 99:
        ways.append(rf"(?<!\d){number % 100}(?:er|s|['\u2019]s)")
    return ways
