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

_POLITE = re.compile(r"IHR(?:E[MNRS]?)?|IHNEN|SIE")
"""Pattern of German for "you" and "your": signs and headings in capitals speak to who reads
them."""

_DETERMINER = re.compile(
    r"(?:D(?:IE|AS|E[NMRS])|(?:EIN|KEIN|MEIN|DEIN|SEIN|IHR|UNSER|DIES|JED|ALL)(?:E[NMRS]?)?|"
    r"IM|AM|VOM|ZUM|ZUR|BEIM|INS|ANS|F\u00dcR|OHNE|BEI|MIT|AUS|NACH)"
)
_NOUN = re.compile(r"\w{2,}(?:UNG|HEIT|KEIT|SCHAFT|TION|T\u00c4T|NIS|TUM|LING|MENT)(?:E[NSR]?|S)?")
_NO_NOUN = re.compile(
    r"\w*(?:E[NRMS]?|(?<![TFHSX])T|END|ST)|\w*(?:LICH|IG|ISCH|BAR|SAM|LOS|HAFT)(?:E[NMRS]?)?"
)
_BEHIND_NOUN = re.compile(
    r"ZU|UND|ODER|IST|SIND|WAR|WIRD|HAT|NICHT|I[NM]|AUF|A[NM]|VO[NMR]|MIT|BIS|F\u00dcR|BEI|"
)
"""Patterns of German words in capitals: one that a noun follows, nouns, what is seldom one, and
what no adjective stands before."""

FEWEST_CAPITALS = 6
"""Letters of a text that can be called one in capitals, at least, and in two words."""

FEWEST_TITLE_WORDS = 4
"""Words of a heading in which nearly all begin with capitals, at least."""

MOSTLY = 0.75
"""Share of the words of such a heading."""


MOST_CAPITALS = 0.75
"""Share of the words of a text in capitals that are, if the others are names."""


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
        parts = text.split()
        has_small = any(len(part) > 1 and part.isalpha() and part.islower() for part in parts)
        words = [] if has_small else _WORD.findall(text)
        if words and (text.isupper() or _is_in_capitals_but_for_names(words)):
            letters = sum(map(len, words))
            several = sum(len(word) > 1 for word in words) > 1
            enough = letters >= FEWEST_CAPITALS and (several or any(map(self._is_known, words)))
            return Casing.CAPITALS if enough else Casing.USUAL
        if len(parts) < FEWEST_TITLE_WORDS:
            return Casing.USUAL
        if sum(part[0].isupper() for part in parts) < MOSTLY * len(parts):
            return Casing.USUAL
        words = _WORD.findall(text)
        odd = sum(word.istitle() and self._usual(word).islower() for word in words[1:])
        return Casing.TITLE if odd >= 2 and odd >= 0.3 * (len(words) - 1) else Casing.USUAL

    def usual(self, text: str, casing: Casing, language: str = "") -> str:
        """A text as one would write it otherwise; every letter stays in its place."""
        if casing is Casing.USUAL:
            return text
        shown = _WORD.sub(lambda match: self._written(match[0], casing), text)
        if casing is Casing.CAPITALS and language.startswith("de"):
            shown = self._with_nouns(shown, text)
        if casing is Casing.CAPITALS and language.startswith("en"):
            shown = re.sub(r"(?<=\bthe )us\b", "US", shown, flags=re.IGNORECASE)
        first = _WORD.search(shown)
        if first:
            at = first.start()
            shown = shown[:at] + shown[at].upper() + shown[at + 1 :]
        return shown if len(shown) == len(text) else text

    def with_eszett(self, text: str) -> list[tuple[int, int, str]]:
        """Words of a German text in capitals whose SS is an \u00df, as they are usually written.

        Returns:
            Start, end and spelling of each.
        """
        places = [(*m.span(), self._eszett(m[0])) for m in _WORD.finditer(text) if "SS" in m[0]]
        first = _WORD.search(text)
        return [
            (start, end, word[0].upper() + word[1:] if first and start == first.start() else word)
            for start, end, word in places
            if word
        ]

    def _eszett(self, word: str) -> str:
        """Spelling of a word with \u00df if it is a better one; "" if not."""
        usual = self._usual(word)
        others = [
            re.sub("ss", "\u00df", form) for form in (word.lower(), word.lower().capitalize())
        ]
        best = min(others, key=lambda form: len(self._pieces(form)))
        return best if len(self._pieces(best)) < len(self._pieces(usual)) else ""

    def _is_known(self, word: str) -> bool:
        """Return whether a word is in the vocabulary when it is not in capitals."""
        usual = self._usual(word)
        return not usual.isupper() and len(self._pieces(usual)) == 1 < len(self._pieces(word))

    def _with_nouns(self, shown: str, text: str) -> str:
        """German in which words that are probably nouns have capitals."""
        letters = list(shown)
        matches = [*_WORD.finditer(text)]
        words = ["", *(match[0] for match in matches), ""]
        for number, match in enumerate(matches):
            before, word, behind = words[number : number + 3]
            at = match.start()
            is_rare = len(word) > 3 and len(self._pieces(shown[at : match.end()])) > 1
            follows = len(word) > 2 and bool(_DETERMINER.fullmatch(before))
            seldom = bool(_NO_NOUN.fullmatch(word))
            if follows and _BEHIND_NOUN.fullmatch(behind):
                seldom = bool(_DETERMINER.fullmatch(word))
            if _NOUN.fullmatch(word) or ((is_rare or follows) and not seldom):
                letters[at] = letters[at].upper()
        return "".join(letters)

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


def _is_in_capitals_but_for_names(words: Sequence[str]) -> bool:
    """Return whether most words are in capitals, and the others are names: NOT FOR Python."""
    long = [word for word in words if len(word) > 1]
    others = [word for word in long if not word.isupper()]
    if len(long) < FEWEST_TITLE_WORDS or len(others) > (1 - MOST_CAPITALS) * len(long):
        return False
    return all(word[0].isupper() and word.istitle() for word in others)
