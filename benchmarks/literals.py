"""Counts literals that a translation loses, changes or says twice, with a warning or without.

    python benchmarks/literals.py [--lines 200] [--set PATH ...] [--off]

Lines of many kinds are generated: a literal alone, and in ordinary sentences, in both directions.
Of the lines of ``--set`` (files named ``X.en-de.en`` and the like) those with literals count. A
literal is kept if it is in the translation as it was or, of numbers, dates and times, as the target
language writes it.
"""

from __future__ import annotations

import argparse
import random
import re
import string
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tformer.model import DecodingOptions, Translator
from tformer.model.literals.finding import find
from tformer.model.translation import kind_of

R = random.Random(7)


def digits(number: int) -> str:
    """So many digits, the first not 0."""
    return str(R.randint(10 ** (number - 1), 10**number - 1))


def letters(number: int) -> str:
    """So many small letters."""
    return "".join(R.choices(string.ascii_lowercase, k=number))


def hexadecimal(number: int) -> str:
    """So many digits to the base 16, of both kinds."""
    return "a7" + "".join(R.choices("0123456789abcdef", k=number - 2))


def date(form: str) -> str:
    """Day, month and year in a form."""
    return form.format(R.randint(1, 28), R.randint(1, 12), R.randint(1900, 2030))


MAKERS: dict[str, Callable[[], str]] = {
    "integer of 2 to 4 digits": lambda: digits(R.randint(2, 4)),
    "integer of 5 to 7 digits": lambda: digits(R.randint(5, 7)),
    "integer of 8 to 12 digits": lambda: digits(R.randint(8, 12)),
    "round number": lambda: str(R.randint(1, 99)) + "0" * R.randint(3, 7),
    "decimal": lambda: f"{R.randint(1, 999)}.{digits(2)}",
    "grouped": lambda: f"{R.randint(1, 999999) * 1000 + R.randint(0, 999):,}",
    "amount": lambda: f"${R.randint(1, 9999):,}.{R.randint(10, 99)}",
    "percentage": lambda: f"{R.randint(1, 100)}%",
    "date, ISO": lambda: date("{2}-{1:02}-{0:02}"),
    "date, German": lambda: date("{0:02}.{1:02}.{2}"),
    "date, American": lambda: date("{1}/{0}/{2}"),
    "time": lambda: f"{R.randint(0, 23):02}:{R.randint(0, 59):02}",
    "phone number": lambda: f"+49 {digits(3)} {digits(7)}",
    "IBAN": lambda: f"DE{digits(2)} {' '.join(digits(4) for _ in range(4))} {digits(2)}",
    "card": lambda: " ".join(digits(4) for _ in range(4)),
    "hash": lambda: hexadecimal(R.choice((8, 32, 40))),
    "UUID": lambda: "-".join(map(hexadecimal, (8, 4, 4, 4, 12))),
    "version": lambda: f"v{R.randint(0, 9)}.{R.randint(0, 30)}.{R.randint(0, 30)}",
    "part number": lambda: f"{letters(2).upper()}-{digits(4)}-{letters(2).upper()}",
    "IP address": lambda: ".".join(str(R.randint(1, 255)) for _ in range(4)),
    "URL": lambda: f"https://{letters(6)}.example.com/{letters(4)}?{letters(2)}={digits(3)}",
    "e-mail": lambda: f"{letters(5)}.{letters(4)}@{letters(6)}.org",
    "path": lambda: f"/var/{letters(5)}/{letters(4)}.log",
    "Windows path": lambda: rf"C:\{letters(5)}\{letters(4)}.txt",
    "handle": lambda: f"@{letters(4)}_{digits(2)}",
    "hashtag": lambda: f"#{letters(5).title()}{digits(2)}",
    "placeholder, braces": lambda: f"{{{{{letters(4)}.{letters(3)}}}}}",
    "placeholder, format": lambda: R.choice(("%s", "%1$s", "%(name)s", "{0}", "${count}", "%d")),
    "emoji": lambda: R.choice("👋👏😀🎉🚗🐶🌍") * R.randint(1, 3),
    "foreign script": lambda: R.choice(("今天", "привет", "مرحبا", "Ελλάδα", "서울")),
    "MAC address": lambda: ":".join(hexadecimal(2) for _ in range(6)),
    "dimensions": lambda: f"{R.randint(2, 99)}x{R.randint(2, 99)}",
}

AROUND = {
    "en": (
        "{}",
        "Please look at {} and tell me.",
        "We got {} yesterday.",
        "The value {} is not right.",
        "I have read about {}, and it was good.",
        "See {}.",
    ),
    "de": (
        "{}",
        "Bitte sieh dir {} an und sag es mir.",
        "Wir haben gestern {} bekommen.",
        "Der Wert {} ist nicht richtig.",
        "Ich habe über {} gelesen, und es war gut.",
        "Siehe {}.",
    ),
}

LOW = {
    "de": "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "en": "zero one two three four five six seven eight nine ten eleven twelve",
}
NUMBER = re.compile(
    r"(?<!\d)\d{1,3}(?:[\u00a0\u202f\ ]\d{3})+(?!\d) | \d+(?:[.,:/'\u2019-]\d+)*", re.VERBOSE
)


def times_said(literal: str, source: str, target: str, language: str) -> bool:
    """Return whether a translation says a literal as often as its source does.

    Nothing of the product's own verification is used: a literal is there as it was, or its digits
    are, in one number with other separators, as the parts of a date in another order, as a time of
    the other clock, or in words up to twelve.
    """
    alone = re.compile(rf"(?<![\d]){re.escape(literal)}(?![\d])")
    wanted = len(alone.findall(source))
    if len(alone.findall(target)) == wanted:
        return True
    if not (digits := re.sub(r"\D", "", literal)) or re.search(r"[^\W\d_]{3}|[@\\\\{}#%]", literal):
        return False
    numbers = NUMBER.findall(target)
    runs = [re.sub(r"\D", "", run) for run in NUMBER.findall(source) if literal in run]
    if runs and all(run in {re.sub(r"\D", "", each) for each in numbers} for run in runs):
        return True
    parts = sorted(part.lstrip("0") for part in re.findall(r"\d+", literal))
    same = sum(re.sub(r"\D", "", each) == digits for each in numbers)
    moved = sum(
        sorted(p.lstrip("0") for p in re.findall(r"\d+", each)) == parts for each in numbers
    )
    clock = re.fullmatch(r"(\d{1,2})(?:[:.](\d\d))?(?:\D.*)?", literal)
    afternoon = re.match(r"\s?[ap]\.?m", source.partition(literal)[2])
    other = bool(clock) and any(
        re.fullmatch(rf"0?{(int(clock[1]) + shift) % 24}(?:[:.]{clock[2] or '00'})?", each)
        for shift in ((0, 12) if clock[2] or afternoon else ())
        for each in numbers
        if clock
    )
    spelled = (
        len(digits) < 3
        and int(digits) < 13
        and LOW[language].split()[int(digits)] in target.lower()
    )
    return wanted in (same, moved) or other or spelled


def measure(
    translator: Translator,
    pairs: Sequence[tuple[str, Sequence[str]]],
    languages: tuple[str, str],
    options: DecodingOptions,
) -> Counter[str]:
    """Measure the translation of lines and their literals."""
    found: Counter[str] = Counter()
    texts = [text for text, _ in pairs]
    answers = translator.translate(texts, source=languages[0], target=languages[1], options=options)
    for (text, literals), answer in zip(pairs, answers, strict=True):
        kept = all(times_said(one, text, answer.text, languages[1]) for one in literals)
        kept = kept and ("\ufffd" not in answer.text or "\ufffd" in text)
        warned = any(kind_of(w) in ("literal", "guard", "language") for w in answer.warnings)
        found["lines"] += 1
        found["literal warnings"] += any(kind_of(w) == "literal" for w in answer.warnings)
        found["not kept, silent"] += not kept and not warned
        found["not kept"] += not kept
        if not kept and not warned and found["not kept, silent"] <= 3:
            print(f"      {text!r} -> {answer.text!r}")
    return found


def main() -> None:
    """Generate, translate, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--set", nargs="*", default=[], type=Path)
    parser.add_argument("--off", action="store_true", help="measure without the guarantee")
    given = parser.parse_args()
    translator = Translator.load("en-de")
    options = DecodingOptions(literals=not given.off)
    sums: Counter[str] = Counter()
    for languages in (("en", "de"), ("de", "en")):
        for kind, make in MAKERS.items():
            made = [make() for _ in range(given.lines)]
            around = AROUND[languages[0]]
            pairs = [(around[n % len(around)].format(one), [one]) for n, one in enumerate(made)]
            found = measure(translator, pairs, languages, options)
            sums += found
            print(f"{'-'.join(languages)} {kind}: {dict(found)}", flush=True)
    print(f"generated: {dict(sums)}")
    for path in given.set:
        source = path.suffix[1:]
        languages = (source, "de" if source == "en" else "en")
        lines = path.read_text("utf-8").splitlines()
        pairs = [(line, [one.text for one in find(line)]) for line in lines]
        pairs = [pair for pair in pairs if pair[1]]
        begun = time.monotonic()
        found = measure(translator, pairs, languages, options)
        print(f"{path.name}: {dict(found)} in {time.monotonic() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
