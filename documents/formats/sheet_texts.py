"""Texts of a sheet of a workbook beside its cells, and those that it compares with others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tformer.documents.building import Builder
from tformer.documents.document import Slot, replacing
from tformer.documents.io import xml
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart

_FORMULAS = {"f", "formula", "formula1", "formula2", "definedName"}
_STRING = re.compile(r'"((?:[^"]|"")*)"')
_COMPARED: Mapping[str, str] = {"filter": "val", "customFilter": "val", "cfRule": "text"}
"""Elements that name the text of a cell, and the attributes in which they do."""

_PRINTED = {f"{kind}{place}" for kind in ("odd", "even", "first") for place in ("Header", "Footer")}
_CODE = re.compile(
    r"[ \t]*\n\s*|&(?:(?P<part>[LCR])|\"[^\"]*\"|K(?:[0-9A-Fa-f]{6}|\d\d[+-]\d{3})|\d+|.)"
)
"""Code of a header: its left, middle or right part, a font, a page number."""

_PRINTED_LENGTH = 255
_PROMPTS: Mapping[str, int] = {"promptTitle": 32, "prompt": 255, "errorTitle": 32, "error": 255}
"""Attributes of a validation that a reader sees, and the characters that Excel allows."""

_PROMPT = re.compile(
    r"\s(?P<name>promptTitle|prompt|errorTitle|error)=(?:\"(?P<one>[^\"]*)\"|'(?P<other>[^']*)')"
)


def compared_texts(tokens: Sequence[Token]) -> Iterator[str]:
    """Texts of cells that a sheet or workbook names in a formula, a list, a filter, a condition."""
    for position, token in enumerate(tokens):
        if value := token.attributes.get(_COMPARED.get(token.name, ""), ""):
            yield value.strip("*")
        if token.kind is not TokenKind.OPEN or token.name not in _FORMULAS:
            continue
        for match in _STRING.finditer(_text(tokens, position)):
            whole = match[1].replace('""', '"')
            yield from (whole, *(part.strip() for part in whole.split(",") if "," in whole))


def tabled_texts(tokens: Sequence[Token]) -> Iterator[str]:
    """Names of columns of tables and pivot tables: Excel refuses a cell that disagrees."""
    for token in tokens:
        if token.name in ("tableColumn", "cacheField"):
            yield token.attributes.get("name", "")


def sheet_slots(tokens: Sequence[Token]) -> Iterator[Slot | LeftPart]:
    """Slots of headers, footers and prompts of a sheet; and words in formulas, which stay."""
    for position, token in enumerate(tokens):
        if token.kind is TokenKind.OPEN and token.name in _PRINTED:
            yield from _printed(tokens, position)
        elif token.name == "dataValidation" and token.kind is not TokenKind.CLOSE:
            yield from _prompts(token, position)
        elif token.kind is TokenKind.OPEN and token.name in ("f", "formula1"):
            for match in _STRING.finditer(_text(tokens, position)):
                if re.search(r"[^\W\d_]{2}", match[1]):
                    start, end = tokens[position + 1].start, tokens[position + 1].end
                    yield LeftPart(start, end, "it stands in a formula", match[1])


def _text(tokens: Sequence[Token], position: int) -> str:
    inside = tokens[position + 1 : xml.end_of(tokens, position)]
    return "".join(token.text for token in inside if token.kind is TokenKind.TEXT)


def _printed(tokens: Sequence[Token], position: int) -> Iterator[Slot]:
    text = _text(tokens, position)
    builder = Builder(xml.escape)
    end = 0
    for code in _CODE.finditer(text):
        builder.text(text[end : code.start()])
        divides = bool(code["part"]) or code[0].endswith("\n") or code[0].strip() != code[0]
        builder.alone(xml.escape(code[0]), "&" if code[0] == "&&" else "", divides=divides)
        end = code.end()
    builder.text(text[end:])
    segment = builder.build(f"{tokens[position].name} {position}")
    if segment.has_words:
        last = xml.end_of(tokens, position) - 1
        slot = replacing(segment, tokens[position].end, tokens[last].start, xml.escape)
        yield _limited(slot, _PRINTED_LENGTH)


def _prompts(token: Token, position: int) -> Iterator[Slot]:
    for match in _PROMPT.finditer(token.raw):
        name = "one" if match["one"] is not None else "other"
        builder = Builder(_in_attribute, breaks=True)
        builder.text(xml.unescape(match[name]).replace("_x000a_", "\n"))
        segment = builder.build(f"{match['name']} {position}")
        if segment.has_words:
            start, end = (token.start + offset for offset in match.span(name))
            slot = replacing(segment, start, end, _in_attribute)
            yield _limited(slot, _PROMPTS[match["name"]])


def _limited(slot: Slot, characters: int) -> Slot:
    """A slot for which a program refuses longer texts."""

    def fits(text: str) -> bool:
        return len(xml.unescape("".join(edit.text for edit in slot.edits(text)))) <= characters

    return Slot(slot.segment, slot.edits, slot.depth, fits)


def _in_attribute(text: str) -> str:
    quoted = xml.escape(text).replace('"', "&quot;").replace("'", "&apos;")
    return quoted.replace("\r\n", "\n").replace("\n", "&#10;")
