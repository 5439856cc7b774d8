"""Nearest entries of a datastore, for every hypothesis at every step, in int8.

The entries that a sentence is compared with are a projection like any other: keys are its rows,
with a bias of -|k|^2 / 2. So its products with a representation q are q·k - |k|^2 / 2, the largest
where |q - k|^2 is least, by the instructions that all products of the network are computed with.
A row is looked at by itself, so neighbours in the batch change nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray

from tformer.model.datastore.mixing import ALWAYS
from tformer.model.hardware.numba_cache import inner, njit
from tformer.model.network.int8.abi import LINEAR, linear_at, work_at
from tformer.model.network.int8.gemm import activation
from tformer.model.network.int8.packing import OFFSET
from tformer.model.network.int8.products import product
from tformer.model.network.int8.simd.dot import QUAD
from tformer.model.network.int8.simd.pointers import pointer_to_integers


@njit(nogil=True, cache=True)
def find(recall, beam, working):
    """Look for the nearest entries of the hypotheses, whose representations are entered.

    Args:
        recall: a `neighbours.Recall`, to be filled.
        beam: K.
        working: table of `records.RowBuffers`.
    """
    work = work_at(working, 0)
    for g in range(recall.tables.shape[0]):
        first, table = g * beam, recall.tables[g]
        if table[0] == 0:
            recall.shares[first : first + beam] = 0
            continue
        keys = linear_at(table, 0)
        tokens = carray(pointer_to_integers(table[LINEAR]), (table[LINEAR + 1],))
        width = keys.scale.shape[0]
        products = np.empty(beam * width, np.float32)
        product(work.entered[first:], work.entered_scale[first:], beam, keys, products, work.board)
        for k in range(beam):
            r = first + k
            square = _square(work.entered[r], keys.weight.shape[1] * QUAD)
            square = square * work.entered_scale[r] * work.entered_scale[r]
            line = products[k * width : k * width + tokens.shape[0]]
            recall.shares[r] = _share(
                line, tokens, square, recall.weights[g], recall.tokens[r], recall.probabilities[r]
            )


@inner
def _square(row, width):
    """Sum of squares of the first ``width`` numbers of a stored row, exact."""
    total = np.int64(0)
    for i in range(width):
        x = activation(row, i) - np.int32(OFFSET)
        total += x * x
    return np.float64(total)


@inner
def _share(line, tokens, square, weights, found, probabilities):
    """Fill ``found`` and ``probabilities`` from products (M,); returns lambda."""
    wanted = int(weights[5])
    largest, entries = np.empty(wanted, np.float32), np.empty(wanted, np.int64)
    _find_nearest(line, largest, entries)
    found[:] = -1
    probabilities[:] = 0
    total, number = 0.0, 0
    for i in range(wanted):
        e = math.exp(2 * (np.float64(largest[i]) - np.float64(largest[0])) / weights[0])
        total += e
        token, place = np.int64(tokens[entries[i]]), 0
        while place < number and found[place] != token:
            place += 1
        found[place] = token
        probabilities[place] += e
        number = max(number, place + 1)
    most = 0.0
    for i in range(number):
        probabilities[i] /= total
        most = max(most, probabilities[i])
    distance = max(square - 2 * np.float64(largest[0]), 0.0)
    logit = weights[1] + weights[2] * distance + weights[3] * most
    return weights[4] / (1 + math.exp(-min(max(logit, -ALWAYS), ALWAYS)))


@inner
def _find_nearest(line, largest, entries):
    """The largest of products (M,), falling; of equals the first comes first."""
    number, wanted = 0, largest.shape[0]
    for m in range(line.shape[0]):
        if number == wanted and line[m] <= largest[wanted - 1]:
            continue
        place = min(number, wanted - 1)
        number = min(number + 1, wanted)
        while place > 0 and largest[place - 1] < line[m]:
            largest[place], entries[place] = largest[place - 1], entries[place - 1]
            place -= 1
        largest[place], entries[place] = line[m], m


@inner
def mix(recall, r, logits, total, named, chosen, log_probs, tokens):
    """Mix what was found for row ``r`` into its best tokens, which stay the best.

    Args:
        recall: filled by :func:`find`, with a share above 0 for the row.
        r: the row.
        logits: (V,) of the row.
        total: ln of the sum of their exponentials.
        named: (N,) int64, further tokens.
        chosen: (N, R) float32, their log-probabilities, to be filled.
        log_probs, tokens: (width,) float32 and int64, the best of the network, falling; both are
            changed.
    """
    share = recall.shares[r]
    rest = math.log1p(-share)
    width = tokens.shape[0]
    for i in range(named.shape[0]):
        chosen[i, r] = np.float32(np.float64(logits[named[i]] - total) + rest)
    for i in range(width):
        log_probs[i] += np.float32(rest)
    for n in range(recall.tokens.shape[1]):
        token = recall.tokens[r, n]
        if token < 0:
            break
        own = math.exp(np.float64(logits[token] - total) + rest)
        value = math.log(own + share * recall.probabilities[r, n])
        for i in range(named.shape[0]):
            if named[i] == token:
                chosen[i, r] = np.float32(value)
        _put(np.float32(value), token, log_probs, tokens, width)


@inner
def _put(value, token, log_probs, tokens, width):
    """Raise a token of a falling list, or enter it; of equals that which was there comes first."""
    place = 0
    while place < width and tokens[place] != token:
        place += 1
    if place == width:
        if value <= log_probs[width - 1]:
            return
        place -= 1
    while place > 0 and log_probs[place - 1] < value:
        log_probs[place], tokens[place] = log_probs[place - 1], tokens[place - 1]
        place -= 1
    log_probs[place], tokens[place] = value, token
