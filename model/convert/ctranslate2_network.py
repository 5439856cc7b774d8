"""The network that the variables of a CTranslate2 model describe, in our terms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tformer.model.checkpoint.weights import SCALE, parameter_shapes
from tformer.model.config import Activation, PositionLayout, TransformerConfig
from tformer.model.convert.ctranslate2_file import Matrix, Variables
from tformer.model.errors import ModelError
from tformer.model.network.positions import sinusoidal_positions

_ACTIVATIONS: dict[int, Activation] = {0: "relu", 1: "gelu_tanh", 2: "silu", 3: "gelu"}
_SPECIFICATIONS = ("", "TransformerBase", "TransformerBig", "TransformerSpec")
_LAYOUTS: tuple[PositionLayout, ...] = ("interleaved", "concatenated", "tensor2tensor")
_LONGEST = 1024
"""Positions of a table that are kept."""

_SETTINGS = (
    "num_heads",
    "pre_norm",
    "activation",
    "scale_embeddings",
    "embeddings_merge",
    "multiply_by_sqrt_depth",
    "alignment_layer",
    "alignment_heads",
    "start_from_zero_embedding",
    "with_encoder_attention",
    "queries_scale",
    "relative_attention_max_distance",
    "epsilon",
    "alibi_use_positive_positions",
    "scale_alibi",
)
"""Variables that are no parameters. Others that nobody reads would be computed with: refused."""


class Described:
    """A network by its variables, which say of themselves what they are for."""

    def __init__(self, path: Path, variables: Variables) -> None:
        """That of the file ``path``.

        Raises:
            ModelError: when it is of another kind than an encoder-decoder Transformer.
        """
        if variables.specification not in _SPECIFICATIONS:
            raise ModelError(
                f"{path}: a {variables.specification}, not a Transformer that translates"
            )
        self._path = path
        self._variables = variables
        self._arrays = variables.arrays
        self._read: set[str] = set()

    def config(self, sizes: tuple[int, int], ids: tuple[int, int, int]) -> TransformerConfig:
        """The shape.

        Args:
            sizes: of the vocabularies of source and target.
            ids: of padding, of what the decoder begins with, of the end.

        Raises:
            ModelError: when our network cannot have it, or a part is missing.
        """
        try:
            return self._config(sizes, ids)
        except KeyError as error:
            raise ModelError(f"{self._path}: damaged: has no {error}; fetch it again") from error
        except ModelError as error:
            raise ModelError(f"{self._path}: {error}") from error

    def parameters(self, config: TransformerConfig) -> dict[str, Tensor]:
        """Under our names.

        Raises:
            ModelError: when they do not fit, or there are more than our network has.
        """
        found: dict[str, Tensor] = {}
        try:
            for name, matrix in self._matrices(config):
                found[f"{name}"] = torch.from_numpy(np.array(matrix.values))
                if matrix.scale is not None:
                    found[name + SCALE] = torch.from_numpy(np.array(matrix.scale))
        except KeyError as error:
            raise ModelError(f"{self._path}: damaged: has no {error}; fetch it again") from error
        self._check(config, found)
        return found

    # -- the shape ------------------------------------------------------------------------

    def _config(self, sizes: tuple[int, int], ids: tuple[int, int, int]) -> TransformerConfig:
        source, target = self._shape("encoder/embeddings"), self._shape("decoder/embeddings")
        if (source[0], target[0]) != sizes:
            raise ModelError(f"embeds {source[0]} and {target[0]} tokens, its vocabularies {sizes}")
        d_model, first = source[1], "encoder/layer_0"
        heads = int(self._setting("encoder/num_heads", "num_heads") or self._default_heads)
        width, rest = divmod(self._shape(f"{first}/self_attention/linear_0")[0], 3 * heads)
        if rest or heads < 1:
            raise ModelError(f"{heads} heads share queries, keys and values that are no multiple")
        rms = f"{first}/ffn/layer_norm/beta" not in self._arrays
        layout, start, length = self._positions
        shared = self._same("encoder/embeddings", "decoder/embeddings")
        buckets = self._arrays.get(f"{first}/self_attention/relative_attention_bias")
        return TransformerConfig(
            vocab_size=source[0],
            d_model=d_model,
            num_heads=heads,
            d_ff=self._shape(f"{first}/ffn/linear_0")[0],
            num_encoder_layers=self._layers("encoder"),
            num_decoder_layers=self._layers("decoder"),
            norm="pre" if self._setting("encoder/pre_norm", "pre_norm", default=1) else "post",
            activation=self._activation,
            max_length=length,
            pad_id=ids[0],
            bos_id=ids[1],
            eos_id=ids[2],
            target_vocab_size=None if shared else target[0],
            positions=layout,
            first_position=start,
            scale_embedding=self._scales_embeddings(d_model),
            logits_bias="decoder/projection/bias" in self._arrays,
            own_output=not self._same("decoder/embeddings", "decoder/projection"),
            head_width=None if width * heads == d_model else width,
            norm_kind="rms" if rms else "layer",
            norm_epsilon=1e-6 if rms else 1e-5,
            embedding_norm="encoder/layernorm_embedding/gamma" in self._arrays,
            gated=f"{first}/ffn/linear_0_noact/weight" in self._arrays,
            biases=f"{first}/ffn/linear_0/bias" in self._arrays,
            num_buckets=32 if buckets is None else buckets.shape[0],
            max_distance=self._max_distance(first),
        )

    @property
    def _default_heads(self) -> int:
        return 16 if self._variables.specification == "TransformerBig" else 8

    @property
    def _activation(self) -> Activation:
        number = int(self._setting("encoder/activation", "activation"))
        if number not in _ACTIVATIONS:
            raise ModelError(f"activation {number} is none that our network has")
        return _ACTIVATIONS[number]

    def _scales_embeddings(self, d_model: int) -> bool:
        names = ("encoder/scale_embeddings", "encoder/embeddings/multiply_by_sqrt_depth")
        found = self._setting(*names, default=1)
        flag = next((self._arrays[n].dtype == np.int8 for n in names if n in self._arrays), True)
        if flag or abs(found - math.sqrt(d_model)) < 1e-3:
            return bool(found)
        if found != 1:
            raise ModelError(f"scales its embeddings by {found}, which our network cannot")
        return False

    def _max_distance(self, layer: str) -> int:
        name = f"{layer}/self_attention/relative_attention_max_distance"
        return int(self._setting(name, default=128))

    @cached_property
    def _positions(self) -> tuple[PositionLayout, int, int]:
        """The layout, the first and how many; tables are recognised if they were computed."""
        if "encoder/layer_0/self_attention/relative_attention_bias" in self._arrays:
            return "relative", 0, 512
        tables = [self._table(side) for side in ("encoder", "decoder")]
        if any(table is None for table in tables):
            return "tensor2tensor", 1, 512
        source, target = (table[:_LONGEST] for table in tables if table is not None)
        length = min(len(source), len(target))
        for layout in _LAYOUTS:
            for start in range(3):
                wanted = sinusoidal_positions(length, source.shape[1], layout, start)
                if all(np.allclose(t[:length], wanted, atol=1e-5) for t in (source, target)):
                    return layout, start, length
        return "learned", 0, length

    def _table(self, side: str) -> np.ndarray | None:
        found = self._arrays.get(f"{side}/position_encodings/encodings")
        return None if found is None else found.astype(np.float32)

    def _setting(self, *names: str, default: float = 0) -> float:
        return next((float(self._arrays[n]) for n in names if n in self._arrays), default)

    def _layers(self, stack: str) -> int:
        prefix = f"{stack}/layer_"
        numbers = {name.split("/")[1][6:] for name in self._arrays if name.startswith(prefix)}
        return len([number for number in numbers if number.isdigit()])

    def _shape(self, module: str) -> tuple[int, ...]:
        return tuple(self._arrays[self._place(module)].shape)

    def _place(self, module: str) -> str:
        """Newer models count the embeddings, of which there is one here."""
        counted = f"{module}_0/weight"
        return counted if counted in self._arrays else f"{module}/weight"

    def _same(self, one: str, other: str) -> bool:
        first, second = (self._variables.matrix(self._place(module)) for module in (one, other))
        if first.values is second.values:
            return True
        if first.values.shape != second.values.shape:
            return False
        return bool((first.floating() == second.floating()).all())

    # -- the parameters -------------------------------------------------------------------

    def _matrices(self, config: TransformerConfig) -> Iterator[tuple[str, Matrix]]:
        yield "embedding.weight", self._weight("encoder/embeddings")
        target = self._weight("decoder/embeddings")
        if config.target_vocab_size is not None:
            yield "own_target_embedding.weight", target
        output = self._weight("decoder/projection")
        if config.own_output:
            yield "output_matrix.weight", output
        if config.logits_bias:
            yield "logits_bias", self._take("decoder/projection/bias")
        for side, ours in (("encoder", "source"), ("decoder", "target")):
            encodings = f"{side}/position_encodings/encodings"
            if encodings in self._arrays:
                table = self._take(encodings).rows(0, config.max_length)
                if config.positions == "learned":
                    yield f"{ours}_table.weight", table
            if config.embedding_norm:
                yield from self._norm(f"{side}/layernorm_embedding", f"{ours}_embedding_norm")
            if config.norm == "pre":
                yield from self._norm(f"{side}/layer_norm", f"{side}_norm")
        for number in range(config.num_encoder_layers):
            yield from self._layer(f"encoder/layer_{number}", f"encoder.{number}", config)
        for number in range(config.num_decoder_layers):
            theirs, ours = f"decoder/layer_{number}", f"decoder.{number}"
            yield from self._layer(theirs, ours, config)
            attention, width = f"{ours}.cross_attention", config.num_heads * config.d_k
            theirs = f"{theirs}/attention"
            yield from self._linear(f"{theirs}/linear_0", f"{attention}.query", scale=theirs)
            keys = (f"{attention}.key", f"{attention}.value")
            yield from self._split(f"{theirs}/linear_1", keys, width)
            yield from self._linear(f"{theirs}/linear_2", f"{attention}.output")
            yield from self._norm(f"{theirs}/layer_norm", f"{ours}.around_cross_attention.norm")

    def _layer(
        self, theirs: str, ours: str, config: TransformerConfig
    ) -> Iterator[tuple[str, Matrix]]:
        attention, place = f"{ours}.self_attention", f"{theirs}/self_attention"
        parts = tuple(f"{attention}.{part}" for part in ("query", "key", "value"))
        width = config.num_heads * config.d_k
        yield from self._split(f"{place}/linear_0", parts, width, scale=place)
        yield from self._linear(f"{place}/linear_1", f"{attention}.output")
        yield from self._norm(f"{place}/layer_norm", f"{ours}.around_self_attention.norm")
        if config.positions == "relative":
            # Where all layers share one it is in the first alone.
            shared = f"{theirs.split('_')[0]}_0/self_attention/relative_attention_bias"
            own = f"{place}/relative_attention_bias"
            found = self._take(own if own in self._arrays else shared)
            yield f"{ours}.relative_bias.buckets.weight", found
        feed, ffn = f"{ours}.feed_forward", f"{theirs}/ffn"
        yield from self._linear(f"{ffn}/linear_0", f"{feed}.inner")
        if config.gated:
            yield from self._linear(f"{ffn}/linear_0_noact", f"{feed}.gate")
        yield from self._linear(f"{ffn}/linear_1", f"{feed}.outer")
        yield from self._norm(f"{ffn}/layer_norm", f"{ours}.around_feed_forward.norm")

    def _split(
        self, theirs: str, ours: tuple[str, ...], width: int, scale: str | None = None
    ) -> Iterator[tuple[str, Matrix]]:
        """One product that does the work of several."""
        weight, bias = self._weight(theirs), f"{theirs}/bias"
        for number, name in enumerate(ours):
            rows = (number * width, (number + 1) * width)
            factor = self._query_factor(scale) if number == 0 else 1.0
            yield f"{name}.weight", _times(weight.rows(*rows), factor)
            if bias in self._arrays:
                yield f"{name}.bias", _times(self._take(bias).rows(*rows), factor)

    def _linear(
        self, theirs: str, ours: str, scale: str | None = None
    ) -> Iterator[tuple[str, Matrix]]:
        yield from self._split(theirs, (ours,), self._shape(theirs)[0], scale)

    def _query_factor(self, attention: str | None) -> float:
        """Factor that turns our scaled attention into theirs: T5 does not scale."""
        if attention is None or f"{attention}/queries_scale" not in self._arrays:
            return 1.0
        heads = int(self._setting("encoder/num_heads", "num_heads") or self._default_heads)
        width = self._shape(f"{attention}/linear_0")[0] // heads
        width = width // 3 if attention.endswith("self_attention") else width
        return self._setting(f"{attention}/queries_scale") * math.sqrt(width)

    def _norm(self, theirs: str, ours: str) -> Iterator[tuple[str, Matrix]]:
        yield f"{ours}.weight", self._take(f"{theirs}/gamma")
        if f"{theirs}/beta" in self._arrays:
            yield f"{ours}.bias", self._take(f"{theirs}/beta")

    def _weight(self, module: str) -> Matrix:
        name = self._place(module)
        self._read |= {name, f"{name}_scale"}
        return self._variables.matrix(name)

    def _take(self, name: str) -> Matrix:
        self._read |= {name}
        return self._variables.matrix(name)

    def _check(self, config: TransformerConfig, found: Mapping[str, Tensor]) -> None:
        for name in self._arrays.keys() - self._read:
            kind = name.rpartition("/")[2]
            idle = self._arrays[name].ndim == 0 and not self._arrays[name]  # switched off
            if kind not in _SETTINGS and not idle:
                raise ModelError(f"{self._path}: has {name}, with which our network cannot compute")
        for name, shape in parameter_shapes(config).items():
            if name not in found or tuple(found[name].shape) != shape:
                raise ModelError(f"{self._path}: {name} does not fit the others")


def _times(matrix: Matrix, factor: float) -> Matrix:
    if factor == 1:
        return matrix
    if matrix.scale is not None:
        return Matrix(matrix.values, matrix.scale * np.float32(factor))
    return Matrix(matrix.values * np.float32(factor))
