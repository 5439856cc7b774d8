"""`tformer synthesize`: parallel text for training, of text in one language and a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from tformer.cli import console, loading, options
from tformer.cli.progress import progress_bar
from tformer.model.errors import InputError


def synthesize(
    recipe: options.RecipeFile,
    text: Annotated[
        Path,
        Argument(metavar="MONOLINGUAL", help="A sentence a line; .gz and .xz are read too."),
    ],
    output: Annotated[
        Path,
        Option("--output", "-o", metavar="CORPUS", help="TSV to make, also as .tsv.gz or .tsv.xz."),
    ],
    source: Annotated[
        str, Option("--source", "-s", metavar="LANG", help="Language of the text, such as de.")
    ],
    model: options.Model = options.DEFAULT_MODEL,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
) -> None:
    """Translate MONOLINGUAL and write pairs of each line and its translation, to train with.

    `[synthesis]` of the recipe says how to decode. Repeats are left out, and translations that look
    wrong. A call that was interrupted goes on where it was, and makes the same file.
    """
    from tformer.model.checkpoint.layout import find_model
    from tformer.model.training.recipe import Recipe
    from tformer.model.training.synthesis import Synthesis, synthesize

    if not text.is_file():
        raise InputError(f"{text}: no such file")
    path = find_model(model)
    parsed = Recipe.read(recipe)
    translator = loading.load_translator(model, loading.ComputeSettings(device, dtype, threads))
    work = Synthesis(parsed, translator, text, source)
    with progress_bar("translating", None, data_on_stdout=False) as advance:
        tally = synthesize(work, output, model=path, advance=advance)
    console.note(
        f"{output}: {tally.pairs:,} pairs of {tally.lines:,} lines; left out {tally.repeats:,} "
        f"repeats, {tally.unfit:,} by their length, {tally.flagged:,} that look wrong"
    )
    way = "backward" if work.first else "forward"
    console.note(f'to learn from it as back-translation, say direction = "{way}" of this corpus')
