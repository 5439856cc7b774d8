"""Measurements that `tformer bench` is asked for: systems, cells, a model and its task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tformer.cli.lines import STDIN, check_inputs, read_runs
from tformer.model.errors import InputError, OutputError, UsageError

if TYPE_CHECKING:
    from tformer.model.benchmark.calibration import SettingsMemory
    from tformer.model.benchmark.figures import Cell, System
    from tformer.model.benchmark.task import Task, TextTask


def systems(names: Sequence[str] | None, device: str) -> list[System]:
    """The systems that are named, or the default ones."""
    from tformer.model.benchmark.figures import System
    from tformer.model.benchmark.systems import installed_systems

    if names:
        return list(dict.fromkeys(System.parse(name) for name in names))
    return installed_systems(device)


def cells(
    batches: Sequence[int] | None, beam_sizes: Sequence[int] | None, lines: int
) -> list[Cell]:
    """The cells that are named; of the default ones those that have more than a batch."""
    from tformer.model.benchmark.figures import Cell

    sizes = [batch or None for batch in batches or (1, 32, 128, 0) if batches or batch < lines]
    cells = [Cell(size, beam_size) for beam_size in beam_sizes or (4, 1) for size in sizes]
    return list(dict.fromkeys(cells))


def remembered(path: Path, device: str, threads: int | None, *, anew: bool) -> SettingsMemory:
    """Settings that were calibrated before, of models of this one's sizes."""
    from tformer.model.benchmark.calibration import FILE, SettingsMemory
    from tformer.model.checkpoint.layout import read_config
    from tformer.model.hardware.cpu import num_cores
    from tformer.model.registry.cache import cache_folder

    try:
        file: Path | None = cache_folder() / FILE
    except OutputError:  # there is no home
        file = None
    config, _ = read_config(path)
    facts = {"sizes": asdict(config), "device": str(device), "cores": threads or num_cores()}
    return SettingsMemory(file, facts, anew=anew)


def refuse_text_of_no_use(text: Path | None, reference: Path | None) -> None:
    """See that there is no text beside random weights.

    Raises:
        UsageError: there is one.
    """
    if text is not None or reference is not None:
        raise UsageError(
            "--text and --reference are of no use with --shape: its weights are random"
        )


def random_model(
    shape: str, length: int, sentences: int, folder: Path
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


def translation(
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
    if path == STDIN:
        raise UsageError("bench reads files; stdin cannot be one of them")
    check_inputs([path])
    found = [line.text for run in read_runs(path) for line in run]
    if not found:
        raise InputError(f"{path}: is empty, there is nothing to translate")
    return found
