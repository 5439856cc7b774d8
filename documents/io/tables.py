"""Tables of two languages, a pair on each row: CSV and TSV, with a header or without.

A first row that names its columns is a header: by languages, as codes or names (`en,de-AT`,
`English;German`, `id,en,fr,de`), or as `source` and `target` and words for them. Without one the
first column is the source and the second the target, of whatever languages. Columns behind them,
or one that is called `notes`, are for people. Excel's `sep=;` is understood.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tformer.documents.io.encoding import decode
from tformer.documents.io.table_headers import Columns, header
from tformer.model.errors import InputError

_SEPARATOR = re.compile(r"\s*\"?sep=(.)\"?\s*(?:\r\n|\n|\r|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A pair, without the white space around it; "" for what is missing."""

    line: int
    source: str
    target: str
    notes: str
    cells: tuple[str, ...] = ()
    """All of them."""


def read_csv(data: bytes, name: str) -> tuple[Columns, Iterator[Row]]:
    """Read CSV, with commas, semicolons or tabs between columns and quotes as RFC 4180 has them.

    Raises:
        InputError: it is not CSV, or not text; rows raise it as they are read.
    """
    text = _text(data, name)
    named = _SEPARATOR.match(text)
    if named:
        text = text[named.end() :]
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = named[1] if named else _delimiter(first)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return _rows(_cells_of_csv(lines, name, int(bool(named))))


def read_tsv(data: bytes, name: str) -> tuple[Columns, Iterator[Row]]:
    """Read TSV; quotes around a cell are those of a spreadsheet if those in it are doubled.

    Raises:
        InputError: it is not text.
    """
    text = _text(data, name)
    lines = re.split(r"\r\n|\n|\r", text)
    return _rows(
        ((at, list(map(_unquoted, line.split("\t")))) for at, line in enumerate(lines, start=1))
    )


def _unquoted(cell: str) -> str:
    is_quoted = len(cell) > 1 and re.fullmatch(r'"(?:[^"]|"")*"', cell)
    return cell[1:-1].replace('""', '"') if is_quoted else cell


def _text(data: bytes, name: str) -> str:
    text = decode(data, name).text
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise InputError(f"{name}:{line}: has a NUL, so it is not text; convert it to UTF-8")
    return text


def _delimiter(line: str) -> str:
    """Separator of the columns of a row, looked for outside of quotes."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", line)
    return max(",;\t|", key=bare.count)


def _cells_of_csv(
    lines: Iterator[list[str]], name: str, before: int
) -> Iterator[tuple[int, list[str]]]:
    begins = 1 + before
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            raise InputError(f"{name}:{begins}: not CSV: {error}") from error
        if cells is None:
            return
        yield begins, cells
        begins = lines.line_num + 1 + before  # type: ignore[attr-defined]


def _rows(numbered: Iterator[tuple[int, list[str]]]) -> tuple[Columns, Iterator[Row]]:
    filled = ((line, cells) for line, cells in numbered if any(map(str.strip, cells)))
    first = next(filled, None)
    if first is None:
        return Columns(), iter(())
    columns = header(first[1])
    body = filled if columns else _with_first(first, filled)
    columns = columns or Columns()
    return columns, (_row(columns, line, cells) for line, cells in body)


def _with_first(
    first: tuple[int, list[str]], others: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from others


def _row(columns: Columns, line: int, cells: Sequence[str]) -> Row:
    def cell(index: int) -> str:
        return cells[index].strip() if index < len(cells) else ""

    stripped = tuple(map(str.strip, cells))
    return Row(line, cell(columns.source), cell(columns.target), cell(columns.notes), stripped)
