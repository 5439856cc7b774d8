"""Interfaces: a file of rows in blocks, and the results of a block."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from tformer.dataset.files.columns import Column

BLOCK_ROWS = 4096
"""Rows of a block, at most."""

BLOCK_BYTES = 1 << 20
"""Bytes of text in a block, if it has more than one row."""


@dataclass(frozen=True)
class CellTranslation:
    """Translation of a cell."""

    text: str
    score: float = 0.0
    """Sum of the scores of its lines; 0 for what was not translated."""
    language: str = ""
    """Source language; "" for what was not translated."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """Cells of a column in a block, in order."""

    texts: Sequence[str | None]
    rows: Sequence[int]
    """Row of each in the block; a row may have several cells in a list, or none."""


Results = Mapping[str, Sequence[CellTranslation | None]]
"""By column path, for every cell of a block; None for a cell that is null or left out."""


class RowBlock(Protocol):
    """Some rows of a file."""

    @property
    def number(self) -> int:
        """Position among the blocks of the file, from 0."""

    @property
    def first_row(self) -> int:
        """Rows of the file before it."""

    @property
    def num_rows(self) -> int:
        """Number of its rows."""

    @property
    def size(self) -> float:
        """Bytes of the file that it takes, for progress."""

    def cells(self, column: Column) -> Cells:
        """Texts of a column.

        Raises:
            InputError: it has other values than text.
        """

    def values(self, path: str) -> Sequence[Any]:
        """Value of each row in a column, None where it has none, for `--where`.

        Raises:
            InputError: there is no such column.
        """


class Shard(Protocol):
    """A file."""

    path: Path

    def check(self, columns: Sequence[Column], paths: Sequence[str]) -> None:
        """Find what cannot be done before anything is translated.

        Args:
            columns: to translate.
            paths: of further columns that are looked at.

        Raises:
            InputError: it is malformed, or has no such column.
            UsageError: an output has the name of another column.
        """

    def blocks(self) -> Iterator[RowBlock]:
        """Its rows, the same blocks each time.

        Raises:
            InputError: it is malformed.
        """

    def write(
        self, stream: BinaryIO, columns: Sequence[Column], results: Callable[[RowBlock], Results]
    ) -> None:
        """Write the file with the results of all blocks as further columns.

        Raises:
            InputError: it is malformed.
        """


@dataclass(frozen=True)
class BlockTexts:
    """All that a translator must know of a block; it can travel to another machine."""

    number: int
    first_row: int
    num_rows: int
    size: float
    cells: Mapping[str, Sequence[str | None]]
    """By column path; None for cells that are null or in a row that `--where` leaves out."""
    rows: Mapping[str, Sequence[int]]
    """Row of each cell in the block."""
    skipped: int = 0
    """Rows left out by `--where`."""
    digest: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """Name of its results, which follows from its texts."""
        return f"{self.number:06}-{self.digest}"


def digest_of_texts(cells: Mapping[str, Sequence[str | None]]) -> str:
    """Hash the texts of a block, enough to tell them from any others in this place."""
    state = hashlib.blake2b(digest_size=12)
    for path, texts in cells.items():
        state.update(f"{len(texts)} {path}\0".encode())
        for text in texts:
            data = b"" if text is None else text.encode("utf-8", "surrogatepass")
            state.update(b"%d:" % (-1 if text is None else len(data)))
            state.update(data)
    return state.hexdigest()
