"""`tformer prepare`: corpora to a token store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from tformer.cli import options, talk
from tformer.model.errors import InputError
from tformer.model.text.normalization import same_language


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
            help="Where the recipe's paths begin; without it, in the recipe's folder.",
        ),
    ] = None,
    model: options.From = None,
    threads: Annotated[int, Option("--threads", metavar="N", min=1, help="CPU threads.")] = 1,
) -> None:
    """Learn the vocabulary, or take a model's, and turn a recipe's corpora into a token store."""
    from tformer.model.training.recipe import Recipe
    from tformer.model.training.start import Start
    from tformer.model.training.store import prepare

    root = recipe.parent if corpora is None else corpora
    start = Start.read(model) if model else None
    parsed = Recipe.read(recipe, start=start.config if start else None)
    vocabulary = None
    if start:
        start.check(parsed)
        vocabulary = start.vocabulary
        talk.note(f"taking the vocabulary of {start.path}")
    prepare(
        parsed,
        root,
        data,
        vocabulary=vocabulary,
        readers={".tmx": pairs_of_tmx},
        threads=threads,
        report=talk.note,
    )
    talk.note(f"the token store is in {data}")


def pairs_of_tmx(path: Path, languages: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """What a translation memory says in both languages.

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
