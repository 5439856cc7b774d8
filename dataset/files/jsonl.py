"""JSON Lines: an object on each line, which stays as it is but for further members."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from tformer.dataset.files.arrow_blocks import value_of
from tformer.dataset.files.blocks import Cells, CellTranslation, Results, RowBlock
from tformer.dataset.files.columns import Column, refuse_taken
from tformer.dataset.files.json_lines import (
    JsonObject,
    NotJsonError,
    TextPlace,
    check_end,
    flat,
    reshaped,
    scan_object,
    text_places,
    value_at,
    with_members,
)
from tformer.dataset.files.text_files import grouped, is_plain, lines_of, opened
from tformer.model.errors import InputError


@dataclass
class JsonlBlock:
    """Some lines."""

    number: int
    first_row: int
    lines: Sequence[str]
    size: float
    path: Path

    @property
    def num_rows(self) -> int:
        """Number of lines, blank ones included."""
        return len(self.lines)

    @cached_property
    def _objects(self) -> list[JsonObject | None]:
        return [self._at(row, self._scanned, line) for row, line in enumerate(self.lines)]

    def cells(self, column: Column) -> Cells:
        """See `RowBlock`."""
        texts: list[str | None] = []
        rows: list[int] = []
        for row in range(self.num_rows):
            for place in self.places(row, column):
                found = list(flat(place.value))
                texts += found
                rows += [row] * len(found)
        return Cells(texts, rows)

    def places(self, row: int, column: Column) -> list[TextPlace]:
        """Places of a column in a line.

        Raises:
            InputError: it holds other values than text.
        """
        top = self._objects[row]
        if top is None:
            return []
        steps = tuple(column.path.split("."))
        return self._at(row, lambda line: list(text_places(line, top, steps)), self.lines[row])

    def values(self, path: str) -> Sequence[Any]:
        """See `RowBlock`."""
        steps = tuple(path.split("."))
        return [value_at(json.loads(line), steps) if line.strip() else None for line in self.lines]

    def with_results(self, columns: Sequence[Column], results: Results) -> Iterator[str]:
        """Yield the lines with further members."""
        items = {column.path: iter(results[column.path]) for column in columns}
        for row, line in enumerate(self.lines):
            edits: list[tuple[int, int, str]] = []
            for column in columns:
                for place in self.places(row, column):
                    edits += with_members(line, place, _members(place, column, items[column.path]))
            yield _spliced(line, edits)

    def _scanned(self, line: str) -> JsonObject | None:
        if not line.strip():
            return None
        top = scan_object(line)
        check_end(line, top)
        return top

    def _at(self, row: int, read: Callable[[str], Any], line: str) -> Any:
        try:
            return read(line)
        except NotJsonError as error:
            raise InputError(f"{self.path}:{self.first_row + row + 1}: {error}") from error


@dataclass
class JsonlShard:
    """A file of JSON Lines."""

    path: Path

    def check(self, columns: Sequence[Column], paths: Sequence[str]) -> None:
        """See `Shard`; only the first block is looked at."""
        block = next(self.blocks(), None)
        if block is None:
            return
        for column in columns:
            found = [place for row in range(block.num_rows) for place in block.places(row, column)]
            if not any(place.name in place.parent.members for place in found):
                raise InputError(
                    f"{self.path}: has no column {column.path}; it has {_names(block)}"
                )
            for place in found:
                refuse_taken(list(place.parent.members), column, place.name, str(self.path))
        for path in paths:
            if all(value is None for value in block.values(path)):
                raise InputError(f"{self.path}: has no column {path}; it has {_names(block)}")

    def blocks(self) -> Iterator[JsonlBlock]:
        """See `Shard`."""
        number = first_row = 0
        with opened(self.path) as stream:
            for group in grouped(lines_of(self.path, stream, "utf-8"), len):
                size = sum(len(line.encode()) for line in group) if is_plain(self.path) else 0.0
                yield JsonlBlock(number, first_row, group, size, self.path)
                number, first_row = number + 1, first_row + len(group)

    def write(
        self, stream: BinaryIO, columns: Sequence[Column], results: Callable[[RowBlock], Results]
    ) -> None:
        """See `Shard`."""
        for block in self.blocks():
            stream.write("".join(block.with_results(columns, results(block))).encode())


def _names(block: JsonlBlock) -> str:
    first = next((top for top in block._objects if top), None)
    return ", ".join(first.members) if first else "none"


def _members(
    place: TextPlace, column: Column, items: Iterator[CellTranslation | None]
) -> dict[str, Any]:
    taken = [next(items) for _ in flat(place.value)]
    return {
        name: reshaped(place.value, iter([value_of(one, extra) for one in taken]))
        for extra, name in column.outputs(place.name)
    }


def _spliced(line: str, edits: Sequence[tuple[int, int, str]]) -> str:
    # Stable: members that are added in one place keep their order.
    for start, end, text in sorted(edits, key=lambda edit: edit[0], reverse=True):
        line = line[:start] + text + line[end:]
    return line
