"""Tables of two languages, a pair on each row: CSV and TSV, with a header or without.

A first row of two language codes such as `en,de-AT`, or one that names its columns `source` and
`target`, is a header. Without one the first column is the source and the second the target, of
whatever languages. Columns behind them, or one that is called `notes`, are for people.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tformer.documents.io.encoding import decode
from tformer.model.errors import InputError

_LANGUAGE = re.compile(r"[A-Za-z]{2}(?:[-_][A-Za-z0-9]{2,8})*")
_NOTES = ("notes", "note", "comment")


@dataclass(frozen=True)
class Columns:
    """What stands where, and in which languages."""

    source: int = 0
    target: int = 1
    notes: int = 2
    source_language: str | None = None
    target_language: str | None = None


@dataclass(frozen=True)
class Row:
    """A pair, without the white space around it; "" for what is missing."""

    line: int
    source: str
    target: str
    notes: str


def read_csv(data: bytes, name: str) -> tuple[Columns, Iterator[Row]]:
    """Read CSV, with commas, semicolons or tabs between columns and quotes as RFC 4180 has them.

    Raises:
        InputError: it is not CSV, or not text; rows raise it as they are read.
    """
    text = _text(data, name)
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return _rows(_cells_of_csv(lines, name))


def read_tsv(data: bytes, name: str) -> tuple[Columns, Iterator[Row]]:
    """Read TSV, in which quotes are characters like any other.

    Raises:
        InputError: it is not text.
    """
    text = _text(data, name)
    lines = re.split(r"\r\n|\n|\r", text)
    return _rows(((at, line.split("\t")) for at, line in enumerate(lines, start=1)))


def _text(data: bytes, name: str) -> str:
    text = decode(data, name).text
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise InputError(f"{name}:{line}: has a NUL, so it is not text; convert it to UTF-8")
    return text


def _cells_of_csv(lines: Iterator[list[str]], name: str) -> Iterator[tuple[int, list[str]]]:
    begins = 1
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            raise InputError(f"{name}:{begins}: not CSV: {error}") from error
        if cells is None:
            return
        yield begins, cells
        begins = lines.line_num + 1  # type: ignore[attr-defined]


def _rows(numbered: Iterator[tuple[int, list[str]]]) -> tuple[Columns, Iterator[Row]]:
    filled = ((line, cells) for line, cells in numbered if any(map(str.strip, cells)))
    first = next(filled, None)
    if first is None:
        return Columns(), iter(())
    columns = _header(first[1])
    body = filled if columns else _with_first(first, filled)
    columns = columns or Columns()
    return columns, (_row(columns, line, cells) for line, cells in body)


def _with_first(
    first: tuple[int, list[str]], others: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from others


def _header(cells: Sequence[str]) -> Columns | None:
    """What the first row says of the columns, if it does."""
    names = [cell.strip().lower() for cell in cells]
    notes = next((names.index(name) for name in _NOTES if name in names), 2)
    if "source" in names and "target" in names:
        return Columns(names.index("source"), names.index("target"), notes)
    codes = [cell.strip() for cell in cells[:2]]
    if len(codes) == 2 and all(map(_LANGUAGE.fullmatch, codes)):
        return Columns(0, 1, notes, *codes)
    return None


def _row(columns: Columns, line: int, cells: Sequence[str]) -> Row:
    def cell(index: int) -> str:
        return cells[index].strip() if index < len(cells) else ""

    return Row(line, cell(columns.source), cell(columns.target), cell(columns.notes))
