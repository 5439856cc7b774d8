"""The parameters of a network as arrays, which needs no torch.

    weights = StoredWeights(config, path)
    weights.arrays()["encoder.0.feed_forward.inner.weight"]  # (d_ff, d_model)

Names are those of `network.transformer.Transformer`, which has its parameters as arrays too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize, safe_open

from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError

FILE = "model.safetensors"
"""The parameters' name in a model directory."""

Arrays = Mapping[str, NDArray[np.floating[Any]]]
"""Parameters by name, in whatever floating dtype."""


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
        """Those of the directory ``path``, whose network has the shape ``config``."""
        self.config = config
        self._path = path

    def arrays(self) -> Arrays:
        """The parameters, of which no more is read than is asked for.

        Raises:
            ModelError: when the file is missing or damaged, or has others than the network needs.
        """
        arrays = _opened(self._path / FILE)
        _check_fit(arrays.shapes(), parameter_shapes(self.config), self._path)
        return arrays


class _Stored(Mapping[str, NDArray[np.floating[Any]]]):
    """The arrays of a file, read one at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._parts = safe_open(file, framework="numpy")
        self._names = list(self._parts.keys())

    def __getitem__(self, name: str) -> NDArray[np.floating[Any]]:
        if name not in self._names:
            raise KeyError(name)
        if self._parts.get_slice(name).get_dtype() == "BF16":
            return _bfloat16(self._file, name)
        return self._parts.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all of them, without reading them."""
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
    d, target = config.d_model, config.target_vocab_size
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (config.vocab_size, d)}
    if target is not None:
        shapes["own_target_embedding.weight"] = (target, d)
    if config.logits_bias:
        shapes["logits_bias"] = (target or config.vocab_size,)
    for number in range(config.num_encoder_layers):
        shapes |= _layer_shapes(f"encoder.{number}", ("self_attention",), config)
    for number in range(config.num_decoder_layers):
        attentions = ("self_attention", "cross_attention")
        shapes |= _layer_shapes(f"decoder.{number}", attentions, config)
    if config.norm == "pre":
        shapes |= _module_shapes("encoder_norm", (d,)) | _module_shapes("decoder_norm", (d,))
    return shapes


def _layer_shapes(
    layer: str, attentions: tuple[str, ...], config: TransformerConfig
) -> dict[str, tuple[int, ...]]:
    d, d_ff = config.d_model, config.d_ff
    shapes: dict[str, tuple[int, ...]] = {}
    for attention in attentions:
        for projection in ("query", "key", "value", "output"):
            shapes |= _module_shapes(f"{layer}.{attention}.{projection}", (d, d))
    shapes |= _module_shapes(f"{layer}.feed_forward.inner", (d_ff, d))
    shapes |= _module_shapes(f"{layer}.feed_forward.outer", (d, d_ff))
    for sub_layer in (*attentions, "feed_forward"):
        shapes |= _module_shapes(f"{layer}.around_{sub_layer}.norm", (d,))
    return shapes


def _module_shapes(module: str, weight: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """A weight, and a bias of as many numbers as it has rows."""
    return {f"{module}.weight": weight, f"{module}.bias": weight[:1]}
