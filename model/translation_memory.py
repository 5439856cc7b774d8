"""A translation memory: what has been translated before. No torch here.

    memory = TranslationMemory([Unit("Good morning.", "Guten Morgen.", "en", "de")])
    memory.find("Good  morning.", "en", "de")                # the unit, for the same text
    memory.near("Good morning, Anna.", "en", "de")           # units for texts that are alike

Texts are the same if they are after normalisation (`tformer.model.normalisation`): white space and
composition do not count, everything else does, capitals and full stops too. Where a memory has two
translations of one text, the later one counts; among memories the first.

**Near matches.** How much two texts are alike is what they have in common of all their characters,
2M / (|a| + |b|) with M the length of their longest common subsequence (RapidFuzz's `ratio`).
Comparing with every unit would take longer than translating, so only candidates are: those that
share the rarest words of the text, of a length that makes a match possible at all. A unit that has
none but frequent words in common with the text may so be overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from tformer.model.normalisation import normalise, same_language
from tformer.model.translation import MemoryMatch

ALIKE = 0.7
"""The least score of a near match: below it, translating anew is less work than correcting."""

MOST_SHARING = 4096
"""Units that are looked up for their words, at most, though always those of one word."""

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
    """Where it comes from, such as the name of a file."""


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
            self._neighbours[pair] = _Neighbours(list(units))
        alike = self._neighbours[pair].of(normalise(text), most)
        return tuple(matched(units[near], score) for near, score in alike)

    def covers(self, source: str | None, target: str | None) -> bool:
        """Whether it has units from one language to another."""
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

    def __init__(self, texts: Sequence[str]) -> None:
        """Index N texts: for every word the texts that have it, one word's after the other's."""
        self._texts = texts
        self._lengths = np.array([len(text) for text in texts], dtype=np.int64)
        self._words: dict[str, int] = {}
        words, owners = [], []
        for number, text in enumerate(texts):
            for word in _words(text):
                words.append(self._words.setdefault(word, len(self._words)))
                owners.append(number)
        order = np.argsort(np.array(words, dtype=np.int64), kind="stable")
        self._owners = np.array(owners, dtype=np.int64)[order]
        self._counts = np.bincount(
            np.array(words, dtype=np.int64), minlength=len(self._words)
        )  # by word
        self._starts = np.concatenate([[0], np.cumsum(self._counts)])

    def of(self, text: str, most: int) -> list[tuple[str, float]]:
        """The texts that are most like this one, with their scores."""
        candidates = [self._texts[number] for number in self._candidates(text)]
        found = process.extract(
            text, candidates, scorer=fuzz.ratio, limit=most, score_cutoff=100 * ALIKE
        )
        return [(near, round(score / 100, 4)) for near, score, _ in found]

    def _candidates(self, text: str) -> NDArray[np.int64]:
        known = [self._words[word] for word in _words(text) if word in self._words]
        rarest = self._rarest(sorted(known, key=lambda word: self._counts[word]))
        if not rarest:
            return np.empty(0, dtype=np.int64)
        owners = [self._owners[self._starts[word] : self._starts[word + 1]] for word in rarest]
        weights = np.log(len(self._texts) / self._counts[rarest]) + 1
        numbers, which = np.unique(np.concatenate(owners), return_inverse=True)
        shared = np.bincount(which, np.repeat(weights, [len(own) for own in owners]))
        shared[~self._of_possible_length(numbers, len(text))] = 0
        best = np.argsort(-shared, kind="stable")[:MOST_COMPARED]
        return numbers[best[shared[best] > 0]]

    def _rarest(self, words: Sequence[int]) -> list[int]:
        """Of words sorted by how many texts have them, the first that are not had by too many."""
        totals = np.cumsum(self._counts[list(words)])
        return list(words[: max(1, int(np.searchsorted(totals, MOST_SHARING, side="right")))])

    def _of_possible_length(self, numbers: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
        """Which texts could score enough if the shorter of the two were all in the longer."""
        lengths = self._lengths[numbers]
        return 2 * np.minimum(lengths, length) >= ALIKE * (lengths + length)


# Words; and of scripts without spaces between words, pairs of characters.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[^\W{_UNSPACED}]+|(?=([{_UNSPACED}]{{2}}))[{_UNSPACED}]|[{_UNSPACED}]")


def _words(text: str) -> set[str]:
    return {match[1] or match[0] for match in _WORD.finditer(text.casefold())}
