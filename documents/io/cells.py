"""Rows and cells of text files with one row a line, as spreadsheets write them (RFC 4180)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class TableCell:
    """A cell, with the quotation marks around it."""

    raw: str
    start: int

    @property
    def end(self) -> int:
        """Behind its last character."""
        return self.start + len(self.raw)

    @property
    def is_quoted(self) -> bool:
        """True if quotation marks are around it."""
        return len(self.raw) > 1 and self.raw.startswith('"') and self.raw.endswith('"')

    @property
    def text(self) -> str:
        """Content of the cell."""
        return self.raw[1:-1].replace('""', '"') if self.is_quoted else self.raw

    def with_text(self, text: str, delimiter: str) -> str:
        """Another text as it is written in this cell."""
        needs = self.is_quoted or (delimiter != "\t" and re.search(rf'["\r\n{delimiter}]', text))
        if needs:
            return '"' + text.replace('"', '""') + '"'
        return re.sub(r"[\t\r\n]+", " ", text)


def rows(text: str, delimiter: str) -> Iterator[list[TableCell]]:
    """The rows; a quoted cell may take several lines."""
    sign = re.escape(delimiter)
    cell_at = re.compile(rf'"(?:[^"]|"")*"(?=[{sign}\r\n]|\Z)|[^{sign}\r\n]*')
    ending_at = re.compile(rf"{sign}|\r\n|\n|\r|\Z")
    position = 0
    row: list[TableCell] = []
    while True:
        cell = cell_at.match(text, position)
        assert cell
        row.append(TableCell(cell[0], position))
        ending = ending_at.match(text, cell.end())
        assert ending, "a cell ends at a delimiter or a line break"
        position = ending.end()
        if ending[0] != delimiter:
            yield row
            row = []
            if not ending[0] or position == len(text):
                return
