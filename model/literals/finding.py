"""Literals in a text. No torch here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tformer.model.literals.kind import Kind, Role
from tformer.model.literals.kinds import KINDS

_PATTERN = re.compile("|".join(f"({kind.pattern})" for kind in KINDS), re.VERBOSE)

# Every literal begins in a word that has one of these.
_MARK = (
    r"[^\sA-Za-z\u00c0-\u024f,.;!?'\"()\u2018-\u201e\u2013-]|[.][A-Za-z]|--|[(][)]|[:;=8xX]-?[)(]"
    r"|[A-Z]{8}|[A-Z]{4}-[A-Z]{4}|[a-z]{2}[A-Z][a-z0-9]|[MDCLXVI]{3}|[A-Za-z]{2,8}[-_][A-Za-z0-9]{16}"
    r"|(?:RFC|ISO|DIN|IEC|IEEE|ANSI|NIST|ECMA|VDE|CVE|CWE|EN)[ \u00a0]"
)
_CANDIDATE = re.compile(rf"(?<!\S)(?=\S{{0,2000}}?(?:{_MARK}))\S+")

# A character of every mark: most texts have none, which one set of characters tells soon.
_SIGN = re.compile(
    r"[^\sa-z\u00c0-\u024f,;!?'\"\u2018-\u201e\u2013]"
    r"(?:(?<=[^A-Z.()-])|(?<=[A-Za-z][A-Z])|(?<=[.])(?=[A-Za-z])|(?<=--)|(?<=-)(?=[A-Za-z0-9]{16})"
    r"|(?<=[(])(?=[)])|(?<=[;xX][()])|(?<=[;xX]-[()]))"
)


@dataclass(frozen=True)
class Literal:
    """A literal in a text."""

    kind: Kind
    text: str
    start: int
    """The first of its characters."""

    @property
    def end(self) -> int:
        """Behind the last of its characters."""
        return self.start + len(self.text)

    @property
    def role(self) -> Role:
        """Way through decoding."""
        return self.kind.role


FOREIGN = Kind("foreign script", "", "\u4eca\u5929", Role.CARRIED)
"""A word in a script that neither language uses."""

ACCENTED = Kind("name with accents", "", "Dvo\u0159\u00e1k", Role.CHECKED)
"""A word, perhaps a name, with letters for which the vocabulary has no piece."""

UNSPEAKABLE = Kind("sign", "", "\u2318", Role.FLOATING)
"""A sign for which the vocabulary has no piece."""


def find(text: str) -> list[Literal]:
    """The literals of a text that a pattern tells, in its order; no two overlap."""
    found: list[Literal] = []
    sign = _SIGN.search(text)
    if sign is None:
        return found
    at = 0
    for word in _CANDIDATE.finditer(text, text.rfind(" ", 0, sign.start()) + 1):
        at = max(at, word.start())
        while at < word.end():
            match = _PATTERN.match(text, at)
            if match and match[0]:
                found.append(_literal(match))
                at = match.end()
            else:
                at += 1
    return found


def is_literal(text: str, literals: Sequence[Literal]) -> bool:
    """Return whether a text has no letter outside its literals."""
    at = 0
    for one in literals:
        if _has_letter(text[at : one.start]):
            return False
        at = one.end
    return not _has_letter(text[at:])


def _literal(match: re.Match[str]) -> Literal:
    assert match.lastindex is not None
    return Literal(KINDS[match.lastindex - 1], match[0], match.start())


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)
