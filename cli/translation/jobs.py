"""Files that become files: each appears whole or not at all, and a killed job can go on.

One bad file does not stop the others. It is reported and decides the exit status.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tformer.cli import console, lines, outputs
from tformer.cli.exits import ExitStatus
from tformer.cli.outputs import Writer
from tformer.cli.progress import Bar, progress_bar
from tformer.cli.translation.documents import LINES, DocumentJob
from tformer.cli.translation.file_work import CopyWork, DocumentWork, FileWork, LinesWork
from tformer.cli.translation.journaled import journal_for
from tformer.cli.translation.report import FileOutcome, JobSummary, Report
from tformer.cli.translation.settings import Setup, digest_of_file, digest_of_values
from tformer.cli.translation.stats import Remark, Tally
from tformer.documents.document import Document
from tformer.documents.existing import KEYED, REVIEWED, Filled, filled_from, lost_translations
from tformer.documents.jobs.journal import Earlier, Journal, part_path, refuse_unfinished
from tformer.documents.jobs.manifest import Making, Manifest, Standing
from tformer.documents.jobs.tree import JobFile, LeftOut, Plan, escapes
from tformer.documents.keys import KeyChoice
from tformer.documents.languages import OtherLanguageError
from tformer.documents.registry import open_document, read_bytes
from tformer.documents.segments import SegmentState
from tformer.model.errors import InputError, OutputError, TformerError

BACKUP = ".bak"
"""Behind the name of a file that was translated in place: what it was before."""


@dataclass(frozen=True)
class Manner:
    """Settings of a job of files."""

    earlier: Earlier = Earlier.REFUSE
    """Treatment of what a killed run has left."""
    force: bool = False
    """True to make up-to-date files anew and to overwrite others."""
    states: frozenset[SegmentState] = frozenset({SegmentState.NEW})
    """States of the segments that are translated."""
    backup: bool = False
    """True to keep the previous version of a file beside it."""
    in_place: bool = False
    keys: tuple[str, ...] = ()
    """Patterns of the keys that are translated in string tables; empty for all."""
    encoding: str | None = None
    """Encoding of the inputs; None for what they say, or UTF-8."""

    def keys_of(self, format: str | None) -> KeyChoice | None:
        """The keys that are translated in files of a format; None for all."""
        return KeyChoice(self.keys) if self.keys and format in KEYED else None


# --- what is done to a file ----------------------------------------------------------------------


# --- all files -----------------------------------------------------------------------------------


@dataclass
class FileJobs:
    """The files of a call, one after the other; no more than one is held in memory."""

    setup: Setup
    manner: Manner
    summary: JobSummary
    folder: Path | None = None
    """That all outputs are in, if there is one."""
    manifest: Manifest | None = None
    """Record of what was made in the folder before."""
    warnings: console.Warnings = field(default_factory=console.Warnings)
    alone: bool = False
    """True for a single file, whose failure is that of the call."""

    def run(self, plan: Plan, bar: Bar) -> None:
        """Deal with every file.

        Raises:
            TformerError: nothing can be translated at all.
        """
        if self.manner.earlier is Earlier.REFUSE:
            for item in plan.items:
                refuse_unfinished(item.output)
        for left_out in plan.left_out:
            self.summary.leave_out(left_out)
        for error in plan.unreadable:
            self._fail("", None, error, Tally())
        done = 0
        for item in plan.items:
            bar.describe(item.source.name)
            self._run(item, bar)
            done += item.size
            bar.reach(done)
        self.warnings.report()

    def _run(self, item: JobFile, bar: Bar) -> None:
        tally = Tally(self.warnings, keeps_remarks=self.summary.writer is not None)
        try:
            self.summary.add(self._deal_with(item, tally, bar))
        except OtherLanguageError as error:
            if self.alone:
                raise
            reason = str(error).removeprefix(f"{lines.name_of(item.source)}: ")
            console.note(f"{lines.name_of(item.source)}: left out: {reason}")
            # Somebody wanted it to be translated, unlike what is of no known format.
            tally.remark(Remark("", f"left out: {reason}"))
            self.summary.leave_out(LeftOut(item.source, reason), tally)
        except (InputError, OutputError) as error:
            if self.alone:
                raise
            self._fail(lines.name_of(item.source), item.output, error, tally)

    def _fail(self, name: str, output: Path | None, error: TformerError, tally: Tally) -> None:
        message = str(error)
        if not message.startswith((name, str(output))):
            message = f"{name}: {message}"
        console.error(message)
        self.summary.add(
            Report(name, FileOutcome.FAILED, output, tally, reason=message, error=error)
        )

    def _deal_with(self, item: JobFile, tally: Tally, bar: Bar) -> Report:
        if self.folder is not None and escapes(item.output, self.folder):
            raise OutputError(f"{item.output}: a link leads out of {self.folder}")
        work = self._read(item, tally, bar)
        name = lines.name_of(item.source)
        states = " ".join(sorted(self.manner.states))
        settings = {**self.setup.identity, "format": item.format or "", "states": states}
        if self.manner.keys_of(item.format):
            settings["keys"] = " ".join(self.manner.keys)
        making = Making(work.digest, digest_of_values(settings if item.format else "copy"))
        if self._is_done(item.output, making) or (self.manner.in_place and work.is_idle):
            return Report(name, FileOutcome.UP_TO_DATE, item.output, tally)
        self._make_room(item.output)
        num_kept = self._make(item.output, work, making, {"input": work.digest, **settings})
        outcome = FileOutcome.TRANSLATED if item.format else FileOutcome.COPIED
        return Report(name, outcome, item.output, tally, num_kept)

    def _read(self, item: JobFile, tally: Tally, bar: Bar) -> FileWork:
        if item.format is None:
            return CopyWork(item.source, digest_of_file(item.source))
        if item.format == LINES and lines.mark_of(item.source) not in lines.UTF_16:
            return LinesWork(item.source, digest_of_file(item.source), tally, bar)
        stdin = item.source == lines.STDIN
        data = lines.read_all(item.source) if stdin else read_bytes(item.source)
        name = lines.name_of(item.source)
        document = open_document(
            data,
            item.format,
            name=name,
            target=self.setup.target,
            encoding=self.manner.encoding,
        )
        filled = self._filled(document, item, tally)
        keys = self.manner.keys_of(item.format)
        job = DocumentJob(name, filled.document, self.manner.states, filled.kept, keys)
        return DocumentWork(job, hashlib.sha256(data).hexdigest(), item.size, tally, bar)

    def _filled(self, document: Document, item: JobFile, tally: Tally) -> Filled:
        """A document with what an output has that is there already, but for --force.

        What has no place in the document stays in a copy of the output.

        Raises:
            InputError: the output is of the same format, but malformed.
        """
        there = self.manifest is None and item.output.is_file() and not self.manner.in_place
        if not there or self.manner.force or item.format not in KEYED | REVIEWED:
            return Filled(document, frozenset())
        existing = self._existing(item)
        if item.format in REVIEWED:
            self._refuse_loss(document, existing, item)
            return Filled(document, frozenset())
        filled = filled_from(document, existing)
        if filled.surplus:
            _back_up(item.output)
            keys = ", ".join(sorted(filled.surplus)[:3])
            note = (
                f"{len(filled.surplus)} keys that are not in {lines.name_of(item.source)} are left "
                f"out ({keys}); {item.output.name}{BACKUP} has them"
            )
            tally.warn(str(item.output), Remark(keys, note))
        if filled.kept:
            console.note(
                f"{item.output}: {len(filled.kept)} translations are kept, what is missing is "
                "filled in; --force makes all anew"
            )
        return filled

    def _existing(self, item: JobFile) -> Document:
        """Read the output that is there already."""
        try:
            return open_document(read_bytes(item.output), item.format, name=str(item.output))
        except InputError as error:
            raise InputError(f"{error}; --force replaces the file") from error

    def _refuse_loss(self, document: Document, existing: Document, item: JobFile) -> None:
        """Refuse to replace what a person has translated.

        Raises:
            OutputError: the output has translations that the input lacks.
        """
        if lost := lost_translations(document, existing):
            raise OutputError(
                f"{item.output}: has {lost} translations that {lines.name_of(item.source)} lacks: "
                "translate it --in-place, or replace it with --force"
            )

    def _is_done(self, output: Path, making: Making) -> bool:
        """Return whether an output need not be made.

        Raises:
            OutputError: what is there was not made here and would be lost.
        """
        if self.manifest is None or self.manner.force:
            return False
        standing = self.manifest.standing(output, making)
        if standing is Standing.FOREIGN:
            raise OutputError(
                f"{output}: was not made by an earlier run, or was changed since; --force "
                "overwrites it"
            )
        return standing is Standing.UP_TO_DATE

    def _make_room(self, output: Path) -> None:
        """Make the folder of an output.

        Raises:
            OutputError: it cannot be made.
        """
        if output.is_dir():
            raise OutputError(f"{output}: is a folder")
        if self.folder is None:
            return
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{output.parent}: cannot be made: {error.strerror or error}"
            ) from error

    def _make(self, output: Path, work: FileWork, making: Making, identity: dict[str, str]) -> int:
        """Write an output; how many answers an earlier run had."""
        if not outputs.is_replaceable(output):
            with outputs.open_output(output) as writer:
                self._write(writer, work, None)
            return 0
        output = Path(os.path.realpath(output))
        with journal_for(output, identity, self.manner.earlier) as journal:
            part = part_path(output)
            with outputs.open_output(output, aside=part) as writer:
                self._write(writer, work, journal)
                digest = digest_of_file(part)
                if self.manifest is not None:
                    self.manifest.announce(output, making, digest)
                if self.manner.backup and digest != digest_of_file(output):
                    _back_up(output)
            return journal.num_kept

    def _write(self, writer: Writer, work: FileWork, journal: Journal | None) -> None:
        for piece in work.translate(self.setup, journal):
            writer.write_bytes(piece)


def _back_up(path: Path) -> None:
    """Keep a copy of a file beside it.

    Raises:
        OutputError: it cannot be written.
    """
    backup = path.with_name(path.name + BACKUP)
    with outputs.open_output(backup) as writer:
        writer.write_bytes(read_bytes(path))
    shutil.copymode(path, backup)


# --- calls ---------------------------------------------------------------------------------------


def translate_files(
    plan: Plan,
    setup: Setup,
    manner: Manner,
    *,
    folder: Path | None = None,
    strict: bool = False,
    as_json: bool = False,
    quiet: bool = False,
) -> ExitStatus:
    """Translate files into files, and say at the end what became of them.

    Args:
        plan: the files.
        setup: how to translate.
        manner: how to deal with files.
        folder: what all outputs are in; None if there is no such folder. What is up to date in it
            is left alone.
        strict: whether warnings make for another status.
        as_json: whether to print a line of JSON for every file and at the end.
        quiet: whether to say nothing if all is well.

    Raises:
        TformerError: nothing can be translated.
    """
    whole = folder is not None or manner.in_place
    with ExitStack() as stack:
        writer = stack.enter_context(outputs.open_output(None)) if as_json else None
        summary = JobSummary(writer)
        manifest = stack.enter_context(manifest_of(folder)) if folder else None
        jobs = FileJobs(setup, manner, summary, folder, manifest, alone=not whole)
        total = sum(item.size for item in plan.items)
        with progress_bar("translating", total or None, data_on_stdout=as_json) as bar:
            jobs.run(plan, bar)
        status = summary.status(strict=strict, whole=whole)
        summary.close(status, quiet=quiet)
    return status


@contextmanager
def manifest_of(folder: Path) -> Iterator[Manifest]:
    """That of a folder, which is made.

    Raises:
        OutputError: it cannot be made, or another process is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    manifest = Manifest(folder)
    try:
        yield manifest
    finally:
        manifest.close()
