"""Text in capitals, as one would write it otherwise. No torch here.

A vocabulary that was learned from ordinary text knows how a word is usually written: that form has
the fewest pieces, and of two pieces the more frequent one came first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")

_POLITE = re.compile(r"IHR(?:E[MNRS]?)?|IHNEN")
"""Pattern of German for "your": signs and headings in capitals speak to who reads them."""

FEWEST_CAPITALS = 6
"""Letters of a text that can be called one in capitals, at least, and in two words."""

FEWEST_TITLE_WORDS = 4
"""Words of a heading in which nearly all begin with capitals, at least."""

MOSTLY = 0.75
"""Share of the words of such a heading."""


class Casing(Enum):
    """Capitalisation of a text."""

    USUAL = auto()
    CAPITALS = auto()
    """LIKE THIS."""
    TITLE = auto()
    """Like This In A Heading."""


class Truecaser:
    """Writes words as a vocabulary knows them."""

    def __init__(self, pieces: Callable[[str], Sequence[int]]) -> None:
        """By the ids of the pieces of a text."""
        self._pieces = pieces
        self._usual = lru_cache(8192)(self._find_usual)

    def casing_of(self, text: str) -> Casing:
        """Capitalisation of a text; in doubt as usual."""
        if text.islower():
            return Casing.USUAL
        if text.isupper():
            words = _WORD.findall(text)
            letters = sum(map(len, words))
            enough = letters >= FEWEST_CAPITALS and sum(len(word) > 1 for word in words) > 1
            return Casing.CAPITALS if enough else Casing.USUAL
        parts = text.split()
        if len(parts) < FEWEST_TITLE_WORDS:
            return Casing.USUAL
        if sum(part[0].isupper() for part in parts) < MOSTLY * len(parts):
            return Casing.USUAL
        words = _WORD.findall(text)
        odd = sum(word.istitle() and self._usual(word).islower() for word in words[1:])
        return Casing.TITLE if odd >= 2 and odd >= 0.3 * (len(words) - 1) else Casing.USUAL

    def usual(self, text: str, casing: Casing) -> str:
        """A text as one would write it otherwise; every letter stays in its place."""
        if casing is Casing.USUAL:
            return text
        shown = _WORD.sub(lambda match: self._written(match[0], casing), text)
        first = _WORD.search(shown)
        if first:
            at = first.start()
            shown = shown[:at] + shown[at].upper() + shown[at + 1 :]
        return shown if len(shown) == len(text) else text

    def _written(self, word: str, casing: Casing) -> str:
        if casing is Casing.TITLE and not word.istitle():
            return word
        usual = self._usual(word)
        return usual if len(usual) == len(word) else word

    def _find_usual(self, word: str) -> str:
        if word.isupper() and _POLITE.fullmatch(word):
            return word.capitalize()
        forms = [word.lower(), word.lower().capitalize()]
        if word.isupper() and len(word) <= 4 and word.isascii():
            forms.append(word)
        ranked = [(len(ids), ids[0] if len(ids) == 1 else 0) for ids in map(self._pieces, forms)]
        best = min(range(len(forms)), key=lambda at: (*ranked[at], at))
        if word.istitle() and best == 0 and ranked[0][0] > 1:
            return word  # a name, for all that is known
        return forms[best]
