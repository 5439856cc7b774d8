"""A kind of literals, and its way through decoding. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Role(Enum):
    """Way of a kind through decoding."""

    CARRIED = auto()
    """A short name takes its place while the sentence is decoded."""
    CHECKED = auto()
    """The network reads and says it; afterwards it is looked for in the translation."""
    FLOATING = auto()
    """It is taken out, and put back where the words beside it went."""


@dataclass(frozen=True)
class Kind:
    """One kind of literal."""

    name: str
    pattern: str
    """A verbose regular expression without groups that capture."""
    example: str
    role: Role = Role.CARRIED
