"""Report of a job on datasets: rows, duplicates, warnings, rate."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tformer.cli import console
from tformer.cli.exits import ExitStatus, status_of
from tformer.cli.outputs import Writer
from tformer.cli.progress import Bar
from tformer.cli.translation.report import FileOutcome
from tformer.dataset.files.blocks import BlockTexts
from tformer.dataset.job import ShardJob
from tformer.dataset.spool import BlockCounts, BlockResults
from tformer.model.errors import TformerError


@dataclass
class DatasetReport:
    """Sums over all files of a call."""

    writer: Writer | None = None
    """Stream for JSON; None for none."""
    bar: Bar = field(default_factory=Bar)
    warnings: console.Warnings = field(default_factory=console.Warnings)
    counts: BlockCounts = field(default_factory=BlockCounts)
    num_kept: int = 0
    """Rows that an earlier run had translated."""
    outcomes: Counter[FileOutcome] = field(default_factory=Counter)
    failure: ExitStatus | None = None
    _begun: float = field(default_factory=time.monotonic)

    @property
    def writes(self) -> bool:
        """True if stdout is for JSON."""
        return self.writer is not None

    def add_block(
        self, job: ShardJob, block: BlockTexts, results: BlockResults, kept: bool
    ) -> None:
        """Take a block into account."""
        self.counts += results.counts
        self.num_kept += block.num_rows if kept else 0
        job.num_kept += block.num_rows if kept else 0
        job.counts += results.counts
        if results.counts.warnings:
            self._warn(job, block, results)
        if kept:
            self.bar.skip(block.size)
        else:
            self.bar(block.size, block.num_rows)

    def translated(self, job: ShardJob) -> None:
        """A file is done."""
        self.outcomes[FileOutcome.TRANSLATED] += 1
        self._write_file(job.shard.path, FileOutcome.TRANSLATED, job)

    def up_to_date(self, path: Path) -> None:
        """A file needs nothing."""
        self.outcomes[FileOutcome.UP_TO_DATE] += 1
        self._write_file(path, FileOutcome.UP_TO_DATE)

    def fail(self, path: Path, error: TformerError) -> None:
        """A file cannot be done; the others go on."""
        message = str(error)
        console.error(message if str(path) in message else f"{path}: {message}")
        self.outcomes[FileOutcome.FAILED] += 1
        self.failure = self.failure or status_of(error)
        self._write_file(path, FileOutcome.FAILED, reason=message)

    def say_unfinished(self, jobs: Sequence[ShardJob]) -> None:
        """Say what another run need not do."""
        for job in jobs[:1]:
            if rows := job.counts.rows:
                console.note(f"{job.output}: not finished; --resume goes on behind {rows:,} rows")

    def close(self, *, strict: bool, whole: bool) -> ExitStatus:
        """Say all of it; the exit status.

        Args:
            strict: whether warnings make for another status.
            whole: whether a call that had nothing to do is to say so.
        """
        self.warnings.report()
        seconds = time.monotonic() - self._begun
        status = self._status(strict, whole)
        if self.writer:
            record = {"kind": "summary", "status": int(status), **self._record(seconds)}
            self.writer.write(json.dumps(record) + "\n")
        console.note(self._summary(seconds))
        if new := self.counts.rows - self.num_kept:
            console.note(f"{new / max(seconds, 1e-9):,.0f} rows/s")
        return status

    def _summary(self, seconds: float) -> str:
        counts = self.counts
        files = ", ".join(f"{self.outcomes[o]:,} {o}" for o in FileOutcome if self.outcomes[o])
        kept = f" ({self.num_kept:,} of an earlier run)" if self.num_kept else ""
        skipped = f" ({counts.skipped:,} left out by --where)" if counts.skipped else ""
        return (
            f"files: {files or 'none'}; rows: {counts.rows:,}{kept}{skipped}; cells: "
            f"{counts.cells:,}, {counts.duplicates:,} of them duplicates that were translated "
            f"once; empty: {counts.empty:,}; words: {counts.words:,}; warnings: "
            f"{counts.warnings:,}; {seconds:.1f} s"
        )

    def _record(self, seconds: float) -> dict[str, object]:
        return {
            "files": {outcome.value: self.outcomes[outcome] for outcome in FileOutcome},
            **asdict(self.counts),
            "kept": self.num_kept,
            "seconds": round(seconds, 3),
        }

    def _status(self, strict: bool, whole: bool) -> ExitStatus:
        if self.failure is not None:
            return self.failure
        if strict and self.counts.warnings:
            return ExitStatus.FLAGGED
        nothing = whole and not self.outcomes[FileOutcome.TRANSLATED]
        return ExitStatus.NOTHING if nothing else ExitStatus.SUCCESS

    def _warn(self, job: ShardJob, block: BlockTexts, results: BlockResults) -> None:
        for path, cells in results.cells.items():
            for row, cell in zip(block.rows[path], cells, strict=True):
                for warning in cell.warnings if cell else ():
                    number = block.first_row + row + 1
                    self.warnings.add(f"{job.shard.path}: row {number:,}, {path}: {warning}")

    def _write_file(
        self, path: Path, outcome: FileOutcome, job: ShardJob | None = None, reason: str = ""
    ) -> None:
        if self.writer:
            record = {
                "kind": "file",
                "input": str(path),
                "output": str(job.output) if job else None,
                "outcome": outcome,
                "reason": reason,
                **asdict(job.counts if job else BlockCounts()),
                "kept": job.num_kept if job else 0,
            }
            self.writer.write(json.dumps(record) + "\n")
