"""Work on one file of a job: a document, lines, or a copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tformer.cli import lines
from tformer.cli.progress import Bar
from tformer.cli.translation.documents import DocumentJob
from tformer.cli.translation.journaled import Journaled
from tformer.cli.translation.line_jobs import LineJob, line_format
from tformer.cli.translation.settings import Setup
from tformer.cli.translation.side_outputs import SideFiles
from tformer.cli.translation.stats import Tally
from tformer.documents.jobs.journal import Journal
from tformer.model.pipeline.wrapper import AnyTranslator


class FileWork(Protocol):
    """A file that was read."""

    digest: str
    """SHA-256 of its content."""

    @property
    def is_idle(self) -> bool:
        """True if there is nothing to translate in it."""

    def translate(self, setup: Setup, journal: Journal | None) -> Iterator[bytes]:
        """Yield the translated content, piece by piece."""


@dataclass
class DocumentWork:
    """A document that is translated."""

    job: DocumentJob
    digest: str
    size: int
    tally: Tally
    bar: Bar

    @property
    def is_idle(self) -> bool:
        """True if nothing in it is to be translated."""
        return not self.job.segments

    def translate(self, setup: Setup, journal: Journal | None) -> Iterator[bytes]:
        """See `FileWork`."""
        if self.is_idle:
            yield self.job.document.with_translations({})
            return
        share = self.size / len(self.job.segments)
        yield self.job.translate(
            _translator(setup, journal),
            setup.choice,
            setup.decoding,
            self.tally,
            lambda: self.bar(share),
        )


@dataclass
class LinesWork:
    """A file of lines that are translated."""

    path: Path
    digest: str
    tally: Tally
    bar: Bar
    is_idle: bool = False

    def translate(self, setup: Setup, journal: Journal | None) -> Iterator[bytes]:
        """See `FileWork`."""
        job = LineJob(
            _translator(setup, journal),
            setup.choice,
            setup.decoding,
            line_format(as_json=False, n_best=1),
            SideFiles([]),
            self.tally,
        )
        yield lines.mark_of(self.path)
        for line, text in job.translate([self.path]):
            yield text.encode()
            self.bar(line.size)
        job.report()


@dataclass
class CopyWork:
    """A file that is copied as it is."""

    path: Path
    digest: str
    is_idle: bool = True

    def translate(self, setup: Setup, journal: Journal | None) -> Iterator[bytes]:
        """See `FileWork`."""
        with lines.blaming(self.path), self.path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                yield piece


def _translator(setup: Setup, journal: Journal | None) -> AnyTranslator:
    return Journaled(setup.translator, journal) if journal else setup.translator
