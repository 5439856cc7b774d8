"""`tformer prepare`: corpora to a token store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tformer.cli import console, options
from tformer.model.errors import InputError
from tformer.model.text.normalization import normalise, same_language

if TYPE_CHECKING:
    from tformer.model.training.filters import Filtered


def prepare(
    recipe: options.RecipeFile,
    data: Annotated[
        Path, Argument(metavar="DATA", help="Folder to make; training reads it memory-mapped.")
    ],
    corpora: Annotated[
        Path | None,
        Option(
            "--corpora",
            metavar="DIR",
            help="Base folder of the recipe's paths; the recipe's own if not given.",
        ),
    ] = None,
    model: options.From = None,
    show_filtered: Annotated[
        int,
        Option(
            "--show-filtered",
            metavar="N",
            min=0,
            help="Print up to N pairs of each corpus that each filter leaves out, as TSV.",
        ),
    ] = 0,
    threads: Annotated[int, Option("--threads", metavar="N", min=1, help="CPU threads.")] = 1,
) -> None:
    """Tokenise the corpora of a recipe into a token store, with a new vocabulary or a model's."""
    from tformer.model.training.preparing import prepare
    from tformer.model.training.recipe import Recipe
    from tformer.model.training.start import Start

    root = recipe.parent if corpora is None else corpora
    start = Start.read(model) if model else None
    parsed = Recipe.read(recipe, start=start.config if start else None)
    vocabulary = None
    if start:
        start.check(parsed)
        vocabulary = start.vocabulary
        console.note(f"taking the vocabulary of {start.path}")
    prepare(
        parsed,
        root,
        data,
        vocabulary=vocabulary,
        readers={".tmx": pairs_of_tmx},
        threads=threads,
        report=console.note,
        examples=show_filtered,
        show=print_filtered,
    )
    console.note(f"the token store is in {data}")


def print_filtered(corpus: str, left: Filtered) -> None:
    """Print filter, corpus and both sides of every example, tab-separated."""
    for name, pairs in sorted(left.examples.items()):
        for first, second in pairs:
            print(name, corpus, normalise(first), normalise(second), sep="\t")


def pairs_of_tmx(path: Path, languages: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Sentence pairs of a translation memory.

    Raises:
        InputError: it cannot be read, is malformed, or says nothing in both.
    """
    from tformer.documents.terminology.memories import read_memory

    found = False
    for unit in read_memory(path):
        spoken = str(unit.source_language), str(unit.target_language)
        if all(map(same_language, spoken, languages)):
            found = True
            yield unit.source, unit.target
    if not found:
        raise InputError(f"{path}: no unit is in both {' and '.join(languages)}")
