"""The layers of an int8 network, compiled by Numba.

Between two products every kernel goes through memory once, a row at a time: it takes the int32 sums
that a product left, turns them into real numbers, does what the network does there, and leaves
uint8 for the next product. No row reads another one, and a row's sums are taken in an order that
its own length decides; so a sentence gets the very same bits alone and in any company.

Shapes are written with

    N  rows, whatever they are         H  heads, of width D = d / H
    d  width of the model              K  hypotheses a sentence
    R  hypotheses (G * K)              S  source positions
    G  sentences                       T  target positions

Arrays are C-contiguous, and float32 if nothing else is said. Widths of products are filled up (see
`products`): what lies beyond d in a row of activations meets weights of zero. Kernels run without
the interpreter's lock.

An innermost loop begins at zero and has the last index of its arrays to itself: only then does the
compiler know that the index is not negative (which would count from the end), and uses vectors.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import float32, int32, njit
from numba.extending import intrinsic
from numpy.typing import NDArray

from tformer.model.int8.products import LIMIT, OFFSET, Floats, Linear, product

FAST = {"reassoc", "contract", "arcp", "nsz", "nnan"}
"""Sums may be taken in the order that suits vectors, and nothing is NaN: weights are checked."""

EPSILON = np.float32(1e-5)
"""Added to the variance in layer normalisation, as in torch."""

RELU, GELU, SILU = 0, 1, 2
"""Activations of the feed-forward network."""

CHUNK = 64
"""Tokens of which :func:`best` looks at the largest logit first."""

TOGETHER = 64
"""Rows whose widest sums are computed before they are read, so that they are still in the cache."""


LOGITS_TOGETHER = 16
"""The same for logits."""


class Norm(NamedTuple):
    """A layer normalisation, (d,) each."""

    weight: Floats
    bias: Floats


class Shape(NamedTuple):
    """What a layer must know of its network."""

    heads: int
    pre: bool
    """Whether normalisation comes before the sub-layers, and not after them."""
    activation: int


class EncoderLayer(NamedTuple):
    """Weights; ``after`` is the normalisation that follows each sub-layer."""

    projections: Linear
    """Queries, keys and values."""
    output: Linear
    inner: Linear
    outer: Linear
    after_attention: Norm
    after_feed_forward: Norm


class DecoderLayer(NamedTuple):
    """Weights; ``after`` is the normalisation that follows each sub-layer."""

    projections: Linear
    """Queries, keys and values."""
    output: Linear
    cross_query: Linear
    cross_output: Linear
    inner: Linear
    outer: Linear
    after_attention: Norm
    after_cross_attention: Norm
    after_feed_forward: Norm


class Work(NamedTuple):
    """Memory of a batch, of at least N rows; what a product reads has a scale a row."""

    states: Floats
    """(N, d), the residual stream."""
    entered: NDArray[np.uint8]
    """(N, d), what the next sub-layer reads."""
    entered_scale: Floats
    context: NDArray[np.uint8]
    """(N, d), what attention gives to its output projection."""
    context_scale: Floats
    active: NDArray[np.uint8]
    """(N, d_ff), between the products of the feed-forward network."""
    active_scale: Floats
    sums: NDArray[np.int32]
    """What the last product left, one row after the other."""


class Past(NamedTuple):
    """The sentences of a batch under way, and what a decoder layer remembers of them."""

    places: NDArray[np.int64]
    """(G,), where in the arrays below each sentence is."""
    steps: NDArray[np.int64]
    """(G,), target positions that each has."""
    source_lengths: NDArray[np.int64]
    """(G,)"""
    ancestors: NDArray[np.uint32]
    """(R, T): position t of what is now hypothesis r was written by this one of its sentence."""
    keys: Floats
    """(places, T, K, d); nothing is moved here when a beam is reordered."""
    values: Floats
    """(places, T, K, d)"""
    memory_keys: Floats
    """(places, d, S), transposed."""
    memory_values: Floats
    """(places, S, d)"""


# -- rows ---------------------------------------------------------------------------------


@njit(inline="always")
def _rows_of(sums, width):  # type: ignore[no-untyped-def]
    """A view of flat ``sums`` as rows."""
    return sums[: sums.shape[0] // width * width].reshape(-1, width)


@intrinsic
def _as_float(typing: Any, bits: Any) -> Any:
    """The float32 that has the bits of an int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return float32(int32), generate


@njit(float32(float32), inline="always", fastmath=FAST)
def _exp(x: float) -> float:
    """e^x of x <= 0 to a relative 2e-7, in operations that vectors have; 0 far below.

    e^x = 2^n e^r with |r| <= ln 2 / 2, and e^r by its series up to r^6 / 6!.
    """
    x = max(x, np.float32(-87.0))
    n = np.int32(x * np.float32(1.44269504) - np.float32(0.5))  # rounds, as x <= 0
    whole = np.float32(n)
    r = x - whole * np.float32(0.693359375) + whole * np.float32(2.12194440e-4)
    p = np.float32(1 / 720)
    p = p * r + np.float32(1 / 120)
    p = p * r + np.float32(1 / 24)
    p = p * r + np.float32(1 / 6)
    p = p * r + np.float32(0.5)
    p = p * r + np.float32(1.0)
    p = p * r + np.float32(1.0)
    return p * _as_float(np.int32((n + np.int32(127)) << np.int32(23)))


@njit(inline="always", fastmath=FAST)
def _quantise(row, quantised):  # type: ignore[no-untyped-def]
    """Write a row (d,) as uint8; it is about ``(quantised - OFFSET)`` times the scale returned."""
    largest = np.float32(0.0)
    for i in range(row.shape[0]):
        largest = max(largest, abs(row[i]))
    factor = np.float32(LIMIT) / max(largest, np.float32(1e-30))
    for i in range(row.shape[0]):
        # Truncation rounds to the nearest, once half is added to what is positive.
        quantised[i] = np.uint8(np.int32(row[i] * factor + np.float32(OFFSET + 0.5)))
    return largest / np.float32(LIMIT)


@njit(inline="always", fastmath=FAST)
def _normalise(row, weight, bias, out):  # type: ignore[no-untyped-def]
    """Layer normalisation of one row."""
    width = np.float32(row.shape[0])
    mean = np.float32(0.0)
    for i in range(row.shape[0]):
        mean += row[i]
    mean /= width
    variance = np.float32(0.0)
    for i in range(row.shape[0]):
        variance += (row[i] - mean) * (row[i] - mean)
    factor = np.float32(1.0) / np.sqrt(variance / width + EPSILON)
    for i in range(row.shape[0]):
        out[i] = (row[i] - mean) * factor * weight[i] + bias[i]


@njit(nogil=True, cache=True, fastmath=FAST)
def enter(tokens, positions, table, encodings, scale, shape, first, work):  # type: ignore[no-untyped-def]
    """Begin with embeddings: tokens (N,) of ``table`` (V, d) times ``scale``, plus positions (N,).

    ``first`` normalises what the first sub-layer reads, if normalisation comes before it.
    """
    d = table.shape[1]
    normed = np.empty(d, np.float32)
    for n in range(tokens.shape[0]):
        token, position, state = tokens[n], positions[n], work.states[n]
        for i in range(d):
            state[i] = table[token, i] * scale + encodings[position, i]
        if shape.pre:
            _normalise(state, first.weight, first.bias, normed)
            work.entered_scale[n] = _quantise(normed, work.entered[n])
        else:
            work.entered_scale[n] = _quantise(state, work.entered[n])


@njit(nogil=True, fastmath=FAST)
def _leave(rows, scales, linear, norm, shape, work):  # type: ignore[no-untyped-def]
    """Add a sub-layer's output, ``work.sums``, to the states; quantise what the next one reads.

    ``norm`` is the next normalisation: before the next sub-layer (``shape.pre``, the states stay as
    they are), or of the states themselves.
    """
    d = work.states.shape[1]
    sums = _rows_of(work.sums, linear.scale.shape[0])
    scale, bias = linear.scale, linear.bias
    normed = np.empty(d, np.float32)
    for n in range(rows):
        state, factor = work.states[n], scales[n]
        for i in range(d):
            state[i] += np.float32(sums[n, i]) * factor * scale[i] + bias[i]
        _normalise(state, norm.weight, norm.bias, normed)
        if not shape.pre:
            state[:] = normed
        work.entered_scale[n] = _quantise(normed, work.entered[n])


@njit(inline="always")
def _gelu(x):  # type: ignore[no-untyped-def]
    """x times the probability that a standard normal variable is below it."""
    return np.float32(0.5) * x * np.float32(1.0 + math.erf(x * math.sqrt(0.5)))


@njit(inline="always", fastmath=FAST)
def _silu(x):  # type: ignore[no-untyped-def]
    """x / (1 + e^-x), by powers of e that cannot overflow."""
    power = _exp(-abs(x))
    return x * (np.float32(1.0) if x >= 0 else power) / (np.float32(1.0) + power)


@njit(nogil=True, fastmath=FAST)
def _feed_forward(rows, inner, outer, norm, shape, work):  # type: ignore[no-untyped-def]
    """The feed-forward sub-layer, a few rows at a time."""
    width = inner.scale.shape[0]
    scale, bias = inner.scale, inner.bias
    row = np.empty(width, np.float32)
    for start in range(0, rows, TOGETHER):
        count = min(TOGETHER, rows - start)
        product(work.entered[start:], count, inner, work.sums)
        sums = _rows_of(work.sums, width)
        for n in range(count):
            factor = work.entered_scale[start + n]
            if shape.activation == RELU:
                for i in range(width):
                    x = np.float32(sums[n, i]) * factor * scale[i] + bias[i]
                    row[i] = max(x, np.float32(0.0))
            else:
                for i in range(width):
                    x = np.float32(sums[n, i]) * factor * scale[i] + bias[i]
                    row[i] = _gelu(x) if shape.activation == GELU else _silu(x)
            work.active_scale[start + n] = _quantise(row, work.active[start + n])
    product(work.active, rows, outer, work.sums)
    _leave(rows, work.active_scale, outer, norm, shape, work)


# -- attention ----------------------------------------------------------------------------


@njit(inline="always", fastmath=FAST)
def _softmax(scores, length):  # type: ignore[no-untyped-def]
    """Turn the scores of every head (H, length or more) into weights, in place."""
    for h in range(scores.shape[0]):
        largest = scores[h, 0]
        for i in range(1, length):
            largest = max(largest, scores[h, i])
        total = np.float32(0.0)
        for i in range(length):
            weight = _exp(scores[h, i] - largest)
            scores[h, i] = weight
            total += weight
        share = np.float32(1.0) / total
        for i in range(length):
            scores[h, i] *= share


@njit(inline="always", fastmath=FAST)
def _scores(query, keys, length, scores):  # type: ignore[no-untyped-def]
    """Scores (H, length) of a query (H, D) with keys that lie transposed, (H, D, S).

    Four dimensions at a time, so that the scores are read and written a quarter as often.
    """
    heads, width = query.shape
    quads = width - width % 4
    for h in range(heads):
        for s in range(length):
            scores[h, s] = np.float32(0.0)
        for i in range(0, quads, 4):
            q0, q1, q2, q3 = query[h, i], query[h, i + 1], query[h, i + 2], query[h, i + 3]
            for s in range(length):
                scores[h, s] += (
                    q0 * keys[h, i, s]
                    + q1 * keys[h, i + 1, s]
                    + q2 * keys[h, i + 2, s]
                    + q3 * keys[h, i + 3, s]
                )
        for i in range(quads, width):
            for s in range(length):
                scores[h, s] += query[h, i] * keys[h, i, s]


@njit(inline="always", fastmath=FAST)
def _mix(weights, values, length, out):  # type: ignore[no-untyped-def]
    """Sums (H, D) of values (S, H, D), weighted by their heads' weights (H, length)."""
    heads, width = out.shape
    out[:] = np.float32(0.0)
    quads = length - length % 4
    for s in range(0, quads, 4):
        for h in range(heads):
            w0, w1, w2, w3 = weights[h, s], weights[h, s + 1], weights[h, s + 2], weights[h, s + 3]
            for i in range(width):
                out[h, i] += (
                    w0 * values[s, h, i]
                    + w1 * values[s + 1, h, i]
                    + w2 * values[s + 2, h, i]
                    + w3 * values[s + 3, h, i]
                )
    for s in range(quads, length):
        for h in range(heads):
            for i in range(width):
                out[h, i] += weights[h, s] * values[s, h, i]


@njit(inline="always", fastmath=FAST)
def _inherited_scores(query, keys, line, length, scores):  # type: ignore[no-untyped-def]
    """Scores (H, length) of a query (H, D) with keys (T, K, H, D), of hypothesis ``line[t]`` at t.

    Four positions at a time, whose keys are read from their beginnings to their ends.
    """
    heads, width = query.shape
    quads = length - length % 4
    for t in range(0, quads, 4):
        k0, k1, k2, k3 = line[t], line[t + 1], line[t + 2], line[t + 3]
        for h in range(heads):
            s0 = s1 = s2 = s3 = np.float32(0.0)
            for i in range(width):
                s0 += query[h, i] * keys[t, k0, h, i]
                s1 += query[h, i] * keys[t + 1, k1, h, i]
                s2 += query[h, i] * keys[t + 2, k2, h, i]
                s3 += query[h, i] * keys[t + 3, k3, h, i]
            scores[h, t], scores[h, t + 1], scores[h, t + 2], scores[h, t + 3] = s0, s1, s2, s3
    for t in range(quads, length):
        k0 = line[t]
        for h in range(heads):
            s0 = np.float32(0.0)
            for i in range(width):
                s0 += query[h, i] * keys[t, k0, h, i]
            scores[h, t] = s0


@njit(inline="always", fastmath=FAST)
def _inherited_mix(weights, values, line, length, out):  # type: ignore[no-untyped-def]
    """Sums (H, D) of values (T, K, H, D), of hypothesis ``line[t]`` at t, weighted (H, length)."""
    heads, width = out.shape
    out[:] = np.float32(0.0)
    quads = length - length % 4
    for t in range(0, quads, 4):
        k0, k1, k2, k3 = line[t], line[t + 1], line[t + 2], line[t + 3]
        for h in range(heads):
            w0, w1, w2, w3 = weights[h, t], weights[h, t + 1], weights[h, t + 2], weights[h, t + 3]
            for i in range(width):
                out[h, i] += (
                    w0 * values[t, k0, h, i]
                    + w1 * values[t + 1, k1, h, i]
                    + w2 * values[t + 2, k2, h, i]
                    + w3 * values[t + 3, k3, h, i]
                )
    for t in range(quads, length):
        k0 = line[t]
        for h in range(heads):
            for i in range(width):
                out[h, i] += weights[h, t] * values[t, k0, h, i]


@njit(nogil=True, fastmath=FAST)
def _attend_source(offsets, linear, heads, work):  # type: ignore[no-untyped-def]
    """Every position of a sentence attends to all of them.

    ``work.sums`` are queries, keys and values (N, 3, d); sentence g has the rows
    ``offsets[g]..offsets[g + 1]``.
    """
    d, filled = work.states.shape[1], linear.scale.shape[0] // 3
    sums = _rows_of(work.sums, 3 * filled).reshape(-1, 3, filled)
    scale, bias = linear.scale.reshape(3, filled), linear.bias.reshape(3, filled)
    root = np.float32(1.0) / np.sqrt(np.float32(d // heads))
    longest = 0
    for g in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[g + 1] - offsets[g])
    keys, values = np.empty((d, longest), np.float32), np.empty((longest, d), np.float32)
    query, context = np.empty(d, np.float32), np.empty(d, np.float32)
    scores = np.empty((heads, longest), np.float32)
    for g in range(offsets.shape[0] - 1):
        start, length = offsets[g], offsets[g + 1] - offsets[g]
        for s in range(length):
            n, factor = start + s, work.entered_scale[start + s]
            for i in range(d):
                keys[i, s] = np.float32(sums[n, 1, i]) * factor * scale[1, i] + bias[1, i]
            for i in range(d):
                values[s, i] = np.float32(sums[n, 2, i]) * factor * scale[2, i] + bias[2, i]
        for n in range(start, start + length):
            factor = work.entered_scale[n]
            for i in range(d):
                x = np.float32(sums[n, 0, i]) * factor * scale[0, i] + bias[0, i]
                query[i] = x * root
            _scores(query.reshape(heads, -1), keys.reshape(heads, -1, longest), length, scores)
            _softmax(scores, length)
            _mix(scores, values.reshape(longest, heads, -1), length, context.reshape(heads, -1))
            work.context_scale[n] = _quantise(context, work.context[n])


@njit(nogil=True, fastmath=FAST)
def _attend_target(beam, linear, heads, past, work):  # type: ignore[no-untyped-def]
    """Append a position to every hypothesis, which attends to all of its positions.

    ``work.sums`` are queries, keys and values (R, 3, d).
    """
    d, filled = work.states.shape[1], linear.scale.shape[0] // 3
    sums = _rows_of(work.sums, 3 * filled).reshape(-1, 3, filled)
    scale, bias = linear.scale.reshape(3, filled), linear.bias.reshape(3, filled)
    root = np.float32(1.0) / np.sqrt(np.float32(d // heads))
    capacity = past.keys.shape[1]
    shape = (capacity, beam, heads, d // heads)
    query, context = np.empty(d, np.float32), np.empty(d, np.float32)
    scores = np.empty((heads, capacity), np.float32)
    for r in range(past.places.shape[0] * beam):
        g, k = r // beam, r % beam
        step, factor, line = past.steps[g], work.entered_scale[r], past.ancestors[r]
        line[step] = k
        keys, values = past.keys[past.places[g]], past.values[past.places[g]]
        key, value = keys[step, k], values[step, k]
        for i in range(d):
            x = np.float32(sums[r, 0, i]) * factor * scale[0, i] + bias[0, i]
            query[i] = x * root
        for i in range(d):
            key[i] = np.float32(sums[r, 1, i]) * factor * scale[1, i] + bias[1, i]
        for i in range(d):
            value[i] = np.float32(sums[r, 2, i]) * factor * scale[2, i] + bias[2, i]
        query_heads, context_heads = query.reshape(heads, -1), context.reshape(heads, -1)
        _inherited_scores(query_heads, keys.reshape(shape), line, step + 1, scores)
        _softmax(scores, step + 1)
        _inherited_mix(scores, values.reshape(shape), line, step + 1, context_heads)
        work.context_scale[r] = _quantise(context, work.context[r])


@njit(nogil=True, fastmath=FAST)
def _attend_memory(beam, linear, heads, past, work):  # type: ignore[no-untyped-def]
    """Every hypothesis attends to the memory of its sentence; ``work.sums`` are queries (R, d)."""
    d = work.states.shape[1]
    sums, scale, bias = _rows_of(work.sums, linear.scale.shape[0]), linear.scale, linear.bias
    root = np.float32(1.0) / np.sqrt(np.float32(d // heads))
    longest = past.memory_values.shape[1]
    query, context = np.empty(d, np.float32), np.empty(d, np.float32)
    scores = np.empty((heads, longest), np.float32)
    for g in range(past.places.shape[0]):
        length = past.source_lengths[g]
        keys = past.memory_keys[past.places[g]].reshape(heads, -1, longest)
        values = past.memory_values[past.places[g]].reshape(longest, heads, -1)
        for r in range(g * beam, g * beam + beam):
            factor = work.entered_scale[r]
            for i in range(d):
                query[i] = (np.float32(sums[r, i]) * factor * scale[i] + bias[i]) * root
            _scores(query.reshape(heads, -1), keys, length, scores)
            _softmax(scores, length)
            _mix(scores, values, length, context.reshape(heads, -1))
            work.context_scale[r] = _quantise(context, work.context[r])


# -- layers -------------------------------------------------------------------------------


@njit(nogil=True, cache=True, fastmath=FAST)
def encoder_layer(layer, shape, offsets, work):  # type: ignore[no-untyped-def]
    """Self-attention, then feed-forward, of sentences one after the other without padding.

    Args:
        layer: :class:`EncoderLayer`.
        shape: :class:`Shape`.
        offsets: (G + 1,) int64; sentence g has the rows ``offsets[g]..offsets[g + 1]``.
        work: :class:`Work`, entered.
    """
    rows = offsets[-1]
    product(work.entered, rows, layer.projections, work.sums)
    _attend_source(offsets, layer.projections, shape.heads, work)
    product(work.context, rows, layer.output, work.sums)
    _leave(rows, work.context_scale, layer.output, layer.after_attention, shape, work)
    _feed_forward(rows, layer.inner, layer.outer, layer.after_feed_forward, shape, work)


@njit(nogil=True, cache=True, fastmath=FAST)
def decoder_layer(layer, shape, beam, past, work):  # type: ignore[no-untyped-def]
    """One more position of R hypotheses, ``beam`` of each sentence.

    Args:
        layer: :class:`DecoderLayer`.
        shape: :class:`Shape`.
        beam: K.
        past: :class:`Past`, with room for the position.
        work: :class:`Work`, entered.
    """
    rows = past.places.shape[0] * beam
    product(work.entered, rows, layer.projections, work.sums)
    _attend_target(beam, layer.projections, shape.heads, past, work)
    product(work.context, rows, layer.output, work.sums)
    _leave(rows, work.context_scale, layer.output, layer.after_attention, shape, work)
    product(work.entered, rows, layer.cross_query, work.sums)
    _attend_memory(beam, layer.cross_query, shape.heads, past, work)
    product(work.context, rows, layer.cross_output, work.sums)
    _leave(rows, work.context_scale, layer.cross_output, layer.after_cross_attention, shape, work)
    _feed_forward(rows, layer.inner, layer.outer, layer.after_feed_forward, shape, work)


@njit(nogil=True, cache=True, fastmath=FAST)
def remember(linear, offsets, places, keys, values, work):  # type: ignore[no-untyped-def]
    """Project the memory, entered, into the places of its sentences, once for all steps.

    Args:
        linear: projection to keys and values.
        offsets: (G + 1,) int64, of the sentences' rows.
        places: (G,) int64.
        keys: (places, d, S), transposed.
        values: (places, S, d).
        work: :class:`Work`.
    """
    product(work.entered, offsets[-1], linear, work.sums)
    d, filled = values.shape[2], linear.scale.shape[0] // 2
    sums = _rows_of(work.sums, 2 * filled).reshape(-1, 2, filled)
    scale, bias = linear.scale.reshape(2, filled), linear.bias.reshape(2, filled)
    for g in range(places.shape[0]):
        start, key, value = offsets[g], keys[places[g]], values[places[g]]
        for s in range(offsets[g + 1] - start):
            n, factor = start + s, work.entered_scale[start + s]
            for i in range(d):
                key[i, s] = np.float32(sums[n, 0, i]) * factor * scale[0, i] + bias[0, i]
            for i in range(d):
                value[s, i] = np.float32(sums[n, 1, i]) * factor * scale[1, i] + bias[1, i]


# -- the next token -----------------------------------------------------------------------


@njit(nogil=True, cache=True, fastmath=FAST)
def logits(linear, work, out):  # type: ignore[no-untyped-def]
    """Project the states, entered, to logits (R, V)."""
    rows, size = out.shape
    sums = _rows_of(work.sums, linear.scale.shape[0])
    scale, bias = linear.scale, linear.bias
    for start in range(0, rows, LOGITS_TOGETHER):
        count = min(LOGITS_TOGETHER, rows - start)
        product(work.entered[start:], count, linear, work.sums)
        for n in range(count):
            factor = work.entered_scale[start + n]
            for i in range(size):
                out[start + n, i] = np.float32(sums[n, i]) * factor * scale[i] + bias[i]


@njit(nogil=True, cache=True, fastmath=FAST)
def best(linear, size, token, work, log_probs, tokens, log_prob):  # type: ignore[no-untyped-def]
    """The most probable next tokens of R hypotheses, without writing down the others.

    Args:
        linear: projection to logits.
        size: V.
        token: whose log-probability is wanted besides.
        work: :class:`Work`, entered.
        log_probs, tokens: (R, width) float32 and int64, the best first; of equals the lowest id.
        log_prob: (R,), of ``token``.
    """
    rows, width = tokens.shape
    sums = _rows_of(work.sums, linear.scale.shape[0])
    scale, bias = linear.scale, linear.bias
    chunks = (size + CHUNK - 1) // CHUNK
    line = np.full(chunks * CHUNK, -np.inf, np.float32)
    maxima, highest = np.empty(chunks, np.float32), np.empty(width, np.float32)
    for start in range(0, rows, LOGITS_TOGETHER):
        count = min(LOGITS_TOGETHER, rows - start)
        product(work.entered[start:], count, linear, work.sums)
        for r in range(start, start + count):
            factor = work.entered_scale[r]
            for i in range(size):
                line[i] = np.float32(sums[r - start, i]) * factor * scale[i] + bias[i]
            total = _log_sum(line.reshape(chunks, CHUNK), size, maxima)
            _best_of(line, maxima, size, highest, tokens[r])
            for i in range(width):
                log_probs[r, i] = highest[i] - total
            log_prob[r] = line[token] - total


@njit(nogil=True, fastmath=FAST)
def _log_sum(chunked, size, maxima):  # type: ignore[no-untyped-def]
    """log of the sum of exponentials of ``size`` logits in chunks, whose ``maxima`` it notes."""
    largest = chunked[0, 0]
    for c in range(chunked.shape[0]):
        maximum = chunked[c, 0]
        for i in range(CHUNK):
            maximum = max(maximum, chunked[c, i])
        maxima[c] = maximum
        largest = max(largest, maximum)
    line = chunked.reshape(-1)
    total = np.float32(0.0)
    for i in range(size):
        total += _exp(line[i] - largest)
    return largest + np.log(total)


@njit(nogil=True)
def _best_of(line, maxima, size, highest, tokens):  # type: ignore[no-untyped-def]
    """The highest of ``line``, which lie in the chunks with the highest ``maxima``."""
    width, chunks = highest.shape[0], maxima.shape[0]
    bound = np.float32(-np.inf)
    if chunks > width:
        highest[:] = np.float32(-np.inf)
        _insert(maxima, 0, chunks, highest, tokens)
        bound = highest[width - 1]
    highest[:] = np.float32(-np.inf)
    for c in range(chunks):
        if maxima[c] >= bound:
            _insert(line, c * CHUNK, min(size, c * CHUNK + CHUNK), highest, tokens)


@njit(inline="always")
def _insert(values, first, last, highest, index):  # type: ignore[no-untyped-def]
    """Put ``values[first:last]`` into the falling list ``highest`` where they are higher."""
    end = highest.shape[0] - 1
    for i in range(first, last):
        if values[i] > highest[end]:
            at = end
            while at > 0 and values[i] > highest[at - 1]:
                highest[at], index[at] = highest[at - 1], index[at - 1]
                at -= 1
            highest[at], index[at] = values[i], i


@njit(nogil=True, cache=True)
def follow(rows, beam, sentences, steps, ancestors, out):  # type: ignore[no-untyped-def]
    """Let hypotheses continue others: row r of ``out`` (R', T) takes over from ``rows[r]``.

    ``sentences`` (G',) are the former indices of the sentences that remain, of which ``steps``
    (G,) says how many positions matter.
    """
    for r in range(rows.shape[0]):
        length = steps[sentences[r // beam]]
        out[r, :length] = ancestors[rows[r], :length]
