"""`tformer train`: a token store to a model; Ctrl-C saves, and the same command goes on."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tformer.cli import console, options
from tformer.cli.exits import ExitStatus
from tformer.model.errors import UsageError

if TYPE_CHECKING:
    from tformer.model.training.trainer import TrainingOutcome


def train(
    recipe: options.RecipeFile,
    data: Annotated[Path, Argument(metavar="DATA", help="Token store made by `tformer prepare`.")],
    run: Annotated[
        Path,
        Argument(metavar="RUN", help="Folder of the run: checkpoint, log and model; it may exist."),
    ],
    model: options.From = None,
    device: options.DeviceOption = options.Device.AUTO,
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="Replace a key of the recipe's [training], as in max_steps=100; repeatable.",
        ),
    ] = None,
) -> ExitStatus:
    """Train a model from scratch, fine-tune another, or continue an interrupted run.

    Under `torchrun` this is one process of several.
    """
    from tformer.model.training.launch import train
    from tformer.model.training.recipe import Recipe
    from tformer.model.training.start import Start

    start = Start.read(model) if model else None
    shape = start.config if start else None
    parsed = Recipe.read(recipe, read_settings(settings or ()), shape)
    outcome = train(parsed, data, run, device=device, start=start)
    if os.environ.get("RANK", "0") == "0":
        console.note(_ending(outcome, run))
    return _STATUS_OF.get(outcome.reason, ExitStatus.SUCCESS)


_STATUS_OF = {"interrupted": ExitStatus.INTERRUPTED, "terminated": ExitStatus.TERMINATED}


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Keys and values as a recipe would have them; text needs no quotes.

    Raises:
        UsageError: for a text that is no KEY=VALUE.
    """
    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"--set needs KEY=VALUE, not {text!r}")
        settings[key.strip()] = _value(value.strip())
    return settings


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _ending(outcome: TrainingOutcome, run: Path) -> str:
    """The last line of a run."""
    step = f"{outcome.reason} at step {outcome.counters.step:,}"
    if outcome.reason in _STATUS_OF:
        return f"{step}; saved: the same command goes on"
    return f"{step}; the model is in {run / 'model'}"
