"""The parameters of a network as arrays, which needs no torch.

    weights = StoredWeights(config, path)
    weights.arrays()["encoder.0.feed_forward.inner.weight"]  # (d_ff, d_model)

Names are those of `network.transformer.Transformer`, which has its parameters as arrays too.

A matrix may be stored in int8. Then it comes as int8, and beside it, under its name and ``_scale``,
what to multiply each of its rows with, (rows,) float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize, safe_open

from tformer.model.checkpoint.stream import StoredParts
from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError

FILE = "model.safetensors"
"""The parameters' name in a model directory."""

SCALE = "_scale"
"""Suffix of the name of an int8 matrix's scales."""

Arrays = Mapping[str, NDArray[Any]]
"""Parameters by name, in whatever floating dtype, or in int8 with scales."""


class Weights(Protocol):
    """Parameters and the shape of the network that they are of."""

    @property
    def config(self) -> TransformerConfig:
        """The shape."""
        ...

    def arrays(self) -> Arrays:
        """The parameters; they may be read when they are asked for, and anew each time."""
        ...


class StoredWeights:
    """The parameters in a model directory."""

    def __init__(self, config: TransformerConfig, path: Path) -> None:
        """Open the weights of the directory ``path``, whose network has the shape ``config``."""
        self.config = config
        self._path = path

    def arrays(self) -> Arrays:
        """The parameters, of which no more is read than is asked for.

        Raises:
            ModelError: when the file is missing or damaged, or has others than the network needs.
        """
        arrays = _opened(self._path / FILE)
        shapes = arrays.shapes()
        check_scales(shapes, self._path)
        plain = {name: shape for name, shape in shapes.items() if not name.endswith(SCALE)}
        _check_fit(plain, parameter_shapes(self.config), self._path)
        return arrays


class _Stored(Mapping[str, NDArray[Any]]):
    """The arrays of a file, read one at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._parts = safe_open(file, framework="numpy")
        self._names = list(self._parts.keys())

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        kind = self._parts.get_slice(name).get_dtype()
        if kind == "BF16":
            return _bfloat16(self._file, name)
        if kind == "I8":
            return self._stored.mapped(name)
        return self._parts.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def _stored(self) -> StoredParts:
        return StoredParts(self._file)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all parameters, without reading them."""
        return {name: tuple(self._parts.get_slice(name).get_shape()) for name in self._names}


def _opened(file: Path) -> _Stored:
    try:
        return _Stored(file)
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise ModelError(f"{file}: damaged ({error})") from error


def _bfloat16(file: Path, name: str) -> NDArray[np.float32]:
    """NumPy knows no bfloat16; it is the upper half of a float32."""
    stored = dict(deserialize(file.read_bytes()))[name]
    halves = np.frombuffer(stored["data"], np.uint16).astype(np.uint32)
    return (halves << 16).view(np.float32).reshape(stored["shape"])


def check_scales(shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Refuse scales that are not those of the rows of a matrix.

    Raises:
        ModelError: when there are such in the directory ``path``.
    """
    for name in shapes:
        if name.endswith(SCALE) and shapes.get(name.removesuffix(SCALE), ())[:1] != shapes[name]:
            raise ModelError(f"{path}: damaged: {name} does not fit a matrix")


def _check_fit(
    found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            has, needs = (_in_words(shapes.get(name)) for shapes in (found, wanted))
            raise ModelError(
                f"{path}: the parameters do not fit config.json: "
                f"{name} is {has}, and the network needs {needs}"
            )


def _in_words(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape))


# -- names and shapes -----------------------------------------------------------------------


def parameter_shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """Every parameter of a network, by name."""
    if config.architecture == "recurrent":
        return _recurrent_shapes(config)
    d, target = config.d_model, config.target_vocab_size
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (config.vocab_size, d)}
    if target is not None:
        shapes["own_target_embedding.weight"] = (target, d)
    if config.own_output:
        shapes["output_matrix.weight"] = (config.output_size, d)
    if config.logits_bias:
        shapes["logits_bias"] = (config.output_size,)
    if config.positions == "learned":
        for side in ("source", "target"):
            shapes[f"{side}_table.weight"] = (config.max_length, d)
    for number in range(config.num_encoder_layers):
        shapes |= _layer_shapes(f"encoder.{number}", ("self_attention",), config)
    for number in range(config.num_decoder_layers):
        attentions = ("self_attention", "cross_attention")
        shapes |= _layer_shapes(f"decoder.{number}", attentions, config)
    norms = [f"{side}_embedding_norm" for side in ("source", "target") if config.embedding_norm]
    norms += [f"{stack}_norm" for stack in ("encoder", "decoder") if config.norm == "pre"]
    for norm in norms:
        shapes |= _norm_shapes(norm, config)
    return shapes


def _layer_shapes(
    layer: str, attentions: tuple[str, ...], config: TransformerConfig
) -> dict[str, tuple[int, ...]]:
    d, d_ff = config.d_model, config.d_ff
    shapes: dict[str, tuple[int, ...]] = {}
    recurrent = config.look_back == "ssru" and len(attentions) > 1
    if recurrent:
        shapes[f"{layer}.recurrence.candidate.weight"] = (d, d)
        shapes |= _module_shapes(f"{layer}.recurrence.forget", (d, d))
    for attention in attentions[recurrent:]:
        shapes |= _attention_shapes(f"{layer}.{attention}", config)
    for inner in ("inner", "gate") if config.gated else ("inner",):
        shapes |= _module_shapes(f"{layer}.feed_forward.{inner}", (d_ff, d), config)
    shapes |= _module_shapes(f"{layer}.feed_forward.outer", (d, d_ff), config)
    for sub_layer in (*attentions, "feed_forward"):
        shapes |= _norm_shapes(f"{layer}.around_{sub_layer}.norm", config)
    if config.positions == "relative":
        shapes[f"{layer}.relative_bias.buckets.weight"] = (config.num_buckets, config.num_heads)
    return shapes


def _recurrent_shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    d = config.d_model
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (config.vocab_size, d)}
    for number in range(config.num_encoder_layers):
        for way in ("forwards", "backwards"):
            shapes |= _lstm_shapes(f"encoder.{number}.{way}", d, d // 2)
    for number in range(config.num_decoder_layers):
        shapes |= _lstm_shapes(f"decoder.{number}.recurrence", d, d)
    shapes |= _module_shapes("beginning", (config.num_decoder_layers * d, d))
    shapes |= _attention_shapes("attention", config)
    return shapes | _module_shapes("combination", (d, 2 * d))


def _lstm_shapes(module: str, width: int, hidden: int) -> dict[str, tuple[int, ...]]:
    inputs = {"ih": width, "hh": hidden}
    weights = {f"{module}.weight_{name}_l0": (4 * hidden, size) for name, size in inputs.items()}
    return weights | {f"{module}.bias_{name}_l0": (4 * hidden,) for name in inputs}


def _attention_shapes(module: str, config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    d, heads = config.d_model, config.num_heads * config.d_k
    shapes: dict[str, tuple[int, ...]] = {}
    for projection in ("query", "key", "value"):
        shapes |= _module_shapes(f"{module}.{projection}", (heads, d), config)
    shapes |= _module_shapes(f"{module}.output", (d, heads), config)
    if config.attention == "additive":
        shapes[f"{module}.function.vector"] = (config.num_heads, config.d_k)
    return shapes


def _norm_shapes(norm: str, config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    if config.norm_kind == "rms":
        return {f"{norm}.weight": (config.d_model,)}
    return _module_shapes(norm, (config.d_model,))


def _module_shapes(
    module: str, weight: tuple[int, ...], config: TransformerConfig | None = None
) -> dict[str, tuple[int, ...]]:
    """A weight, and a bias of as many numbers as it has rows, if projections have one."""
    if config is not None and not config.biases:
        return {f"{module}.weight": weight}
    return {f"{module}.weight": weight, f"{module}.bias": weight[:1]}
