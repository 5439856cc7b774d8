"""Alternative texts of pictures, charts and tables in Office documents: titles and descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

from tformer.documents.building import Builder
from tformer.documents.document import Slot, replacing
from tformer.documents.inline.interface import is_identifier
from tformer.documents.io import xml
from tformer.documents.io.xml import Token, TokenKind

_DRAWN = {"docPr", "cNvPr"}
_VML = re.compile(r"<v:(?:shape|rect|roundrect|oval|line|polyline|curve|arc|image|group)\b")
_ATTRIBUTE = re.compile(
    r"\s(?P<name>descr|title|alt)\s*=\s*(?:\"(?P<one>[^\"]*)\"|'(?P<other>[^']*)')"
)
_ELEMENT = re.compile(r"<svg:(?P<name>title|desc)[\s>]")
_FILE = re.compile(r"\S*[\\/]\S*|\S+\.\w{2,4}")
"""Pattern of a path or a file name, which programs put where nobody wrote a text."""


def of_drawings(tokens: Sequence[Token]) -> Iterator[Slot]:
    """Attributes `descr` and `title` of what is drawn in Word and PowerPoint; `alt` in VML."""
    numbers = {True: 0, False: 0}
    for position, depth in _with_depths(tokens, {"p"}):
        token = tokens[position]
        is_vml = bool(_VML.match(token.raw))
        if token.name not in _DRAWN and not is_vml:
            continue
        numbers[is_vml] += 1
        for match in _ATTRIBUTE.finditer(token.raw):
            if (match["name"] == "alt") != is_vml:
                continue
            start, end = match.span("one" if match["one"] is not None else "other")
            text = xml.unescape(match["one"] or match["other"] or "")
            place = token.start + start, token.start + end
            yield from _slot(f"{match['name']} {numbers[is_vml]}", text, place, depth)


def of_frames(tokens: Sequence[Token], paragraphs: Set[str]) -> Iterator[Slot]:
    """Elements `svg:title` and `svg:desc` of what is drawn in OpenDocument."""
    number = 0
    for position, depth in _with_depths(tokens, paragraphs):
        match = _ELEMENT.match(tokens[position].raw)
        if not match or tokens[position].kind is not TokenKind.OPEN:
            continue
        number += 1
        end = xml.end_of(tokens, position) - 1
        inner = tokens[position + 1 : end]
        text = "".join(token.text for token in inner if token.kind is TokenKind.TEXT)
        place = tokens[position].end, tokens[end].start
        yield from _slot(f"{match['name']} {number}", text, place, depth)


def _slot(id: str, text: str, place: tuple[int, int], depth: int) -> Iterator[Slot]:
    if is_identifier(text) or _FILE.fullmatch(text):
        return
    builder = Builder(_escape, breaks=True)
    builder.text(text)
    segment = builder.build(id, context="alternative text")
    if segment.has_words:
        slot = replacing(segment, *place, _escape)
        yield Slot(slot.segment, slot.edits, depth)


def _with_depths(tokens: Sequence[Token], paragraphs: Set[str]) -> Iterator[tuple[int, int]]:
    """Positions of first tags, and the number of paragraphs around each."""
    opened: list[bool] = []
    for position, token in enumerate(tokens):
        if token.kind in (TokenKind.OPEN, TokenKind.EMPTY):
            yield position, sum(opened)
        if token.kind is TokenKind.OPEN:
            opened.append(token.name in paragraphs)
        elif token.kind is TokenKind.CLOSE:
            opened.pop()


def _escape(text: str) -> str:
    quoted = xml.escape(text).replace('"', "&quot;").replace("'", "&apos;")
    return quoted.replace("\r\n", "\n").replace("\n", "&#10;")
