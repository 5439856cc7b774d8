"""OpenDocument spreadsheets (.ods): the texts of cells, and what is written beside them.

As in Excel's workbooks, what is compared or looked up stays: texts that a formula, a list of
choices, a filter, a condition or a pivot table names. Results of formulas stay, since they are
computed anew, and so do names of sheets.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tformer.documents.document import Slot, TextDocument, checked
from tformer.documents.formats import element_texts
from tformer.documents.formats.opendocument import paragraph_slots, wanted_parts
from tformer.documents.formats.packages import PackageDocument, open_package, texts_of
from tformer.documents.formats.sheet_texts import ComparedTexts
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart

_KIND = "an OpenDocument spreadsheet"
_XML = re.compile(r"(?:.*/)?(?:content|styles)\.xml")
_FORMULAS = ("formula", "condition", "expression", "apply-style-name")
_NAMED = {"data-pilot-member": "name", "data-pilot-field": "source-field-name"}
_VALUES = {"filter-condition", "filter-set-item", "condition"}
_CELLS = {"table-cell", "covered-table-cell"}


def open_ods(data: bytes, name: str) -> PackageDocument:
    """Read a spreadsheet; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    kept = ComparedTexts()
    for part, content in texts_of(data, name, _KIND, _XML):
        _add_compared(kept, xml.scan(content, f"{name}({part})"))

    def read(content: bytes, part: str) -> TextDocument:
        if part.endswith("(meta.xml)"):
            return element_texts.read_elements(content, part, element_texts.ABOUT_OFFICE)
        source = decode(content, part, xml.declared_encoding)
        return checked(TextDocument(source, lambda text: _slots(text, part, kept), xml.reference))

    return open_package(data, name, _KIND, wanted_parts, read)


def _add_compared(kept: ComparedTexts, tokens: Sequence[Token]) -> None:
    """Add what formulas, lists, conditions, filters and pivot tables name."""
    for token in tokens:
        own = {key.rpartition(":")[2]: value for key, value in token.attributes.items()}
        for key in _FORMULAS:
            if key in own:
                kept.add_formula(own[key])
        if token.name in _VALUES and "value" in own:
            kept.add_text(own["value"], of_parts=False)
            kept.add_formula(own["value"])
        if name := own.get(_NAMED.get(token.name, ""), ""):
            kept.add_text(name, of_parts=False)


@dataclass(frozen=True)
class _KeptCell:
    """A cell whose text stays."""

    start: int
    end: int
    reason: str
    text: str


def _slots(text: str, name: str, kept: ComparedTexts) -> Iterator[Slot | LeftPart]:
    cells = list(_kept_cells(xml.scan(text, name), kept))
    for cell in cells:
        if cell.reason:
            yield LeftPart(cell.start, cell.end, cell.reason, cell.text)
    starts = [cell.start for cell in cells]
    for found in paragraph_slots(text, name):
        place = found.start if isinstance(found, LeftPart) else _first(found)
        before = bisect_right(starts, place) - 1
        if before < 0 or place >= cells[before].end:
            yield found


def _first(slot: Slot) -> int:
    return min(edit.start for edit in slot.edits(slot.segment.text))


def _kept_cells(tokens: Sequence[Token], kept: ComparedTexts) -> Iterator[_KeptCell]:
    """The cells that stay, in their order; what is not text stays without a word."""
    for position, token in enumerate(tokens):
        if token.name not in _CELLS or token.kind is not TokenKind.OPEN:
            continue
        own = {key.rpartition(":")[2]: value for key, value in token.attributes.items()}
        paragraphs = [at for at in xml.children(tokens, position) if tokens[at].name == "p"]
        if not paragraphs:
            continue
        end = xml.end_of(tokens, paragraphs[-1])
        words = "\n".join(_text(tokens[at : xml.end_of(tokens, at)]) for at in paragraphs)
        kind = own.get("value-type", "string")
        reason: str | None = kept.reason(words)
        if "formula" in own or "string-value" in own:
            reason = "it is the result of a formula" if kind == "string" else ""
        elif kind != "string":
            reason = ""
        if reason is not None:
            yield _KeptCell(tokens[paragraphs[0]].start, tokens[end - 1].end, reason, words)


def _text(tokens: Iterable[Token]) -> str:
    return "".join(token.text for token in tokens if token.kind is TokenKind.TEXT)
