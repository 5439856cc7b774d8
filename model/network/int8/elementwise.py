"""Fused residual addition, LayerNorm, activation and quantisation between two products."""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.extending import register_jitable

from tformer.model.hardware.numba_cache import inner
from tformer.model.network.int8.packing import LIMIT
from tformer.model.network.int8.records import GELU, RELU, SILU, whole_vectors
from tformer.model.network.int8.simd.dot import LINE
from tformer.model.network.int8.simd.elementwise import (
    deviation,
    gelu,
    gelu_tanh,
    largest_magnitude,
    put_bytes,
    put_normalised,
    put_sum,
    rectify,
    silu,
)
from tformer.model.network.int8.simd.vectors import LANES

EPSILON = np.float32(1e-5)
"""Added to the variance in layer normalisation, as in torch."""

register_jitable(whole_vectors)


@njit(inline="always")
def quantise_to(row, at, width, largest, quantised):
    """Write ``width`` numbers of a flat row as bytes, given their largest magnitude."""
    factor = np.float32(LIMIT) / max(largest, np.float32(1e-30))
    # The whole part is the nearest number, once half is added to what is positive.
    end = quantised.shape[0] - LINE
    put_bytes(row, at, factor, np.float32(128.5), quantised, 0, end, width // LANES)
    return largest / np.float32(LIMIT)


@inner
def quantise(row, quantised):
    """Write a row of whole vectors as bytes; returns their scale."""
    largest = largest_magnitude(row, 0, row.shape[0] // LANES)
    return quantise_to(row, 0, row.shape[0], largest, quantised)


@njit(inline="always")
def _normalise(row, total, shape, norm, out):
    """Layer normalisation of a row whose sum is ``total``; returns the largest magnitude."""
    filled, width = row.shape[0], np.float32(shape.width)
    mean = total / width
    # Beyond the width are zeros, which must not count.
    squares = deviation(row, 0, mean, filled // LANES)
    variance = (squares - np.float32(filled - shape.width) * mean * mean) / width
    factor = np.float32(1.0) / np.sqrt(variance + EPSILON)
    return put_normalised(
        row, 0, mean, factor, norm.weight, 0, norm.bias, 0, out, 0, filled // LANES
    )


@njit(inline="always")
def _sum(row):
    total = np.float32(0.0)
    for i in range(row.shape[0]):
        total += row[i]
    return total


@inner
def begin(tokens, positions, beginning, shape, work):
    """Begin with embeddings of tokens (N,) at positions (N,), both int64."""
    filled = work.states.shape[1]
    normed, restored = np.empty(filled, np.float32), np.zeros(filled, np.float32)
    for n in range(tokens.shape[0]):
        state, embedding = work.states[n], restored
        if beginning.stored.shape[0] > 0:
            scale = beginning.stored_scale[tokens[n]]
            for i in range(beginning.stored.shape[1]):
                restored[i] = np.float32(beginning.stored[tokens[n], i]) * scale
        else:
            embedding = beginning.table[tokens[n]]
        total = put_sum(
            embedding, 0, beginning.scale[0], beginning.encodings[positions[n]], 0,
            state, 0, filled // LANES,
        )  # fmt: skip
        if beginning.own.weight.shape[0] > 0:
            _normalise(state, total, shape, beginning.own, state)
            total = _sum(state)
        if shape.pre:
            largest = _normalise(state, total, shape, beginning.first, normed)
            scale = quantise_to(normed, 0, filled, largest, work.entered[n])
        else:
            scale = quantise(state, work.entered[n])
        work.entered_scale[n] = scale


@inner
def leave(first, rows, linear, norm, shape, work):
    """Add a sub-layer's outputs to states from the ``first`` on; quantise what the next one reads.

    ``norm`` is the next normalisation: before the next sub-layer (``shape.pre``, the states stay as
    they are), or of the states themselves.
    """
    filled, stride = work.states.shape[1], linear.scale.shape[0]
    normed = np.empty(filled, np.float32)
    for n in range(rows):
        state, entered, one = work.states[first + n], work.entered[first + n], np.float32(1.0)
        total = put_sum(work.outputs, n * stride, one, state, 0, state, 0, filled // LANES)
        out = normed if shape.pre else state
        largest = _normalise(state, total, shape, norm, out)
        work.entered_scale[first + n] = quantise_to(out, 0, filled, largest, entered)


@inner
def activate(row, at, width, activation):
    """Apply the activation to a row of flat numbers; returns the largest magnitude."""
    if activation == RELU:
        return rectify(row, at, width // LANES)
    if activation == GELU:
        return gelu(row, at, width // LANES)
    if activation == SILU:
        return silu(row, at, width // LANES)
    return gelu_tanh(row, at, width // LANES)
