"""White space beside placeholders: as in the source, where a model sees nothing in their place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from tformer.documents.segments import Mark, PlaceholderKind, Segment, parts

_OPENING = "([{\u201e\u201c\u00ab\u2018\u201a\u00bf\u00a1/-\u2010"
_CLOSING = ".,;:!?)]}\u201d\u201c\u00bb\u2019%/-\u2010\u2026"


@dataclass(frozen=True)
class _Sides:
    """Neighbours of a standalone placeholder, behind the ends of markup around words."""

    before: str
    """The character or mark before it and before white space; "" at the beginning."""
    space_before: bool
    space_behind: bool
    behind: str


def with_space_of(segment: Segment, text: str) -> str:
    """A translation with a blank where one is beside a placeholder in the source."""
    pieces = list(parts(text))
    if not any(map(_is_alone, pieces)):
        return text
    source = list(parts(segment.text))
    for number, place in _places(source).items():
        own = _sides(source, place)
        if number not in _places(pieces):
            continue
        if (own.space_before or not own.before) and _glued_before(_at(pieces, number)):
            _insert(pieces, _places(pieces)[number], -1)
        if (own.space_behind or not own.behind) and _glued_behind(_at(pieces, number)):
            _insert(pieces, _places(pieces)[number], 1)
        if not segment.inlines[number].shown:
            _without_surplus(pieces, _places(pieces)[number], own)
    return "".join(map(str, pieces))


def with_space_at_ends(segment: Segment, text: str) -> str:
    """A translation with a blank behind the markup it begins with, and before that it ends with,
    where the source has one."""
    source, pieces = list(parts(segment.text)), list(parts(text))
    for step in (1, -1):
        place, mark = _end_of_marks(source, step)
        own = source[place] if 0 <= place < len(source) else ""
        here, _ = _end_of_marks(pieces, step)
        said = pieces[here] if 0 <= here < len(pieces) else ""
        if mark is None or not isinstance(own, str) or not isinstance(said, str) or not said:
            continue
        edge = 0 if step > 0 else -1
        if not own[edge:][:1].isspace() or said[edge:][:1].isspace():
            continue
        while 0 <= here - step < len(pieces) and mark in pieces and pieces[here - step] != mark:
            here -= step
        pieces.insert(here if step > 0 else here + 1, " ")
    return "".join(map(str, pieces))


def _end_of_marks(pieces: Sequence[str | Mark], step: int) -> tuple[int, Mark | None]:
    """Place of what stands behind the markup at one end, and the last of that markup."""
    place, mark = 0 if step > 0 else len(pieces) - 1, None
    while 0 <= place < len(pieces):
        piece = pieces[place]
        if not isinstance(piece, Mark) or _is_alone(piece):
            break
        mark, place = piece, place + step
    return place, mark


def _places(pieces: Sequence[str | Mark]) -> dict[int, int]:
    """Places of standalone placeholders, by number."""
    return {p.number: i for i, p in enumerate(pieces) if _is_alone(p)}


def _at(pieces: Sequence[str | Mark], number: int) -> _Sides:
    return _sides(pieces, _places(pieces)[number])


def _is_alone(piece: str | Mark) -> TypeGuard[Mark]:
    return isinstance(piece, Mark) and piece.part is PlaceholderKind.ALONE


def _sides(pieces: Sequence[str | Mark], place: int) -> _Sides:
    before, space_before = _beside(pieces, place, -1)
    behind, space_behind = _beside(pieces, place, 1)
    return _Sides(before, space_before, space_behind, behind)


def _beside(pieces: Sequence[str | Mark], place: int, step: int) -> tuple[str, bool]:
    space = False
    while 0 <= (place := place + step) < len(pieces):
        piece = pieces[place]
        if _is_alone(piece):
            return str(piece), space
        if isinstance(piece, Mark) or not piece:
            continue
        body = piece.rstrip() if step < 0 else piece.lstrip()
        space = space or len(body) < len(piece)
        if body:
            return body[-1 if step < 0 else 0], space
    return "", space


def _glued_before(now: _Sides) -> bool:
    return bool(now.before) and not now.space_before and now.before not in _OPENING


def _glued_behind(now: _Sides) -> bool:
    return bool(now.behind) and not now.space_behind and now.behind not in _CLOSING


def _insert(pieces: list[str | Mark], place: int, step: int) -> None:
    """Put a blank beside a piece, outside of markup that it is first or last in."""
    outer = PlaceholderKind.OPEN if step < 0 else PlaceholderKind.CLOSE
    place += step
    while 0 <= place < len(pieces):
        piece = pieces[place]
        if not isinstance(piece, Mark) or piece.part is not outer:
            break
        place += step
    pieces.insert(place + 1 if step < 0 else place, " ")


def _without_surplus(pieces: list[str | Mark], place: int, own: _Sides) -> None:
    """Reduce several blanks to one, and blanks on both sides too where the source has one."""
    for step, several in ((-1, r" {2,}\Z"), (1, r"\A {2,}")):
        neighbour = pieces[place + step] if 0 <= place + step < len(pieces) else None
        if isinstance(neighbour, str):
            pieces[place + step] = re.sub(several, " ", neighbour)
    before = pieces[place - 1] if place else None
    behind = pieces[place + 1] if place + 1 < len(pieces) else None
    if (own.space_before and own.space_behind) or not isinstance(before, str):
        return
    if isinstance(behind, str) and before[-1:] == behind[:1] == " ":
        if own.space_before:
            pieces[place + 1] = behind[1:]
        elif own.before:
            pieces[place - 1] = before[:-1]
