"""`tformer bench`: how fast a model translates here, beside other systems with the same weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tformer.cli import console, lines, options
from tformer.model.errors import InputError, ModelError, UsageError

if TYPE_CHECKING:
    from tformer.model.benchmark.figures import Cell, System
    from tformer.model.benchmark.report import ReportTable
    from tformer.model.benchmark.task import Task, TextTask


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
            "repeatable. Without it, everything that is installed.",
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        Option(
            metavar="N",
            min=0,
            help="Lines handed over at a time, 0 for all; repeatable. Without it, 1, 32, 128, all.",
        ),
    ] = None,
    beam_size: Annotated[
        list[int] | None,
        Option(metavar="N", min=1, help="Beam size; repeatable. Without it, 1 and 4."),
    ] = None,
    sentences: Annotated[
        int, Option(metavar="N", min=1, help="Most lines of the text, taken from all over it.")
    ] = 512,
    shape: Annotated[
        str | None,
        Option(
            metavar="E+DxWIDTH",
            help="Instead of MODEL, random weights of a shape such as 6+2x512, and translations "
            "of a forced length.",
        ),
    ] = None,
    length: Annotated[
        int, Option(metavar="N", min=2, help="With --shape, tokens of each source and target.")
    ] = 25,
    rounds: Annotated[int, Option(metavar="N", min=1, help="Most measurements of each.")] = 3,
    seconds: Annotated[
        float,
        Option(metavar="S", min=0, help="Time limit: no round but the first begins later."),
    ] = 450.0,
    threads: Annotated[
        int | None, Option(metavar="N", min=1, help="Threads of each system; else every core.")
    ] = None,
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

        _, lot, _ = _text(model, text, None, source, target, sentences)
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

    chosen, cells = _systems(system), _cells(batch, beam_size)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tformer-bench-"))
        if shape is not None:
            _refuse_text_of_no_use(text, reference)
            path, task, about = _random(shape, length, sentences, cells, Path(folder))
        else:
            path, task, about = _text(model, text, reference, source, target, sentences)
        limits = BenchmarkLimits(rounds, seconds)
        comparison = Comparison(
            path, task, chosen, cells, limits, device=device, cores=threads, note=console.note
        )
        found = _run(comparison, about, output)
    with lines.open_output(None) as writer:
        writer.write(json.dumps(found, ensure_ascii=False) + "\n" if as_json else _as_text(found))


# -- what is asked for ------------------------------------------------------------------------


def _systems(names: Sequence[str] | None) -> list[System]:
    from tformer.model.benchmark.figures import System
    from tformer.model.benchmark.systems import installed_systems

    if names:
        return list(dict.fromkeys(System.parse(name) for name in names))
    return installed_systems()


def _cells(batches: Sequence[int] | None, beam_sizes: Sequence[int] | None) -> list[Cell]:
    from tformer.model.benchmark.figures import Cell

    sizes = [batch or None for batch in batches or (1, 32, 128, 0)]
    cells = [Cell(size, beam_size) for beam_size in beam_sizes or (1, 4) for size in sizes]
    return list(dict.fromkeys(cells))


def _refuse_text_of_no_use(text: Path | None, reference: Path | None) -> None:
    if text is not None or reference is not None:
        raise UsageError(
            "--text and --reference are of no use with --shape: its weights are random"
        )


def _random(
    shape: str, length: int, sentences: int, cells: Sequence[Cell], folder: Path
) -> tuple[Path, Task, dict[str, Any]]:
    """A model of random weights and what it has to translate."""
    from tformer.model.benchmark.shape import parse_shape
    from tformer.model.benchmark.task import ForcedTask

    config = parse_shape(shape)
    if length >= config.max_length:
        raise UsageError(f"--length must be below {config.max_length}, not {length}")
    from tformer.model.benchmark.random_model import save_random_model

    path = folder / "model"
    save_random_model(path, config)
    task = ForcedTask.random(config, sentences, length)
    about = f"random weights, beam search forced to {length} tokens"
    return path, task, {"model": f"{shape}, vocabulary of {config.vocab_size}", "task": about}


def _text(
    model: str,
    text: Path | None,
    reference: Path | None,
    source: str | None,
    target: str | None,
    sentences: int,
) -> tuple[Path, TextTask, dict[str, Any]]:
    """A model and the lines that it has to translate."""
    from tformer.model.benchmark.task import SAMPLE, TextTask, spread
    from tformer.model.checkpoint.description import open_vocabulary
    from tformer.model.checkpoint.layout import find_model, read_config
    from tformer.model.passes.draft import Route

    if text is None and reference is not None:
        raise UsageError("--reference needs --text, of which it is the translation")
    path = find_model(model)
    _, facts = read_config(path)
    vocabulary = open_vocabulary(path, facts)
    possible = vocabulary.source_languages
    if source is None:
        source = next((language for language in possible if language != target), None)
    if text is None and source != "en":
        raise UsageError("the sample is English: name a text in another language with --text")
    route = Route(possible, vocabulary.target_languages, source, target)
    sources = _lines(text or SAMPLE)
    references = _lines(reference) if reference else None
    if references is not None and len(references) != len(sources):
        raise InputError(
            f"{text} has {len(sources)} lines but {reference} has {len(references)}: "
            "each line needs its reference"
        )
    count = min(sentences, len(sources))
    task = TextTask(
        spread(sources, count),
        references and spread(references, count),
        *route.of(sources[0]),
        vocabulary,
    )
    about = f"{count} of {len(sources)} lines of {(text or SAMPLE).name}"
    direction = f"{task.source} to {task.target}"
    return path, task, {"model": facts.name, "task": f"{about}, {direction}"}


def _lines(path: Path) -> list[str]:
    if path == lines.STDIN:
        raise UsageError("bench reads files; stdin cannot be one of them")
    lines.check_inputs([path])
    found = [line.text for run in lines.read_runs(path) for line in run]
    if not found:
        raise InputError(f"{path}: is empty, there is nothing to translate")
    return found


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
