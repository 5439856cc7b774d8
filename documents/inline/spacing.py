"""White space beside placeholders: as in the source, where a model sees nothing in their place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tformer.documents.segments import Mark, Part, Segment, parts

_OPENING = "([{\u201e\u201c\u00ab\u2018\u201a\u00bf\u00a1/-\u2010"
_CLOSING = ".,;:!?)]}\u201d\u201c\u00bb\u2019%/-\u2010\u2026"


@dataclass(frozen=True)
class _Sides:
    """What is beside something that stands alone, behind the ends of markup around words."""

    before: str
    """The character or mark before it and before white space; "" at the beginning."""
    space_before: bool
    space_behind: bool
    behind: str


def with_space_of(segment: Segment, text: str) -> str:
    """A translation with a blank where one is beside a placeholder in the source."""
    if not any(isinstance(p, Mark) and p.part is Part.ALONE for p in parts(text)):
        return text
    source = list(parts(segment.text))
    wanted = {p.number: _sides(source, i) for i, p in enumerate(source) if _is_alone(p)}
    pieces = list(parts(text))
    for place, part in enumerate(pieces):
        if not _is_alone(part) or part.number not in wanted:
            continue
        own = wanted[part.number]
        now = _sides(pieces, place)
        if (own.space_before or not own.before) and _glued_before(now):
            _insert(pieces, place, -1)
        if (own.space_behind or not own.behind) and _glued_behind(now):
            _insert(pieces, place, 1)
        if not segment.inlines[part.number].shown:
            _without_surplus(pieces, place, own)
    return "".join(map(str, pieces))


def _is_alone(piece: str | Mark) -> bool:
    return isinstance(piece, Mark) and piece.part is Part.ALONE


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
    """Put a blank beside a piece, outside of markup that it is alone in."""
    neighbour = pieces[place + step] if 0 <= place + step < len(pieces) else None
    if isinstance(neighbour, str):
        pieces[place + step] = f"{neighbour} " if step < 0 else f" {neighbour}"
    elif neighbour is not None and neighbour.part is (Part.OPEN if step < 0 else Part.CLOSE):
        _insert(pieces, place + step, step)
    elif step < 0:
        pieces[place] = _Spaced(pieces[place], before=True)
    else:
        pieces[place] = _Spaced(pieces[place], before=False)


class _Spaced(Mark):
    """A mark with a blank beside it."""

    def __init__(self, mark: str | Mark, *, before: bool) -> None:
        assert isinstance(mark, Mark)
        super().__init__(mark.number, mark.part)
        object.__setattr__(self, "_text", f" {mark}" if before else f"{mark} ")

    def __str__(self) -> str:
        return str(self._text)


def _without_surplus(pieces: list[str | Mark], place: int, own: _Sides) -> None:
    """Of several blanks leave one, and of blanks on both sides too where the source has one."""
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
