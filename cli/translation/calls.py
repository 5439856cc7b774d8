"""Plan of a `tformer translate` call: lines, one document, or many files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from tformer.cli import console, lines, outputs
from tformer.cli.exits import ExitStatus
from tformer.cli.progress import progress_bar
from tformer.cli.translation.documents import LINES, DocumentJob
from tformer.cli.translation.jobs import Manner, translate_files
from tformer.cli.translation.line_jobs import can_go_on, translate_lines
from tformer.cli.translation.report import FileOutcome, JobSummary, Report
from tformer.cli.translation.settings import Setup
from tformer.cli.translation.side_outputs import Evidence
from tformer.cli.translation.stats import Tally
from tformer.dataset.files.formats import needs_column
from tformer.documents.jobs.journal import Earlier
from tformer.documents.jobs.tree import JobFile, Plan, is_pattern, plan_in_place, plan_tree
from tformer.documents.registry import (
    PACKAGES,
    SUFFIXES,
    advice_for,
    format_at,
    is_no_text,
    open_document,
)
from tformer.model.errors import InputError, UsageError

BILINGUAL = frozenset({"po", "xliff", "tmx", "tsv", "xcstrings", "qt"})
"""Formats that have room for translations beside their sources."""

NO_LINES = frozenset({".csv"})
"""Endings of tables, which are lines only if somebody says so."""

FOR_LINES = "--n-best, --target-prefix, --require, --alignments and --scores"


@dataclass
class TranslationCall:
    """Inputs, where their translations go, and what was asked for besides."""

    files: Sequence[Path]
    output: str | None
    format: str | None
    manner: Manner
    copy_others: bool
    evidence: Evidence
    as_json: bool
    strict: bool
    n_best: int
    demands: bool
    """True if a target prefix or required terms are given."""
    encoding: str | None = None
    """Encoding of lines; None is UTF-8."""

    def check(self) -> None:
        """Find out before anything is loaded what cannot be done.

        Raises:
            UsageError: options clash.
            InputError: an input cannot be read.
        """
        self.evidence.check(self._path)
        if self.manner.in_place and self.output is not None:
            raise UsageError("--in-place writes into the files themselves: leave --output out")
        if self._is_whole:
            if self._asks_for_lines:
                raise UsageError(
                    f"{FOR_LINES} are for the lines of one output: translate files one by one"
                )
            if lines.STDIN in self.files:
                raise UsageError("stdin has no place in a folder: name files")
        else:
            self._check_files()
        if self.copy_others and (self.folder is None or self.manner.in_place):
            raise UsageError("--copy-others is for folders: name one with --output")
        if self.manner.earlier is Earlier.RESUME and not self._can_resume:
            raise UsageError("--resume is for files that become files: name one with --output")

    def _check_files(self) -> None:
        lines.check_inputs(self.files)
        lines.check_encoding(self.encoding)
        for path, name in zip(self.files, self._formats, strict=True):
            if name != LINES:
                continue
            if self.format is None and needs_column(path):
                raise InputError(
                    f"{path}: is a dataset: name the columns to translate with --column, or add "
                    f"--format {LINES} if it is one text a line"
                )
            if path.suffix.lower() in NO_LINES and self.format is None:
                raise InputError(
                    f"{path}: is a table, whose quotes and columns would be translated as words: "
                    f"add --format {LINES} if it is one text a line"
                )
            lines.check_is_text(path, self.encoding)

    def job(self) -> Callable[[Setup], ExitStatus]:
        """Return the function that translates these inputs as a `Setup` says.

        Raises:
            UsageError: options are not for inputs of this kind.
            InputError: an input is of no known format.
        """
        if self._is_whole:
            return partial(self._files, self._plan)
        kind = self._document_format()
        self._refuse_other_name(kind or LINES)
        if kind is None:
            return partial(
                translate_lines,
                self.files,
                output=self._path,
                evidence=self.evidence,
                as_json=self.as_json,
                earlier=self.manner.earlier,
                strict=self.strict,
                encoding=self.encoding,
            )
        if self._asks_for_lines or (self.as_json and self.output is None):
            raise UsageError(f"{FOR_LINES} and --json are for lines: add --format text")
        (path,) = self.files
        if self._path is None:
            return partial(self._document, path, kind)
        size = lines.size_of([path]) or 0
        return partial(self._files, Plan([JobFile(path, self._path, kind, size)]))

    @cached_property
    def folder(self) -> Path | None:
        """The folder for the outputs, if there is to be one."""
        if self.output is None or self._path is None:
            return None
        named = self.output.endswith(os.sep) or self._path.is_dir()
        several = len(self.files) > 1 and self._has_documents and not self._path.exists()
        return self._path if named or several or self._has_folders else None

    @property
    def _path(self) -> Path | None:
        return None if self.output is None else Path(self.output)

    @property
    def _has_folders(self) -> bool:
        return any(path.is_dir() or is_pattern(path) for path in self.files)

    @property
    def _has_documents(self) -> bool:
        return any(name != LINES for name in self._formats)

    @property
    def _formats(self) -> list[str]:
        """Format of each file; lines if it is no known format."""
        return [self.format or format_at(path) or LINES for path in self.files]

    @property
    def _is_utf_16(self) -> bool:
        """True if the only input is a file of lines that are no sequence of bytes."""
        alone = len(self.files) == 1 and not (self._asks_for_lines or self.as_json)
        alone = alone and self.encoding is None
        return alone and lines.mark_of(self.files[0]) in lines.UTF_16

    @property
    def _is_whole(self) -> bool:
        return self.manner.in_place or self.folder is not None

    @property
    def _asks_for_lines(self) -> bool:
        return self.n_best > 1 or bool(self.evidence) or self.demands

    @property
    def _can_resume(self) -> bool:
        if self._is_whole:
            return True
        document = self._document_format() is not None
        return (document and self.output is not None) or can_go_on(self.files, self._path)

    @property
    def _plan(self) -> Plan:
        if self.manner.in_place:
            return plan_in_place(self.files, BILINGUAL.__contains__, format=self.format)
        assert self.folder is not None
        return plan_tree(self.files, self.folder, format=self.format, others=self.copy_others)

    def _document_format(self) -> str | None:
        """The format of the one document among the inputs; None if they are lines in UTF-8.

        Raises:
            UsageError: a document is not alone.
        """
        formats = self._formats
        documents = [path for path, name in zip(self.files, formats, strict=True) if name != LINES]
        if not documents:
            self._refuse_unknown()
            return LINES if self._is_utf_16 else None
        if len(self.files) > 1:
            raise UsageError(
                f"{documents[0]} is a document and translated as a whole: give it alone, name a "
                f"folder with --output, or --format {LINES} to translate its lines"
            )
        return formats[0]

    def _refuse_unknown(self) -> None:
        """Refuse a file that is no text, or is of a format that is not lines.

        Raises:
            InputError: there is one; --format text takes it anyway.
        """
        for path in self.files:
            if self.format is None and path != lines.STDIN and is_no_text(path):
                raise InputError(
                    f"{path}: is of no known format ({', '.join(SUFFIXES)}); {advice_for(path)}"
                )

    def _refuse_other_name(self, kind: str) -> None:
        """Refuse an output whose name says that it is what other programs would refuse to read.

        Raises:
            UsageError: it does; nothing is converted.
        """
        named = SUFFIXES.get(self._path.suffix.lower()) if self._path else None
        if named and named != kind and (kind in PACKAGES or named in PACKAGES | {"xliff", "tmx"}):
            raise UsageError(
                f"{self._path}: would be {kind}, which is not converted to {named}: "
                f"name a file that does not end in {self._path.suffix if self._path else ''}"
            )

    def _files(self, plan: Plan, setup: Setup) -> ExitStatus:
        return translate_files(
            plan,
            setup,
            self.manner,
            folder=self.folder,
            strict=self.strict,
            as_json=self.as_json,
            quiet=lines.STDIN in self.files,
        )

    def _document(self, path: Path, format: str, setup: Setup) -> ExitStatus:
        """Translate one document to stdout."""
        if format in PACKAGES and console.is_terminal(sys.stdout):
            raise UsageError(f"{path}: a {format} file is not text: name a file with --output")
        name = lines.name_of(path)
        file = lines.read_all(path) if path == lines.STDIN else path
        document = open_document(
            file, format, name=name, target=setup.target, encoding=self.encoding
        )
        job = DocumentJob(name, document, self.manner.states, keys=self.manner.keys_of(format))
        tally, summary = Tally(), JobSummary()
        with (
            outputs.open_output(None) as writer,
            progress_bar("translating", len(job.segments), data_on_stdout=False) as bar,
        ):
            translator, choice = setup.translator, setup.choice
            writer.write_bytes(
                job.translate(translator, choice, setup.decoding, tally, lambda: bar(1))
            )
        tally.warnings.report()
        summary.add(Report(name, FileOutcome.TRANSLATED, None, tally))
        return summary.status(strict=self.strict, whole=False)
