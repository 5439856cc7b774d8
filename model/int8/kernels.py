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
from typing import NamedTuple

import numpy as np
from numba import carray, float32, njit
from numpy.typing import NDArray

from tformer.model.int8.products import LIMIT, LOWEST, OFFSET, Floats, Linear, product
from tformer.model.int8.vectors import LANES, as_float, larger, pointer, weighted_sum

FAST = {"reassoc", "contract", "arcp", "nsz", "nnan"}
"""Sums may be taken in the order that suits vectors, and nothing is NaN: weights are checked."""

EPSILON = np.float32(1e-5)
"""Added to the variance in layer normalisation, as in torch."""

RELU, GELU, SILU = 0, 1, 2
"""Activations of the feed-forward network."""

COLUMNS = 128
"""Columns to which :func:`best` deals out a row of logits, as one deals cards: the largest of every
column are found without looking across a vector, and the best are sought among these."""

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
    """The sentences of a batch under way, and what the decoder remembers of them.

    A sentence has two pieces of memory of its own, float32, which are known by their addresses.
    ``memories`` holds for every layer the keys of the memory, transposed (d, S filled up to whole
    vectors), and its values (S likewise, d). ``positions`` holds for every layer the keys and then
    the values of target positions, (capacity, K, d) each; nothing is moved there when a beam is
    reordered.
    """

    steps: NDArray[np.int64]
    """(G,), target positions that each has."""
    capacities: NDArray[np.int64]
    """(G,), target positions that there is room for."""
    source_lengths: NDArray[np.int64]
    """(G,)"""
    positions: NDArray[np.int64]
    """(G,), addresses."""
    memories: NDArray[np.int64]
    """(G,), addresses."""
    ancestors: NDArray[np.uint32]
    """(R, T): position t of what is now hypothesis r was written by this one of its sentence."""


# -- rows ---------------------------------------------------------------------------------


@njit
def whole_vectors(length):
    """``length`` and what it takes to make whole vectors."""
    return (length + LANES - 1) // LANES * LANES


@njit(inline="always")
def _floats(address, part, size):
    """Part number ``part``, of ``size`` numbers each, of the memory at an address."""
    return carray(pointer(address + 4 * part * size), (size,))


@njit(inline="always")
def _rows_of(sums, width):
    """A view of flat ``sums`` as rows."""
    return sums[: sums.shape[0] // width * width].reshape(-1, width)


@njit(float32(float32), inline="always", fastmath=FAST)
def _exp(x: float) -> float:
    """e^x of x <= 0 to a relative 2e-7, in operations that vectors have; 0 far below.

    e^x = 2^n e^r with |r| <= ln 2 / 2, and e^r by its series up to r^6 / 6!.
    """
    x = larger(x, np.float32(-87.0))
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
    # The exponent's bits, by numbers that a float32 holds exactly.
    return p * as_float(np.int32((whole + np.float32(127.0)) * np.float32(8388608.0)))


@njit(inline="always", fastmath=FAST)
def _quantise(row, quantised):
    """Write a row (d,) as uint8; it is about ``(quantised - OFFSET)`` times the scale returned."""
    largest = np.float32(0.0)
    for i in range(row.shape[0]):
        largest = larger(largest, abs(row[i]))
    factor = np.float32(LIMIT) / larger(largest, np.float32(1e-30))
    for i in range(row.shape[0]):
        # Truncation rounds to the nearest, once half is added to what is positive.
        quantised[i] = np.uint8(np.int32(row[i] * factor + np.float32(OFFSET + 0.5)))
    return largest / np.float32(LIMIT)


@njit(inline="always", fastmath=FAST)
def _normalise(row, weight, bias, out):
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
def enter(tokens, positions, table, encodings, scale, shape, first, work):
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
def _leave(rows, scales, linear, norm, shape, work):
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
def _gelu(x):
    """x times the probability that a standard normal variable is below it."""
    return np.float32(0.5) * x * np.float32(1.0 + math.erf(x * math.sqrt(0.5)))


@njit(inline="always", fastmath=FAST)
def _silu(x):
    """x / (1 + e^-x), by powers of e that cannot overflow."""
    power = _exp(-abs(x))
    return x * (np.float32(1.0) if x >= 0 else power) / (np.float32(1.0) + power)


@njit(nogil=True, fastmath=FAST)
def _feed_forward(rows, inner, outer, norm, shape, work):
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
                    row[i] = larger(x, np.float32(0.0))
            else:
                for i in range(width):
                    x = np.float32(sums[n, i]) * factor * scale[i] + bias[i]
                    row[i] = _gelu(x) if shape.activation == GELU else _silu(x)
            work.active_scale[start + n] = _quantise(row, work.active[start + n])
    product(work.active, rows, outer, work.sums)
    _leave(rows, work.active_scale, outer, norm, shape, work)


# -- attention ----------------------------------------------------------------------------


@njit(inline="always", fastmath=FAST)
def _softmax(scores, length):
    """Turn the scores of every head (H, whole vectors) into weights of ``length``, in place.

    Whole vectors are computed; what is beyond the length is of no weight.
    """
    heads, width = scores.shape
    vectors = scores.reshape(heads, width // LANES, LANES)
    used = (length + LANES - 1) // LANES
    for h in range(heads):
        for i in range(length, used * LANES):
            scores[h, i] = LOWEST
        largest = LOWEST
        for v in range(used):
            for i in range(LANES):
                largest = larger(largest, vectors[h, v, i])
        total = np.float32(0.0)
        for v in range(used):
            for i in range(LANES):
                weight = _exp(vectors[h, v, i] - largest)
                vectors[h, v, i] = weight
                total += weight
        share = np.float32(1.0) / total
        for v in range(used):
            for i in range(LANES):
                vectors[h, v, i] *= share


@njit(inline="always")
def _scores(query, keys, rows, columns, scores):
    """Scores (H, whole vectors) of a query (d,) with keys that lie transposed, flat (d, columns).

    They are the sum of the keys' rows, which are at ``rows``, weighted with the query.
    """
    heads, stride = scores.shape
    width = query.shape[0] // heads
    flat = scores.reshape(-1)
    for h in range(heads):
        first = h * width
        weighted_sum(query, first, rows, width, keys, first * columns, columns, flat, h * stride)


@njit(inline="always")
def _mix(weights, values, rows, length, out):
    """Sums (d,) of values, flat, which lie at ``rows``, with their heads' weights (H, ...)."""
    heads, stride = weights.shape
    width = out.shape[0] // heads
    flat = weights.reshape(-1)
    for h in range(heads):
        first = h * width
        weighted_sum(flat, h * stride, rows, length, values, first, width, out, first)


@njit(inline="always", fastmath=FAST)
def _inherited_scores(query, keys, slots, length, scores):
    """Scores (H, length) of a query (H, D) with keys (T * K, H, D), of slot ``slots[t]`` at t.

    Four positions at a time, whose keys are read from their beginnings to their ends.
    """
    heads, width = query.shape
    quads = length - length % 4
    for t in range(0, quads, 4):
        k0, k1, k2, k3 = slots[t], slots[t + 1], slots[t + 2], slots[t + 3]
        for h in range(heads):
            s0 = s1 = s2 = s3 = np.float32(0.0)
            for i in range(width):
                s0 += query[h, i] * keys[k0, h, i]
                s1 += query[h, i] * keys[k1, h, i]
                s2 += query[h, i] * keys[k2, h, i]
                s3 += query[h, i] * keys[k3, h, i]
            scores[h, t], scores[h, t + 1], scores[h, t + 2], scores[h, t + 3] = s0, s1, s2, s3
    for t in range(quads, length):
        k0 = slots[t]
        for h in range(heads):
            s0 = np.float32(0.0)
            for i in range(width):
                s0 += query[h, i] * keys[k0, h, i]
            scores[h, t] = s0


@njit(nogil=True, fastmath=FAST)
def _attend_source(offsets, linear, heads, work):
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
    keys_of_all = np.zeros(d * whole_vectors(longest), np.float32)
    values = np.empty((longest, d), np.float32)
    query, context = np.empty(d, np.float32), np.empty(d, np.float32)
    scores = np.empty((heads, whole_vectors(longest)), np.float32)
    rows = np.arange(longest) * d
    for g in range(offsets.shape[0] - 1):
        start, length = offsets[g], offsets[g + 1] - offsets[g]
        columns = whole_vectors(length)
        keys = keys_of_all[: d * columns]
        transposed = keys.reshape(d, columns)
        key_rows = np.arange(d // heads) * columns
        for s in range(length):
            n, factor = start + s, work.entered_scale[start + s]
            for i in range(d):
                transposed[i, s] = np.float32(sums[n, 1, i]) * factor * scale[1, i] + bias[1, i]
            for i in range(d):
                values[s, i] = np.float32(sums[n, 2, i]) * factor * scale[2, i] + bias[2, i]
        for n in range(start, start + length):
            factor = work.entered_scale[n]
            for i in range(d):
                x = np.float32(sums[n, 0, i]) * factor * scale[0, i] + bias[0, i]
                query[i] = x * root
            _scores(query, keys, key_rows, columns, scores)
            _softmax(scores, length)
            _mix(scores, values.reshape(-1), rows, length, context)
            work.context_scale[n] = _quantise(context, work.context[n])


@njit(nogil=True, fastmath=FAST)
def _attend_target(layer, beam, linear, heads, past, work):
    """Append a position to every hypothesis, which attends to all of its positions.

    ``work.sums`` are queries, keys and values (R, 3, d).
    """
    d, filled = work.states.shape[1], linear.scale.shape[0] // 3
    sums = _rows_of(work.sums, 3 * filled).reshape(-1, 3, filled)
    scale, bias = linear.scale.reshape(3, filled), linear.bias.reshape(3, filled)
    root = np.float32(1.0) / np.sqrt(np.float32(d // heads))
    query, context = np.empty(d, np.float32), np.empty(d, np.float32)
    longest = past.ancestors.shape[1]
    scores = np.empty((heads, whole_vectors(longest)), np.float32)
    slots, rows = np.empty(longest, np.uint64), np.empty(longest, np.int64)
    for r in range(past.steps.shape[0] * beam):
        g, k = r // beam, r % beam
        step, factor, line = past.steps[g], work.entered_scale[r], past.ancestors[r]
        size = past.capacities[g] * beam * d
        keys = _floats(past.positions[g], 2 * layer, size)
        values = _floats(past.positions[g], 2 * layer + 1, size)
        line[step] = k
        for t in range(step + 1):
            slot = t * beam + line[t]
            slots[t], rows[t] = slot, slot * d
        key, value = keys.reshape(-1, d)[slots[step]], values.reshape(-1, d)[slots[step]]
        for i in range(d):
            x = np.float32(sums[r, 0, i]) * factor * scale[0, i] + bias[0, i]
            query[i] = x * root
        for i in range(d):
            key[i] = np.float32(sums[r, 1, i]) * factor * scale[1, i] + bias[1, i]
        for i in range(d):
            value[i] = np.float32(sums[r, 2, i]) * factor * scale[2, i] + bias[2, i]
        in_heads = keys.reshape(-1, heads, d // heads)
        _inherited_scores(query.reshape(heads, -1), in_heads, slots, step + 1, scores)
        _softmax(scores, step + 1)
        _mix(scores, values, rows, step + 1, context)
        work.context_scale[r] = _quantise(context, work.context[r])


@njit(nogil=True, fastmath=FAST)
def _attend_memory(layer, beam, linear, heads, past, work):
    """Every hypothesis attends to the memory of its sentence; ``work.sums`` are queries (R, d)."""
    d = work.states.shape[1]
    sums, scale, bias = _rows_of(work.sums, linear.scale.shape[0]), linear.scale, linear.bias
    root = np.float32(1.0) / np.sqrt(np.float32(d // heads))
    longest = 0
    for length in past.source_lengths:
        longest = max(longest, length)
    query, context = np.empty(d, np.float32), np.empty(d, np.float32)
    scores = np.empty((heads, whole_vectors(longest)), np.float32)
    rows = np.arange(longest) * d
    for g in range(past.steps.shape[0]):
        length = past.source_lengths[g]
        columns = whole_vectors(length)
        keys = _floats(past.memories[g], 2 * layer, columns * d)
        values = _floats(past.memories[g], 2 * layer + 1, columns * d)
        key_rows = np.arange(d // heads) * columns
        for r in range(g * beam, g * beam + beam):
            factor = work.entered_scale[r]
            for i in range(d):
                query[i] = (np.float32(sums[r, i]) * factor * scale[i] + bias[i]) * root
            _scores(query, keys, key_rows, columns, scores)
            _softmax(scores, length)
            _mix(scores, values, rows, length, context)
            work.context_scale[r] = _quantise(context, work.context[r])


# -- layers -------------------------------------------------------------------------------


@njit(nogil=True, cache=True, fastmath=FAST)
def encoder_layer(layer, shape, offsets, work):
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
def decoder_layer(number, layer, shape, beam, past, work):
    """One more position of R hypotheses, ``beam`` of each sentence.

    Args:
        number: of the layer, from 0.
        layer: :class:`DecoderLayer`.
        shape: :class:`Shape`.
        beam: K.
        past: :class:`Past`, with room for the position.
        work: :class:`Work`, entered.
    """
    rows = past.steps.shape[0] * beam
    product(work.entered, rows, layer.projections, work.sums)
    _attend_target(number, beam, layer.projections, shape.heads, past, work)
    product(work.context, rows, layer.output, work.sums)
    _leave(rows, work.context_scale, layer.output, layer.after_attention, shape, work)
    product(work.entered, rows, layer.cross_query, work.sums)
    _attend_memory(number, beam, layer.cross_query, shape.heads, past, work)
    product(work.context, rows, layer.cross_output, work.sums)
    _leave(rows, work.context_scale, layer.cross_output, layer.after_cross_attention, shape, work)
    _feed_forward(rows, layer.inner, layer.outer, layer.after_feed_forward, shape, work)


@njit(nogil=True, cache=True, fastmath=FAST)
def remember(number, linear, offsets, memories, work):
    """Project the memory, entered, for a decoder layer, once for all steps.

    Args:
        number: of the layer, from 0.
        linear: projection to keys and values.
        offsets: (G + 1,) int64, of the sentences' rows.
        memories: (G,) int64, addresses as in :class:`Past`.
        work: :class:`Work`.
    """
    product(work.entered, offsets[-1], linear, work.sums)
    d, filled = work.states.shape[1], linear.scale.shape[0] // 2
    sums = _rows_of(work.sums, 2 * filled).reshape(-1, 2, filled)
    scale, bias = linear.scale.reshape(2, filled), linear.bias.reshape(2, filled)
    for g in range(memories.shape[0]):
        start, length = offsets[g], offsets[g + 1] - offsets[g]
        columns = whole_vectors(length)
        keys = _floats(memories[g], 2 * number, columns * d).reshape(d, columns)
        values = _floats(memories[g], 2 * number + 1, columns * d).reshape(columns, d)
        for s in range(length):
            n, factor = start + s, work.entered_scale[start + s]
            for i in range(d):
                keys[i, s] = np.float32(sums[n, 0, i]) * factor * scale[0, i] + bias[0, i]
            for i in range(d):
                values[s, i] = np.float32(sums[n, 1, i]) * factor * scale[1, i] + bias[1, i]


# -- the next token -----------------------------------------------------------------------


@njit(nogil=True, cache=True, fastmath=FAST)
def logits(linear, work, out):
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
def best(linear, size, token, work, log_probs, tokens, log_prob):
    """The most probable next tokens of R hypotheses, without writing down the others.

    Args:
        linear: projection to logits.
        size: V.
        token: whose log-probability is wanted besides.
        work: :class:`Work`, entered.
        log_probs, tokens: (R, width) float32 and int64, the best first.
        log_prob: (R,), of ``token``.
    """
    rows, width = tokens.shape
    sums = _rows_of(work.sums, linear.scale.shape[0])
    scale, bias = linear.scale, linear.bias
    deals = (size + COLUMNS - 1) // COLUMNS
    line = np.full(deals * COLUMNS, LOWEST, np.float32)
    dealt, maxima = line.reshape(deals, COLUMNS), np.empty(COLUMNS, np.float32)
    for start in range(0, rows, LOGITS_TOGETHER):
        count = min(LOGITS_TOGETHER, rows - start)
        product(work.entered[start:], count, linear, work.sums)
        for r in range(start, start + count):
            factor = work.entered_scale[r]
            for i in range(size):
                line[i] = np.float32(sums[r - start, i]) * factor * scale[i] + bias[i]
            total = _log_sum(dealt, maxima)
            log_prob[r] = line[token] - total
            for i in range(width):
                log_probs[r, i], tokens[r, i] = _take_largest(dealt, maxima)
                log_probs[r, i] -= total


@njit(inline="always", fastmath=FAST)
def _log_sum(dealt, maxima):
    """log of the sum of the exponentials of logits (deals, COLUMNS); notes the columns' maxima."""
    maxima[:] = dealt[0]
    for n in range(1, dealt.shape[0]):
        for c in range(COLUMNS):
            maxima[c] = larger(maxima[c], dealt[n, c])
    largest = LOWEST
    for c in range(COLUMNS):
        largest = larger(largest, maxima[c])
    line = dealt.reshape(-1)
    total = np.float32(0.0)
    for i in range(line.shape[0]):
        total += _exp(line[i] - largest)
    return largest + np.log(total)


@njit(inline="always", fastmath=FAST)
def _take_largest(dealt, maxima):
    """The largest logit, which is taken away, and its token."""
    largest = LOWEST
    for c in range(COLUMNS):
        largest = larger(largest, maxima[c])
    column = np.uint64(0)
    while maxima[column] != largest:
        column += np.uint64(1)
    row, rest = 0, LOWEST
    while dealt[row, column] != largest:
        row += 1
    dealt[row, column] = LOWEST
    for n in range(dealt.shape[0]):
        rest = larger(rest, dealt[n, column])
    maxima[column] = rest
    return largest, np.int64(row * COLUMNS + np.int64(column))


@njit(nogil=True, cache=True)
def follow(rows, beam, sentences, steps, ancestors, out):
    """Let hypotheses continue others: row r of ``out`` (R', T) takes over from ``rows[r]``.

    ``sentences`` (G',) are the former indices of the sentences that remain, of which ``steps``
    (G,) says how many positions matter.
    """
    for r in range(rows.shape[0]):
        length = steps[sentences[r // beam]]
        out[r, :length] = ancestors[rows[r], :length]
