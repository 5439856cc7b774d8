"""Parts of a file that stay as they are, since their reader could not understand them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

MOST_LEFT_PARTS = 1000
"""Parts of a file that are told of, at most."""

_SHOWN = 80
"""Characters of a part that are looked at and told."""


@dataclass(frozen=True)
class LeftPart:
    """A part of a file that its reader leaves as it is, since it could not understand it."""

    start: int
    end: int
    reason: str
    """Clause that goes on behind "left as it was, since"."""
    text: str = ""
    """Text that is told of, where it is not all of the part."""


@dataclass(frozen=True)
class LeftText:
    """A part that was left, as a person is told of it."""

    text: str
    """Its beginning."""
    warning: str
    """Clause with the reason and the place."""


def told(text: str, parts: Iterable[LeftPart], where: str = "line") -> Iterator[LeftText]:
    """Tell of the parts of a text that have words, in their order."""
    line, counted = 1, 0
    with_words = (p for p in sorted(parts, key=_start) if any(map(str.isalpha, _of(text, p))))
    for part in islice(with_words, MOST_LEFT_PARTS):
        line += text.count("\n", counted, part.start)
        counted = part.start
        shown = " ".join(_of(text, part).split())[:_SHOWN]
        yield LeftText(shown, f"left as it was, since {part.reason} ({where} {line})")


def _start(part: LeftPart) -> int:
    return part.start


def _of(text: str, part: LeftPart) -> str:
    return part.text or text[part.start : part.end]
