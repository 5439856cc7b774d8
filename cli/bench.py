"""`tformer bench`: how fast a model translates here, beside other systems with the same weights."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tformer.cli import bench_inputs, console, options, outputs
from tformer.model.errors import ModelError, UsageError

if TYPE_CHECKING:
    from tformer.model.benchmark.report import ReportTable


COST_SECONDS = 20.0
"""Seconds of a measurement of cost, about, where --seconds allows more."""


def bench(
    model: Annotated[
        str, Argument(metavar="[MODEL]", help="A shipped model, or a model directory.")
    ] = options.DEFAULT_MODEL,
    text: Annotated[
        Path | None,
        Option(metavar="FILE", help="Text to translate, one sentence a line; else a sample."),
    ] = None,
    reference: Annotated[
        Path | None, Option(metavar="FILE", help="Reference translation, for BLEU and chrF.")
    ] = None,
    source: options.Source = None,
    target: options.Target = None,
    system: Annotated[
        list[str] | None,
        Option(
            metavar="PROGRAM:DTYPE",
            help="System such as tformer:int8, ctranslate2:int8 or transformers:float32; "
            "repeatable. Without it, what is installed of the three, on a CPU each in its fastest "
            "dtype.",
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        Option(
            metavar="N",
            min=0,
            help="Lines handed over at a time, 0 for all; repeatable. Without it, 1, 32, 128, all, "
            "as far as there are so many.",
        ),
    ] = None,
    beam_size: Annotated[
        list[int] | None,
        Option(metavar="N", min=1, help="Beam size; repeatable. Without it, 4 and 1."),
    ] = None,
    sentences: Annotated[
        int, Option(metavar="N", min=1, help="Most lines of the text, taken from all over it.")
    ] = 512,
    shape: Annotated[
        str | None,
        Option(
            metavar="E+DxWIDTH",
            help="Instead of MODEL, random weights of a shape such as 6+2x512 or 6+2x256f2048v8000 "
            "(inner width, vocabulary), and translations of a forced length.",
        ),
    ] = None,
    length: Annotated[
        int, Option(metavar="N", min=2, help="With --shape, tokens of each source and target.")
    ] = 25,
    rounds: Annotated[int, Option(metavar="N", min=1, help="Most measurements of each.")] = 3,
    seconds: Annotated[
        float,
        Option(
            metavar="S",
            min=0,
            help="Time limit, calibration included: what would take longer is left out.",
        ),
    ] = 240.0,
    threads: Annotated[
        int | None, Option(metavar="N", min=1, help="Threads of each system; else every core.")
    ] = None,
    calibrate: Annotated[
        bool,
        Option(
            "--calibrate",
            help="Look for the best settings anew, though this machine's are remembered.",
        ),
    ] = False,
    device: options.DeviceOption = options.Device.CPU,
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the result as JSON after every round, and its tables beside it as .md.",
        ),
    ] = None,
    cost: Annotated[
        bool,
        Option(
            "--cost",
            help="Measure only tformer: CPU seconds, joules where RAPL or NVML can be read, and "
            "money, per million source words. The first of --beam-size counts.",
        ),
    ] = False,
    price: Annotated[
        float | None,
        Option(metavar="P", min=0, help="With --cost, price of a core for an hour."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Compare the speed of MODEL with CTranslate2 and transformers, where they are installed.

    All get the same weights, lines and beam size. Each runs in its own process, with the best of
    several settings; rounds are interleaved, and ratios are taken within a round. Throughput is
    target tokens per second, from lines of text to lines of text.
    """
    if cost:
        if shape is not None or reference is not None or system or batch or output:
            raise UsageError(
                "--cost measures one model by itself: leave out --shape, --reference, --system, "
                "--batch and --output"
            )
        from tformer.cli.bench_cost import CostCall, report_cost
        from tformer.cli.loading import ComputeSettings

        _, lot, _ = bench_inputs.translation(model, text, None, source, target, sentences)
        width, place = (beam_size or [4])[0], ComputeSettings(device, threads=threads)
        report_cost(
            CostCall(
                model, lot.lines, lot.source, lot.target, width, min(seconds, COST_SECONDS),
                price, place, as_json,
            )
        )  # fmt: skip
        return
    if price is not None:
        raise UsageError("--price is for --cost")
    from tformer.model.benchmark.comparison import BenchmarkLimits, Comparison

    chosen = bench_inputs.systems(system, device)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tformer-bench-"))
        if shape is not None:
            bench_inputs.refuse_text_of_no_use(text, reference)
            path, task, about = bench_inputs.random_model(shape, length, sentences, Path(folder))
        else:
            path, task, about = bench_inputs.translation(
                model, text, reference, source, target, sentences
            )
        limits = BenchmarkLimits(rounds, seconds)
        cells = bench_inputs.cells(batch, beam_size, task.size)
        memory = bench_inputs.remembered(path, device, threads, anew=calibrate)
        comparison = Comparison(
            path, task, chosen, cells, limits,
            device=device, cores=threads, memory=memory, note=console.note,
        )  # fmt: skip
        found = _run(comparison, about, output)
    with outputs.open_output(None) as writer:
        writer.write(json.dumps(found, ensure_ascii=False) + "\n" if as_json else _as_text(found))


# -- what is found ----------------------------------------------------------------------------


def _run(comparison: Any, about: dict[str, Any], output: Path | None) -> dict[str, Any]:
    """The record of all rounds; written after each."""
    from tformer.model.benchmark.machine import hardware
    from tformer.model.benchmark.report import record, write

    facts = {**about, "hardware": hardware()}
    found: dict[str, Any] = {}
    for outcome in comparison.run():
        found = record(outcome, facts)
        if output is not None:
            write(found, output)
    if not found or not found["systems"]:
        reasons = "; ".join(f"{s}: {why}" for s, why in comparison.outcome.failures.items())
        raise ModelError(f"nothing could be measured: {reasons}")
    return found


def _as_text(found: dict[str, Any]) -> str:
    from tformer.model.benchmark.report import remarks, tables

    return "\n".join(["", *map(_drawn, tables(found)), *remarks(found), ""])


def _drawn(table: ReportTable) -> str:
    """A table as Rich draws it, on a page that is wide enough for it."""
    from rich.console import Console
    from rich.table import Table as Drawing

    drawing = Drawing(title=table.title, title_justify="left")
    for number, name in enumerate(table.header):
        drawing.add_column(name, justify="right" if number else "left")
    for row in table.rows:
        drawing.add_row(*row)
    console = Console(width=160)
    with console.capture() as capture:
        console.print(drawing)
    return capture.get()
