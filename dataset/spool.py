"""Results of blocks on disk, beside the output, until it is whole.

A file for each block, whose name follows from the texts of the block. It appears whole or not at
all, so whoever goes on with a job knows what is done by what is there, and two that do one block
write the same file.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tformer.dataset.files.blocks import BlockTexts, CellTranslation, Results
from tformer.documents.jobs.journal import Earlier
from tformer.model.errors import OutputError, UsageError
from tformer.model.files import lock, replacing

_SETTINGS = "settings.json"


@dataclass(frozen=True)
class BlockCounts:
    """Sums over the cells of blocks."""

    rows: int = 0
    skipped: int = 0
    """Rows left out by `--where`."""
    cells: int = 0
    """Cells with words to translate."""
    empty: int = 0
    """Cells that are null or blank, and rows left out."""
    duplicates: int = 0
    """Cells whose text had been translated before."""
    words: int = 0
    warnings: int = 0

    def __add__(self, other: BlockCounts) -> BlockCounts:
        names = self.__dataclass_fields__
        return BlockCounts(*(getattr(self, n) + getattr(other, n) for n in names))


@dataclass(frozen=True)
class BlockResults:
    """Results of a block, and counts of its cells."""

    cells: Results
    counts: BlockCounts

    def packed(self) -> bytes:
        """Bytes of the results: the same for the same results."""
        record = {
            "cells": {path: list(map(_record_of, own)) for path, own in self.cells.items()},
            "counts": vars(self.counts),
        }
        return zlib.compress(json.dumps(record, separators=(",", ":")).encode(), 1)

    @classmethod
    def unpacked(cls, data: bytes) -> BlockResults:
        """The results of these bytes."""
        record = json.loads(zlib.decompress(data))
        cells = {path: [_cell_of(one) for one in own] for path, own in record["cells"].items()}
        return cls(cells, BlockCounts(**record["counts"]))


class Spool:
    """Folder with the results of an output's blocks."""

    def __init__(self, output: Path) -> None:
        """A folder that is not opened yet; reading and writing needs no more."""
        self.output = output
        self.folder = spool_path(output)
        self._lock: IO[bytes] | None = None

    def open(self, settings: Mapping[str, str], earlier: Earlier) -> None:
        """Begin a job, or go on with one, while no other process does.

        Args:
            settings: what results follow from besides their texts, by name.
            earlier: what to do with results that are there.

        Raises:
            UsageError: there are some, which are not to be gone on with or have other settings.
            OutputError: another process is at work, or the folder cannot be made.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = (self.folder / "lock").open("ab")
            lock(self._lock, wait=False)
        except BlockingIOError as error:
            self.close()
            raise OutputError(
                f"{self.output}: another tformer is at work on it: let it end first"
            ) from error
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{self.output}: cannot be written: {reason}") from error
        try:
            self._begin(settings, earlier)
        except BaseException:
            self.close()
            raise

    def has(self, block: BlockTexts) -> bool:
        """Return whether a block is done."""
        return self._path(block).exists()

    def put(self, block: BlockTexts, data: bytes) -> None:
        """Keep the results of a block.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            with replacing(self._path(block)) as stream:
                stream.write(data)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{self.output}: cannot be written: {reason}") from error

    def get(self, block: BlockTexts) -> BlockResults:
        """Read the results of a block.

        Raises:
            OutputError: they are not there any more.
        """
        try:
            return BlockResults.unpacked(self._path(block).read_bytes())
        except (OSError, ValueError, KeyError, zlib.error) as error:
            raise OutputError(
                f"{self.output}: results of rows from {block.first_row + 1:,} are gone or were "
                "damaged while the job ran: start it again with --resume"
            ) from error

    def close(self) -> None:
        """Leave the results for another run."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Delete the results: the output is there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    def names(self) -> frozenset[str]:
        """Names of the blocks that are done."""
        found = os.listdir(self.folder)
        return frozenset(name.removesuffix(".z") for name in found if name.endswith(".z"))

    def _path(self, block: BlockTexts) -> Path:
        return self.folder / f"{block.name}.z"

    def _begin(self, settings: Mapping[str, str], earlier: Earlier) -> None:
        path = self.folder / _SETTINGS
        found = _read_settings(path) if self.names() else None
        if found is not None and earlier is Earlier.REFUSE:
            raise UsageError(
                f"{self.output}: an earlier run did not come to its end: go on with --resume, or "
                "begin anew with --force"
            )
        if found is not None and earlier is Earlier.RESUME and found != dict(settings):
            others = [name for name in settings if found.get(name) != settings[name]]
            raise UsageError(
                f"{self.output}: the run that did not come to its end had another "
                f"{', '.join(others) or 'version'}: go on with --resume and what it was called "
                "with, or begin anew with --force"
            )
        if earlier is Earlier.DISCARD:
            for left in self.folder.glob("*.z"):
                left.unlink()
        with replacing(path) as stream:
            stream.write(json.dumps(dict(settings)).encode())


def spool_path(output: Path) -> Path:
    """Folder for the results of an output: beside it, hidden."""
    return output.with_name(f".{output.name}.tformer-blocks")


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def _record_of(cell: CellTranslation | None) -> Any:
    if cell is None:
        return None
    return [cell.text, cell.score, cell.language, *([list(cell.warnings)] if cell.warnings else [])]


def _cell_of(record: Any) -> CellTranslation | None:
    if record is None:
        return None
    text, score, language, *warnings = record
    return CellTranslation(text, score, language, tuple(warnings[0]) if warnings else ())
