"""Word alignment between a segment and its translation."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tformer.documents.inline.layout import Ranges, Source

_WORD = re.compile(r"\S+")

_AROUND_WORDS = ".,;:!?()[]\"'\u201e\u201c\u201d\u2018\u2019\u00ab\u00bb"

Alignment = Iterable[tuple[int, int]]
"""Pairs of word numbers (source, target), from 0, words being what white space separates in
`Segment.plain` and in the translation: the Pharaoh format."""


class Correspondence:
    """Word alignment of a segment: source words to target words."""

    def __init__(
        self,
        source: Source,
        target: str,
        found: Ranges,
        alignment: Alignment | None,
    ) -> None:
        self.source = [match.span() for match in _WORD.finditer(source.plain)]
        self.target = [match.span() for match in _WORD.finditer(target)]
        self.found = found
        if alignment is None:
            self._targets = _same_words(source.plain, self.source, target, self.target)
        else:
            self._targets = self._checked(alignment)
        # A literal is where it was found, whatever a model attended to.
        for spot in source.alone:
            if spot.number in found:
                places = self._between(self.target, *found[spot.number])
                for word in self._between(self.source, spot.start, spot.end):
                    self._targets[word] = list(places)
        ends = {-1: -1.0, len(self.source): float(len(self.target))}
        middles = {i: sum(js) / len(js) for i, js in self._targets.items() if js}
        self._known = sorted({**ends, **middles}.items())

    def source_words(self, start: int, end: int) -> range:
        """The words that a part of the source touches."""
        return self._between(self.source, start, end)

    def of(self, word: int) -> list[int]:
        """The target words of a source word, by its neighbours if nothing is known of it."""
        if not self.target:
            return []
        return self._targets.get(word) or [self._guess(word)]

    def _guess(self, word: int) -> int:
        for (i, low), (k, high) in pairwise(self._known):
            if i <= word <= k:
                expected = low + (high - low) * (word - i) / (k - i)
                return min(max(round(expected), 0), len(self.target) - 1)
        raise AssertionError(f"word {word} is beyond the end")

    def _checked(self, alignment: Alignment) -> dict[int, list[int]]:
        targets: dict[int, list[int]] = {}
        for i, j in alignment:
            if 0 <= i < len(self.source) and 0 <= j < len(self.target):
                targets.setdefault(i, []).append(j)
        return targets

    @staticmethod
    def _between(words: Sequence[tuple[int, int]], start: int, end: int) -> range:
        first = bisect_right(words, start, key=lambda word: word[1])
        last = bisect_left(words, end, key=lambda word: word[0])
        return range(first, max(first, last))


def _same_words(
    source: str,
    source_words: Sequence[tuple[int, int]],
    target: str,
    target_words: Sequence[tuple[int, int]],
) -> dict[int, list[int]]:
    """Names and numbers: words that are there once in both texts."""
    sources, targets = _once(source, source_words), _once(target, target_words)
    return {i: [targets[word]] for word, i in sources.items() if word in targets}


def _once(text: str, words: Sequence[tuple[int, int]]) -> dict[str, int]:
    places: dict[str, list[int]] = {}
    for number, (start, end) in enumerate(words):
        if word := text[start:end].strip(_AROUND_WORDS).casefold():
            places.setdefault(word, []).append(number)
    return {word: numbers[0] for word, numbers in places.items() if len(numbers) == 1}
