"""Jobs on datasets: blocks that are not done through a translator, all results into outputs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tformer.dataset.conditions import Condition
from tformer.dataset.files.blocks import BlockTexts, Results, RowBlock, Shard, digest_of_texts
from tformer.dataset.files.columns import Column
from tformer.dataset.files.text_files import compressing
from tformer.dataset.heap import release_free_memory
from tformer.dataset.spool import BlockCounts, BlockResults, Spool
from tformer.documents.jobs.journal import part_path
from tformer.model.errors import InputError, OutputError
from tformer.model.files import replacing

TranslateBlocks = Callable[[Iterable[BlockTexts]], Iterator[tuple[BlockTexts, BlockResults]]]
"""Blocks to their results, in the same order."""


@dataclass(frozen=True)
class Selection:
    """Columns to translate, and a condition on rows."""

    columns: tuple[Column, ...]
    condition: Condition | None = None

    def check(self, shard: Shard) -> None:
        """Find what cannot be done with a file; see `Shard.check`."""
        shard.check(self.columns, self.condition.names if self.condition else ())

    def texts_of(self, block: RowBlock) -> BlockTexts:
        """Everything in a block that is to be translated.

        Raises:
            InputError: a column holds other values than text, or is not there.
        """
        kept = self._kept(block)
        texts: dict[str, Sequence[str | None]] = {}
        rows: dict[str, Sequence[int]] = {}
        for column in self.columns:
            cells = block.cells(column)
            rows[column.path] = cells.rows
            texts[column.path] = cells.texts
            if kept is not None:
                texts[column.path] = [
                    text if kept[row] else None
                    for text, row in zip(cells.texts, cells.rows, strict=True)
                ]
        skipped = 0 if kept is None else kept.count(False)
        return BlockTexts(
            block.number, block.first_row, block.num_rows, block.size, texts, rows, skipped,
            digest_of_texts(texts),
        )  # fmt: skip

    def _kept(self, block: RowBlock) -> list[bool] | None:
        """For each row, whether it is to be translated; None for all."""
        if self.condition is None:
            return None
        names, holds = self.condition.names, self.condition.holds
        columns = [block.values(name) for name in names]
        return [
            bool(holds(dict(zip(names, row, strict=True)))) for row in zip(*columns, strict=True)
        ]


@dataclass
class ShardJob:
    """A file, its output, and the results of its blocks."""

    shard: Shard
    output: Path
    selection: Selection
    spool: Spool
    error: InputError | None = None
    """Reason why it could not be read to its end."""
    counts: BlockCounts = field(default_factory=BlockCounts)
    num_kept: int = 0
    """Rows that an earlier run has translated."""

    def texts(self) -> Iterator[BlockTexts]:
        """Yield the texts of its blocks.

        Raises:
            InputError: it is malformed.
        """
        for block in self.shard.blocks():
            yield self.selection.texts_of(block)

    def write(self, announce: Callable[[Path], None] = lambda part: None) -> None:
        """Write the output, whole or not at all, and delete the results of blocks.

        Args:
            announce: told of the file before it takes its place.

        Raises:
            InputError: the input was changed or is malformed.
            OutputError: it cannot be written.
        """
        path = Path(os.path.realpath(self.output))
        refuse_read_only(path)
        release_free_memory()  # of the translator; writing needs other blocks than it has freed
        part = part_path(path)
        try:
            with replacing(path, aside=part) as stream:
                with compressing(stream, path) as packed:
                    self.shard.write(packed, self.selection.columns, self._results)
                stream.flush()
                announce(part)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        self.spool.remove()

    def _results(self, block: RowBlock) -> Results:
        return self.spool.get(self.selection.texts_of(block)).cells


class JobObserver(Protocol):
    """Told of what happens to a job."""

    def block(self, job: ShardJob, block: BlockTexts, results: BlockResults, kept: bool) -> None:
        """A block is done, now or by an earlier run."""

    def finish(self, job: ShardJob) -> None:
        """All blocks of a file are done, or its error is set."""


def run_jobs(jobs: Sequence[ShardJob], translate: TranslateBlocks, observer: JobObserver) -> None:
    """Translate what is missing in all jobs as one stream.

    Raises:
        TformerError: nothing can be translated, or nothing be written.
    """
    owners: deque[ShardJob] = deque()
    finished = 0
    for block, results in translate(_missing(jobs, owners, observer)):
        owner = owners.popleft()
        while jobs[finished] is not owner:
            observer.finish(jobs[finished])
            finished += 1
        owner.spool.put(block, results.packed())
        observer.block(owner, block, results, kept=False)
    for job in jobs[finished:]:
        observer.finish(job)


def _missing(
    jobs: Sequence[ShardJob], owners: deque[ShardJob], observer: JobObserver
) -> Iterator[BlockTexts]:
    """Yield the blocks of all jobs that no earlier run has done, and note whose they are."""
    for job in jobs:
        blocks = job.texts()
        while (block := _next(job, blocks)) is not None:
            if job.spool.has(block):
                observer.block(job, block, job.spool.get(block), kept=True)
            else:
                owners.append(job)
                yield block


def _next(job: ShardJob, blocks: Iterator[BlockTexts]) -> BlockTexts | None:
    """The next block; None at the end, or where the file cannot be read any further."""
    try:
        return next(blocks, None)
    except InputError as error:
        job.error = error
        return None


def refuse_read_only(path: Path) -> None:
    """Refuse an output that may not be replaced, or is a folder.

    Raises:
        OutputError: it is so.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path}: cannot be written: it is read-only")
