"""Logits, and the best of them."""

from __future__ import annotations

import numpy as np

from tformer.model.hardware.numba_cache import njit
from tformer.model.network.int8.abi import linear_of, work_of
from tformer.model.network.int8.gemm import product
from tformer.model.network.int8.knn import mix
from tformer.model.network.int8.simd.emitter import LANES, LOWEST
from tformer.model.network.int8.simd.logits import COLUMNS, at_least, deal, log_of_sum
from tformer.model.network.int8.simd.pointers import lowest_bit

TOGETHER = 16
"""Rows whose logits are computed before they are read: they are still in the cache."""


@njit(nogil=True, cache=True)
def best(output, named, working, log_probs, tokens, chosen, recall):
    """The most probable next tokens of R hypotheses, without writing down the others.

    Args:
        output: table of the projection to logits, filled up to whole ``COLUMNS``.
        named: (N,) int64, tokens whose log-probabilities are wanted besides.
        working: table of `elementwise.RowBuffers`, entered.
        log_probs, tokens: (R, width) float32 and int64, the best first.
        chosen: (N, R) float32, of ``named``.
        recall: `knn.Recall`, filled for these hypotheses.
    """
    linear, work = linear_of(output, 0), work_of(working)
    rows, filled = tokens.shape[0], linear.scale.shape[0]
    deals, outputs = filled // COLUMNS, work.outputs
    columns, lanes = np.empty(COLUMNS, np.float32), np.empty(deals * LANES, np.float32)
    bounds = np.empty(tokens.shape[1], np.float32)
    for start in range(0, rows, TOGETHER):
        count = min(TOGETHER, rows - start)
        product(work.entered[start:], work.entered_scale[start:], count, linear, outputs)
        for n in range(count):
            at, r = n * filled, start + n
            deal(outputs, at, deals, columns, 0, lanes, 0)
            bound, largest = _bound(columns, bounds)
            total = largest + log_of_sum(outputs, at, deals, largest)
            for i in range(named.shape[0]):
                chosen[i, r] = outputs[at + named[i]] - total
            _find_largest(outputs[at : at + filled], lanes, bound, log_probs[r], tokens[r])
            for i in range(tokens.shape[1]):
                log_probs[r, i] -= total
            if recall.shares.shape[0] and recall.shares[r] > 0:
                logits = outputs[at : at + filled]
                mix(recall, r, logits, total, named, chosen, log_probs[r], tokens[r])


@njit(nogil=True, cache=True)
def of_tokens(output, tokens, working, log_probs):
    """The log-probabilities (R,) of one token each, as the next one of R hypotheses.

    Args:
        output: table of the projection to logits, filled up to whole ``COLUMNS``.
        tokens: (R,) int64.
        working: table of `elementwise.RowBuffers`, entered.
        log_probs: (R,), to be filled.
    """
    _log_softmax(output, tokens, working, log_probs, np.empty((0, 0), np.float32))


@njit(nogil=True, cache=True)
def of_all(output, working, log_probs):
    """The log-probabilities (R, V) of all tokens; see :func:`of_tokens`."""
    rows = log_probs.shape[0]
    _log_softmax(output, np.zeros(rows, np.int64), working, np.empty(rows, np.float32), log_probs)


@njit(nogil=True)
def _log_softmax(output, tokens, working, chosen, every):
    linear, work = linear_of(output, 0), work_of(working)
    rows, filled, size = tokens.shape[0], linear.scale.shape[0], every.shape[1]
    deals, outputs = filled // COLUMNS, work.outputs
    columns, lanes = np.empty(COLUMNS, np.float32), np.empty(deals * LANES, np.float32)
    for start in range(0, rows, TOGETHER):
        count = min(TOGETHER, rows - start)
        product(work.entered[start:], work.entered_scale[start:], count, linear, outputs)
        for n in range(count):
            at, r = n * filled, start + n
            deal(outputs, at, deals, columns, 0, lanes, 0)
            largest = columns.max()
            total = largest + log_of_sum(outputs, at, deals, largest)
            chosen[r] = outputs[at + tokens[r]] - total
            for i in range(size):
                every[r, i] = outputs[at + i] - total


@njit(nogil=True)
def _bound(columns, largest):
    """A number that as many logits reach as are wanted, and the largest of all.

    It is the last of so many of the columns' maxima, for which ``largest`` is room; where more are
    wanted than there are columns, all reach it.
    """
    wanted = largest.shape[0]
    if wanted > COLUMNS:
        return np.float32(LOWEST), columns.max()
    for i in range(COLUMNS):
        if i >= wanted and columns[i] <= largest[wanted - 1]:
            continue
        place = min(i, wanted - 1)
        while place > 0 and largest[place - 1] < columns[i]:
            largest[place] = largest[place - 1]
            place -= 1
        largest[place] = columns[i]
    return largest[wanted - 1], largest[0]


@njit(nogil=True)
def _find_largest(line, lanes, bound, found, tokens):
    """The largest logits of those that reach a bound, falling; of equals the first comes first.

    ``lanes`` has the largest of every lane of every deal: what is below the bound is passed over.
    """
    number = np.int64(0)
    for n in range(lanes.shape[0] // LANES):
        bits = at_least(lanes, n * LANES, bound)
        while bits:
            lane = lowest_bit(bits)
            bits &= bits - 1
            for token in range(n * COLUMNS + lane, (n + 1) * COLUMNS, LANES):
                if line[token] >= bound:
                    number = _enter(line[token], token, number, found, tokens)


@njit(nogil=True)
def _enter(logit, token, number, found, tokens):
    """Put a logit in its place among the ``number`` largest so far; how many there are then."""
    wanted = found.shape[0]
    place = min(number, wanted)
    while place > 0 and (
        found[place - 1] < logit or (found[place - 1] == logit and tokens[place - 1] > token)
    ):
        if place < wanted:
            found[place], tokens[place] = found[place - 1], tokens[place - 1]
        place -= 1
    if place < wanted:
        found[place], tokens[place] = logit, token
    return min(number + 1, wanted)
