"""Literals in a translation: found again, and cut out where there are too many."""

import re
from collections.abc import Sequence

from tformer.documents.inline.layout import Source, Spot


def _is_findable(shown: str) -> bool:
    """Return whether a literal can be recognised in a translation: a blank is nothing special
    there."""
    return bool(shown.strip()) or shown in ("\n", "\t")


def _pattern(shown: str) -> re.Pattern[str]:
    """A literal that begins or ends like a word is not part of a longer one."""
    before = r"(?<!\w)" if re.match(r"\w", shown) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", shown) else ""
    return re.compile(before + re.escape(shown) + after)


def _occurrences(shown: str, text: str, taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [
        match.span()
        for match in _pattern(shown).finditer(text)
        if all(match.end() <= start or end <= match.start() for start, end in taken)
    ]


def _by_literal(source: Source) -> list[tuple[str, list[Spot]]]:
    """The findable literals and where each is in the source, the longest first."""
    spots: dict[str, list[Spot]] = {}
    for spot in source.alone:
        if _is_findable(spot.shown):
            spots.setdefault(spot.shown, []).append(spot)
    return sorted(spots.items(), key=lambda item: -len(item[0]))


def cut_surplus(source: Source, target: str) -> tuple[str, bool]:
    """Remove copies of literals that the source does not have; ordinary words may be repeated."""
    taken: list[tuple[int, int]] = []
    surplus: list[tuple[int, int]] = []
    for shown, spots in _by_literal(source):
        places = _occurrences(shown, target, taken)
        taken += places
        if not shown.strip().isalnum():
            surplus += places[max(len(spots), len(_occurrences(shown, source.plain, ()))) :]
    for start, end in sorted(surplus, reverse=True):
        target = target[:start].rstrip(" ") + target[end:]
    return target, bool(surplus)


def find_literals(source: Source, target: str) -> dict[int, tuple[int, int]]:
    """Range of each literal in the target, by number; lost ones are missing."""
    found: dict[int, tuple[int, int]] = {}
    for shown, spots in _by_literal(source):
        places = _occurrences(shown, target, list(found.values()))
        for spot, place in zip(spots, _best(spots, places, source, target), strict=False):
            found[spot.number] = place
    return found


def _best(
    spots: Sequence[Spot], places: Sequence[tuple[int, int]], source: Source, target: str
) -> Sequence[tuple[int, int]]:
    """As many places as there are spots, those that are nearest to where one would expect them.

    A word such as `in` may be a literal once and an ordinary word elsewhere.
    """
    if len(places) <= len(spots):
        return places
    scale = len(target) / max(1, len(source.plain))
    free = list(places)
    chosen = []
    for spot in spots:
        nearest = min(free, key=lambda place: abs(place[0] - spot.start * scale))
        free.remove(nearest)
        chosen.append(nearest)
    return sorted(chosen)
