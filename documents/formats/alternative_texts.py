"""Alternative texts of pictures, charts and tables in Office documents, and other attributes that a
reader sees: what a link says of itself, the choices of a form, the text of a watermark."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set

from tformer.documents.building import Builder
from tformer.documents.document import Slot, replacing
from tformer.documents.inline.interface import is_identifier
from tformer.documents.io import xml
from tformer.documents.io.xml import Token, TokenKind

_DRAWN = {"docPr", "cNvPr"}
_ATTRIBUTES: Mapping[str, Set[str]] = {
    "docPr": {"descr", "title"},
    "cNvPr": {"descr", "title"},
    "tblPr": {"descr", "title"},
    "tblCaption": {"val"},
    "tblDescription": {"val"},
    "hyperlink": {"tooltip"},
    "hlinkClick": {"tooltip"},
    "hlinkHover": {"tooltip"},
    "textpath": {"string"},
    "listItem": {"displayText"},
    "listEntry": {"val"},
    "helpText": {"val"},
    "statusText": {"val"},
    "default": {"val"},
    "lvlText": {"val"},
    "list-level-style-number": {"num-prefix", "num-suffix"},
    "outline-level-style": {"num-prefix", "num-suffix"},
    "conditional-text": {"string-value-if-true", "string-value-if-false"},
    "hidden-text": {"string-value"},
    "user-field-decl": {"string-value"},
    "variable-set": {"string-value"},
    "alphabetical-index-mark": {"string-value"},
    "toc-mark": {"string-value"},
    "user-index-mark": {"string-value"},
    "placeholder": {"description"},
    "text-input": {"description"},
    "button": {"label", "title"},
    "checkbox": {"label", "title"},
    "fixed-text": {"label"},
    "option": {"label"},
    "radio": {"label", "title"},
    "reference": {"title"},
}
"""Attributes that a reader sees or hears, by the name of their element."""

_VML = re.compile(r"<v:(?:shape|rect|roundrect|oval|line|polyline|curve|arc|image|group)\b")
_ATTRIBUTE = re.compile(
    r"\s(?:\w+:)?(?P<name>descr|title|alt|val|tooltip|string|displayText|label|description"
    r"|num-(?:prefix|suffix)|string-value(?:-if-(?:true|false))?)\s*="
    r"\s*(?:\"(?P<one>[^\"]*)\"|'(?P<other>[^']*)')"
)
_ELEMENT = re.compile(r"<svg:(?P<name>title|desc)[\s>]")
_FILE = re.compile(r"\S*[\\/]\S*|\S+\.\w{2,4}")
"""Pattern of a path or a file name, which programs put where nobody wrote a text."""


def of_attributes(tokens: Sequence[Token], paragraphs: Set[str]) -> Iterator[Slot]:
    """Attributes that are read: `descr` of what is drawn, `alt` in VML, `tooltip` of links."""
    numbers: Counter[str] = Counter()
    for position, depth in _with_depths(tokens, paragraphs):
        token = tokens[position]
        names = _names(token)
        kind = "" if token.name in _DRAWN else f"{token.name} "
        numbers[kind] += bool(names)
        for match in _ATTRIBUTE.finditer(token.raw) if names else ():
            if match["name"] not in names:
                continue
            start, end = match.span("one" if match["one"] is not None else "other")
            text = xml.unescape(match["one"] or match["other"] or "")
            place = token.start + start, token.start + end
            yield from _slot(f"{kind}{match['name']} {numbers[kind]}", text, place, depth)


def without_texts(token: Token) -> str:
    """A tag without the attributes that are translated."""
    names = _names(token)
    if not names:
        return token.raw
    return _ATTRIBUTE.sub(lambda match: "" if match["name"] in names else match[0], token.raw)


def _names(token: Token) -> Set[str]:
    """Attributes of a tag that are read."""
    if token.kind not in (TokenKind.OPEN, TokenKind.EMPTY):
        return set()
    if _VML.match(token.raw):
        return {"alt", "title"}
    # Automatic texts are called by a name.
    is_name = token.name in ("helpText", "statusText") and "text" not in token.attributes.values()
    return set() if is_name else _ATTRIBUTES.get(token.name, set())


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
