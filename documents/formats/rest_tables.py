"""Drawn tables of reStructuredText: with `+---+` around cells, or with `====` above columns.

A table is read as lines of cells and drawn anew, with columns as wide as the widest cell. Cells
that span columns or rows are not read, nor is what is in a margin.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tformer.documents.formats.prose import width

GRID = re.compile(r"\+(?:-+\+)+")
"""Pattern of the first line of a table with lines around cells."""

SIMPLE = re.compile(r"=+(?: +=+)+")
"""Pattern of the first line of a table with lines above columns."""

_SECOND_COLUMN = "\ufdd1"
"""Character behind one that takes two columns, so that columns can be counted."""


@dataclass(frozen=True)
class DrawnCell:
    """Lines of a cell, without the margin before them."""

    lines: tuple[str, ...]
    margin: int = 0

    @property
    def width(self) -> int:
        """Columns that it takes."""
        return self.margin + max(map(width, self.lines), default=0)


@dataclass(frozen=True)
class DrawnTable:
    """A table: lines as they are, by their numbers, and rows of cells between them."""

    rows: tuple[tuple[DrawnCell, ...] | str, ...]
    """Cells of a row; or a line between rows, of which the signs count."""
    widths: tuple[int, ...]
    gaps: tuple[int, ...] = ()
    """Blanks before each column but the first, of a table without lines between columns."""

    @property
    def cells(self) -> Iterator[tuple[int, int, DrawnCell]]:
        """Cells with the numbers of their rows and columns."""
        for number, row in enumerate(self.rows):
            for column, cell in enumerate(row) if not isinstance(row, str) else ():
                yield number, column, cell

    def with_cells(self, cells: dict[tuple[int, int], tuple[str, ...]]) -> DrawnTable:
        """This table with other lines in some cells, and wider columns if they need them."""
        rows = tuple(
            row
            if isinstance(row, str)
            else tuple(
                replace(cell, lines=cells.get((number, column), cell.lines))
                for column, cell in enumerate(row)
            )
            for number, row in enumerate(self.rows)
        )
        table = replace(self, rows=rows)
        widths = list(self.widths)
        for _, column, cell in table.cells:
            behind = 0 if self.gaps or not cell.lines else 1
            widths[column] = max(widths[column], cell.width + behind)
        return replace(table, widths=tuple(widths))

    def drawn(self) -> list[str]:
        """The lines of the table."""
        return [line for row in self.rows for line in self._row(row)]

    def _row(self, row: tuple[DrawnCell, ...] | str) -> Iterator[str]:
        if isinstance(row, str):
            yield self._border(row)
            return
        for number in range(max(len(cell.lines) for cell in row) or 1):
            pieces = [
                _padded(cell, number, size) for cell, size in zip(row, self.widths, strict=True)
            ]
            yield self._joined(pieces).rstrip() if self.gaps else f"|{'|'.join(pieces)}|"

    def _border(self, sign: str) -> str:
        lines = [sign * size for size in self.widths]
        if self.gaps:
            return self._joined(lines) if sign.strip() else ""
        return f"+{'+'.join(lines)}+"

    def _joined(self, pieces: Sequence[str]) -> str:
        behind = (f"{' ' * gap}{piece}" for gap, piece in zip(self.gaps, pieces[1:], strict=True))
        return pieces[0] + "".join(behind)


def _padded(cell: DrawnCell, number: int, size: int) -> str:
    line = cell.lines[number] if number < len(cell.lines) else ""
    text = " " * cell.margin + line if line else ""
    return text + " " * (size - width(text))


@dataclass(frozen=True)
class TableText:
    """A table that is drawn, and its place in the file."""

    start: int
    end: int
    raw: str
    table: DrawnTable
    prefix: str
    """Prefix of each line but the first."""
    ending: str


def read_table(lines: Sequence[str]) -> DrawnTable | None:
    """Read a table; None if it is not surely one of plain rows and columns."""
    if any(unicodedata.combining(c) or c == "\t" for line in lines for c in line):
        return None
    counted = [
        "".join(c + _SECOND_COLUMN * (unicodedata.east_asian_width(c) in "WF") for c in line)
        for line in lines
    ]
    table = _grid(counted) if GRID.fullmatch(lines[0]) else _simple(counted)
    return table if table and table.drawn() == [line.rstrip() for line in lines] else None


# --- lines around cells --------------------------------------------------------------------------


def _grid(lines: Sequence[str]) -> DrawnTable | None:
    borders = [match.start() for match in re.finditer(r"\+", lines[0])]
    columns = list(pairwise(borders))
    rows: list[tuple[DrawnCell, ...] | str] = []
    inside: list[str] = []
    for line in lines:
        if len(line) != len(lines[0]):
            return None
        sign = line[1:2]
        if sign in ("-", "=") and all(
            c == ("+" if at in borders else sign) for at, c in enumerate(line)
        ):
            rows += [*([_row(inside, columns)] if inside else []), sign]
            inside = []
        elif all(line[at] == "|" for at in borders):
            inside.append(line)
        else:
            return None
    if inside or rows.count("=") > 1 or len(rows) < 3:
        return None
    return DrawnTable(tuple(rows), tuple(end - start - 1 for start, end in columns))


def _row(lines: Sequence[str], columns: Sequence[tuple[int, int]]) -> tuple[DrawnCell, ...]:
    return tuple(_cell([line[start + 1 : end] for line in lines]) for start, end in columns)


def _cell(lines: Sequence[str]) -> DrawnCell:
    lines = [line.replace(_SECOND_COLUMN, "").rstrip() for line in lines]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    return DrawnCell(tuple(line[margin:] for line in lines), margin)


# --- lines above columns -------------------------------------------------------------------------


def _simple(lines: Sequence[str]) -> DrawnTable | None:
    spans = [match.span() for match in re.finditer("=+", lines[0])]
    gaps = tuple(after[0] - before[1] for before, after in pairwise(spans))
    rows: list[tuple[DrawnCell, ...] | str] = []
    row: list[list[str]] = []
    for line in [*lines, lines[0]]:
        cells = _columns(line, spans)
        if cells is None:
            return None
        is_border = line == lines[0]
        if row and (is_border or not line.strip() or cells[0].strip()):
            rows.append(tuple(_cell(column) for column in zip(*row, strict=True)))
            row = []
        if is_border or not line.strip():
            rows.append("=" if is_border else " ")
        elif not row and not cells[0].strip():
            return None
        else:
            row.append(cells)
    rows.pop()
    return DrawnTable(tuple(rows), tuple(end - start for start, end in spans), gaps)


def _columns(line: str, spans: Sequence[tuple[int, int]]) -> list[str] | None:
    """The texts of a line; None if there is one in a margin, or a line below columns."""
    borders = [match.span() for match in re.finditer(r"=+", line)]
    is_other = re.fullmatch(r"=+(?: +=+)+", line) and borders != list(spans)
    if is_other or re.fullmatch(r"-+(?: +-+)*", line.strip()):
        return None
    for before, after in pairwise(spans):
        if line[before[1] : after[0]].strip():
            return None
    ends = [*(end for _, end in spans[:-1]), len(line)]
    return [line[start:end] for (start, _), end in zip(spans, ends, strict=True)]
