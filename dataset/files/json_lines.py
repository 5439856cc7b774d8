"""Places of texts in a line of JSON, and the line with further members beside them.

All else in the line stays as it is written: numbers, escapes, white space, members with one name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from tformer.dataset.files.columns import splits

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class NotJsonError(ValueError):
    """A line that is not an object of JSON, or has other values than text; says why."""


@dataclass(frozen=True)
class Member:
    """A member of an object."""

    start: int
    """Start of its value."""
    end: int


@dataclass(frozen=True)
class JsonObject:
    """An object in a line."""

    members: Mapping[str, Member]
    end: int
    """Place of its closing brace."""
    spaced: bool
    """True if a space is behind its colons."""


@dataclass(frozen=True)
class TextPlace:
    """A text, or lists of them, and the object whose member it is."""

    parent: JsonObject
    name: str
    """Name of the member."""
    value: Any
    """A text, None, or lists of these."""


def scan_object(line: str, start: int = 0) -> JsonObject:
    """Find the members of the object that begins at a place of a line.

    Raises:
        NotJsonError: it is none.
    """
    at = _skip(line, start)
    if line[at : at + 1] != "{":
        raise NotJsonError("is not an object of JSON")
    members: dict[str, Member] = {}
    spaced = True
    at = _skip(line, at + 1)
    while line[at : at + 1] != "}":
        if members:
            at = _skip(line, _expect(line, at, ","))
        _expect(line, at, '"')
        name, at = _decoded(scanstring, line, at + 1)
        colon = _expect(line, _skip(line, at), ":")
        begin = _skip(line, colon)
        spaced = begin > colon
        _, at = _decoded(_DECODER.raw_decode, line, begin)
        members[name] = Member(begin, at)
        at = _skip(line, at)
    return JsonObject(members, at, spaced)


def check_end(line: str, found: JsonObject) -> None:
    """Refuse what stands behind an object in its line.

    Raises:
        NotJsonError: something does.
    """
    if _skip(line, found.end + 1) != len(line):
        raise NotJsonError("has more than one value")


def text_places(line: str, top: JsonObject, steps: tuple[str, ...]) -> Iterator[TextPlace]:
    """Find a column in a line.

    Raises:
        NotJsonError: it holds other values than text.
    """
    for name, rest in splits(steps):
        if name not in top.members:
            continue
        member = top.members[name]
        if rest:
            yield from _below(line, member.start, rest)
            return
        value, _ = _DECODER.raw_decode(line, member.start)
        _check_text(name, value)
        yield TextPlace(top, name, value)
        return
    if len(steps) == 1:
        yield TextPlace(top, steps[0], None)


def value_at(value: Any, steps: tuple[str, ...]) -> Any:
    """Value of a column in an object that was read; None if there is none."""
    for name, rest in splits(steps):
        if isinstance(value, dict) and name in value:
            return value_at(value[name], rest) if rest else value[name]
    return None


def with_members(line: str, place: TextPlace, added: Mapping[str, Any]) -> Iterator[Any]:
    """Yield edits (start, end, text) that add members to an object, or replace those there are."""
    parent, new = place.parent, []
    for name, value in added.items():
        if name in parent.members:
            member = parent.members[name]
            yield member.start, member.end, _dumped(value, line)
        else:
            colon = ": " if parent.spaced else ":"
            new.append(f"{_dumped(name, line)}{colon}{_dumped(value, line)}")
    if new:
        comma = ", " if parent.spaced else ","
        text = comma.join(new)
        end = _last_end(parent)
        yield (end, end, comma + text) if parent.members else (parent.end, parent.end, text)


def _last_end(parent: JsonObject) -> int:
    return max((member.end for member in parent.members.values()), default=parent.end)


def flat(value: Any) -> Iterator[str | None]:
    """Texts of a value, one after the other."""
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


def reshaped(value: Any, items: Iterator[Any]) -> Any:
    """Other items in lists as those of a value."""
    return [reshaped(item, items) for item in value] if isinstance(value, list) else next(items)


def _below(line: str, start: int, steps: tuple[str, ...]) -> Iterator[TextPlace]:
    """Places in the object, or in the list of objects, at a place of a line."""
    if line[start] == "[":
        at = _skip(line, start + 1)
        while line[at] != "]":
            at = _skip(line, at + 1) if line[at] == "," else at
            yield from _below(line, at, steps)
            at = _skip(line, _DECODER.raw_decode(line, at)[1])
    elif line[start] == "{":
        yield from text_places(line, scan_object(line, start), steps)
    elif not line.startswith("null", start):
        raise NotJsonError(f"has a value that is no object and so has no {'.'.join(steps)}")


def _check_text(name: str, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _check_text(name, item)
    elif value is not None and not isinstance(value, str):
        raise NotJsonError(f"{name} is no text but {type(value).__name__}")


def _dumped(value: Any, line: str) -> str:
    """JSON in the manner of a line: with escapes if it has nothing but ASCII by them."""
    text = json.dumps(value, ensure_ascii="\\u" in line and line.isascii())
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        text = json.dumps(value)
    return text


def _skip(line: str, at: int) -> int:
    match = _SPACE.match(line, at)
    return match.end() if match else at


def _expect(line: str, at: int, sign: str) -> int:
    if line[at : at + 1] != sign:
        found = repr(line[at : at + 1]) if at < len(line) else "the end"
        raise NotJsonError(f"not JSON: {sign!r} expected at character {at + 1}, not {found}")
    return at + 1


def _decoded(decode: Any, line: str, at: int) -> tuple[Any, int]:
    try:
        value, end = decode(line, at)
    except (ValueError, StopIteration, RecursionError) as error:
        reason = getattr(error, "msg", "no value")
        raise NotJsonError(f"not JSON: {reason} at character {at + 1}") from error
    return value, end
