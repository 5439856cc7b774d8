"""Cues of subtitles: their lines, as SubRip, WebVTT and .sbv set them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tformer.documents.left_parts import LeftPart

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}"


TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")


LOOSE = re.compile(
    rf"\s*{_TIME}\s*,\s*{_TIME}\s*|(?=\s*\d[\d ]*[:.,;])"
    r"\s*\d[\d:.,; ]*\d\s*(?:-{1,3}>|[\u2013\u2014]>|\u2192)\s*\d[\d:.,; ]*\d(?:\s.*)?"
)
"""Times as people write them by hand; they stay as they are."""


ARROW = re.compile(r"\s*[^\w\s]?\d[^\s:.,;]*[:.,;]\S*\s*-->.*")
"""A line of times, even if nobody can read them; `5 > 3 --> 2` is text."""


_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class _CueLine:
    number: int
    start: int
    text: str
    ending: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Cue:
    """Lines that are shown together."""

    times: str
    lines: list[_CueLine]
    ending: str
    """That of the line with the times; the last line of a file may have none."""


def lines_of(text: str) -> Iterator[_CueLine]:
    """Every line of a file."""
    for number, match in enumerate(_LINE.finditer(text), start=1):
        yield _CueLine(number, match.start(), match[1], match[2])
        if not match[2]:
            return


def body_of(text: str) -> list[_CueLine]:
    """The lines without blocks of notes, styles and regions, which may speak of arrows."""
    kept = []
    inside = False
    blank = True
    for line in lines_of(text):
        if blank and re.match(r"(NOTE|STYLE|REGION)(\s|$)", line.text):
            inside = True
        blank = not line.text.strip()
        inside = inside and not blank
        if not inside:
            kept.append(line)
    return kept


def cues_of(lines: list[_CueLine], *, loose: bool = False) -> Iterator[Cue | LeftPart]:
    """Cues of a file, and what is not surely one; ``loose`` takes times of any spelling."""
    position = loose_end = 0
    if not loose:  # the header
        position = loose_end = _behind_header(lines)
    while position < len(lines):
        line = lines[position]
        position += 1
        if not _has_times(line, loose=loose):
            continue
        yield from _without_times(lines[loose_end : position - 1])
        if not loose and not TIMES.fullmatch(line.text):
            # A player leaves this block out; it stays as it is.
            first = position
            while position < len(lines) and lines[position].text.strip():
                position += 1
            if position > first:
                reason = f"the times {line.text.strip()[:40]!r} above cannot be read"
                yield LeftPart(lines[first].start, lines[position - 1].end, reason)
            loose_end = position
            continue
        first = position
        while position < len(lines) and (loose or lines[position].text):
            if _has_times(lines[position], loose=loose):
                break  # a blank line is missing; the next cue begins here or at its number above
            position += 1
        times = line.text.strip()
        cues = [
            Cue(times, own, line.ending) for own in _blocks(_without_number(lines, first, position))
        ]
        yield from cues or [Cue(times, [], line.ending)]
        loose_end = position
    yield from _without_times([*lines[loose_end:], *lines[-1:]])


def _behind_header(lines: Sequence[_CueLine]) -> int:
    ends = (n for n, line in enumerate(lines) if not line.text.strip() or "-->" in line.text)
    return next(ends, len(lines))


def _without_times(lines: Sequence[_CueLine]) -> Iterator[LeftPart]:
    """Lines of no cue; the last may be the name of the next one."""
    for own in _blocks(list(lines[:-1])):
        yield LeftPart(own[0].start, own[-1].end, "no times stand above it")


def _has_times(line: _CueLine, *, loose: bool) -> bool:
    """Return whether a line has times; a loose one that nobody can read stays as it is."""
    if not loose:
        return "-->" in line.text
    return bool(ARROW.fullmatch(line.text) or LOOSE.fullmatch(line.text))


def _blocks(lines: list[_CueLine]) -> Iterator[list[_CueLine]]:
    """The lines of a cue between blank lines, which some programs leave in it."""
    for is_blank, own in groupby(lines, key=lambda line: not line.text.strip()):
        if not is_blank:
            yield list(own)


def _without_number(lines: list[_CueLine], first: int, end: int) -> list[_CueLine]:
    """The lines of a cue; the number of the next one may follow without a blank line."""
    follows = end < len(lines) and _has_times(lines[end], loose=True)
    while end > first and not lines[end - 1].text.strip():
        end -= 1
    if follows and end > first and lines[end - 1].text.strip().isdigit():
        end -= 1
    return lines[first:end]
