"""`tformer shortlist`: target tokens that a source token may be translated with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tformer.cli import console, loading, options
from tformer.cli.languages import direction_of_pairs
from tformer.cli.progress import progress_bar
from tformer.model.errors import OutputError, UsageError
from tformer.model.vocabulary.language_choice import Direction

if TYPE_CHECKING:
    from tformer.model.pipeline.translator import Translator
    from tformer.model.training.lexical_shortlist import LinkCounts


def shortlist(
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="Shortlist to make.")],
    pairs: Annotated[
        list[Path] | None,
        Argument(
            metavar="[PAIRS]",
            help="Sentence pairs, a source, a tab and its translation a line; also .gz and .xz.",
        ),
    ] = None,
    lexicon: Annotated[
        Path | None,
        Option(
            "--lexicon",
            metavar="FILE",
            help="Marian's lexicon (lex.s2t) instead of pairs; also .gz and .xz.",
        ),
    ] = None,
    best: Annotated[
        int,
        Option("--best", min=1, metavar="N", help="Target tokens that a source token asks for."),
    ] = 100,
    common: Annotated[
        int,
        Option("--common", min=1, metavar="N", help="Most frequent tokens, in every list."),
    ] = 200,
    source: Annotated[
        str | None,
        Option(
            "--source",
            "-s",
            metavar="LANG",
            help="Language of the sources; else the model's first.",
        ),
    ] = None,
    target: options.OneTarget = None,
    model: options.Model = options.DEFAULT_MODEL,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
) -> None:
    """Make a vocabulary shortlist: the target tokens that each source token may become.

    A model directory with a file `shortlist.bin` says in a translation what its source's tokens ask
    for, and computes nothing else of the output layer: worth it with large vocabularies. The pairs
    are aligned by the model; one in a hundred is left out and tells what the list lacks. If the
    model translates both ways, so does the list.
    """
    if bool(pairs) == bool(lexicon):
        raise UsageError("name files of sentence pairs, or one --lexicon")
    translator = loading.load_translator(model, loading.ComputeSettings(device, dtype, threads))
    directions = _directions(translator, source, target)
    from tformer.model.training.lexical_shortlist import read_lexicon

    if lexicon:
        counts = read_lexicon(translator, lexicon, directions[:1])
    else:
        counts = _of_pairs(translator, pairs or [], directions)
    _write(counts, output, best, common)


def _directions(
    translator: Translator, source: str | None, target: list[str] | None
) -> list[Direction]:
    """The direction that is named, and the one back if the model has it."""
    sources, targets = translator.source_languages, translator.target_languages
    way = direction_of_pairs(translator, source, target)
    back = Direction(way.target, way.source)
    return [way, back] if back.source in sources and back.target in targets else [way]


def _of_pairs(translator: Translator, paths: list[Path], directions: list[Direction]) -> LinkCounts:
    from tformer.model.training.corpora import read_pairs
    from tformer.model.training.lexical_shortlist import count_links

    every: Iterator[tuple[str, str]] = chain.from_iterable(map(read_pairs, paths))
    with progress_bar("aligning", None, data_on_stdout=False) as bar:
        return count_links(translator, every, directions, watch=bar)


def _write(counts: LinkCounts, output: Path, best: int, common: int) -> None:
    made = counts.shortlist(best, common)
    try:
        made.write(output)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror or error})") from error
    console.note(f"{output}: {len(made):,} target tokens of {made.num_sources:,} source tokens")
    if fit := counts.coverage(made):
        console.note(
            f"pairs left out: {fit.size:,.0f} target tokens a sentence, "
            f"which are {fit.share:.1%} of the references' tokens"
        )
    console.note("a model uses it as shortlist.bin in its directory, unless on CUDA with graphs")
