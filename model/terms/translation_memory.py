"""A translation memory: what has been translated before. No torch here.

    memory = TranslationMemory([Unit("Good morning.", "Guten Morgen.", "en", "de")])
    memory.find("Good  morning.", "en", "de")                # the unit, for the same text
    memory.near("Good morning, Anna.", "en", "de")           # units for texts that are alike

Texts are the same if they are after normalisation (`text.normalization`): white space and
composition do not count, everything else does, capitals and full stops too. Where a memory has two
translations of one text, the later one counts; among memories the first.

**Near matches.** How much two texts are alike is what they have in common of all their characters,
2M / (|a| + |b|) with M the length of their longest common subsequence (RapidFuzz's `ratio`).
Comparing with every unit would take longer than translating, so only candidates are: those that
share the rarest words of the text, of a length that makes a match possible at all. A unit that has
none but frequent words in common with the text may so be overlooked.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

from tformer.model.text.normalization import normalise, same_language
from tformer.model.text.scripts import UNSPACED
from tformer.model.translation import MemoryMatch

ALIKE = 0.7
"""The least score of a near match: below it, translating anew is less work than correcting."""

MOST_SHARING = 512
"""Units that are looked up for their words, at most; of one word those of the nearest length."""

MOST_COMPARED = 64
"""Candidates whose characters are compared, at most: those that share most."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A text and its translation."""

    source: str
    target: str
    source_language: str | None = None
    """BCP-47; None for whatever is translated from."""
    target_language: str | None = None
    """BCP-47; None for whatever is translated into."""
    origin: str = ""
    """Origin of the unit, such as the name of a file."""


class TranslationMemory:
    """Units of any number of language pairs."""

    def __init__(self, *memories: Iterable[Unit]) -> None:
        """Put memories together; of two units for one text, that of the earlier memory counts."""
        self._units = [unit for memory in reversed(memories) for unit in memory]
        self._by_source: dict[tuple[str | None, str | None], dict[str, Unit]] = {}
        self._neighbours: dict[tuple[str | None, str | None], _Neighbours] = {}

    def __len__(self) -> int:
        return len(self._units)

    def find(self, text: str, source: str | None, target: str | None) -> Unit | None:
        """The unit whose source is this text.

        Args:
            text: what is to be translated.
            source: its language; None for any.
            target: the language to translate into; None for any.
        """
        return self._of_pair(source, target).get(normalise(text))

    def near(
        self, text: str, source: str | None, target: str | None, *, most: int = 3
    ) -> tuple[MemoryMatch, ...]:
        """Units whose sources are like this text, at most so many, the most alike first.

        See `find` for the arguments.
        """
        units = self._of_pair(source, target)
        pair = source, target
        if pair not in self._neighbours:
            self._neighbours[pair] = _Neighbours(units)
        alike = self._neighbours[pair].of(normalise(text), most)
        return tuple(matched(units[near], score) for near, score in alike)

    def covers(self, source: str | None, target: str | None) -> bool:
        """Return whether it has units for a language pair."""
        return bool(self._of_pair(source, target))

    def _of_pair(self, source: str | None, target: str | None) -> dict[str, Unit]:
        """The units of a language pair by their normalised sources."""
        pair = source, target
        if pair not in self._by_source:
            self._by_source[pair] = {
                text: unit
                for unit in self._units
                if _serves(unit.source_language, source) and _serves(unit.target_language, target)
                if (text := normalise(unit.source)) and unit.target.strip()
            }
        return self._by_source[pair]


def matched(unit: Unit, score: float) -> MemoryMatch:
    """A unit as a match."""
    return MemoryMatch(unit.source, unit.target, score, unit.origin)


def _serves(own: str | None, wanted: str | None) -> bool:
    return own is None or wanted is None or same_language(own, wanted)


class _Neighbours:
    """Texts by their words, to find those that are like another one."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Index N texts: for every word the texts that have it, one word's after the other's.

        The texts are sorted by their lengths, and so are those of every word.
        """
        self._texts = sorted(texts, key=len)
        self._lengths = list(map(len, self._texts))
        self._words: dict[str, int] = {}
        words, owners = array("q"), array("q")
        for number, text in enumerate(self._texts):
            for word in _words(text):
                words.append(self._words.setdefault(word, len(self._words)))
                owners.append(number)
        by_word = np.array(words, dtype=np.int64)
        order = np.argsort(by_word, kind="stable")
        self._owners = array("q", np.array(owners, dtype=np.int64)[order].tobytes())
        counts = np.bincount(by_word, minlength=len(self._words))
        self._starts = array("q", np.concatenate([[0], np.cumsum(counts)]).tobytes())

    def of(self, text: str, most: int) -> list[tuple[str, float]]:
        """The texts that are most like this one, with their scores."""
        candidates = [self._texts[number] for number in self._candidates(text)]
        found = process.extract(
            text, candidates, scorer=fuzz.ratio, limit=most, score_cutoff=100 * ALIKE
        )
        return [(near, round(score / 100, 4)) for near, score, _ in found]

    def _candidates(self, text: str) -> Sequence[int]:
        """Numbers of texts of a possible length that share the rarest words, the rarest most."""
        middle = bisect_left(self._lengths, len(text))
        shared: dict[int, float] = {}
        for owners in self._of_rarest(text, middle):
            weight = math.log(len(self._texts) / len(owners)) + 1
            for number in owners:
                shared[number] = shared.get(number, 0.0) + weight
        if len(shared) <= MOST_COMPARED:
            return list(shared)
        bound = sorted(shared.values(), reverse=True)[MOST_COMPARED - 1]
        more = [number for number, weight in shared.items() if weight > bound]
        equal = [number for number, weight in shared.items() if weight == bound]
        equal.sort(key=lambda number: abs(number - middle))
        return [*more, *equal[: MOST_COMPARED - len(more)]]

    def _of_rarest(self, text: str, middle: int) -> list[Sequence[int]]:
        """The texts that have each of the rarest words, as long as these are not too many."""
        first, last = self._of_possible_length(len(text))
        places = [
            self._owners_between(number, first, last)
            for word in _words(text)
            if (number := self._words.get(word)) is not None
        ]
        places = sorted((place for place in places if place[0] < place[1]), key=_extent)
        total, rarest = 0, list[Sequence[int]]()
        for start, end in places:
            total += end - start
            if total > MOST_SHARING and rarest:
                break
            rarest.append(self._owners[start:end])
        if total > MOST_SHARING and len(rarest) == 1:
            at = bisect_left(rarest[0], middle)
            start = max(0, min(at - MOST_COMPARED // 2, len(rarest[0]) - MOST_COMPARED))
            return [rarest[0][start : start + MOST_COMPARED]]
        return rarest

    def _owners_between(self, word: int, first: int, last: int) -> tuple[int, int]:
        """Range of a word's owners whose numbers lie in a range."""
        start, end = self._starts[word], self._starts[word + 1]
        start = bisect_left(self._owners, first, start, end)
        return start, bisect_left(self._owners, last, start, end)

    def _of_possible_length(self, length: int) -> tuple[int, int]:
        """The range of texts that could score enough if the shorter were all in the longer."""
        least = math.ceil(length * ALIKE / (2 - ALIKE) - 1e-9)
        most = math.floor(length * (2 - ALIKE) / ALIKE + 1e-9)
        return bisect_left(self._lengths, least), bisect_right(self._lengths, most)


def _extent(place: tuple[int, int]) -> int:
    return place[1] - place[0]


# Words; and of scripts without spaces between words, pairs of characters.
_WORD = re.compile(rf"[^\W{UNSPACED}]+|(?=([{UNSPACED}]{{2}}))[{UNSPACED}]|[{UNSPACED}]")


def _words(text: str) -> set[str]:
    return {match[1] or match[0] for match in _WORD.finditer(text.casefold())}
