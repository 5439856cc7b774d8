"""Blocks of AsciiDoc: which lines are texts.

Paragraphs, items, titles of sections and blocks, terms and definitions are, also in examples,
sidebars, quotations and admonitions, and cells of simple tables. Listings, literal and passed
blocks, other tables, comments, attributes, includes, conditionals and macros stay, and so does a
block of a style that is not known to hold text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from tformer.documents.formats.prose import LINE, ProseText
from tformer.documents.left_parts import LeftPart

_DELIMITER = re.compile(
    r"(?P<verbatim>-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,}.*|~{4,}|[|,:!]={3,})|(?P<compound>={4,}|\*{4,}|_{4,}|--)"
)
_STYLE = re.compile(r"\[(?!\[)(?P<style>[^,.#%\[\]=\"]*)(?P<rest>.*)\]")
_ANCHOR = re.compile(r"\[\[.*\]\]|\[\]")
_SECTION = re.compile(r"(?P<level>={1,6}|#{1,6})[ \t]+(?=\S)")
_ATTRIBUTE = re.compile(r":!?\w[\w-]*!?:(?:\s.*)?")
_MARKER = re.compile(
    r"(?:[-\u2022]|\*{1,5}|\.{1,5}|\d{1,9}\.|[A-Za-z]\.|[ivxIVX]{1,8}\)|<(?:\d{1,4}|\.)>)[ \t]+"
    r"(?:\[[ xX*]\][ \t]+)?(?=\S)"
)
_TERM = re.compile(r"(?P<term>\S.*?)(?P<sign>:{2,4}|;;)(?:[ \t]+(?P<text>\S.*))?")
_DIRECTIVE = re.compile(r"\\?(?:ifdef|ifndef|ifeval|endif|include)::")
_MACRO = re.compile(r"\w[\w-]*::\S*\[.*\]")
_BREAK = re.compile(r"'{3,}|<{3,}|(?:-[ ]?){3}|(?:\*[ ]?){3}|(?:_[ ]?){3}")
_ADMONITION = re.compile(r"(?:NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+(?=\S)")
_UNDERLINE = re.compile(r"([=~^+-])\1+")
_PROSE_STYLES = frozenset(
    ["", "NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION", "abstract", "partintro", "quote",
     "example", "sidebar", "lead", "discrete", "horizontal", "qanda", "square", "circle", "disc",
     "arabic", "loweralpha", "upperalpha", "lowerroman", "upperroman", "decimal", "none",
     "unstyled"]
)  # fmt: skip
"""Styles of blocks that hold text."""

_OF_PROGRAMS = frozenset(
    ["source", "listing", "literal", "pass", "stem", "latexmath", "asciimath", "comment",
     "notranslate", "plantuml", "mermaid", "graphviz", "ditaa"]
)  # fmt: skip
"""Styles of blocks that hold no prose, or ask to be left."""

_ROW = re.compile(r"(?:\|[^|\\]{0,2000}(?<!\S))*\|[^|\\]*")
"""Pattern of cells of a table in one line; a blank is before every sign that begins one, for what
stands there else is its format."""

_FORMATTED = re.compile(r"cols=\"?[^\"\]]*[a-zA-Z]|format=|separator=|notranslate")
"""Pattern of attributes with which cells of a table are something else than sentences."""

_DEEPEST = 20
"""Levels of blocks that are looked into."""


def asciidoc_texts(text: str, first: int = 0) -> list[ProseText | LeftPart]:
    """Find the texts of a file, in its order, from an offset on, and what is not surely any."""
    reader = _AsciidocReader(text, first)
    return list(reader.body(0, len(reader.lines), 0))


class _AsciidocReader:
    """Reader of the blocks of a file."""

    def __init__(self, text: str, first: int) -> None:
        self._text = text
        self.lines = [match for match in LINE.finditer(text, first) if match[0]]
        self._raw = [match[1].rstrip() for match in self.lines]
        self._places: dict[str, list[int]] = {}
        """Numbers of the lines that may be delimiters, by what stands in them."""
        for number, raw in enumerate(self._raw):
            if _DELIMITER.fullmatch(raw):
                self._places.setdefault(raw, []).append(number)
        self._breaks_lines = any(raw.startswith(":hardbreaks") for raw in self._raw)

    def body(self, first: int, last: int, depth: int) -> Iterator[ProseText | LeftPart]:
        """Texts of lines that stand in a block or in the file."""
        line, style, is_in_list = first, "", False
        while line < last:
            raw = self._raw[line]
            if not raw or _ANCHOR.fullmatch(raw) or raw == "+":
                line += 1
            elif match := _STYLE.fullmatch(raw):
                style, line = _style_of(match), line + 1
            elif (match := _DELIMITER.fullmatch(raw)) and not self._is_break(raw):
                end = self._closing(line, last)
                yield from self._block(line, end, style, depth, is_compound=bool(match["compound"]))
                line, style = end + 1, ""
            elif end := self._behind_kept(line, last):
                line = end
            elif match := _SECTION.match(raw):
                yield self._prose("title", line, line + 1, match.end())
                line, style, is_in_list = self._behind_title(line, last, raw), "", False
            elif re.match(r"\.[^\s.]", raw):
                yield self._prose("block title", line, line + 1, 1)
                line += 1
            else:
                end = self._behind_text(line, last, is_in_list)
                if self._is_underlined(line, end, last):
                    yield self._left(line, end, "a title with a line below it is not read")
                    line, style = end + 1, ""
                    continue
                yield from self._styled(line, end, style)
                is_in_list = self._is_item(line) or (is_in_list and self._is_continued(line))
                line, style = max(end, line + 1), ""

    def _block(
        self, line: int, end: int, style: str, depth: int, *, is_compound: bool
    ) -> Iterator[ProseText | LeftPart]:
        """Texts of a block between the lines of its delimiters."""
        if self._raw[line].startswith("|==="):
            yield from self._cells(line, end)
        if is_compound and style in _PROSE_STYLES and depth < _DEEPEST:
            yield from self.body(line + 1, end, depth + 1)
        elif is_compound and style not in _OF_PROGRAMS and line + 1 < end:
            yield self._left(line + 1, end, f"the style {style!r} is not known to hold text")

    def _styled(self, line: int, end: int, style: str) -> Iterator[ProseText | LeftPart]:
        """Texts of lines without delimiters, if their style is known to hold any."""
        if style in _OF_PROGRAMS:
            return
        if style not in _PROSE_STYLES:
            yield self._left(line, end, f"the style {style!r} is not known to hold text")
        elif self._is_doubtful(line, end):
            yield self._left(line, end, "it is not surely text")
        else:
            yield from self._text_of(line, end)

    def _cells(self, line: int, end: int) -> Iterator[ProseText | LeftPart]:
        """Cells of a table whose rows are lines of cells without formats of their own."""
        attributes = self._raw[line - 1] if line else ""
        rows = [number for number in range(line + 1, end) if self._raw[number]]
        is_formatted = _STYLE.fullmatch(attributes) and _FORMATTED.search(attributes)
        if is_formatted or not all(_ROW.fullmatch(self._raw[number]) for number in rows):
            if rows and "notranslate" not in attributes:
                yield self._left(line + 1, end, "cells of this table have formats of their own")
            return
        for number in rows:
            for match in re.finditer(r"\|[ \t]*([^|]*?)[ \t]*(?=\||\Z)", self._raw[number]):
                if match[1]:
                    yield self._prose("cell", number, number + 1, *match.span(1))

    def _left(self, line: int, end: int, reason: str) -> LeftPart:
        """Lines that stay, as they are not surely text."""
        return LeftPart(self.lines[line].start(), self.lines[end - 1].end(1), reason)

    def _behind_kept(self, line: int, last: int) -> int:
        """Number of the line behind one that stays; 0 if it is text."""
        raw = self._raw[line]
        if _ATTRIBUTE.fullmatch(raw):
            while self._raw[line].endswith("\\") and line + 1 < last:
                line += 1
            return line + 1
        is_comment = raw.startswith("//") and not raw.startswith("///")
        if is_comment or _DIRECTIVE.match(raw) or _MACRO.fullmatch(raw) or self._is_break(raw):
            return line + 1
        return 0

    def _text_of(self, line: int, end: int) -> Iterator[ProseText]:
        """Text of an item, a definition or a paragraph; nothing of a literal paragraph."""
        raw = self._raw[line]
        indent = len(raw) - len(raw.lstrip())
        own = raw[indent:]
        if match := _MARKER.match(own):
            yield self._prose("item", line, end, indent + match.end())
        elif (match := _TERM.fullmatch(own)) and not re.match(r"\w+::\S", own):
            yield self._prose("term", line, line + 1, indent, indent + len(match["term"]))
            if match["text"]:
                yield self._prose("definition", line, end, indent + match.start("text"))
            elif end > line + 1:
                yield self._prose("definition", line + 1, end, None)
        elif not indent:
            match = _ADMONITION.match(own)
            yield self._prose("paragraph", line, end, match.end() if match else 0)

    def _is_doubtful(self, line: int, end: int) -> bool:
        """Return whether lines are not surely text: a sign of a block begins one of them."""
        if self._raw[line][:1] in tuple("|>:\\/+") or (self._breaks_lines and end > line + 1):
            return True
        return any(self._begins_block(number) for number in range(line + 1, end))

    def _is_underlined(self, line: int, end: int, last: int) -> bool:
        """Return whether a line is a title with a line below it, which stays."""
        if end != line + 1 or end >= last or not _UNDERLINE.fullmatch(self._raw[end]):
            return False
        return abs(len(self._raw[end]) - len(self._raw[line])) <= 1

    def _begins_block(self, line: int) -> bool:
        """Return whether a line within a text begins with a sign of a block."""
        own = self._raw[line].lstrip()
        return bool(
            own[:1] in tuple("|>:\\+.[=#")
            or own.startswith(("//", "'''", "<<<", "```"))
            or _UNDERLINE.fullmatch(own)
            or _MARKER.match(own)
            or _DIRECTIVE.match(own)
            or _MACRO.fullmatch(own)
            or _TERM.fullmatch(own)
        )

    def _behind_text(self, line: int, last: int, is_in_list: bool) -> int:
        """Number of the line behind those of a text: at a blank line, a delimiter or an item."""
        is_item = is_in_list or self._is_item(line)
        end = line + 1
        while end < last and (raw := self._raw[end]):
            if _DELIMITER.fullmatch(raw) or _STYLE.fullmatch(raw) or _ANCHOR.fullmatch(raw):
                break
            if is_item and (raw == "+" or self._is_item(end)):
                break
            end += 1
        return end

    def _is_item(self, line: int) -> bool:
        own = self._raw[line].lstrip()
        return bool(_MARKER.match(own) or _TERM.fullmatch(own))

    def _is_continued(self, line: int) -> bool:
        return line > 0 and self._raw[line - 1] == "+"

    def _is_break(self, raw: str) -> bool:
        return bool(_BREAK.fullmatch(raw))

    def _closing(self, line: int, last: int) -> int:
        """Number of the line that closes a block; `last` if none does."""
        raw = self._raw[line]
        sign = re.match(r"`*", raw)
        places = self._places.get(sign[0] if sign and sign[0] else raw, [])
        at = bisect_right(places, line)
        return min(places[at], last) if at < len(places) else last

    def _behind_title(self, line: int, last: int, raw: str) -> int:
        """Number of the line behind a title; the authors and revision of a document stay."""
        line += 1
        if re.match(r"[=#][ \t]", raw):
            while line < last and self._raw[line]:
                line += 1
        return line

    def _prose(
        self, kind: str, line: int, end: int, offset: int | None, size: int | None = None
    ) -> ProseText:
        """A text that begins at an offset in its line, None for behind its indentation."""
        contents = [raw.strip() for raw in self._raw[line:end]]
        if offset is None:
            offset = len(self._raw[line]) - len(self._raw[line].lstrip())
        contents[0] = self._raw[line][offset:size]
        start = self.lines[line].start() + offset
        final = self._raw[end - 1]
        behind = self.lines[end - 1].start() + len(final)
        if end == line + 1:
            behind = start + len(contents[0])
        prefix = ""
        if end > line + 1:
            below = self._raw[line + 1]
            prefix = below[: len(below) - len(below.lstrip())]
        ending = self.lines[line][2] or "\n"
        return ProseText(kind, start, behind, "\n".join(contents), prefix, ending)


def _style_of(match: re.Match[str]) -> str:
    """Style of a block, from the line of its attributes; one that breaks lines is unknown."""
    style = match["style"].strip()
    if "hardbreaks" in match["rest"]:
        return "hardbreaks"
    if re.search(r"\.notranslate\b", match["rest"]):
        return "notranslate"
    if match["rest"].startswith('"'):
        return match["rest"]
    return "" if match["rest"].startswith("=") else style
