"""`tformer translate`: text, documents and folders of them in, their translations out."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from tformer.cli import lines, loading, options
from tformer.cli.decoding import takes_decoding_options
from tformer.cli.evidence import Evidence
from tformer.cli.exits import ExitStatus
from tformer.cli.jobs import Manner
from tformer.cli.setup import Setup
from tformer.cli.terms import GlossaryFiles, MemoryFiles, Terms
from tformer.cli.translation_calls import TranslationCall
from tformer.documents.jobs.journal import Earlier
from tformer.documents.registry import FORMATS
from tformer.documents.segments import State
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.text.languages import code_of

WHOLE = "Files and folders"


class Retranslate(StrEnum):
    """Which translations that a file has already are made again."""

    NONE = "none"
    REVIEW = "review"
    ALL = "all"


STATES = {
    Retranslate.NONE: frozenset({State.NEW}),
    Retranslate.REVIEW: frozenset({State.NEW, State.REVIEW}),
    Retranslate.ALL: frozenset(State),
}


@takes_decoding_options
def translate(
    files: Annotated[
        list[Path] | None,
        Argument(metavar="FILES", help="Text, documents, folders; none or - is stdin."),
    ] = None,
    source: options.Source = None,
    target: options.OneTarget = None,
    model: options.Model = options.DEFAULT_MODEL,
    pivot: Annotated[
        bool,
        Option("--pivot", help="By way of English, with two models, if none goes there directly."),
    ] = False,
    output: Annotated[
        str | None, Option("--output", "-o", metavar="PATH", help="Write here, not to stdout.")
    ] = None,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
    encoding: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="Of lines that are not UTF-8, such as cp1252 or utf-16; UTF-8 comes out.",
        ),
    ] = None,
    glossary: GlossaryFiles = None,
    memory: MemoryFiles = None,
    alignments: Annotated[
        Path | None,
        Option(metavar="PATH", help="Write here, line by line, which word became which: 0-0 1-2."),
    ] = None,
    scores: Annotated[
        Path | None,
        Option(metavar="PATH", help="Write here, line by line, the score and that of each piece."),
    ] = None,
    server: options.Server = None,
    server_ca: options.ServerCa = None,
    as_json: options.Json = False,
    format: Annotated[
        str | None,
        Option(
            "--format",
            metavar="FORMAT",
            help=f"What FILE is, whatever its name says: {', '.join(FORMATS)}.",
        ),
    ] = None,
    in_place: Annotated[
        bool,
        Option(
            "--in-place",
            help="Fill translations into the files themselves: PO, XLIFF, TMX, TSV.",
            rich_help_panel=WHOLE,
        ),
    ] = False,
    backup: Annotated[
        bool,
        Option(help="With --in-place: keep what was there as FILE.bak.", rich_help_panel=WHOLE),
    ] = True,
    retranslate: Annotated[
        Retranslate,
        Option(
            help="What is translated again: nothing, what is marked for review, or all.",
            rich_help_panel=WHOLE,
        ),
    ] = Retranslate.NONE,
    copy_others: Annotated[
        bool,
        Option(
            "--copy-others",
            help="Copy what is of no known format, instead of leaving it out.",
            rich_help_panel=WHOLE,
        ),
    ] = False,
    resume: Annotated[
        bool,
        Option("--resume", help="Go on where an earlier run was stopped.", rich_help_panel=WHOLE),
    ] = False,
    force: Annotated[
        bool,
        Option(
            "--force",
            help="Begin anew, make what is up to date too, and overwrite other files.",
            rich_help_panel=WHOLE,
        ),
    ] = False,
    strict: Annotated[
        bool,
        Option("--strict", help="Exit with status 9 if there are warnings.", rich_help_panel=WHOLE),
    ] = False,
    *,
    decoding: DecodingOptions,
) -> ExitStatus:
    """Translate text line by line: as many lines come out as go in, in the same order.

    A FILE that by its name is Markdown, HTML, subtitles, PO or the like is a document: it comes out
    with all of its markup, code, placeholders and white space, byte for byte but for the text.

    Folders, and patterns such as 'docs/**/*.md', are mirrored in the folder that --output names;
    what is up to date there is left alone. --in-place fills PO, XLIFF, TMX and TSV files. A run
    that was stopped goes on with --resume. A summary is said at the end, of documents in JSON too
    with --json.

    With no language given, that of each file is detected; with one, the model's other language
    completes it. What was detected is said on stderr.

    --n-best prints up to N lines for each line of input: its number, counted from 0, the
    hypothesis and its score, separated by " ||| ". --json prints one object for each line of input.

    --target-prefix and --require say how the translation of every line begins and what it contains.

    --glossary has terms translated as you say and warns where that fails. --memory reuses the
    translation of a text that is in it; --json also shows near matches.

    --alignments and --scores write a line for each line that is printed: the pairs of word numbers
    of the Pharaoh format, source first, words being what white space separates; and the score, a
    tab, and log P of every piece and of the end of each sentence.
    """
    if len(target or ()) > 1:
        raise UsageError("--target is given more than once: a call translates to one language")
    evidence = Evidence(alignments, scores)
    decoding = replace(decoding, alignments=alignments is not None, token_scores=scores is not None)
    remote = loading.Remote(server, server_ca) if server else None
    call = TranslationCall(
        files or [lines.STDIN],
        output,
        format,
        Manner(_earlier(resume, force), force, STATES[retranslate], backup and in_place, in_place),
        copy_others=copy_others,
        evidence=evidence,
        as_json=as_json,
        strict=strict,
        n_best=decoding.n_best,
        demands=bool(decoding.target_prefix or decoding.required_terms),
        encoding=encoding,
    )
    call.check()
    if call.demands and memory:
        raise UsageError(
            "--memory reuses translations as they are: leave it out with --target-prefix, --require"
        )
    terms = Terms.read(glossary, memory, remote=remote is not None)
    place = loading.Place(device, dtype, threads)
    into = target[0] if target else None
    source, into = (name and (code_of(name) or name) for name in (source, into))
    names = None
    if remote is None and pivot and not loading.goes_directly(source, into):
        names = loading.pivot_models(source, into)
    elif remote is None:
        model = loading.suitable_model(model, source, into)
    return call.run(
        Setup(model, place, remote, decoding, terms, source, into, near=as_json, pivot=names)
    )


def _earlier(resume: bool, force: bool) -> Earlier:
    if resume and force:
        raise UsageError("--resume goes on and --force begins anew: choose one")
    return Earlier.RESUME if resume else Earlier.DISCARD if force else Earlier.REFUSE
