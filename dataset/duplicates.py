"""Dictionary of texts that were translated, or are in work: bounded, the least recent go first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from tformer.dataset.blocks import CellTranslation

MOST_TEXTS = 1 << 16
MOST_CHARACTERS = 1 << 24


@dataclass(eq=False, slots=True)
class PendingText:
    """A text and, once it is there, its translation."""

    text: str
    result: CellTranslation | None = None


class TextDictionary:
    """Texts with their translations."""

    def __init__(
        self, most_texts: int = MOST_TEXTS, most_characters: int = MOST_CHARACTERS
    ) -> None:
        """An empty dictionary with its bounds."""
        self._entries: OrderedDict[str, PendingText] = OrderedDict()
        self._characters = 0
        self._most_texts = most_texts
        self._most_characters = most_characters

    def find(self, text: str) -> PendingText | None:
        """The entry of a text, which is the most recent now."""
        entry = self._entries.get(text)
        if entry is not None:
            self._entries.move_to_end(text)
        return entry

    def add(self, text: str) -> PendingText:
        """A new entry; others make room for it."""
        entry = self._entries[text] = PendingText(text)
        self._characters += len(text)
        while len(self._entries) > self._most_texts or self._characters > self._most_characters:
            oldest, _ = self._entries.popitem(last=False)
            self._characters -= len(oldest)
        return entry
