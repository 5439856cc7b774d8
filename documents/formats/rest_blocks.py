"""Blocks of reStructuredText: which lines are texts.

Paragraphs, items, titles, terms and definitions, quotations, footnotes, and the bodies of
admonitions, figures and tables written as lists are; every other directive, literal blocks,
comments, fields, options, line blocks, doctests and tables stay. Lines that are not surely any of
these stay too.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from tformer.documents.formats.prose import LINE, ProseText, width
from tformer.documents.formats.rest_cells import csv_cells
from tformer.documents.formats.rest_tables import GRID, SIMPLE, TableText, read_table
from tformer.documents.left_parts import LeftPart

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*")
_EXPLICIT = re.compile(r"\.\.(?:\s|\Z)")
_NOTE = re.compile(r"\.\.\s+\[(?:\d+|#[\w.-]*|\*|[^\W\d_][\w.-]*)\]\s+(?=\S)")
_DIRECTIVE = re.compile(r"\.\.\s+(?P<name>\w[\w.+-]*(?::[\w.+-]+)*)\s?::(?:\s+(?P<argument>\S.*))?")
_BULLET = re.compile(r"[-*+\u2022\u2023\u2043]\s+(?=\S)")
_NUMBER = re.compile(r"(?P<before>\(?)(?P<number>\d{1,9}|#|[A-Za-z])(?P<behind>[.)])\s+(?=\S)")
_OTHER = re.compile(
    r""":(?![:\s])(?:[^:\\]|\\.|:(?![\s`]|\Z))*(?<!\s):(?:\s|\Z)    # a field
    | (?:--?|\+|/)[A-Za-z0-9?] | \|(?:\s|\Z) | >>>(?:\s|\Z) | __(?:\s|\Z) | \+[-=]
    | [-*+\u2022\u2023\u2043]\Z
    | \(?(?:\d{1,9}|\#|[A-Za-z]|[ivxlcdmIVXLCDM]{1,12})[.)](?:\s|\Z)""",
    re.VERBOSE,
)
_UNSURE = "it is not surely text"
_DRAWN = "it is a drawn table that is not understood; one of plain rows and columns is"
_NO_PROSE = re.compile(r">>>|__|:(?![:\s])")
"""Pattern of what begins a doctest, the target of a link, or a field."""

_OPTION = re.compile(r":[\w-]+:(?:\s|\Z)")
_FIELD = re.compile(
    r":(?:param(?:eter)?|arg(?:ument)?|key(?:word)?|kwarg|raises?|except(?:ion)?|[ic]?var|returns?"
    r"|yields?)(?:\s[^:\n]+)?:\s+(?=\S)"
)
"""Pattern of the fields of Sphinx that hold text."""

_ADMONITIONS = frozenset(
    [
        "attention",
        "caution",
        "danger",
        "error",
        "hint",
        "important",
        "note",
        "tip",
        "warning",
        "seealso",
        "todo",
        "header",
        "footer",
        "epigraph",
        "highlights",
        "pull-quote",
    ]
)
"""Directives of which all is text."""

_TITLED = frozenset(
    ["admonition", "topic", "sidebar", "tab", "group-tab", "tab-item", "dropdown", "collapse",
     "card", "grid-item-card"]
)  # fmt: skip
"""Directives with a title and a body of text."""

_ARGUMENTS = frozenset(
    ["rubric", "table", "list-table", "csv-table", "contents", "centered", "title"]
)
"""Directives of which only the title is text."""

_BODIES = frozenset(
    [
        "figure",
        "container",
        "table",
        "compound",
        "only",
        "hlist",
        "tabs",
        "tab-set",
        "grid",
        "grid-item",
        "option",
        "cmdoption",
        "envvar",
        "confval",
        "describe",
        "object",
        "versionadded",
        "versionchanged",
        "deprecated",
        "versionremoved",
    ]
)
"""Directives of which only the body is text, behind the first blank line."""

_DESCRIBED = re.compile(
    r"(?:(?:py|c|cpp|js|rst|http|std):|auto)[\w.-]+"
    r"|(?:class|static|abstract)?method|function|class|attribute|data|exception|decorator"
)
"""Pattern of the directives that describe a thing of a program, which their argument names."""

_VERSIONS = frozenset(["versionadded", "versionchanged", "deprecated", "versionremoved"])
"""Directives in which text stands behind the number of a version, too."""

_VERSION = re.compile(r"\S+(?:\s+|\Z)")
_SAID = re.compile(r":(alt|caption|description|header|keywords|subtitle|title):\s+(.*[^\W\d_].*)")
_DIALECT = re.compile(r":(?:delim|quote|escape|file|url|keepspace):")
_PICTURE = re.compile(r"\.\.\s+\|[^|\n]+\|\s+image::\s+\S+")
_ENTRY = re.compile(r"(\S.*?)\s+<[^<>]+>")
_REPLACED = re.compile(r"\.\.\s+\|[^|\n]+\|\s+replace::\s+(.*[^\W\d_].*)")

_RestText = ProseText | TableText | LeftPart
_OF_PROGRAMS = frozenset(
    [
        "code",
        "code-block",
        "sourcecode",
        "highlight",
        "literalinclude",
        "parsed-literal",
        "include",
        "raw",
        "math",
        "image",
        "toctree",
        "sectnum",
        "default-role",
        "role",
        "cssclass",
        "py:module",
        "py:currentmodule",
        "js:module",
        "meta",
        "index",
        "graphviz",
        "digraph",
        "graph",
        "mermaid",
        "uml",
        "plot",
        "ipython",
        "doctest",
        "testcode",
        "testoutput",
        "testsetup",
        "testcleanup",
        "productionlist",
        "tabularcolumns",
        "currentmodule",
        "module",
        "bibliography",
        "program-output",
        "command-output",
        "prompt",
        "exec",
        "jupyter-execute",
        "runblock",
    ]
)
"""Directives of which nothing is prose."""

_Found = Generator[_RestText, None, tuple[int, bool]]
"""Texts; then the number of the line behind the block, and whether a literal block follows."""

_DEEPEST = 40
"""Levels of blocks that are looked into."""


def rest_texts(text: str) -> list[_RestText]:
    """Find the texts of a file, in its order, and what is not surely any."""
    reader = _RestReader(text)
    return list(reader.body(0, len(reader.lines), 0, 0))


class _RestReader:
    """Reader of the blocks of a file."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.lines = [match for match in LINE.finditer(text) if match[0]]
        self._indents = [_indent_of(match[1]) for match in self.lines]
        self._begins: dict[int, int] = {}
        """Offset of the text of a line that begins behind a marker."""

    def body(self, first: int, last: int, indent: int, depth: int) -> Iterator[_RestText]:
        """Texts of lines, none of which is indented less."""
        line, literal = first, False
        while line < last and depth < _DEEPEST:
            if self._is_blank(line):
                line += 1
            elif self._indents[line] > indent:
                end = self._behind_indented(line, last, indent)
                if not literal:
                    yield from self.body(line, end, self._least(line, end), depth + 1)
                line, literal = end, False
            elif literal and _ADORNMENT.match(self._line(line)):
                line, literal = self._behind_chunk(line, last), False
            else:
                line, literal = yield from self._block(line, last, depth)

    def _block(self, line: int, last: int, depth: int) -> _Found:
        text = self._line(line)
        if _EXPLICIT.match(text):
            return (yield from self._explicit(line, last, depth))
        if text != "::" and _ADORNMENT.fullmatch(text):
            return (yield from self._overlined(line, last, depth))
        if self._is_underlined(line, last):
            if depth or not self._may_be_title(line):
                return (yield from self._left(line, last))
            yield self._title(line, line, [line + 1])
            return line + 2, False
        if GRID.fullmatch(text) or SIMPLE.fullmatch(text):
            return (yield from self._table(line, last))
        if match := _BULLET.match(text):
            return (yield from self._item(line, last, match.end(), depth))
        if (match := _NUMBER.match(text)) and self._is_numbered(line, last, match):
            return (yield from self._item(line, last, match.end(), depth))
        if match := _FIELD.match(text):
            return (yield from self._field(line, last, match.end(), depth))
        if _OTHER.match(text):
            if not _NO_PROSE.match(text) or (text[0] == ":" and self._has_sentence(line, last)):
                return (yield from self._left(line, last, "it is no paragraph, item or title"))
            return self._behind_left(line, last)
        return (yield from self._paragraph(line, last, depth))

    # --- blocks

    def _item(self, line: int, last: int, size: int, depth: int) -> _Found:
        indent = self._begin(line, size)
        end = self._behind_indented(line + 1, last, indent - 1)
        yield from self.body(line, end, indent, depth + 1)
        return end, False

    def _field(self, line: int, last: int, size: int, depth: int) -> _Found:
        end = self._behind_indented(line + 1, last, self._indents[line])
        inner = self._least(line + 1, end) if end > line + 1 else self._indents[line] + 1
        self._begin(line, size, inner)
        yield from self.body(line, end, inner, depth + 1)
        return end, False

    def _is_numbered(self, line: int, last: int, match: re.Match[str]) -> bool:
        """Return whether a line is surely an item: by what stands directly below it."""
        if line + 1 >= last or self._is_blank(line + 1):
            return True
        if self._indents[line + 1] != self._indents[line]:
            return self._indents[line + 1] >= self._indents[line] + match.end()
        below = _NUMBER.match(self._line(line + 1))
        return (
            below is not None
            and (below["before"], below["behind"]) == (match["before"], match["behind"])
            and below["number"] == _next_number(match["number"])
        )

    def _explicit(self, line: int, last: int, depth: int) -> _Found:
        text, indent = self._line(line), self._indents[line]
        end = self._behind_indented(line + 1, last, indent)
        if text == ".." and (line + 1 == last or self._is_blank(line + 1)):
            return line + 1, False
        inner = self._least(line + 1, end) if end > line + 1 else indent + 3
        if match := _NOTE.match(text):
            self._begin(line, match.end(), inner)
            yield from self.body(line, end, inner, depth + 1)
        elif match := _DIRECTIVE.fullmatch(text):
            yield from self._directive(line, end, inner, match, depth)
        elif _PICTURE.fullmatch(text):
            yield from self._said_in_options(line + 1, end)
        elif match := _REPLACED.fullmatch(text):
            start = self._start(line) + match.start(1)
            yield LeftPart(start, start + len(match[1]), "it is what a substitution stands for")
        return end, False

    def _directive(
        self, line: int, end: int, inner: int, match: re.Match[str], depth: int
    ) -> Iterator[_RestText]:
        name, head = match["name"].lower(), self._behind_chunk(line, end)
        describes = bool(_DESCRIBED.fullmatch(name)) and name not in _OF_PROGRAMS
        known = _ADMONITIONS | _TITLED | _ARGUMENTS | _BODIES | _OF_PROGRAMS | {"glossary"}
        if name not in known and not describes:
            says = len((match["argument"] or "").split()) > 2
            if end > head or says:
                place = self._start(line if says else head), self.lines[end - 1].end(1)
                yield LeftPart(*place, f"the directive {name!r} is not known to hold text")
        if name == "glossary":
            yield from self._glossary(head, end, inner, depth)
        if name == "toctree":
            yield from self._entries(head, end)
        has_options = [bool(_OPTION.match(self._line(other))) for other in range(line + 1, head)]
        yield from self._said_in_options(line + 1, head)
        if name == "csv-table" and end > head:
            yield from self._rows(line, head, end)
        if name in _VERSIONS:
            yield from self._change(line, head, match)
        if name in _ADMONITIONS and match["argument"]:
            first = line + 1 + has_options.index(True) if any(has_options) else end
            self._begin(line, match.start("argument"), inner)
            yield from self.body(line, first, inner, depth + 1)
            if first < end:
                yield from self.body(head, end, inner, depth + 1)
        elif name in _ADMONITIONS:
            yield from self.body(line + 1, end, inner, depth + 1)
        if name in _TITLED | _ARGUMENTS and match["argument"]:
            start = self._start(line) + match.start("argument")
            if all(has_options):
                yield self._prose("directive", line, line + 1, start)
            else:
                yield LeftPart(start, self.lines[head - 1].end(1), _UNSURE)
        if describes or name in _TITLED | _BODIES or (name == "list-table" and all(has_options)):
            yield from self.body(head, end, inner, depth + 1)

    def _glossary(self, line: int, end: int, inner: int, depth: int) -> Iterator[_RestText]:
        """Definitions of terms, which stay: roles refer to them."""
        while line < end:
            behind = self._behind_indented(line + 1, end, inner)
            if not self._is_blank(line):
                place = self._start(line), self.lines[line].end(1)
                yield LeftPart(*place, "others may refer to the term")
                if behind > line + 1:
                    least = self._least(line + 1, behind)
                    yield from self.body(line + 1, behind, least, depth + 1)
            line = max(behind, line + 1)

    def _entries(self, line: int, end: int) -> Iterator[_RestText]:
        """Titles that a table of contents has for its pages."""
        for number in range(line, end):
            if match := _ENTRY.fullmatch(self._line(number)):
                start = self._start(number)
                yield ProseText("directive", start, start + len(match[1]), match[1])

    def _has_sentence(self, line: int, last: int) -> bool:
        """Return whether one of several fields holds more than a name or a date."""
        end = self._behind_left(line, last)[0]
        sizes = [0]
        for other in range(line, end):
            text = self._line(other)
            begins = text.startswith(":") and self._indents[other] == self._indents[line]
            sizes.append(len(text.split()) + (0 if begins else sizes[-1]))
        return max(sizes) > 5

    def _said_in_options(self, first: int, last: int) -> Iterator[_RestText]:
        for line in range(first, last):
            match = _SAID.fullmatch(self._line(line))
            if not match:
                continue
            start, end = (self._start(line) + place for place in match.span(2))
            goes_on = line + 1 < last and not _OPTION.match(self._line(line + 1))
            cells = None if goes_on or match[1] != "header" else csv_cells(self._text, start, end)
            if cells:
                yield from cells
            elif goes_on or match[1] == "header":
                yield LeftPart(start, end, "it is an option of a directive")
            else:
                yield self._prose("directive", line, line + 1, start)

    def _rows(self, line: int, head: int, end: int) -> Iterator[_RestText]:
        """Cells of a table that is written as CSV, if its rows are usual ones of one line."""
        settings = [self._line(other) for other in range(line + 1, head)]
        rows = [n for n in range(head, end) if not self._is_blank(n)]
        found = [
            csv_cells(self._text, self._start(n), self._start(n) + len(self._line(n))) for n in rows
        ]
        if None in found or any(map(_DIALECT.match, settings)):
            yield LeftPart(self._start(head), self.lines[end - 1].end(1), _DRAWN)
            return
        for cells in found:
            yield from cells or ()

    def _change(self, line: int, head: int, match: re.Match[str]) -> Iterator[_RestText]:
        """Text of a change, which begins behind the version or in the next line."""
        if not match["argument"]:
            return
        behind = _VERSION.match(match["argument"])
        if behind and behind.end() < len(match["argument"]):
            start = self._start(line) + match.start("argument") + behind.end()
            yield self._prose("directive", line, head, start)
        elif behind and head > line + 1:
            yield self._prose("directive", line + 1, head)

    def _overlined(self, line: int, last: int, depth: int) -> _Found:
        """A title between two lines, or a line between paragraphs."""
        over = self._line(line)
        if line + 1 == last or self._is_blank(line + 1):
            return line + 1, False
        is_title = line + 2 < last and not self._is_blank(line + 1) and self._line(line + 2) == over
        text = self.lines[line + 1][1].rstrip()
        if depth or not is_title or len(over) < 4 or width(text) > len(over):
            return (yield from self._left(line, last))
        if not _ADORNMENT.fullmatch(text.strip()):
            yield self._title(line + 1, line, [line, line + 2])
        return line + 3, False

    def _title(self, line: int, first: int, adornments: list[int]) -> ProseText:
        start = self._start(line)
        places = [(self._start(n), self._start(n) + len(self._line(n))) for n in adornments]
        margin = start - self.lines[line].start() if first != line else 0
        return self._prose("title", line, line + 1, start, places, margin)

    def _is_underlined(self, line: int, last: int) -> bool:
        if line + 1 >= last or self._indents[line + 1] != self._indents[line]:
            return False
        under = self._line(line + 1)
        is_long = len(under) >= 4 or (len(under) >= width(self._line(line)) and len(under) > 1)
        return is_long and bool(_ADORNMENT.fullmatch(under))

    def _may_be_title(self, line: int) -> bool:
        text = self._line(line)
        is_other = _BULLET.match(text) or (_OTHER.match(text) and not _NUMBER.match(text))
        return not is_other and self._line(line + 1) not in ("::", "..")

    def _paragraph(self, line: int, last: int, depth: int) -> _Found:
        indent = self._indents[line]
        end = line
        while end < last and not self._is_blank(end) and self._indents[end] == indent:
            end += 1
        if any(_ADORNMENT.fullmatch(self._line(other)) for other in range(line + 1, end)):
            return (yield from self._left(line, last))
        literal = self._line(end - 1).endswith("::")
        if end == last or self._is_blank(end):
            if self._line(line) != "::":
                yield self._prose("literal" if literal else "paragraph", line, end)
            return end, literal
        if end > line + 1 or literal:  # an indentation that nothing explains
            return (yield from self._left(line, last))
        term, colon, _ = self._line(line).partition(" : ")
        if not colon:
            yield self._prose("term", line, end)
        elif "," not in term and " " in term:
            yield LeftPart(self._start(line), self.lines[line].end(1), "it has a classifier")
        behind = self._behind_indented(end, last, indent)
        yield from self.body(end, behind, self._least(end, behind), depth + 1)
        return behind, False

    # --- lines

    def _prose(
        self, kind: str, line: int, end: int, start: int | None = None,
        adornments: list[tuple[int, int]] | None = None, margin: int = 0,
    ) -> ProseText:  # fmt: skip
        start = self._start(line) if start is None else start
        contents = [self._text[start : self.lines[line].end(1)].rstrip()]
        contents += [self._line(number) for number in range(line + 1, end)]
        behind = self._start(end - 1) + len(self._line(end - 1))
        prefix = ""
        if end > line + 1:
            prefix = self._text[self.lines[line + 1].start() : self._start(line + 1)]
        content = "\n".join(contents)
        if kind == "literal":
            content = content.removesuffix("::").rstrip()
            shown = line + content.count("\n")
            behind = self._start(shown) + len(content.rpartition("\n")[2])
        return ProseText(
            kind, start, behind, content, prefix, self.lines[line][2] or "\n",
            adornments or (), margin,
        )  # fmt: skip

    def _begin(self, line: int, size: int, indent: int | None = None) -> int:
        """Let the text of a line begin behind a marker of a size; the column where it does."""
        self._begins[line] = self._start(line) + size
        self._indents[line] = self._indents[line] + size if indent is None else indent
        return self._indents[line]

    def _start(self, line: int) -> int:
        if line in self._begins:
            return self._begins[line]
        match = self.lines[line]
        return match.start() + len(match[1]) - len(match[1].lstrip())

    def _line(self, line: int) -> str:
        return self._text[self._start(line) : self.lines[line].end(1)].rstrip()

    def _is_blank(self, line: int) -> bool:
        return not self.lines[line][1] or self.lines[line][1].isspace()

    def _least(self, first: int, last: int) -> int:
        return min(self._indents[n] for n in range(first, last) if not self._is_blank(n))

    def _behind_chunk(self, line: int, last: int) -> int:
        while line < last and not self._is_blank(line):
            line += 1
        return line

    def _behind_indented(self, line: int, last: int, indent: int) -> int:
        """Number of the line behind those that are indented by more, without blank ones."""
        behind = line
        while line < last and (self._is_blank(line) or self._indents[line] > indent):
            line += 1
            behind = behind if self._is_blank(line - 1) else line
        return behind

    def _left(self, line: int, last: int, reason: str = _UNSURE) -> _Found:
        """A block that stays, as one that is not surely text."""
        behind = self._behind_left(line, last)
        end = self.lines[self._behind_chunk(line, last) - 1].end(1)
        yield LeftPart(self._start(line), end, reason)
        return behind

    def _behind_left(self, line: int, last: int) -> tuple[int, bool]:
        """The line behind a block that stays, with what is indented below it, and whether a literal
        block may follow."""
        behind = self._behind_chunk(line, last)
        literal = self._line(behind - 1).endswith("::")
        return self._behind_indented(behind, last, self._indents[line]), literal

    def _table(self, line: int, last: int) -> _Found:
        """A table that is drawn."""
        is_grid = GRID.fullmatch(self._line(line))
        behind = self._behind_chunk(line, last) if is_grid else self._behind_table(line, last)
        table = self._drawn_table(line, behind) if behind else None
        if behind is None or (table is None and is_grid):
            return (yield from self._left(line, last, _DRAWN))
        place = self._start(line), self.lines[behind - 1].end(1)
        yield table or LeftPart(*place, _DRAWN)
        return behind, False

    def _drawn_table(self, line: int, end: int) -> TableText | None:
        first, start = self.lines[line], self._start(line)
        size = start - first.start()
        rows = [self.lines[number] for number in range(line + 1, end)]
        if any(row[1][:size].strip() for row in rows):
            return None
        table = read_table([first[1][size:], *(row[1][size:].rstrip() for row in rows)])
        behind = rows[-1].end(1) if rows else first.end(1)
        raw = self._text[start:behind]
        prefix = rows[-1][1][:size] if rows else ""
        return TableText(start, behind, raw, table, prefix, first[2] or "\n") if table else None

    def _behind_table(self, line: int, last: int) -> int | None:
        borders = 0
        for other in range(line + 1, last):
            if SIMPLE.fullmatch(self._line(other)):
                borders += 1
                if borders == 2 or other + 1 == last or self._is_blank(other + 1):
                    return other + 1
        return None


def _indent_of(line: str) -> int:
    """Columns before the text of a line."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs())


def _next_number(number: str) -> str:
    """The number of the next item of a list."""
    if number.isdigit():
        return str(int(number) + 1)
    return number if number == "#" else chr(ord(number) + 1)
