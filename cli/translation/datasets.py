"""`tformer translate --column`: columns of datasets, from files of rows into files of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tformer.cli import lines, outputs
from tformer.cli.exits import ExitStatus
from tformer.cli.progress import Bar, progress_bar
from tformer.cli.translation.column_options import ColumnOptions
from tformer.cli.translation.dataset_report import DatasetReport
from tformer.cli.translation.jobs import Manner, manifest_of
from tformer.cli.translation.settings import Setup, digest_of_file, digest_of_values
from tformer.dataset.cell_documents import CellDocumentTranslator
from tformer.dataset.cells import CellTranslator
from tformer.dataset.conditions import parse_condition
from tformer.dataset.files.blocks import BlockTexts
from tformer.dataset.files.columns import columns_of
from tformer.dataset.files.dialects import TableDialect, dialect_of
from tformer.dataset.files.hub_layout import copy_description
from tformer.dataset.files.readers import open_shard
from tformer.dataset.files.shards import DatasetFiles, ShardFile, plan_files
from tformer.dataset.job import Selection, ShardJob, TranslateBlocks, run_jobs
from tformer.dataset.spool import BlockResults, Spool
from tformer.documents.jobs.manifest import Making, Manifest, Standing
from tformer.model.errors import InputError, OutputError, UsageError

if TYPE_CHECKING:
    from tformer.model.translation import Translation

CELL_FORMATS = ("text", "markdown", "html")
"""Formats of the text in a column."""


@dataclass
class DatasetCall:
    """Inputs, their output, and what is to be done with which columns."""

    files: Sequence[Path]
    output: str | None
    options: ColumnOptions
    format: str | None
    manner: Manner
    copy_others: bool = False
    as_json: bool = False
    strict: bool = False
    ray: str | None = None
    """Address of a Ray cluster; "" for one that is started here, None for no Ray."""

    def check(self) -> None:
        """Find out before anything is loaded what cannot be done.

        Raises:
            UsageError: options clash, or one is missing.
        """
        if self.output is None:
            raise UsageError("a dataset becomes a file or a folder: name it with --output")
        if lines.STDIN in self.files:
            raise UsageError("a dataset is not read from stdin: name its file or folder")
        if self.format not in (None, *CELL_FORMATS):
            raise UsageError(
                f"--format {self.format}: with --column it is the format of the text in the "
                f"column: {', '.join(CELL_FORMATS)}"
            )

    def job(self) -> Callable[[Setup], ExitStatus]:
        """Function that translates, given the settings."""
        return self.run

    def run(self, setup: Setup) -> ExitStatus:
        """Translate.

        Raises:
            TformerError: an input cannot be read, nothing can be translated, or nothing be written.
        """
        assert self.output is not None
        if setup.target is None:
            raise UsageError("a dataset needs a target language: name it with --target")
        files = plan_files(self.files, Path(self.output), others=self.copy_others)
        selection = self._selection(setup.source, setup.target)
        dialect = dialect_of(self.options.dialect) if self.options.dialect else None
        with ExitStack() as stack:
            report = DatasetReport(stack.enter_context(outputs.open_output(None))
                                   if self.as_json else None)  # fmt: skip
            manifest = stack.enter_context(manifest_of(files.folder)) if files.folder else None
            run = _DatasetRun(self, setup, selection, files, report, manifest, dialect)
            run.run(stack)
            return report.close(strict=self.strict, whole=files.folder is not None)

    def _selection(self, source: str | None, target: str) -> Selection:
        options = self.options
        columns = columns_of(options.paths, options.pattern, (source, target), options.extras)
        return Selection(columns, parse_condition(options.where) if options.where else None)


@dataclass
class _DatasetRun:
    call: DatasetCall
    setup: Setup
    selection: Selection
    files: DatasetFiles
    report: DatasetReport
    manifest: Manifest | None
    dialect: TableDialect | None
    makings: dict[Path, Making] = field(default_factory=dict)
    done_before: dict[Path, frozenset[str]] = field(default_factory=dict)
    """Names of the blocks of each output that were done before they went to a cluster."""

    def run(self, stack: ExitStack) -> None:
        jobs = [job for file in self.files.shards if (job := self._job(file))]
        for job in jobs:
            self._open(job, stack)
        size = float(sum(job.shard.path.stat().st_size for job in jobs))
        bar = progress_bar("translating", size, data_on_stdout=self.report.writes, unit=" rows")
        with bar as self.report.bar:
            try:
                if jobs and self.call.ray is not None:
                    self._translate_on_ray(jobs, self.call.ray)
                if jobs:
                    run_jobs(jobs, self._translate_blocks(), self)
            except BaseException:
                self.report.say_unfinished([job for job in jobs if job.spool.folder.exists()])
                raise
        for file in self.files.copies:
            copy_description(file, self.selection.columns)

    # --- what a job is told of -------------------------------------------------------------------

    def block(self, job: ShardJob, block: BlockTexts, results: BlockResults, kept: bool) -> None:
        """See `JobObserver`."""
        if job.output in self.done_before:
            kept = block.name in self.done_before[job.output]
        self.report.add_block(job, block, results, kept)

    def finish(self, job: ShardJob) -> None:
        """See `JobObserver`."""
        try:
            if job.error is not None:
                raise job.error
            job.write(lambda part: self._announce(job, part))
        except (InputError, OutputError) as error:
            if self.files.folder is None:
                raise
            self.report.fail(job.shard.path, error)
        else:
            self.report.translated(job)

    def _announce(self, job: ShardJob, part: Path) -> None:
        if self.manifest is not None:
            self.manifest.announce(job.output, self.makings[job.output], digest_of_file(part))

    # --- before ----------------------------------------------------------------------------------

    def _job(self, file: ShardFile) -> ShardJob | None:
        """The job of a file; None if it is up to date or cannot be done."""
        try:
            shard = open_shard(file.source, self.dialect)
            self.selection.check(shard)
            if self._is_done(file):
                self.report.up_to_date(file.source)
                return None
            file.output.parent.mkdir(parents=True, exist_ok=True)
        except InputError as error:
            if self.files.folder is None:
                raise
            self.report.fail(file.source, error)
            return None
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{file.output.parent}: cannot be made: {reason}") from error
        return ShardJob(shard, file.output, self.selection, Spool(file.output))

    def _open(self, job: ShardJob, stack: ExitStack) -> None:
        settings = {**self.setup.identity, "format": f"cells {self.call.format or 'text'}"}
        parent = job.output.resolve().parent
        if not parent.is_dir():
            raise OutputError(f"{job.output}: cannot be written: there is no folder {parent}")
        job.spool.open(settings, self.call.manner.earlier)
        stack.callback(job.spool.close)

    def _is_done(self, file: ShardFile) -> bool:
        if self.manifest is None:
            return False
        making = Making(digest_of_file(file.source), digest_of_values(self._settings()))
        self.makings[file.output] = making
        if self.call.manner.force:
            return False
        standing = self.manifest.standing(file.output, making)
        if standing is Standing.FOREIGN:
            raise OutputError(
                f"{file.output}: was not made by an earlier run, or was changed since; --force "
                "overwrites it"
            )
        return standing is Standing.UP_TO_DATE

    def _settings(self) -> list[object]:
        return [self.setup.identity, asdict(self.call.options), self.call.format]

    # --- translation -----------------------------------------------------------------------------

    def _translate_blocks(self) -> TranslateBlocks:
        if self.call.ray is not None:
            return _refuse_missing
        return block_translator(self.setup, self.call.format)

    def _translate_on_ray(self, jobs: Sequence[ShardJob], address: str) -> None:
        """Have all blocks translated on a cluster; what cannot be read is found again here."""
        from tformer.dataset.ray_job import connect_ray, translate_on_ray

        start = partial(start_translator, self.setup.unopened(), self.call.format)
        bar = self.report.bar
        self.done_before = {job.output: job.spool.names() for job in jobs}
        ray = connect_ray(address)
        try:
            translate_on_ray(ray, jobs, start, lambda block: bar(block.size, block.num_rows))
        finally:
            ray.shutdown()
        self.report.bar = Bar()


def _refuse_missing(blocks: Iterable[BlockTexts]) -> Iterator[tuple[BlockTexts, BlockResults]]:
    """Translate nothing.

    Raises:
        OutputError: there is a block.
    """
    for block in blocks:
        raise OutputError(
            f"--ray: results of rows from {block.first_row + 1:,} are not there: is --output on "
            "storage that all nodes share? --resume goes on"
        )
    return iter(())


def start_translator(
    setup: Setup, format: str | None, threads: int, device: str | None
) -> TranslateBlocks:
    """A translator of blocks on another machine.

    Raises:
        TformerError: the model is missing there, or the device is.
    """
    if setup.remote is None:
        place = replace(setup.place, threads=threads, device=device or setup.place.device)
        setup = replace(setup, place=place)
    return block_translator(setup, format)


def block_translator(setup: Setup, format: str | None) -> TranslateBlocks:
    """A translator of blocks, in this process, with all its engines.

    Raises:
        TformerError: the model is missing, damaged or does not have the languages.
    """
    choice, translator = setup.choice, setup.translator
    options = setup.decoding
    if format in ("markdown", "html"):
        options = replace(options, alignments=True)
    choice.toward(choice.possible_sources[0])

    def translate(texts: Iterable[str]) -> Iterator[Translation]:
        return translator.translate(
            texts, source=choice.source, target=choice.target, options=options
        )

    if format in ("markdown", "html"):
        return CellDocumentTranslator(translate, format, choice.target or "").run
    return CellTranslator(translate).run
