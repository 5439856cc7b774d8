"""`tformer memory`: datastores of the decoder, built from a translation memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from tformer.cli import console, loading, options
from tformer.cli.languages import direction_of_pairs
from tformer.cli.lines import read_all
from tformer.cli.progress import progress_bar
from tformer.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from tformer.model.terms.translation_memory import Unit

memory = Typer(help="Build memories of the decoder (datastores).", no_args_is_help=True)


@memory.callback()
def _memory() -> None:
    """Build memories of the decoder (datastores) from translation memories."""


@memory.command()
def build(
    pairs: Annotated[
        list[Path],
        Argument(
            metavar="PAIRS",
            help="Translation memories, .tmx or .tsv; or two files of lines, source and target.",
        ),
    ],
    output: Annotated[
        Path, Option("--output", "-o", metavar="DIR", help="Folder of the datastore.")
    ],
    source: options.Source = None,
    target: options.OneTarget = None,
    model: options.Model = options.DEFAULT_MODEL,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
) -> None:
    """Store the decoder's representation of every target token of a translation memory.

    `tformer translate --datastore DIR` then mixes the tokens of the nearest representations into
    every step (kNN-MT), which adapts a model to a domain without training. Without --source and
    --target, the model's first language is translated into its second. A run that was cut off goes
    on where it was.
    """
    units = _units(pairs)
    translator = loading.load_translator(model, loading.ComputeSettings(device, dtype, threads))
    from tformer.model.pipeline.datastore_builder import build_datastore

    way = direction_of_pairs(translator, source, target)
    with progress_bar("reading pairs", 1.0, data_on_stdout=False) as bar:
        datastore = build_datastore(
            translator,
            units,
            output,
            way.source,
            way.target,
            watch=lambda done, total: bar.reach(done / total),
        )
    size = sum(path.stat().st_size for path in output.iterdir())
    facts = datastore.description
    console.note(
        f"{output}: {facts.num_pairs:,} pairs, {len(datastore):,} entries, "
        f"{size / len(datastore):.0f} bytes each"
    )


def _units(paths: list[Path]) -> list[Unit]:
    from tformer.documents.terminology.memories import read_memory

    if all(path.suffix.lower() in (".tmx", ".tsv") for path in paths):
        return [unit for path in paths for unit in read_memory(path)]
    if len(paths) != 2:
        raise UsageError("name files .tmx or .tsv, or two files of lines, source and target")
    return _of_lines(*paths)


def _of_lines(source: Path, target: Path) -> list[Unit]:
    from tformer.model.terms.translation_memory import Unit

    sides = [read_all(path).decode("utf-8", "replace").splitlines() for path in (source, target)]
    if len(sides[0]) != len(sides[1]):
        raise InputError(
            f"{source} has {len(sides[0])} lines and {target} {len(sides[1])}: they do not pair"
        )
    rows = zip(*sides, strict=True)
    return [Unit(one, other) for one, other in rows if one.strip() and other.strip()]
