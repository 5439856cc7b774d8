"""LRU cache of translations, weighted by their size."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from cachetools import LRUCache

from tformer.model.translation import Hypothesis, Translation

OVERHEAD = 200
"""Characters that an entry counts for besides those of its texts."""

_OF_LINK = 200
"""Characters that a link, or the score of a piece, counts for: what its Python objects take."""


class _Cached(NamedTuple):
    translation: Translation
    size: int


class TranslationCache:
    """The latest translations, of ``max_characters`` together.

    A key has to hold everything on which the translation depends; see `TranslationService`.
    """

    def __init__(self, max_characters: int) -> None:
        """Start empty; a cache of no characters stays so."""
        self._entries: LRUCache[Hashable, _Cached] = LRUCache(
            max_characters, getsizeof=lambda entry: entry.size
        )

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Translation | None:
        """Return the translation if it is there, and mark it as used."""
        entry = self._entries.get(key)
        return entry.translation if entry else None

    def put(self, key: Hashable, translation: Translation, source: str) -> None:
        """Keep a translation of ``source``; the least recently used make room."""
        size = OVERHEAD + len(source) + sum(map(_size, translation.hypotheses))
        if key not in self._entries and size <= self._entries.maxsize:
            self._entries[key] = _Cached(translation, size)


def _size(hypothesis: Hypothesis) -> int:
    links = len(hypothesis.alignment or ()) + len(hypothesis.piece_scores or ())
    return len(hypothesis.text) + _OF_LINK * links
