"""Translations that have been made before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from tformer.model.translation import Hypothesis, Translation

OVERHEAD = 200
"""Characters that an entry counts for besides those of its texts."""

_OF_LINK = 200
"""Characters that a link, or the score of a piece, counts for: what its Python objects take."""


class Cache:
    """The translations that were asked for last, as many as have ``max_characters`` together.

    A key has to tell everything on which the translation depends; see `TranslationService`.
    """

    def __init__(self, max_characters: int) -> None:
        """An empty cache; one for no characters stays empty."""
        self._max_characters = max_characters
        self._entries: OrderedDict[Hashable, tuple[Translation, int]] = OrderedDict()
        self._characters = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Translation | None:
        """The translation, if it is there; it is then the last to be thrown out."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: Hashable, translation: Translation, source: str) -> None:
        """Keep a translation of ``source``, and throw out those that were not asked for longest."""
        if key in self._entries:
            return
        size = OVERHEAD + len(source) + sum(map(_size, translation.hypotheses))
        if size > self._max_characters:
            return
        self._entries[key] = translation, size
        self._characters += size
        while self._characters > self._max_characters:
            _, (_, freed) = self._entries.popitem(last=False)
            self._characters -= freed


def _size(hypothesis: Hypothesis) -> int:
    told = len(hypothesis.alignment or ()) + len(hypothesis.piece_scores or ())
    return len(hypothesis.text) + _OF_LINK * told
