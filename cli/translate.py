"""`tformer translate`: text, documents and folders of them in, their translations out."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tformer.cli import lines, loading, options
from tformer.cli.decoding_options import takes_decoding_options
from tformer.cli.exits import ExitStatus
from tformer.cli.ray_address import HERE
from tformer.cli.translation.calls import TranslationCall
from tformer.cli.translation.column_options import ColumnOptions
from tformer.cli.translation.doubts import check_minimum
from tformer.cli.translation.jobs import Manner
from tformer.cli.translation.settings import Setup
from tformer.cli.translation.side_outputs import Evidence
from tformer.cli.translation.terms import GlossaryFiles, MemoryFiles, Terms
from tformer.dataset.files.columns import PATTERN, Extra
from tformer.documents.jobs.journal import Earlier
from tformer.documents.registry import FORMATS
from tformer.documents.segments import SegmentState
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.text.languages import code_of

if TYPE_CHECKING:
    from tformer.cli.translation.datasets import DatasetCall

WHOLE = "Files and folders"
SIDE = "Side outputs"
DATASETS = "Datasets"


class Retranslate(StrEnum):
    """States of existing translations that are made again."""

    NONE = "none"
    REVIEW = "review"
    ALL = "all"


STATES = {
    Retranslate.NONE: frozenset({SegmentState.NEW}),
    Retranslate.REVIEW: frozenset({SegmentState.NEW, SegmentState.REVIEW}),
    Retranslate.ALL: frozenset(SegmentState),
}


@takes_decoding_options
def translate(
    files: Annotated[
        list[Path] | None,
        Argument(metavar="FILES", help="Text files, documents, folders; none or - is stdin."),
    ] = None,
    source: options.Source = None,
    target: options.OneTarget = None,
    model: options.Model = options.DEFAULT_MODEL,
    pivot: Annotated[
        bool,
        Option("--pivot", help="By way of English, with two models, if none goes there directly."),
    ] = False,
    output: Annotated[
        str | None,
        Option("--output", "-o", metavar="PATH", help="Output file or folder instead of stdout."),
    ] = None,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
    encoding: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="Of inputs that are not UTF-8, such as cp1252 or utf-16; UTF-8 comes out.",
        ),
    ] = None,
    glossary: GlossaryFiles = None,
    memory: MemoryFiles = None,
    alignments: Annotated[
        Path | None,
        Option(
            metavar="PATH",
            help="Write word alignments in Pharaoh format, 0-0 1-2, a line for each line printed.",
            rich_help_panel=SIDE,
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        Option(
            metavar="PATH",
            help="Write scores, a line for each line printed: of the translation, a tab, and log P "
            "of every piece and of the end of each sentence.",
            rich_help_panel=SIDE,
        ),
    ] = None,
    server: options.Server = None,
    server_ca: options.ServerCa = None,
    as_json: options.Json = False,
    format: Annotated[
        str | None,
        Option(
            "--format",
            metavar="FORMAT",
            help=f"Format of the files, whatever their names: {', '.join(FORMATS)}. With --column: "
            "of the text in the column, text, markdown or html.",
            rich_help_panel=WHOLE,
        ),
    ] = None,
    in_place: Annotated[
        bool,
        Option(
            "--in-place",
            help="Fill translations into the files themselves: PO, XLIFF, TMX, TSV, xcstrings, Qt.",
            rich_help_panel=WHOLE,
        ),
    ] = False,
    backup: Annotated[
        bool,
        Option(
            help="With --in-place: keep the previous version as FILE.bak.", rich_help_panel=WHOLE
        ),
    ] = True,
    retranslate: Annotated[
        Retranslate,
        Option(
            help="Existing translations to replace: none, those marked for review, or all.",
            rich_help_panel=WHOLE,
        ),
    ] = Retranslate.NONE,
    keys: Annotated[
        list[str] | None,
        Option(
            "--keys",
            metavar="PATTERN",
            help="Translate only strings of these keys in JSON, YAML and other string tables, such "
            "as menu or '*.title'; '!*.id' leaves out. Repeatable; the last that fits decides.",
            rich_help_panel=WHOLE,
        ),
    ] = None,
    copy_others: Annotated[
        bool,
        Option(
            "--copy-others",
            help="Copy files of unknown formats instead of skipping them.",
            rich_help_panel=WHOLE,
        ),
    ] = False,
    resume: Annotated[
        bool,
        Option("--resume", help="Continue an interrupted run.", rich_help_panel=WHOLE),
    ] = False,
    force: Annotated[
        bool,
        Option(
            "--force",
            help="Start over: translate up-to-date files too, and overwrite other files.",
            rich_help_panel=WHOLE,
        ),
    ] = False,
    strict: Annotated[
        bool,
        Option("--strict", help="Exit with status 9 if there are warnings.", rich_help_panel=WHOLE),
    ] = False,
    column: Annotated[
        list[str] | None,
        Option(
            "--column",
            metavar="PATH",
            help="Column to translate; may be given again. FILES are datasets then: Parquet, "
            "Arrow, JSON Lines, CSV, TSV, or folders of them. Fields of structures: a.b.",
            rich_help_panel=DATASETS,
        ),
    ] = None,
    output_column: Annotated[
        str,
        Option(
            "--output-column",
            metavar="PATTERN",
            help="Name of the column with translations, of {column}, {source} and {target}; "
            "{column} alone replaces the text.",
            rich_help_panel=DATASETS,
        ),
    ] = PATTERN,
    where: Annotated[
        str | None,
        Option(
            metavar="CONDITION",
            help="Translate only rows such as 'lang == \"en\" and len(text) > 3'; others get null.",
            rich_help_panel=DATASETS,
        ),
    ] = None,
    add: Annotated[
        list[Extra] | None,
        Option(
            "--add",
            help="Add a column with the score, the source language or the warnings of each "
            "translation; may be given again.",
            rich_help_panel=DATASETS,
        ),
    ] = None,
    dialect: Annotated[
        str | None,
        Option(
            metavar="DIALECT",
            help="Dialect of CSV and TSV: excel, excel-tab, tsv (without quotes), unix, or "
            "settings such as 'delimiter=; quote=none header=no encoding=cp1252'; guessed if not "
            "given.",
            rich_help_panel=DATASETS,
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        Option(
            "--min-confidence",
            metavar="P",
            help="Warn of translations whose confidence, 0 to 1, is less; see `tformer calibrate`.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        Option(
            "--ray",
            metavar="[ADDRESS]",
            help="Translate on the nodes of a Ray cluster, such as 10.0.0.1:6379 or auto; without "
            "an address on a Ray that is started here.",
            rich_help_panel=DATASETS,
        ),
    ] = None,
    *,
    decoding: DecodingOptions,
) -> ExitStatus:
    """Translate text, documents and folders.

    Text is translated line by line: as many lines come out as go in, in the same order. Documents
    (Markdown, HTML, subtitles, PO, Word and others, by file name) keep markup, code, placeholders
    and white space. Folders, and patterns such as 'docs/**/*.md', are mirrored in the folder that
    --output names; what is up to date there is left alone. With --column FILES are datasets, of
    which these columns are translated; a CSV without --column is a document.

    A source language that is not given is detected and reported on stderr.
    """
    if len(target or ()) > 1:
        raise UsageError("--target is given more than once: a call translates to one language")
    check_minimum(min_confidence)
    evidence = Evidence(alignments, scores)
    columns = ColumnOptions(tuple(column or ()), output_column, where, tuple(add or ()), dialect)
    columns.refuse_alone()
    if ray is not None and not column:
        raise UsageError("--ray is for datasets: name a column with --column")
    decoding = replace(
        decoding,
        alignments=alignments is not None,
        token_scores=scores is not None,
        datastore_pairs=as_json and bool(decoding.datastore),
    )
    if pivot and decoding.datastore:
        raise UsageError("--datastore is of one model: leave out --pivot")
    remote = loading.Remote(server, server_ca) if server else None
    manner = Manner(
        _earlier(resume, force),
        force,
        STATES[retranslate],
        backup and in_place,
        in_place,
        tuple(keys or ()),
        encoding,
    )
    inputs = files or [lines.STDIN]
    call: DatasetCall | TranslationCall
    if column:
        _check_for_datasets(evidence, manner, decoding)
        from tformer.cli.translation.datasets import DatasetCall

        address = None if ray is None else ray.removeprefix(HERE)
        call = DatasetCall(
            inputs, output, columns, format, manner, copy_others, as_json, strict, address
        )
    else:
        call = TranslationCall(
            inputs,
            output,
            format,
            manner,
            copy_others=copy_others,
            evidence=evidence,
            as_json=as_json,
            strict=strict,
            n_best=decoding.n_best,
            demands=bool(decoding.target_prefix or decoding.required_terms),
            encoding=encoding,
        )
    lines.check_names(files or [])
    call.check()
    if (decoding.target_prefix or decoding.required_terms) and memory:
        raise UsageError(
            "--memory reuses translations as they are: leave it out with --target-prefix, --require"
        )
    terms = Terms.read(glossary, memory, remote=remote is not None)
    place = loading.ComputeSettings(device, dtype, threads)
    into = target[0] if target else None
    source, into = (name and (code_of(name) or name) for name in (source, into))
    model, both = _chosen_models(model, source, into, remote, pivot=pivot)
    setup = Setup(
        model,
        place,
        remote,
        decoding,
        terms,
        source,
        into,
        near=as_json,
        pivot=both,
        min_confidence=min_confidence,
    )
    translate_inputs = call.job()
    return translate_inputs(setup)


def _check_for_datasets(evidence: Evidence, manner: Manner, decoding: DecodingOptions) -> None:
    """Refuse what datasets have other options for, or none.

    Raises:
        UsageError: it was asked for.
    """
    if evidence or manner.in_place or manner.encoding or decoding.n_best > 1:
        raise UsageError(
            "--alignments, --scores, --in-place, --encoding and --n-best are not for datasets: "
            "leave them out with --column; --add score adds scores, --dialect tells encodings"
        )


def _chosen_models(
    model: str,
    source: str | None,
    target: str | None,
    remote: loading.Remote | None,
    *,
    pivot: bool,
) -> tuple[str, tuple[str, str] | None]:
    """The model to translate with; and the two in its place, if there is a way round only.

    Raises:
        UsageError: none that is here has the languages.
    """
    if remote is not None:
        return model, None
    if pivot and not loading.goes_directly(source, target):
        return model, loading.pivot_models(source, target)
    return loading.suitable_model(model, source, target), None


def _earlier(resume: bool, force: bool) -> Earlier:
    if resume and force:
        raise UsageError("--resume goes on and --force begins anew: choose one")
    return Earlier.RESUME if resume else Earlier.DISCARD if force else Earlier.REFUSE
