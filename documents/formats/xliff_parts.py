"""Segments of a divided unit of XLIFF 1 that have no translation while others have one.

`seg-source` and the target are divided by the same numbers (`<mrk mtype="seg" mid="1">`). Where
both have a segment and that of the target is empty, it is filled, and the target is for review.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tformer.documents.document import Edit, Slot
from tformer.documents.io import xml
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment, render


@dataclass(frozen=True)
class PartedTarget:
    """A unit whose target is written in part, as places in the tokens."""

    tokens: Sequence[Token]
    source: int
    target: int
    marks: Sequence[tuple[int, str, str]]
    """Tags and the attributes that say what a machine made."""
    segment: Callable[[int, str], Segment]
    """Reads the content of a tag as a segment, which is called by a number."""


def is_segment(token: Token) -> bool:
    """Return whether a segment of a text that is divided is here."""
    return token.attributes.get("mtype") == "seg"


def missing_parts(unit: PartedTarget) -> Iterator[Slot | LeftPart]:
    """Slots of the segments that are empty in the target, and what has no place in it."""
    places: dict[str | None, int] = {}
    for at in _segments(unit.tokens, unit.target):
        places.setdefault(unit.tokens[at].attributes.get("mid"), at)
    for at in _segments(unit.tokens, unit.source):
        number, text = unit.tokens[at].attributes.get("mid"), _text_of(unit.tokens, at)
        if not text.strip() or unit.tokens[at].kind is not TokenKind.OPEN:
            continue
        if number in places and not _text_of(unit.tokens, places[number]).strip():
            yield _slot(unit, at, places[number], number or "")
        elif places and number not in places:
            end = unit.tokens[xml.end_of(unit.tokens, at) - 1].end
            reason = "other segments of its unit have translations"
            yield LeftPart(unit.tokens[at].start, end, reason, text)


def _slot(unit: PartedTarget, source: int, target: int, number: str) -> Slot:
    segment = unit.segment(source, number)

    def edits(text: str) -> Iterator[Edit]:
        first, last = unit.tokens[target], unit.tokens[xml.end_of(unit.tokens, target) - 1]
        opening = f"{first.raw.removesuffix('/>').rstrip()}>" if first is last else first.raw
        name = opening[1:-1].split()[0]
        inner = render(segment, text, xml.escape)
        yield Edit(first.start, last.end, f"{opening}{inner}</{name}>")
        for place, attribute, value in unit.marks:
            tag = unit.tokens[place]
            yield Edit(tag.start, tag.end, xml.with_attribute(tag.raw, attribute, value))

    return Slot(segment, edits)


def _segments(tokens: Sequence[Token], position: int) -> Iterator[int]:
    end = xml.end_of(tokens, position)
    opens = (TokenKind.OPEN, TokenKind.EMPTY)
    return (
        at for at in range(position, end) if is_segment(tokens[at]) and tokens[at].kind in opens
    )


def _text_of(tokens: Sequence[Token], position: int) -> str:
    inside = tokens[position : xml.end_of(tokens, position)]
    return "".join(token.text for token in inside if token.kind is TokenKind.TEXT)
