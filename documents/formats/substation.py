"""Advanced SubStation (.ass, .ssa): the texts of spoken lines, with their override codes.

A line of `[Events]` is a segment, which is broken anew where it was (`\\N`); codes such as `{\\i1}`
stay where they are. Comments, styles, drawings and lines whose syllables have times stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tformer.documents.building import Builder
from tformer.documents.document import Edit, Slot, TextDocument, checked
from tformer.documents.formats.prose import LINE
from tformer.documents.formats.subtitle_edits import fill_lines
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment, render, split_words
from tformer.model.errors import InputError

_SECTION = re.compile(r"\s*\[([^\]\r\n]+)\]\s*")
_CODE = re.compile(r"\{[^{}]*\}|[ ]*\\N[ ]*|\\[nh]")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")
_SYLLABLE = re.compile(r"\\[kK][fo]?\d")
_PAIRED = re.compile(r"\{\\([ibus])(?P<on>[01])\}")


def open_ass(data: bytes, name: str) -> TextDocument:
    """Read SubStation; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it has no events, or they do not say where their text is.
    """
    source = decode(data, name)
    if not re.search(r"(?m)^\s*\[Events\]", source.text):
        raise InputError(f"{name}: not SubStation: it has no [Events]")
    return checked(TextDocument(source, lambda text: _slots(text, name)))


def _slots(text: str, name: str) -> Iterator[Slot | LeftPart]:
    section, fields, number = "", 0, 0
    for match in LINE.finditer(text):
        if head := _SECTION.fullmatch(match[1]):
            section = head[1].strip().lower()
        elif section == "events" and match[1].startswith("Format:"):
            names = [field.strip().lower() for field in match[1][7:].split(",")]
            if names[-1] != "text":
                raise InputError(f"{name}: not SubStation: the last field of events is not Text")
            fields = len(names)
        elif section == "events" and match[1].startswith("Dialogue:"):
            number += 1
            if not fields:
                raise InputError(f"{name}: not SubStation: no Format: stands before its events")
            yield from _line_slot(str(number), match[1], match.start(), fields)


def _line_slot(id: str, line: str, start: int, fields: int) -> Iterator[Slot | LeftPart]:
    values = line.split(",", fields - 1)
    if len(values) < fields or _DRAWING.search(values[-1]):
        return
    raw = values[-1]
    begin = start + len(line) - len(raw)
    if _SYLLABLE.search(raw):
        yield LeftPart(begin, begin + len(raw), "its syllables have times", _CODE.sub("", raw))
        return
    times = "".join(f"{value.strip()} " for value in values[1:3]).strip()
    builder = Builder(tags=False)
    # Two who speak have a line each; a sentence of one is broken anew.
    joins = not _APART.search(raw)
    position = 0
    for match in _CODE.finditer(raw):
        builder.text(raw[position : match.start()])
        _add_code(builder, match[0], joins=joins)
        position = match.end()
    builder.text(raw[position:])
    segment = builder.build(id, context=times)

    def edits(text: str) -> list[Edit]:
        written = _broken(segment, text, raw.count("\\N") + 1) if joins else None
        return [Edit(begin, begin + len(raw), written or render(segment, text, str))]

    if segment.has_words:
        yield Slot(segment, edits, can_say=lambda text: not _SIGNS.search(text))


_APART = re.compile(
    r"\A\s*\\N|\\N\s*(?:\\N|\Z)|\\N\s*(?:\{[^{}]*\})*\s*(?:[-\u2010-\u2014\u266a]|>>)"
)
"""Pattern of lines that stay apart: of two who speak, or an empty one."""
_SIGNS = re.compile(r"[{}\r\n]|\\[Nnh]")


def _broken(segment: Segment, text: str, count: int) -> str | None:
    """A text in as many lines as its source has, as even as can be; None for one line."""
    words = split_words(segment, text, str)
    if count == 1 or len(words) < count:
        return None
    total = sum(length for _, length in words) + len(words) - 1
    widths = range(-(-total // count), total + 1)
    lines = next(lines for width in widths if len(lines := fill_lines(words, width)) <= count)
    return "\\N".join(lines)


def _add_code(builder: Builder, raw: str, *, joins: bool) -> None:
    if pair := _PAIRED.fullmatch(raw):
        if pair["on"] == "1":
            builder.open(pair[1], raw)
        else:
            builder.close(pair[1], raw)
    elif raw.strip() == "\\N" and joins:
        builder.text(" ")
    elif raw.strip() == "\\N":
        builder.alone(raw, "\n", divides=True)
    elif raw.startswith("\\"):
        builder.alone(raw, " ")
    else:
        builder.alone(raw, divides=False)
