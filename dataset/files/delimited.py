"""CSV and TSV: each row stays as it is written, with further cells at its end."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from tformer.dataset.files.arrow_blocks import value_of
from tformer.dataset.files.blocks import Cells, CellTranslation, Results, RowBlock
from tformer.dataset.files.columns import Column, Extra, refuse_taken
from tformer.dataset.files.dialects import TableDialect, guessed
from tformer.dataset.files.formats import format_suffix
from tformer.dataset.files.text_files import grouped, is_plain, opened
from tformer.model.errors import InputError

_MARK = "\ufeff"


@dataclass(frozen=True)
class TableRow:
    """A row as it is written, and its cells."""

    raw: str
    cells: Sequence[str]

    @property
    def body(self) -> str:
        """The row without its ending."""
        return self.raw.rstrip("\r\n") if self.cells else ""

    @property
    def ending(self) -> str:
        """Line break behind the row."""
        return self.raw[len(self.body) :]


@dataclass
class TableBlock:
    """Some rows."""

    number: int
    first_row: int
    rows: Sequence[TableRow]
    size: float
    shard: DelimitedShard

    @property
    def num_rows(self) -> int:
        """Number of rows, blank lines included."""
        return len(self.rows)

    def cells(self, column: Column) -> Cells:
        """See `RowBlock`."""
        at = self.shard.position(column.path)
        rows = [number for number, row in enumerate(self.rows) if row.cells]
        return Cells([self._checked(row).cells[at] for row in rows], rows)

    def values(self, path: str) -> Sequence[Any]:
        """See `RowBlock`."""
        at = self.shard.position(path)
        return [row.cells[at] if row.cells else None for row in self.rows]

    def with_results(self, columns: Sequence[Column], results: Results) -> Iterator[str]:
        """Yield the rows with further cells."""
        items = [iter(results[column.path]) for column in columns]
        for row in self.rows:
            if row.cells:
                taken = [next(own) for own in items]
                yield self.shard.extended(row, columns, taken)
            else:
                yield row.raw

    def _checked(self, number: int) -> TableRow:
        row, width = self.rows[number], self.shard.width
        if len(row.cells) != width:
            raise InputError(
                f"{self.shard.path}: row {self.first_row + number + 1} has {len(row.cells)} "
                f"cells, the first {width}: --dialect may say how the table is written"
            )
        return row


@dataclass
class DelimitedShard:
    """A file of CSV or TSV."""

    path: Path
    dialect_given: TableDialect | None = None

    @cached_property
    def dialect(self) -> TableDialect:
        """The one that was given, or a guess."""
        if self.dialect_given:
            return self.dialect_given
        with opened(self.path) as stream:
            first = stream.readline().decode("utf-8", "replace")
        return guessed(format_suffix(self.path), first)

    @cached_property
    def header(self) -> TableRow:
        """The first row; no cells if the file is empty."""
        first = next(iter(self._rows()), TableRow("", ()))
        if first.cells:
            cells = [first.cells[0].removeprefix(_MARK), *first.cells[1:]]
            return TableRow(first.raw, cells)
        return first

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        cells = self.header.cells
        return list(cells) if self.dialect.header else [str(i + 1) for i in range(len(cells))]

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.header.cells)

    def position(self, name: str) -> int:
        """Position of a column.

        Raises:
            InputError: there is no such column.
        """
        if name not in self.names:
            listed = ", ".join(self.names) or "none"
            raise InputError(f"{self.path}: has no column {name}; it has {listed}")
        return self.names.index(name)

    def check(self, columns: Sequence[Column], paths: Sequence[str]) -> None:
        """See `Shard`."""
        for column in columns:
            self.position(column.path)
            refuse_taken(self.names, column, column.path, str(self.path))
        for path in paths:
            self.position(path)

    def blocks(self) -> Iterator[TableBlock]:
        """See `Shard`."""
        rows = iter(self._rows())
        if self.dialect.header:
            next(rows, None)
        number = first_row = 0
        for group in grouped(rows, lambda row: len(row.raw)):
            size = float(sum(len(row.raw.encode()) for row in group)) if is_plain(self.path) else 0
            yield TableBlock(number, first_row, group, size, self)
            number, first_row = number + 1, first_row + len(group)

    def write(
        self, stream: BinaryIO, columns: Sequence[Column], results: Callable[[RowBlock], Results]
    ) -> None:
        """See `Shard`."""
        if self.dialect.header and self.header.cells:
            stream.write(self._encoded(self._new_header(columns)))
        for block in self.blocks():
            for row in block.with_results(columns, results(block)):
                stream.write(self._encoded(row))

    def extended(
        self, row: TableRow, columns: Sequence[Column], taken: Sequence[CellTranslation | None]
    ) -> str:
        """A row with the cells of output columns."""
        pairs = [
            (name, _text_of(result, extra))
            for column, result in zip(columns, taken, strict=True)
            for extra, name in column.outputs(column.path)
        ]
        return self._with_cells(row, pairs)

    def _new_header(self, columns: Sequence[Column]) -> str:
        names = [name for column in columns for _, name in column.outputs(column.path)]
        return self._with_cells(self.header, [(name, name) for name in names])

    def _with_cells(self, row: TableRow, pairs: Iterable[tuple[str, str]]) -> str:
        cells, body, added = list(row.cells), row.body, []
        for name, text in pairs:
            if name in self.names:
                cells[self.names.index(name)] = text
            else:
                added.append(text)
        if cells != list(row.cells):
            body = self.dialect.written(cells)
        for text in added:
            # Of two cells, so that an empty one is written as nothing.
            body += self.dialect.written(["", text])
        return body + row.ending

    def _encoded(self, text: str) -> bytes:
        encoding = self.dialect.encoding
        try:
            return text.encode(encoding)
        except UnicodeEncodeError as error:
            missing = text[error.start]
            raise InputError(
                f"{self.path}: its encoding {encoding} has no {missing!r}, which a translation "
                "needs: convert it to UTF-8"
            ) from error

    def _rows(self) -> Iterator[TableRow]:
        with opened(self.path) as stream:
            text = io.TextIOWrapper(stream, self.dialect.encoding, newline="")
            lines = _RecordingLines(text)
            reader = csv.reader(lines, **self.dialect.settings())
            try:
                for cells in reader:
                    yield TableRow(lines.taken(), cells)
            except csv.Error as error:
                raise InputError(f"{self.path}:{reader.line_num}: not CSV: {error}") from error
            except UnicodeDecodeError as error:
                encoding = self.dialect.encoding
                raise InputError(
                    f"{self.path}: near line {reader.line_num + 1}: not {encoding}: {error.reason}"
                ) from error


class _RecordingLines:
    """Lines that a reader takes, kept until the row that they make is asked for."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._taken.append(line)
        return line

    def taken(self) -> str:
        text = "".join(self._taken)
        self._taken.clear()
        return text


def _text_of(result: CellTranslation | None, extra: Extra | None) -> str:
    value = value_of(result, extra)
    if value is None:
        return ""
    if extra is Extra.WARNINGS:
        return "; ".join(value)
    return f"{value:.6f}" if isinstance(value, float) else str(value)
