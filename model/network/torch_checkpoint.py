"""Parameters to and from a model directory (`checkpoint.layout` says what is in one)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tformer.model.checkpoint.description import read_description
from tformer.model.checkpoint.layout import FORMAT, ModelFacts
from tformer.model.checkpoint.weights import FILE, SCALE, check_scales
from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError, OutputError
from tformer.model.files import replacing_directory
from tformer.model.network.transformer import Transformer
from tformer.model.network.variants import build
from tformer.model.vocabulary.sentencepiece import AnyVocabulary


def load_model(
    path: Path, device: torch.device, dtype: torch.dtype
) -> tuple[Transformer, AnyVocabulary, ModelFacts]:
    """The network, in evaluation mode, its vocabulary and the facts about it.

    Raises:
        ModelError: when a part is missing, damaged, or does not fit the others.
    """
    config, vocabulary, facts = read_description(path)
    parameters = _read_parameters(path / FILE, device, dtype)
    return assemble(config, parameters, path, device), vocabulary, facts


def assemble(
    config: TransformerConfig,
    parameters: Mapping[str, Tensor],
    path: Path,
    device: torch.device,
) -> Transformer:
    """A network of these very parameters, which are on ``device``, in evaluation mode.

    Raises:
        ModelError: when they do not fit; ``path`` is where both come from.
    """
    # Nothing is initialised that is overwritten at once.
    with torch.device("meta"), _NoInitialisation():
        network = build(config)
    network.positions = network.positions.to(device)  # which were computed
    try:
        network.load_state_dict(parameters, assign=True)
    except RuntimeError as error:
        detail = str(error).splitlines()[1].strip()
        raise ModelError(f"{path}: the parameters do not fit config.json: {detail}") from error
    return network.eval().requires_grad_(False)


class _NoInitialisation(TorchFunctionMode):
    """Leaves alone what would be drawn from a normal distribution.

    Where there is no memory nothing would be drawn, but to find that out torch imports its
    compiler, which takes longer than to read a model.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function in (torch.nn.init.normal_, Tensor.normal_):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def _read_parameters(file: Path, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    try:
        stored = load_file(file, device=str(device))
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise ModelError(f"{file}: damaged ({error})") from error
    check_scales({name: tuple(tensor.shape) for name, tensor in stored.items()}, file.parent)
    return {
        name: _floating(tensor, stored.get(name + SCALE), dtype)
        for name, tensor in stored.items()
        if not name.endswith(SCALE)
    }


def _floating(stored: Tensor, scale: Tensor | None, dtype: torch.dtype) -> Tensor:
    """A parameter, that may have been stored in int8."""
    return stored.to(dtype) if scale is None else (stored * scale[:, None]).to(dtype)


def save_model(
    path: Path,
    parameters: Mapping[str, Tensor],
    config: TransformerConfig,
    vocabulary: AnyVocabulary,
    facts: ModelFacts,
    *,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a model directory; a reader of ``path`` finds the old one or the new, never a part.

    Args:
        path: where to; an existing model directory is replaced.
        parameters: of the network, by name.
        config: its hyper-parameters.
        vocabulary: that its token ids are of.
        facts: for ``config.json``.
        dtype: to store floating parameters in; float16 halves the file and keeps eleven bits of
            each. What is in int8, and the scales of these, stay as they are.

    Raises:
        OutputError: when it cannot be written.
    """
    stored = {name: _stored(name, tensor, dtype) for name, tensor in parameters.items()}
    try:
        with replacing_directory(path) as folder:
            save_file(stored, folder / FILE)
            write_description(folder, config, vocabulary, facts)
            (folder / FILE).chmod(0o644)  # safetensors keeps it to its owner
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path}: cannot be written ({error})") from error


def write_description(
    folder: Path, config: TransformerConfig, vocabulary: AnyVocabulary, facts: ModelFacts
) -> None:
    """Write all of a model but its parameters into a directory.

    Raises:
        OSError: when it cannot be written.
    """
    table = {
        "format": FORMAT,
        "name": facts.name,
        "languages": list(facts.languages),
        "source_languages": vocabulary.source_languages,
        "target_languages": vocabulary.target_languages,
        "licence": facts.licence,
        "vocabulary": vocabulary.kind,
        **({"alignment": asdict(facts.alignment)} if facts.alignment else {}),
        **_decoding(facts),
        **({"confidence": list(map(asdict, facts.confidence))} if facts.confidence else {}),
        "transformer": config.to_dict(),
        "training": facts.training,
    }
    vocabulary.save(folder)
    text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def _decoding(facts: ModelFacts) -> dict[str, Any]:
    """Decoding settings of a model that has its own."""
    if facts.length_penalty is None:
        return {}
    return {"decoding": {"length_penalty": facts.length_penalty}}


def _stored(name: str, parameter: Tensor, dtype: torch.dtype) -> Tensor:
    kept = parameter.dtype == torch.int8 or name.endswith(SCALE)
    return parameter.detach().to("cpu", None if kept else dtype).contiguous()
