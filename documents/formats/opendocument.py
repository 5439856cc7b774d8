"""OpenDocument text (.odt): paragraphs and headings of the text, of headers, footers and notes.

Spans and links are placeholders around words, tabs and line breaks stand alone; what is anchored in
a paragraph (notes, frames, comments) stands alone there, and its own paragraphs are segments.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tformer.documents.building import Builder
from tformer.documents.document import Slot, TextDocument, checked, replacing
from tformer.documents.formats import alternative_texts, element_texts
from tformer.documents.formats.packages import PackageDocument, open_package
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment

_PARTS = ("content.xml", "styles.xml")
_ABOUT = "meta.xml"
_PARAGRAPHS = {"p", "h"}
_AROUND = {
    "a",
    "bookmark-ref",
    "chapter",
    "conditional-text",
    "description",
    "keywords",
    "meta",
    "meta-field",
    "placeholder",
    "reference-ref",
    "ruby",
    "ruby-base",
    "sequence-ref",
    "span",
    "subject",
    "text-input",
    "title",
    "user-field-get",
    "variable-get",
    "variable-set",
}
"""Elements around words of the paragraph; the results of other fields are made anew."""

_ELEMENTS = {
    "footer-decl",
    "header-decl",
    "index-entry-span",
    "index-title-template",
}
"""Elements of no paragraph that hold a text."""

_UNREAD = {
    "database-display": "it is the result of a field",
    "expression": "it is the result of a field",
    "ruby-text": "it is a reading above words",
}
_SHOWN = {"s": " ", "tab": "\t", "line-break": "\n"}


def open_odt(data: bytes, name: str) -> PackageDocument:
    """Read OpenDocument text; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    return open_package(data, name, "OpenDocument", wanted_parts, _read)


def wanted_parts(names: Iterable[str]) -> Sequence[str]:
    """The parts of a package that hold text, those of documents within it too."""
    found = set(names)
    # Charts and other documents within the document are folders like it.
    within = sorted(part for part in found if part.endswith("/content.xml"))
    return [p for p in (*_PARTS, *within, _ABOUT) if p in found] if _PARTS[0] in found else []


def _read(data: bytes, name: str) -> TextDocument:
    if name.endswith(f"({_ABOUT})"):
        return element_texts.read_elements(data, name, element_texts.ABOUT_OFFICE)
    source = decode(data, name, xml.declared_encoding)
    return checked(TextDocument(source, lambda text: paragraph_slots(text, name), xml.reference))


def paragraph_slots(text: str, name: str) -> Iterator[Slot | LeftPart]:
    """The slots of a part: paragraphs, and what is written beside them."""
    tokens = xml.scan(text, name)
    unseen = _unseen_styles(tokens)
    for number, (position, depth) in enumerate(xml.nested(tokens, _PARAGRAPHS), start=1):
        end = xml.end_of(tokens, position)
        inside = _without_spans(tokens[position + 1 : end - 1], unseen)
        segment = _segment(str(number), inside)
        if segment.has_words:
            place = tokens[position].end, tokens[end - 1].start
            yield replace(replacing(segment, *place, _escape), depth=depth)
    yield from alternative_texts.of_frames(tokens, _PARAGRAPHS)
    yield from alternative_texts.of_attributes(tokens, _PARAGRAPHS)
    of_text = (at for at in range(len(tokens)) if element_texts.is_text(tokens, at))
    yield from element_texts.slots_of(
        tokens, (at for at in of_text if tokens[at].name in _ELEMENTS)
    )
    for position, token in enumerate(tokens):
        if token.name in _UNREAD and element_texts.is_text(tokens, position):
            left = tokens[position + 1]
            yield LeftPart(left.start, left.end, _UNREAD[token.name])


_UNSEEN = re.compile(r"(?:\w+:)?(?:paragraph-)?rsid")
"""Attributes of a style that a reader does not see: numbers of sessions."""


def _unseen_styles(tokens: Sequence[Token]) -> set[str]:
    """Styles of text that make no difference that a reader sees.

    LibreOffice gives each session a style, so that spans of it begin and end within words.
    """
    found = set()
    for position, token in enumerate(tokens):
        if token.name != "style" or token.attributes.get("style:family") != "text":
            continue
        if "style:parent-style-name" in token.attributes:
            continue
        inside = [t for t in tokens[position + 1 : xml.end_of(tokens, position)] if t.attributes]
        if all(_UNSEEN.fullmatch(name) for t in inside for name in t.attributes):
            found.add(token.attributes.get("style:name", ""))
    return found


def _without_spans(tokens: Sequence[Token], styles: set[str]) -> Sequence[Token]:
    """The content of a paragraph without spans of some styles."""
    kept = []
    opened: list[bool] = []
    for token in tokens:
        drops = token.name == "span" and token.attributes.get("text:style-name") in styles
        if token.kind is TokenKind.OPEN:
            opened.append(drops)
        elif token.kind is TokenKind.CLOSE:
            drops = opened.pop()
        if not drops:
            kept.append(token)
    return kept


def _segment(id: str, tokens: Sequence[Token]) -> Segment:
    builder = Builder(_escape, breaks=True)
    position = 0
    while position < len(tokens):
        token = tokens[position]
        behind = position + 1
        if token.kind is TokenKind.TEXT:
            builder.text(re.sub(r"[ \t\r\n]+", " ", token.text))
        elif token.kind is TokenKind.OPEN and token.name in _AROUND:
            builder.open(token.name, token.raw)
        elif token.kind is TokenKind.CLOSE:
            builder.close(token.name, token.raw)
        else:
            behind = xml.end_of(tokens, position)
            raw = "".join(inner.raw for inner in tokens[position:behind])
            ends = re.fullmatch(r"(bookmark|change|reference-mark|alphabetical-index-mark|toc-mark)"
                                r"-(start|end)", token.name)  # fmt: skip
            if ends and ends[2] == "start":
                builder.open(_pair(ends[1], token), raw)
            elif ends:
                builder.close(_pair(ends[1], token), raw)
            else:
                shown = _SHOWN.get(token.name, "")
                # Several blanks in a row make columns.
                is_wide = token.name == "s" and token.attributes.get("text:c", "1") != "1"
                builder.alone(raw, shown, divides=is_wide or shown in ("\t", "\n"))
        position = behind
    return builder.build(id)


def _pair(kind: str, token: Token) -> str:
    """Key that the start and the end of a marked range have in common."""
    names = (v for k, v in sorted(token.attributes.items()) if k.endswith(("name", "id")))
    return f"{kind} {next(names, '')}"


def _escape(text: str) -> str:
    return xml.escape(re.sub(r"[\r\n]+", " ", text))
