"""Texts of a sheet of a workbook beside its cells, and those that it compares with others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from tformer.documents.building import Builder
from tformer.documents.document import Slot, replacing
from tformer.documents.formats.office_codes import plain_text
from tformer.documents.io import xml
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart, LeftText

_FORMULAS = {"f", "formula", "formula1", "formula2", "definedName"}
_STRING = re.compile(r'"((?:[^"]|"")*)"')
_COMPARED: Mapping[str, str] = {"filter": "val", "customFilter": "val", "cfRule": "text"}
"""Elements that name the text of a cell, and the attributes in which they do."""

_COLUMN = "it is the name of a column"  # Excel refuses a cell that disagrees
_PIVOT = "a pivot table names it"
_NAMED: Mapping[str, Mapping[str, str]] = {
    "tableColumn": {"name": _COLUMN, "totalsRowLabel": "it is the label of the totals of a table"},
    "cacheField": {"name": _COLUMN, "caption": _PIVOT},
    "s": {"v": _PIVOT},
    "dataField": {"name": _PIVOT},
    "pivotField": {"name": _PIVOT},
    "pivotTableDefinition": {
        f"{name}Caption": _PIVOT
        for name in ("colHeader", "data", "error", "grandTotal", "missing", "rowHeader")
    },
}
"""Elements that name the texts of cells in attributes, and the reason for which these stay."""

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


_WILD = re.compile(r"~[*?~]|[*?]")
_OPERATOR = re.compile(r"\A(?:<>|<=|>=|[=<>])")
_OF_PARTS = re.compile(
    r"\b(?:SEARCH|FIND|LEFT|RIGHT|MID|SUBSTITUTE|TEXTBEFORE|TEXTAFTER|TEXTSPLIT|REGEX\w+)B?\("
)
"""Functions for which a part of the text of a cell counts."""


class ComparedTexts:
    """Texts that a workbook compares with those of its cells, which Excel does in any case."""

    def __init__(self) -> None:
        self._wholes: dict[str, str] = {}
        self._parts: set[str] = set()
        self._names: set[str] = set()
        self._uses_names = False

    def add(self, tokens: Sequence[Token]) -> None:
        """Add what a sheet, the workbook or a table says in formulas, lists and conditions."""
        for position, token in enumerate(tokens):
            own = token.attributes
            for attribute, reason in _NAMED.get(token.name, {}).items():
                if attribute in own:
                    self._wholes[_folded(own[attribute])] = reason
            if token.name in ("definedName", "sheet") and "name" in own:
                self._names.add(_folded(own["name"]))
            if value := own.get(_COMPARED.get(token.name, ""), ""):
                self.add_text(value, of_parts=token.name == "cfRule")
            if token.kind is TokenKind.OPEN and token.name in _FORMULAS:
                self.add_formula(_text(tokens, position))

    def add_formula(self, formula: str) -> None:
        """Add the texts in a formula."""
        self._uses_names = self._uses_names or "INDIRECT(" in formula
        of_parts = bool(_OF_PARTS.search(formula))
        for match in _STRING.finditer(formula):
            whole = match[1].replace('""', '"')
            for text in (whole, *(part for part in whole.split(",") if "," in whole)):
                self.add_text(text.strip(), of_parts=of_parts)

    def add_text(self, text: str, *, of_parts: bool) -> None:
        """Add a text, with wildcards in it or not; a condition may look for parts of cells."""
        for one in {text, _OPERATOR.sub("", text)}:
            if _WILD.search(one):
                self._parts.add(_as_pattern(_folded(one)))
            elif of_parts and re.search(r"[^\W\d_]{2}", one):
                self._parts.add(f".*{re.escape(_folded(one))}.*")
            self._wholes.setdefault(
                _folded(one), "a formula, a list, a filter or a condition of the workbook names it"
            )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{part})" for part in sorted(self._parts)) or "(?!)", re.S)

    def reason(self, text: str) -> str | None:
        """Reason why a cell with a text must stay; None if it need not."""
        folded = _folded(text)
        if reason := self._wholes.get(folded):
            return reason
        if self._uses_names and folded in self._names:
            return "a formula may read it as a name"
        return "a formula or a condition looks for a part of it" if self._is_found(folded) else None

    def _is_found(self, folded: str) -> bool:
        return bool(re.search(r"[^\W\d_]", folded)) and bool(self._pattern.fullmatch(folded))


def _as_pattern(text: str) -> str:
    """A pattern of what wildcards stand for; none of what they stand for alone."""
    if not re.search(r"[^\W\d_]", text):
        return "(?!)"
    signs = {"*": ".*", "?": "."}
    pieces = re.split(f"({_WILD.pattern})", text)
    return "".join(signs.get(piece) or re.escape(piece.removeprefix("~")) for piece in pieces)


def _folded(text: str) -> str:
    return plain_text(text).replace("\r\n", "\n").strip().casefold()


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


_FORMAT = re.compile(r"\sformatCode=(?:\"([^\"]*)\"|'([^']*)')")


def words_in_formats(parts: Iterable[tuple[str, bytes]]) -> Iterator[LeftText]:
    """Words that formats of numbers show beside these: `0 "days"`."""
    for name, data in parts:
        found = _FORMAT.finditer(data.decode("utf-8", "replace")) if b"formatCode=" in data else ()
        formats = dict.fromkeys(xml.unescape(match[1] or match[2] or "") for match in found)
        for text in formats:
            if any(re.search(r"[^\W\d_]{2}", word) for word in _STRING.findall(text)):
                yield LeftText(text, f"left as it was, since it is a format of numbers (in {name})")


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
