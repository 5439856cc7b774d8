"""Dictionary of texts that were translated, or are in work: bounded, the least recent go first.

Results lie packed under a digest of their text, so that 65,536 sentences take about 14 MiB, a third
of what they take as objects: the memory of a job hardly depends on how many rows it has.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from tformer.dataset.files.blocks import CellTranslation

MOST_TEXTS = 1 << 16
MOST_BYTES = 1 << 23
"""Bytes of all packed results."""


@dataclass(eq=False, slots=True)
class PendingText:
    """A text and, once it is there, its translation."""

    text: str
    result: CellTranslation | None = None


class TextDictionary:
    """Texts with their translations.

    Two generations share the bounds: what is asked for moves to the recent one, and when that is
    full, the older one is forgotten.
    """

    def __init__(self, most_texts: int = MOST_TEXTS, most_bytes: int = MOST_BYTES) -> None:
        """An empty dictionary with its bounds."""
        self._in_work: dict[str, PendingText] = {}
        self._recent: dict[bytes, bytes] = {}
        self._older: dict[bytes, bytes] = {}
        self._num_bytes = 0
        self._most_texts = most_texts
        self._most_bytes = most_bytes

    def find(self, text: str) -> PendingText | None:
        """The entry of a text, which is the most recent now."""
        if entry := self._in_work.get(text):
            return entry
        key = _key(text)
        packed = self._recent.get(key)
        if packed is None:
            packed = self._older.pop(key, None)
            if packed is None:
                return None
            self._keep(key, packed)
        return PendingText(text, _unpacked(packed))

    def add(self, text: str) -> PendingText:
        """A new entry, of a text in work."""
        entry = self._in_work[text] = PendingText(text)
        return entry

    def finish(self, entry: PendingText, result: CellTranslation) -> None:
        """Give an entry its result; others make room for it."""
        entry.result = result
        self._in_work.pop(entry.text, None)
        self._keep(_key(entry.text), _packed(result))

    def _keep(self, key: bytes, packed: bytes) -> None:
        if 2 * (len(self._recent) + 1) > self._most_texts or (
            2 * (self._num_bytes + len(packed)) > self._most_bytes
        ):
            self._older, self._recent, self._num_bytes = self._recent, {}, 0
        self._recent[key] = packed
        self._num_bytes += len(packed)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _packed(result: CellTranslation) -> bytes:
    record = (result.text, result.score, result.language, result.warnings)
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _unpacked(packed: bytes) -> CellTranslation:
    text, score, language, warnings = json.loads(packed.decode("utf-8", "surrogatepass"))
    return CellTranslation(text, score, language, tuple(warnings))
