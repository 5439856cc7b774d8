"""Excel workbooks (.xlsx): the texts of cells, of drawings and charts, and what a sheet says to
those who fill it in or print it.

What is compared or looked up stays, since the workbook would then count otherwise: names of columns
of tables and pivot tables, texts that a formula, a list of choices, a filter or a condition names.
So do formulas and the names of sheets. In the text of a cell, formats are placeholders around
words; that of a comment is translated run by run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from tformer.documents.building import Builder
from tformer.documents.document import Slot, TextDocument, checked, replacing
from tformer.documents.formats import alternative_texts
from tformer.documents.formats.office_codes import add_coded_text, has_codes, plain_text
from tformer.documents.formats.office_paragraphs import read_paragraphs
from tformer.documents.formats.office_parts import OfficeParts, files_within, is_about
from tformer.documents.formats.packages import PackageDocument, open_package, texts_of
from tformer.documents.formats.sheet_texts import ComparedTexts, sheet_slots, words_in_formats
from tformer.documents.formats.word_paragraph import WordParagraph
from tformer.documents.inline.interface import is_identifier
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart

_PARTS = OfficeParts(
    main=re.compile(r".*spreadsheetml\.worksheet\+xml"),
    others=re.compile(
        r".*(?:spreadsheetml\.(?:sharedStrings|comments)|ms-excel\.threadedcomments"
        r"|officedocument\.drawing|drawingml\.(?:chart|chartshapes|diagramData|diagramDrawing)"
        r"|office\.chartex)\+xml"
    ),
    names=re.compile(r"xl/(?:sharedStrings|worksheets/\w+|comments\d*)\.xml", re.IGNORECASE),
)
_XML = re.compile(r".*\.xml", re.IGNORECASE)
_COMPARING = re.compile(
    r"<(?:\w+:)?(?:worksheet|workbook|table|pivotCacheDefinition|pivotTableDefinition)[\s>]"
)
"""Roots of the parts that name texts of cells."""

_DRAWN = re.compile(
    r"[^<]*(?:<[?!][^<]*)*<(?:\w+:)?(?:wsDr|chartSpace|userShapes|dataModel|drawing)\b"
)
_ITEMS = {"si", "is", "text"}


def open_xlsx(data: bytes, name: str) -> PackageDocument:
    """Read a workbook; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    kind = "an Excel workbook"
    kept = ComparedTexts()
    for part, content in texts_of(data, name, kind, _XML):
        if _COMPARING.search(content[:4000]):
            kept.add(xml.scan(content, f"{name}({part})"))
    document = open_package(
        data, name, kind, _PARTS.of, lambda content, part: _read(content, part, kept)
    )
    contents = document.named_contents
    books = [name for name, _ in contents if name.lower() == "xl/workbook.xml"]
    return replace(
        document,
        labels=dict.fromkeys(books, _calculated_anew),
        unread=[*files_within(contents), *words_in_formats(contents)],
    )


_CALCULATION = re.compile(rb"<(\w+:)?calcPr\b[^<>]*>")


def _calculated_anew(data: bytes, language: str) -> bytes:
    """A workbook whose formulas are computed when it is opened, since their cells have changed."""
    match = _CALCULATION.search(data)
    if not match:
        return data
    tag = xml.with_attribute(match[0].decode("ascii", "surrogateescape"), "fullCalcOnLoad", "1")
    return data[: match.start()] + tag.encode("ascii", "surrogateescape") + data[match.end() :]


def _read(data: bytes, name: str, kept: ComparedTexts) -> TextDocument:
    source = decode(data, name, xml.declared_encoding)
    if not _DRAWN.match(source.text) and not is_about(data):
        read = lambda text: _slots(text, name, kept)  # noqa: E731
        return checked(TextDocument(source, read, xml.reference))
    drawn = read_paragraphs(data, name)

    def without_kept(text: str) -> Iterator[Slot | LeftPart]:
        for found in drawn.read(text):
            if isinstance(found, LeftPart) or not kept.reason(found.segment.plain):
                yield found

    return checked(replace(drawn, read=without_kept))


def _slots(text: str, name: str, kept: ComparedTexts) -> Iterator[Slot | LeftPart]:
    tokens = xml.scan(text, name)
    authors = {_whole(author) for author in xml.within(tokens, _first(tokens), "author")}
    for number, position in enumerate(_items(tokens), start=1):
        inner = tokens[position : xml.end_of(tokens, position)]
        whole = _whole(inner)
        reason = kept.reason(whole) if inner[0].name != "text" else None  # that of a comment
        if reason is None and _is_rich(inner):
            paragraph = WordParagraph(tokens, position, keeps_lines=True)
            segment = paragraph.segment(f"{number}/0")
            if segment.has_words and not is_identifier(plain_text(whole)):
                yield Slot(segment, paragraph.edits(segment, _prefix(tokens[position])))
        elif reason is None:
            yield from _item_slots(str(number), inner, authors)
        elif not is_identifier(plain_text(whole)):
            yield LeftPart(inner[0].start, inner[-1].end, reason, whole)
    yield from sheet_slots(tokens)
    yield from alternative_texts.of_attributes(tokens, {"p"})


def _items(tokens: Sequence[Token]) -> Iterator[int]:
    """Positions of the texts of cells and comments: shared, in the cell, or as a bare value."""
    for position, token in enumerate(tokens):
        if token.kind is not TokenKind.OPEN:
            continue
        if token.name in _ITEMS:
            yield position
        elif token.name == "c" and token.attributes.get("t") == "str":
            inner = {tokens[at].name: at for at in xml.children(tokens, position)}
            # The value of a formula is computed anew.
            if "v" in inner and "f" not in inner and tokens[inner["v"]].kind is TokenKind.OPEN:
                yield inner["v"]


def _whole(tokens: Sequence[Token]) -> str:
    """Text of an item, without phonetic hints."""
    hints = [range(at, xml.end_of(tokens, at)) for at, _ in xml.nested(tokens, {"rPh"})]
    if hints:
        own = (at for at in range(len(tokens)) if not any(at in hint for hint in hints))
        tokens = [tokens[at] for at in own]
    return "".join(token.text for token in tokens if token.kind is TokenKind.TEXT)


def _is_rich(tokens: Sequence[Token]) -> bool:
    """Return whether the text of a cell is in runs, with nothing beside them."""
    inner = [tokens[at] for at in xml.children(tokens, 0) if tokens[at].raw.strip()]
    is_cell = tokens[0].name in ("si", "is")
    runs = [token.name == "r" and token.kind is TokenKind.OPEN for token in inner]
    return is_cell and bool(runs) and all(runs) and not has_codes(_whole(tokens))


def _prefix(token: Token) -> str:
    """The prefix of an element, with its colon."""
    return token.raw[1:].partition(token.name)[0]


def _first(tokens: Sequence[Token]) -> int:
    """Position of the first element."""
    kinds = (TokenKind.OPEN, TokenKind.EMPTY)
    return next(at for at, token in enumerate(tokens) if token.kind in kinds)


def _item_slots(id: str, tokens: Sequence[Token], authors: Set[str]) -> Iterator[Slot]:
    """A segment for each run of an item; phonetic hints (rPh) and the author are none."""
    depth = 0
    has_runs = any(token.name == "t" for token in tokens)
    name = "t" if has_runs else tokens[0].name
    for position, token in enumerate(tokens):
        if token.name == "rPh":
            depth += {TokenKind.OPEN: 1, TokenKind.CLOSE: -1}.get(token.kind, 0)
        if depth or token.name != name or token.kind is not TokenKind.OPEN:
            continue
        texts = tokens[position + 1 : xml.end_of(tokens, position) - 1]
        text = _whole(texts)
        builder = Builder(xml.escape, breaks=True)
        add_coded_text(builder, text)
        segment = builder.build(f"{id}/{position}")
        is_author = text.strip().removesuffix(":") in authors
        if segment.has_words and not is_author and not is_identifier(plain_text(text)):
            start, end = texts[0].start, texts[-1].end
            yield replacing(segment, start, end, xml.escape)
