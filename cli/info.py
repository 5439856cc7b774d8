"""`tformer info`: what a model is, as its directory tells."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from tformer.cli import options, outputs
from tformer.model.errors import ModelError

if TYPE_CHECKING:
    from tformer.model.checkpoint.layout import ModelFacts
    from tformer.model.config import TransformerConfig


_BOOKKEEPING = ("batches", "best", "decaying", "validations_without_better")
"""Facts in ``config.json`` that only a training run needs."""

_INDENT = "\n" + " " * 12


@dataclass(frozen=True)
class ModelSummary:
    """Description of a model."""

    directory: Path
    facts: ModelFacts
    config: TransformerConfig
    parameters: int
    stored_as: tuple[str, ...]
    """Types of the stored parameters in the terms of safetensors, such as F16."""
    size: int
    """Bytes of all files in the directory."""


def info(
    model: Annotated[
        str, Argument(metavar="MODEL", help="A shipped model, or a model directory.")
    ] = options.DEFAULT_MODEL,
    as_json: options.Json = False,
) -> None:
    """Show languages, size, licence, network and training of a model."""
    summary = _summarise(model)
    with outputs.open_output(None) as writer:
        writer.write(_as_json(summary) if as_json else _as_text(summary))


def _summarise(model: str) -> ModelSummary:
    from tformer.model.checkpoint.layout import find_model, read_config

    directory = find_model(model)
    config, facts = read_config(directory)
    parameters, stored_as = _read_header(directory / "model.safetensors")
    size = sum(file.stat().st_size for file in directory.iterdir() if file.is_file())
    return ModelSummary(directory, facts, config, parameters, stored_as, size)


def _read_header(file: Path) -> tuple[int, tuple[str, ...]]:
    """Number and types of the parameters; their values are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as tensors:
            stored = [tensors.get_slice(name) for name in tensors.keys()]  # noqa: SIM118
            number = sum(math.prod(tensor.get_shape()) for tensor in stored)
            return number, tuple(sorted({tensor.get_dtype() for tensor in stored}))
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise ModelError(f"{file}: damaged ({error}); fetch the model again") from error


def _as_text(summary: ModelSummary) -> str:
    from tformer.model.hardware.cpu import level

    config = summary.config
    network = (
        f"{config.num_encoder_layers} encoder and {config.num_decoder_layers} decoder layers, "
        f"d_model {config.d_model}, {config.num_heads} heads, d_ff {config.d_ff}, "
        f"vocabulary {config.vocab_size:,}, {config.norm}-norm, {config.activation}"
    )
    rows = {
        "model": summary.facts.name,
        "directory": str(summary.directory),
        "languages": ", ".join(summary.facts.languages),
        "licence": summary.facts.licence or "not stated",
        "parameters": f"{summary.parameters:,}, stored as {', '.join(summary.stored_as)}",
        "size": f"{summary.size / 1e6:.1f} MB",
        "network": network,
        "training": _of_training(summary.facts.training),
        "processor": f"int8 kernels at level {level().name} (docs/cpu.md)",
    }
    return "".join(f"{name:<11} {text}\n" for name, text in rows.items())


def _of_training(training: dict[str, Any]) -> str:
    """Facts about the training, a line for each test set."""
    facts = {name: value for name, value in training.items() if name not in _BOOKKEEPING}
    scores = facts.pop("scores", {})
    line = ", ".join(f"{name.replace('_', ' ')} {_number(facts[name])}" for name in facts)
    return _INDENT.join(filter(None, [line, *_of_scores(scores)])) or "not stated"


def _of_scores(scores: dict[str, Any]) -> list[str]:
    """Validation scores named SET.DIRECTION.METRIC, a line for each set and direction."""
    lines: dict[str, list[str]] = {}
    for name, value in scores.items():
        where, _, metric = name.rpartition(".")
        lines.setdefault(where.replace(".", " "), []).append(f"{metric} {_number(value)}")
    return [f"{where}: {', '.join(found)}" for where, found in lines.items() if where]


def _number(value: Any) -> str:
    """Thousands separated, one decimal; nested values one after the other."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_number(inner)}" for name, inner in value.items())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _as_json(summary: ModelSummary) -> str:
    record = {
        "model": summary.facts.name,
        "directory": str(summary.directory),
        "languages": list(summary.facts.languages),
        "licence": summary.facts.licence,
        "parameters": summary.parameters,
        "stored_as": list(summary.stored_as),
        "bytes": summary.size,
        "transformer": summary.config.to_dict(),
        "training": summary.facts.training,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"
