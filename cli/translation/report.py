"""End-of-run report: on stderr for people, on stdout in JSON for programs."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from tformer.cli import console
from tformer.cli.exits import ExitStatus, status_of
from tformer.cli.outputs import Writer
from tformer.cli.translation.stats import Tally
from tformer.documents.jobs.tree import LeftOut
from tformer.model.errors import TformerError


class FileOutcome(StrEnum):
    """Outcome for one file."""

    TRANSLATED = "translated"
    COPIED = "copied"
    UP_TO_DATE = "up to date"
    LEFT_OUT = "left out"
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """Report on one file."""

    input: str
    outcome: FileOutcome
    output: Path | None = None
    tally: Tally = field(default_factory=Tally)
    num_kept: int = 0
    """Answers that an earlier run had."""
    reason: str = ""
    """Reason why a file was left out or failed."""
    error: TformerError | None = None


@dataclass
class JobSummary:
    """The sum of all reports, of which none is kept."""

    writer: Writer | None = None
    """Stream for JSON reports, one a line; None for none."""
    outcomes: Counter[FileOutcome] = field(default_factory=Counter)
    segments: int = 0
    kept: int = 0
    words: int = 0
    warnings: int = 0
    failure: ExitStatus | None = None
    """Error of the first file that failed."""
    _begun: float = field(default_factory=time.monotonic)

    def add(self, report: Report) -> None:
        """Take a report into account."""
        self.outcomes[report.outcome] += 1
        self.segments += report.tally.segments
        self.words += report.tally.words
        self.warnings += report.tally.num_warnings
        self.kept += report.num_kept
        if report.error is not None:
            self.failure = self.failure or status_of(report.error)
        if self.writer:
            self._write(_record_of(report))

    def leave_out(self, left_out: LeftOut, tally: Tally | None = None) -> None:
        """Take into account what is not dealt with, and the warnings about it."""
        path, reason = str(left_out.path), left_out.reason
        self.add(Report(path, FileOutcome.LEFT_OUT, tally=tally or Tally(), reason=reason))

    def status(self, *, strict: bool, whole: bool) -> ExitStatus:
        """The exit status.

        Args:
            strict: whether warnings count.
            whole: whether a call that had nothing to do is to say so.
        """
        if self.failure is not None:
            return self.failure
        if strict and self.warnings:
            return ExitStatus.FLAGGED
        done = self.outcomes[FileOutcome.TRANSLATED] + self.outcomes[FileOutcome.COPIED]
        return ExitStatus.NOTHING if whole and not done else ExitStatus.SUCCESS

    def close(self, status: ExitStatus, *, quiet: bool = False) -> None:
        """Say all of it, or in JSON only."""
        seconds = time.monotonic() - self._begun
        if self.writer:
            self._write(self._record(status, seconds))
        if quiet:
            return
        files = ", ".join(f"{self.outcomes[o]:,} {o}" for o in FileOutcome if self.outcomes[o])
        kept = f" ({self.kept:,} of an earlier run)" if self.kept else ""
        console.note(
            f"files: {files or 'none'}; segments: {self.segments:,}{kept}; words: {self.words:,}; "
            f"warnings: {self.warnings:,}; {seconds:.1f} s"
        )

    def _record(self, status: ExitStatus, seconds: float) -> dict[str, object]:
        return {
            "kind": "summary",
            "status": int(status),
            "files": {outcome.value: self.outcomes[outcome] for outcome in FileOutcome},
            "segments": self.segments,
            "kept": self.kept,
            "words": self.words,
            "warnings": self.warnings,
            "seconds": round(seconds, 3),
        }

    def _write(self, record: dict[str, object]) -> None:
        assert self.writer is not None
        # In ASCII, which also spells names that are not UTF-8.
        self.writer.write(json.dumps(record) + "\n")


def _record_of(report: Report) -> dict[str, object]:
    return {
        "kind": "file",
        "input": report.input,
        "output": None if report.output is None else str(report.output),
        "outcome": report.outcome,
        "reason": report.reason,
        "segments": report.tally.segments,
        "kept": report.num_kept,
        "words": report.tally.words,
        "warnings": [asdict(remark) for remark in report.tally.remarks],
    }
