"""Excel workbooks (.xlsx): the texts of cells.

Names of the columns of tables and pivot tables are left alone, since Excel refuses a workbook in
which a cell and the table disagree; so are formulas and the names of sheets. A text in several
formats is translated run by run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tformer.documents.building import Builder
from tformer.documents.document import Slot, TextDocument, checked, replacing
from tformer.documents.formats.office_parts import OfficeParts
from tformer.documents.formats.packages import PackageDocument, open_package, texts_of
from tformer.documents.inline.interface import is_identifier
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind

_PARTS = OfficeParts(
    main=re.compile(r".*spreadsheetml\.worksheet\+xml"),
    others=re.compile(r".*spreadsheetml\.(?:sharedStrings|comments)\+xml"),
    names=re.compile(r"xl/(?:sharedStrings|worksheets/\w+|comments\d*)\.xml", re.IGNORECASE),
)
_NAMING = re.compile(r"xl/(?:tables/.*|pivotCache/pivotCacheDefinition\d*)\.xml", re.IGNORECASE)


def open_xlsx(data: bytes, name: str) -> PackageDocument:
    """Read a workbook; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    named = {
        token.attributes.get("name", "")
        for part, content in texts_of(data, name, "an Excel workbook", _NAMING)
        for token in xml.scan(content, f"{name}({part})")
        if token.name in ("tableColumn", "cacheField")
    }

    def read(content: bytes, part: str) -> TextDocument:
        source = decode(content, part, xml.declared_encoding)
        return checked(TextDocument(source, lambda text: _slots(text, part, named), xml.reference))

    return open_package(data, name, "an Excel workbook", _PARTS.of, read)


def _slots(text: str, name: str, named: set[str]) -> Iterator[Slot]:
    tokens = xml.scan(text, name)
    number = 0
    for position, token in enumerate(tokens):
        if token.name not in ("si", "is", "text") or token.kind is not TokenKind.OPEN:
            continue
        number += 1
        inner = tokens[position : xml.end_of(tokens, position)]
        if _whole(inner) not in named:
            yield from _item_slots(str(number), inner)


def _whole(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens if token.kind is TokenKind.TEXT)


def _item_slots(id: str, tokens: Sequence[Token]) -> Iterator[Slot]:
    """A segment for each run of an item; phonetic hints (rPh) are none."""
    depth = 0
    for position, token in enumerate(tokens):
        if token.name == "rPh":
            depth += {TokenKind.OPEN: 1, TokenKind.CLOSE: -1}.get(token.kind, 0)
        if depth or token.name != "t" or token.kind is not TokenKind.OPEN:
            continue
        texts = tokens[position + 1 : xml.end_of(tokens, position) - 1]
        text = _whole(texts)
        builder = Builder(xml.escape, breaks=True)
        builder.text(text)
        segment = builder.build(f"{id}/{position}")
        if segment.has_words and not is_identifier(text):
            start, end = texts[0].start, texts[-1].end
            yield replacing(segment, start, end, xml.escape)
