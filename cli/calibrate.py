"""`tformer calibrate`: fit the confidence of a model to test sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tformer.cli import console, loading, options, outputs
from tformer.cli.pairs import read_pair
from tformer.model.errors import UsageError

if TYPE_CHECKING:
    from tformer.model.config import Calibration
    from tformer.model.evaluation.calibration import ReliabilityBin
    from tformer.model.pipeline.translator import Translator


@dataclass(frozen=True)
class FittedDirection:
    """Calibration of one direction, and how it does on sentences that were held out."""

    calibration: Calibration
    held_out: int
    """Sentences that were held out."""
    error: float
    """Expected calibration error, 0 to 1."""
    discrimination: float
    """Area under the ROC curve."""
    table: Sequence[ReliabilityBin]


def calibrate(
    model: Annotated[str, Argument(metavar="MODEL", help="A model directory, or a shipped model.")],
    files: Annotated[
        list[Path],
        Argument(
            metavar="FILES",
            help="Pairs of files, source and reference, a sentence a line; not those that the "
            "model was trained on.",
        ),
    ],
    source: options.Source = None,
    target: options.Target = None,
    both_ways: Annotated[
        bool, Option("--both-ways", help="Also from --target into --source.")
    ] = False,
    threshold: Annotated[
        float, Option(metavar="CHRF", help="chrF from which on a translation counts as good.")
    ] = 50.0,
    limit: Annotated[
        int | None,
        Option(metavar="N", min=1, help="Take N lines of each pair, evenly; all if not given."),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Print the tables only; MODEL stays as it is.")
    ] = False,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
    as_json: options.Json = False,
) -> None:
    """Fit the confidence of MODEL to test sets, and store it in the model's config.json.

    The confidence of a sentence is the probability that its translation reaches a chrF of
    --threshold; `tformer translate --json` prints it, and --min-confidence marks lines by it. It is
    fitted to every second sentence; the table that is printed is of the others.
    """
    from tformer.model.checkpoint.layout import find_model, store_calibrations

    if source is None or target is None:
        raise UsageError("name the languages of the files with --source and --target")
    pairs = _pairs(files, limit)
    directory = find_model(model)
    translator = loading.load_translator(model, loading.ComputeSettings(device, dtype, threads))
    fitted = [_fit(translator, pairs, (source, target), threshold)]
    if both_ways:
        turned = [(reference, text) for text, reference in pairs]
        fitted.append(_fit(translator, turned, (target, source), threshold))
    with outputs.open_output(None) as writer:
        writer.write("".join(_as_json(each) if as_json else _as_text(each) for each in fitted))
    if not dry_run:
        store_calibrations(directory, [each.calibration for each in fitted])
        console.note(f"{directory / 'config.json'}: has the confidence now")


def _pairs(files: Sequence[Path], limit: int | None) -> list[tuple[str, str]]:
    if len(files) % 2:
        raise UsageError(f"{files[-1]}: has no reference; files are pairs, SOURCE REFERENCE")
    both = zip(files[::2], files[1::2], strict=True)
    return [pair for source, reference in both for pair in _lines(source, reference, limit)]


def _lines(source: Path, reference: Path, limit: int | None) -> list[tuple[str, str]]:
    """Lines of two files: ``limit`` of them, from all over the files, or all."""
    pairs = list(zip(*read_pair(source, reference), strict=True))
    if limit is None or limit >= len(pairs):
        return pairs
    return [pairs[number * len(pairs) // limit] for number in range(limit)]


def _fit(
    translator: Translator,
    pairs: Sequence[tuple[str, str]],
    languages: tuple[str, str],
    threshold: float,
) -> FittedDirection:
    from tformer.model.evaluation.calibration import (
        calibration_error,
        collect,
        discrimination,
        fit,
        reliability,
    )

    chosen = translator.route(*languages).of("")
    console.note(f"translating {len(pairs):,} lines from {languages[0]} to {languages[1]}")
    samples = collect(translator, pairs, chosen)
    held_out = samples[1::2]
    calibration = fit(samples[::2], chosen, threshold)
    table = reliability(calibration, held_out)
    return FittedDirection(
        calibration,
        len(held_out),
        calibration_error(table),
        discrimination(calibration, held_out),
        table,
    )


def _as_text(fitted: FittedDirection) -> str:
    told = fitted.calibration
    rows = [
        f"{told.source}→{told.target}: fitted to {told.segments:,} sentences, measured on "
        f"{fitted.held_out:,} others: calibration error {fitted.error:.3f}, "
        f"area under the ROC curve {fitted.discrimination:.3f}",
        "",
        f"| confidence | sentences | mean confidence | chrF ≥ {told.threshold:g} | mean chrF |",
        "|---|---:|---:|---:|---:|",
        *map(_row, fitted.table),
    ]
    return "\n".join([*rows, "", ""])


def _row(part: ReliabilityBin) -> str:
    return (
        f"| {part.lowest:.2f}-{part.highest:.2f} | {part.sentences:,} | {part.confidence:.2f} | "
        f"{part.good:.2f} | {part.chrf:.1f} |"
    )


def _as_json(fitted: FittedDirection) -> str:
    record: dict[str, Any] = asdict(fitted)
    return json.dumps(record, ensure_ascii=False) + "\n"
