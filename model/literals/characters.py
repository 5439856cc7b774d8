"""Characters that a vocabulary cannot say, and what is shown to the network instead.

Accents that it does not know are dropped, full-width forms become ordinary ones, invisible
characters vanish; signs are taken out and put back; words of other scripts are literals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from tformer.model.literals.finding import ACCENTED, FOREIGN, UNSPEAKABLE, Literal
from tformer.model.literals.renderings import UNITS
from tformer.model.text.scripts import script_of, scripts_of

_INVISIBLE = re.compile(r"[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_JOINERS = frozenset("\u200c\u200d")
_BASES = str.maketrans(
    {"\u00f8": "o", "\u00d8": "O", "\u0142": "l", "\u0141": "L", "\u0111": "d", "\u0110": "D",
     "\u00f0": "d", "\u00d0": "D", "\u00fe": "th", "\u00de": "Th", "\u0127": "h", "\u0126": "H",
     "\u0167": "t", "\u0166": "T", "\u014b": "ng", "\u014a": "Ng", "\u00e6": "ae", "\u00c6": "Ae",
     "\u0153": "oe", "\u0152": "Oe", "\u0131": "i", "\u00df": "ss", "\u1e9e": "SS"}
)  # fmt: skip


class Characters:
    """Spelling of characters in a vocabulary."""

    def __init__(self, pieces: Callable[[str], Sequence[int]], names: Sequence[str]) -> None:
        """Characters of a vocabulary.

        Args:
            pieces: ids of a text's pieces.
            names: the pieces by id; those of bytes are ``<0xC3>``.
        """
        self._pieces = pieces
        self._names = names
        self._plain = set(" ")
        self.shown = lru_cache(4096)(self._shown)

    def are_plain(self, text: str) -> bool:
        """Return whether every character of a text can be shown as it is."""
        if self._plain.issuperset(text):
            return True
        self._plain.update(filter(self._is_known, set(text) - self._plain))
        return self._plain.issuperset(text)

    def _is_known(self, character: str) -> bool:
        """Return whether the vocabulary has a piece for a character, or one has met its bytes
        often."""
        if character in UNITS:
            return True
        if _INVISIBLE.match(character) or character in _JOINERS or character == "\u3000":
            return False
        if character.isspace():
            return True
        if "\uff01" <= character <= "\uff5e":
            return False
        if character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cs", "Co"):
            return True
        names = [self._names[token] for token in self._pieces(character)]
        return not any(name.startswith("<0x") or name == "<unk>" for name in names)

    def _shown(self, character: str) -> str | None:
        """Stand-in for a character; None for a sign that must be taken out."""
        if self.are_plain(character):
            return character
        if _INVISIBLE.match(character) or character in _JOINERS or unicodedata.combining(character):
            return ""
        if character == "\u3000":
            return " "
        for form in ("NFKC", "NFKD") if character.isalpha() or character > "\uff00" else ():
            folded = unicodedata.normalize(form, character).translate(_BASES)
            folded = "".join(c for c in folded if not unicodedata.combining(c))
            if folded.strip() and self.are_plain(folded):
                return folded
        return character if character.isalpha() else None

    def literals_in(self, text: str, languages: tuple[str, str]) -> list[Literal]:
        """Words of scripts that neither language uses, and signs that cannot be said."""
        if self.are_plain(text):
            return []
        ours = [scripts_of(language) for language in languages]
        found: list[Literal] = []
        if None not in ours:
            known: frozenset[str] = frozenset().union(*filter(None, ours))
            found += _foreign_words(text, known)
        taken = {at for one in found for at in range(one.start, one.end)}
        for at, character in enumerate(text):
            if at not in taken and self.shown(character) is None:
                found.append(Literal(UNSPEAKABLE, character, at))
        return found

    def names_in(self, text: str) -> list[Literal]:
        """Words with a capital and accents that are dropped, if they are in no dictionary: of
        several pieces."""
        return [
            Literal(ACCENTED, match[0], match.start())
            for match in _WORD.finditer(text)
            if match[0][0].isupper() and self._is_rare_name(match[0])
        ]

    def _is_rare_name(self, word: str) -> bool:
        word = unicodedata.normalize("NFC", word)
        shown = "".join(self.shown(c) or "" for c in word)
        return shown != word and self.are_plain(shown) and len(self._pieces(shown)) > 1


_BETWEEN = re.compile(r"[\s\u3000-\u303f\uff00-\uff0f,-]{0,3}")
_WORD = re.compile(r"[^\W\d_](?:[\w\u0300-\u036f\u0900-\u0dff]|['\u2019.-](?=\w))*")


def _foreign_words(text: str, known: frozenset[str]) -> list[Literal]:
    """Runs of words whose letters are all of scripts that are not known."""
    found: list[Literal] = []
    for match in _WORD.finditer(text):
        scripts = {script for script in map(script_of, match[0]) if script}
        if not scripts or scripts & known or "\uff00" <= match[0][0] <= "\uff5e":
            continue
        before = found[-1] if found else None
        if before and _BETWEEN.fullmatch(text, before.end, match.start()):
            found[-1] = Literal(FOREIGN, text[before.start : match.end()], before.start)
        else:
            found.append(Literal(FOREIGN, match[0], match.start()))
    return found
