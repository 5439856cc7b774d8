"""Targets that are known, read at once instead of a step a token.

To a layer every target position is a hypothesis of a sentence of its own, with a beam of one, whose
keys and values lie where those of the other positions of its target do: the rows of a target come
one after the other, and each finds those before it. So the numbers are, bit for bit, those of as
many steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from tformer.model.config import TransformerConfig
from tformer.model.int8.cache import Integers
from tformer.model.int8.kernels import (
    COLUMNS,
    FAST,
    LOGITS_TOGETHER,
    Past,
    _attend_target,
    _floats,
    _leave,
    _log_sum,
    _rows_of,
    _scores,
    _softmax,
    whole_vectors,
)
from tformer.model.int8.products import LOWEST, Floats, product


@dataclass(frozen=True)
class Forced:
    """N positions of targets, one target's after the other's."""

    tokens: Integers
    """(N,), what each position reads."""
    past: Past
    """Of N sentences with a beam of one."""
    positions: list[Floats]
    """Of every target its keys and values, (layers, 2, T, d), to be filled."""

    @classmethod
    def of(
        cls,
        config: TransformerConfig,
        targets: Sequence[Sequence[int]],
        memories: Sequence[Floats],
        source_lengths: Sequence[int],
    ) -> Forced:
        """Targets of T tokens each, at least one; and of each what it has to do with its source."""
        lengths = np.array(list(map(len, targets)), np.int64)
        shape = config.num_decoder_layers, 2, config.d_model
        positions = [np.empty((*shape[:2], length, shape[2]), np.float32) for length in lengths]
        rows = int(lengths.sum())

        def each(values: Sequence[int] | Integers) -> Integers:
            return np.repeat(np.array(values, np.int64), lengths)

        past = Past(
            steps=np.arange(rows) - each(np.cumsum(lengths) - lengths),
            capacities=each(lengths),
            source_lengths=each(source_lengths),
            positions=each([array.ctypes.data for array in positions]),
            memories=each([array.ctypes.data for array in memories]),
            ancestors=np.zeros((rows, int(lengths.max())), np.uint32),
        )
        tokens = np.fromiter((token for target in targets for token in target), np.int64, rows)
        return cls(tokens, past, positions)


@njit(nogil=True, cache=True, fastmath=FAST)
def of_tokens(linear, size, tokens, work, log_probs):
    """The log-probabilities (R,) of one token each, as the next one of R hypotheses.

    Args:
        linear: projection to logits.
        size: V.
        tokens: (R,) int64.
        work: `kernels.Work`, entered.
        log_probs: (R,) float32, to be filled.
    """
    rows = tokens.shape[0]
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
            log_probs[r] = line[tokens[r]] - _log_sum(dealt, maxima)


@njit(nogil=True, cache=True, fastmath=FAST)
def attention(number, layer, shape, past, chosen, work, out):
    """Where positions look among S source tokens, by some heads of a layer.

    Args:
        number: of the layer, from 0.
        layer: `kernels.DecoderLayer`.
        shape: `kernels.Shape`.
        past: `kernels.Past` of N sentences with a beam of one.
        chosen: (H,) float32, the share of every head in the mean.
        work: `kernels.Work`, entered.
        out: (N, whole vectors of the longest source) float32, to be filled.
    """
    rows, d = past.steps.shape[0], work.states.shape[1]
    product(work.entered, rows, layer.projections, work.sums)
    _attend_target(number, 1, layer.projections, shape.heads, past, work)
    product(work.context, rows, layer.output, work.sums)
    _leave(rows, work.context_scale, layer.output, layer.after_attention, shape, work)
    product(work.entered, rows, layer.cross_query, work.sums)
    scale, bias = layer.cross_query.scale, layer.cross_query.bias
    sums = _rows_of(work.sums, scale.shape[0])
    root = np.float32(1.0) / np.sqrt(np.float32(d // shape.heads))
    query = np.empty(d, np.float32)
    scores = np.empty((shape.heads, out.shape[1]), np.float32)
    for n in range(rows):
        length, factor = past.source_lengths[n], work.entered_scale[n]
        columns = whole_vectors(length)
        keys = _floats(past.memories[n], 2 * number, columns * d)
        for i in range(d):
            query[i] = (np.float32(sums[n, i]) * factor * scale[i] + bias[i]) * root
        _scores(query, keys, np.arange(d // shape.heads) * columns, columns, scores)
        _softmax(scores, length)
        for s in range(length):
            mean = np.float32(0.0)
            for h in range(shape.heads):
                mean += chosen[h] * scores[h, s]
            out[n, s] = mean
