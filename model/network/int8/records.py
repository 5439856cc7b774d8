"""Records that the compiled functions of the network read and write, and their sizes.

Who only calls them imports this, and nothing of Numba. Shapes are written as in `kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tformer.model.network.int8.simd.vectors import CACHE_LINE, LANES

Floats = NDArray[np.float32]

Numbers = NDArray[np.floating[Any]]
"""Floating, of any width."""

RELU, GELU, SILU, GELU_TANH = 0, 1, 2, 3
"""Activations of the feed-forward network."""

FEED_TOGETHER = 64
"""Rows whose inner activations are computed before they are read: they are still in the cache."""

LOGITS_TOGETHER = 16
"""Rows whose logits are computed before they are read: they are still in the cache."""

WHOLE = 1 << 16
"""Logits of a row that are computed at once at most; there are more only in large vocabularies."""

PART, PART_TOGETHER = 2048, 64
"""Logits of a row, and rows, that are computed at once where the vocabulary is larger: the weights,
which no cache holds, are read once for so many rows."""


def room_for(width: int) -> int:
    """Logits that are in memory at a time, of a projection to ``width`` of them."""
    return max(LOGITS_TOGETHER * min(width, WHOLE), PART_TOGETHER * PART)


def whole_vectors(length: Any) -> Any:
    """``length`` and what it takes to make whole vectors."""
    return (length + LANES - 1) // LANES * LANES


def head_width(d: Any, heads: Any) -> Any:
    """D, of a network that is ``d`` wide."""
    return whole_vectors(d // heads)


def aligned(
    shape: Sequence[int], kind: DTypeLike, new: Callable[..., NDArray[Any]] = np.zeros
) -> NDArray[Any]:
    """An array that begins with a cache line: a vector that lies in two is loaded half as fast.

    Args:
        shape: of the array.
        kind: of its items.
        new: ``np.zeros``, or ``np.empty`` where all will be written.
    """
    size = math.prod(shape) * np.dtype(kind).itemsize
    room = new(size + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + size].view(kind).reshape(shape)


class PackedLinear(NamedTuple):
    """A projection xWᵀ + b of width ``in`` to ``out``, both filled up to whole panels."""

    weight: NDArray[np.int8]
    """(out / BLOCK, in / QUAD, BLOCK, QUAD): a block is read from its beginning to its end."""
    start: NDArray[np.int32]
    """(out,): the sums of nothing, -OFFSET times the sum of each output's weights."""
    scale: Floats
    """(out,)"""
    bias: Floats
    """(out,)"""
    limits: NDArray[np.uint16]
    """(out / BLOCK, in / QUAD), what the squares of activations may be, two of every two quads; see
    `simd.bounded_tile`. (out / BLOCK, 0) at a level that has none."""


class Norm(NamedTuple):
    """A layer normalisation, (whole vectors of d,) each."""

    weight: Floats
    bias: Floats


class Shape(NamedTuple):
    """Sizes of a layer."""

    width: int
    """d"""
    heads: int
    pre: bool
    """True if normalisation comes before the sub-layers, and not after them."""
    activation: int


class Beginning(NamedTuple):
    """Embedding and positions: from tokens to the input of the first layer."""

    table: Floats
    """(V, whole vectors of d), embeddings; empty where they are stored in int8."""
    stored: NDArray[np.int8]
    """(V, d), embeddings that are stored in int8, as they are: of each batch a few are read."""
    stored_scale: Floats
    """(V,), what to multiply those with."""
    encodings: Floats
    """(positions, whole vectors of d)"""
    scale: Floats
    """(1,), of the embeddings."""
    first: Norm
    """Normalisation of the input of the first sub-layer, in a pre-norm network."""
    own: Norm
    """Normalisation of the embeddings; empty where there is none."""


class RowBuffers(NamedTuple):
    """Memory of a batch, of at least N rows; what a product reads has a scale a row."""

    states: Floats
    """(N, whole vectors of d), the residual stream; zero beyond d."""
    entered: NDArray[np.uint8]
    """(N, `stored_row` of d), what the next sub-layer reads."""
    entered_scale: Floats
    context: NDArray[np.uint8]
    """(N, `stored_row` of H * D), what attention gives to its output projection."""
    context_scale: Floats
    active: NDArray[np.uint8]
    """(N, `stored_row` of d_ff), between the products of the feed-forward network."""
    active_scale: Floats
    values: NDArray[np.uint8]
    """In place of those the numbers that are not zero, one row after the other; see `simd.sparse`.
    There is room for ``FEED_TOGETHER`` rows without a zero."""
    places: NDArray[np.int32]
    """Places of the weights of each."""
    outputs: Floats
    """Output of the last product, one row after the other."""
    board: NDArray[np.int64]
    """Numbers of the board on which parts of products are offered, see `workers`."""


MEMORY = np.dtype(
    [
        ("steps", np.int64),  # target positions that it has
        ("capacity", np.int64),  # target positions that there is room for
        ("source_length", np.int64),
        ("positions", np.int64),  # address
        ("cross", np.int64),  # address
    ]
)
"""Memory of a sentence in the decoder, see :class:`Past`."""


class Past(NamedTuple):
    """The sentences of a batch under way, and what the decoder remembers of them.

    A sentence has two pieces of memory of its own, float16, which are known by their addresses.
    ``cross`` holds for every layer the keys of cross-attention and then its values, (H, S filled up
    to whole vectors, D) each. ``positions`` holds for every layer the keys and then the values of
    target positions, (H, capacity, K, D) each; nothing is moved there when a beam is reordered.
    """

    sentences: NDArray[np.void]
    """(G,), of :data:`MEMORY`."""
    ancestors: NDArray[np.uint32]
    """(R, T): position t of what is now hypothesis r was written by this one of its sentence."""


class EncoderLayerWeights(NamedTuple):
    """Weights; ``after`` is the normalisation that follows each sub-layer."""

    projections: PackedLinear
    """Queries, keys and values."""
    output: PackedLinear
    inner: PackedLinear
    outer: PackedLinear
    after_attention: Norm
    after_feed_forward: Norm


class DecoderLayerWeights(NamedTuple):
    """Weights; ``after`` is the normalisation that follows each sub-layer."""

    projections: PackedLinear
    """Queries, keys and values; of a recurrent unit candidates and what they are weighed with."""
    output: PackedLinear
    """Not read where there is a recurrent unit."""
    cross_query: PackedLinear
    cross_output: PackedLinear
    inner: PackedLinear
    outer: PackedLinear
    after_attention: Norm
    after_cross_attention: Norm
    after_feed_forward: Norm
