"""Return whether a translation says the numbers, dates and amounts of its source. No torch here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tformer.model.literals.finding import Literal
from tformer.model.literals.renderings import (
    CURRENCIES,
    MEASURES,
    UNITS,
    may_say_numbers,
    says_in_words,
    words_for,
    written,
)
from tformer.model.translation import Span

_NUMBER = re.compile(r"\d+(?:[-.,:/'\u2019]\d+)*")

_SIGN_BEFORE = re.compile(rf"([{CURRENCIES}])[ \u00a0]?$")
_SIGN_BEHIND = re.compile(rf"[ \u00a0]?([{CURRENCIES}])")

_ANY_UNIT = re.compile(rf"(?:[ \u00a0-]?(?:US-)?(?:{'|'.join(UNITS.values())})\w*)?", re.IGNORECASE)

CLOSE = 6
"""Characters between numbers that have one unit together: "5 to 10 dollars"."""


@dataclass(frozen=True)
class Verdict:
    """Result of verifying a translation."""

    places: tuple[tuple[Literal, Span], ...]
    """Literals, and where the translation writes them."""
    missing: tuple[Literal, ...]
    """Literals that it does not say."""
    surplus: tuple[Span, ...]
    """Numbers of the translation that stand for no literal."""
    repeated: tuple[Literal, ...] = ()
    """Literals that it says more often than the source does, if none is missing."""


def verify(literals: Sequence[Literal], source: str, target: str, language: str) -> Verdict:
    """Look for the literals of a source text in its translation.

    Args:
        literals: of kinds that are checked.
        source: the text that they are in.
        target: its translation.
        language: that of the translation.
    """
    taken: list[Span] = []
    places: dict[Literal, Span] = {}
    # The longest first, for a part of it may be a literal too.
    for literal in sorted(literals, key=lambda one: (-len(one.text), one.start)):
        if span := _first_free(written(literal, source, language), target, taken):
            places[literal] = span
            taken.append(span)
    missing = [
        one
        for one in literals
        if one not in places and not _in_words(one, source, target, language)
    ]
    surplus = [
        match.span()
        for match in _NUMBER.finditer(target)
        if not any(match.start() < end and start < match.end() for start, end in taken)
    ]
    said = {_digits(target[slice(*span)]) for span in surplus}
    repeated = tuple(
        one
        for one in literals
        if not missing
        and (
            _is_again(_digits(one.text), said, source) or _is_longer(places.get(one), taken, target)
        )
    )
    return Verdict(tuple(places.items()), tuple(missing), tuple(surplus), repeated)


def invented_numbers(verdict: Verdict, target: str, source: str, language: str) -> tuple[str, ...]:
    """Numbers of two digits or more that nothing in a source of this language can have become."""
    if verdict.missing or not verdict.surplus:
        return ()
    known = {_digits(each) for each in _NUMBER.findall(source)}
    numbers = [target[slice(*span)] for span in verdict.surplus]
    found = [each for each in numbers if len(_digits(each)) > 1 and _digits(each) not in known]
    return () if found and may_say_numbers(source, language) else tuple(found)


def _is_again(digits: str, said: set[str], source: str) -> bool:
    """Return whether surplus numbers repeat a literal, and not a word of the source."""
    return digits in said and (len(digits) > 1 or not says_in_words(int(digits), source))


def _is_longer(place: Span | None, taken: Sequence[Span], target: str) -> bool:
    """Return whether a literal is part of a longer number that no other literal explains."""
    if place is None:
        return False
    for match in _NUMBER.finditer(target):
        if match.start() <= place[0] and place[1] <= match.end():
            at = range(*match.span())
            return any(
                target[i].isdigit() and not any(start <= i < end for start, end in taken)
                for i in at
            )
    return False


def missing_units(source: str, target: str) -> list[str]:
    """The signs of amounts that a source has beside a number and its translation does not say."""
    return _unsaid(UNITS, _beside_number, source, target)


def signs_of(literal: Literal, source: str) -> list[str]:
    """The signs and codes of amounts beside a number."""
    before, behind = source[: literal.start].rstrip(), source[literal.end :].lstrip()
    return [sign for sign in UNITS if before.endswith(sign) or behind.startswith(sign)]


def numbers_without_units(verdict: Verdict, source: str, target: str) -> list[tuple[str, Span]]:
    """Signs of amounts, and the numbers of a translation that have lost them, while others have
    theirs; of numbers that follow each other closely the last one's is enough."""
    if verdict.missing:
        return []
    spans = sorted([*(span for _, span in verdict.places), *verdict.surplus])
    lonely = []
    for literal, span in verdict.places:
        ends = (_ANY_UNIT.match(target, end) for _, end in spans if end <= span[0])
        start = max((match.end() for match in ends if match), default=0)
        end = min((first for first, _ in spans if first >= span[1]), default=len(target))
        close = end < len(target) and end - span[1] <= CLOSE
        for sign in signs_of(literal, source) if not close else ():
            if not re.search(UNITS[sign], target[start:end], re.IGNORECASE):
                lonely.append((sign, span))
    return lonely


def missing_measures(source: str, target: str) -> list[str]:
    """The symbols of units that a source has behind a number and its translation does not say."""
    return _unsaid(MEASURES, _behind_number, source, target)


def _unsaid(
    signs: Mapping[str, str], place: Callable[[str], re.Pattern[str]], source: str, target: str
) -> list[str]:
    """Signs that stand at a number of the source, while the target says none of their forms."""
    return [
        sign
        for sign, ways in signs.items()
        if sign in source
        and place(sign).search(source)
        and not re.search(ways, target, re.IGNORECASE)
    ]


@lru_cache(64)
def _behind_number(unit: str) -> re.Pattern[str]:
    return re.compile(rf"\d[ \u00a0]?{unit}\b")


@lru_cache(64)
def _beside_number(sign: str) -> re.Pattern[str]:
    word = r"\b" if sign.isalpha() else ""
    shown = word + re.escape(sign) + word
    return re.compile(rf"{shown}\s?\d|\d\s?{shown}")


def wrong_currency(source: str, target: str, place: Span) -> Span | None:
    """Place of a sign of money beside a number of a translation, if its source has no such sign."""
    before = _SIGN_BEFORE.search(target, 0, place[0])
    behind = _SIGN_BEHIND.match(target, place[1])
    for match in (before, behind):
        if match and match[1] not in source:
            return match.span(1)
    return None


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _first_free(pattern: re.Pattern[str], text: str, taken: Sequence[Span]) -> Span | None:
    for match in pattern.finditer(text):
        start, end = match.span()
        if all(end <= first or last <= start for first, last in taken):
            return start, end
    return None


def _in_words(literal: Literal, source: str, target: str, language: str) -> bool:
    pattern = words_for(literal, source, language)
    return pattern is not None and pattern.search(target) is not None
