"""Logits, and the best of them."""

from __future__ import annotations

import numpy as np
from numba import carray

from tformer.model.hardware.numba_cache import inner, njit
from tformer.model.network.int8.abi import LINEAR, linear_at, work_at
from tformer.model.network.int8.knn import mix
from tformer.model.network.int8.products import product
from tformer.model.network.int8.records import (
    LOGITS_TOGETHER,
    PART,
    PART_TOGETHER,
    WHOLE,
    PackedLinear,
)
from tformer.model.network.int8.simd.logits import at_least, deal, log_of_sum
from tformer.model.network.int8.simd.pointers import lowest_bit, pointer_to_integers
from tformer.model.network.int8.simd.vectors import COLUMNS, LANES, LOWEST


@njit(nogil=True, cache=True)
def best(output, named, working, log_probs, tokens, chosen, recall, listed):
    """The most probable next tokens of R hypotheses, without writing down the others.

    Args:
        output: table of the projection to logits, filled up to whole ``COLUMNS``.
        named: (N,) int64, tokens whose log-probabilities are wanted besides.
        working: table of `records.RowBuffers`, entered.
        log_probs, tokens: (R, width) float32 and int64, the best first.
        chosen: (N, R) float32, of ``named``.
        recall: `neighbours.Recall`, filled for these hypotheses; None if no sentence has entries.
        listed: `listing.Listed` of these hypotheses; None if all of the vocabulary may be said.
    """
    work, rows, start = work_at(working, 0), tokens.shape[0], np.int64(0)
    columns, bounds = np.empty(COLUMNS, np.float32), np.empty(tokens.shape[1], np.float32)
    while start < rows:
        linear, ids = _projection(output, listed, start)
        width, part = linear.scale.shape[0], _part(linear)
        count = _together(width, listed, start, rows)
        lanes = np.empty(part // COLUMNS * LANES, np.float32)
        sums, numbers = _no_sums(width, count), np.empty(count, np.int64)
        for n in range(count):
            numbers[n] = 0
            for i in range(named.shape[0]):
                chosen[i, start + n] = LOWEST
        for first in range(0, width, part):
            size = min(part, width - first)
            deals = size // COLUMNS
            _logits(work, start, count, linear, first, size)
            for n in range(count):
                at, r = n * size, start + n
                deal(work.outputs, at, deals, columns, 0, lanes, 0)
                bound, largest = _bound(columns, bounds)
                sums[n, first // part] = largest + log_of_sum(work.outputs, at, deals, largest)
                if numbers[n] == tokens.shape[1]:
                    bound = max(bound, log_probs[r, numbers[n] - 1])
                line = work.outputs[at : at + size]
                numbers[n] = _find_largest(
                    line, lanes, deals, bound, first, numbers[n], log_probs[r], tokens[r]
                )
                for i in range(named.shape[0]):
                    place = _place(named[i], ids) - first
                    if 0 <= place < size:
                        chosen[i, r] = line[place]
        for n in range(count):
            r, total = start + n, _total(sums[n])
            for i in range(named.shape[0]):
                chosen[i, r] -= total
            for i in range(tokens.shape[1]):
                log_probs[r, i] -= total
                if listed is not None:
                    tokens[r, i] = ids[min(tokens[r, i], ids.shape[0] - 1)]
            if recall is not None:
                _mix(recall, output, linear, ids, work, r, total, named, chosen, log_probs, tokens)
        start += count


@njit(nogil=True, cache=True)
def of_tokens(output, tokens, working, log_probs, listed):
    """The log-probabilities (R,) of one token each, as the next one of R hypotheses.

    Args:
        output: table of the projection to logits, filled up to whole ``COLUMNS``.
        tokens: (R,) int64.
        working: table of `records.RowBuffers`, entered.
        log_probs: (R,), to be filled.
        listed: `listing.Listed` of these hypotheses.
    """
    _log_softmax(output, tokens, working, log_probs, np.empty((0, 0), np.float32), listed)


@njit(nogil=True, cache=True)
def of_all(output, working, log_probs, listed):
    """The log-probabilities (R, V) of all tokens; see :func:`of_tokens`."""
    rows = log_probs.shape[0]
    tokens, chosen = np.zeros(rows, np.int64), np.empty(rows, np.float32)
    _log_softmax(output, tokens, working, chosen, log_probs, listed)


@inner
def _log_softmax(output, tokens, working, chosen, every, listed):
    work, rows, start = work_at(working, 0), tokens.shape[0], np.int64(0)
    columns = np.empty(COLUMNS, np.float32)
    while start < rows:
        linear, ids = _projection(output, listed, start)
        width, part = linear.scale.shape[0], _part(linear)
        count = _together(width, listed, start, rows)
        lanes, sums = np.empty(part // COLUMNS * LANES, np.float32), _no_sums(width, count)
        chosen[start : start + count] = LOWEST
        every[start : start + count] = LOWEST
        for first in range(0, width, part):
            size = min(part, width - first)
            deals = size // COLUMNS
            _logits(work, start, count, linear, first, size)
            for n in range(count):
                at, r = n * size, start + n
                deal(work.outputs, at, deals, columns, 0, lanes, 0)
                largest = _largest(columns)
                sums[n, first // part] = largest + log_of_sum(work.outputs, at, deals, largest)
                line, place = work.outputs[at : at + size], _place(tokens[r], ids) - first
                if 0 <= place < size:
                    chosen[r] = line[place]
                if r < every.shape[0]:
                    _put_down(line, first, ids, every[r])
        for n in range(count):
            total = _total(sums[n])
            chosen[start + n] -= total
            if start + n < every.shape[0]:
                every[start + n] -= total
        start += count


@inner
def _projection(output, listed, row):
    """The projection to the logits of a row, and the tokens of its outputs; none for all."""
    if listed is None:
        return linear_at(output, 0), None
    table = listed.tables[listed.owners[row]]
    return linear_at(table, 0), carray(pointer_to_integers(table[LINEAR]), (table[LINEAR + 1],))


@inner
def _part(linear):
    """Logits of a row that are computed at once."""
    width = linear.scale.shape[0]
    return width if width <= WHOLE else PART


@inner
def _together(width, listed, start, rows):
    """Rows from ``start`` on whose logits are computed at once; with a list, of one sentence."""
    count = min(LOGITS_TOGETHER if width <= WHOLE else PART_TOGETHER, rows - start)
    if listed is None:
        return count
    n = 1
    while n < count and listed.owners[start + n] == listed.owners[start]:
        n += 1
    return n


@inner
def _logits(work, start, count, linear, first, size):
    """Leave ``size`` logits from ``first`` on, of ``count`` rows, in the outputs."""
    height = linear.scale.shape[0] // linear.weight.shape[0]
    end = first + size
    part = PackedLinear(
        linear.weight[first // height : end // height],
        linear.start[first:end],
        linear.scale[first:end],
        linear.bias[first:end],
        linear.limits[first // height : end // height],
    )
    product(work.entered[start:], work.entered_scale[start:], count, part, work.outputs, work.board)


@inner
def _no_sums(width, count):
    """Room for the logarithms of the sums of parts of ``count`` rows, up to whole ``COLUMNS``."""
    parts = 1 if width <= WHOLE else (width + PART - 1) // PART
    if parts > 1:
        parts = (parts + COLUMNS - 1) // COLUMNS * COLUMNS
    sums = np.empty((count, parts), np.float32)
    for n in range(count):
        for part in range(parts):
            sums[n, part] = LOWEST
    return sums


@inner
def _total(sums):
    """The logarithm of the sum of numbers whose logarithms are given."""
    if sums.shape[0] == 1:
        return sums[0]
    largest = _largest(sums)
    return largest + log_of_sum(sums, 0, sums.shape[0] // COLUMNS, largest)


@inner
def _largest(numbers):
    largest = numbers[0]
    for i in range(1, numbers.shape[0]):
        largest = max(largest, numbers[i])
    return largest


@inner
def _place(token, ids):
    """The output of a token; -1 if it has none."""
    if ids is None:
        return token
    first, end = 0, ids.shape[0]
    while first < end:
        middle = (first + end) // 2
        if ids[middle] < token:
            first = middle + 1
        else:
            end = middle
    return first if first < ids.shape[0] and ids[first] == token else -1


@inner
def _put_down(line, first, ids, row):
    """Put logits of outputs from ``first`` on where their tokens are in a row (V,)."""
    if ids is None:
        for i in range(min(line.shape[0], row.shape[0] - first)):
            row[first + i] = line[i]
    else:
        for i in range(min(line.shape[0], ids.shape[0] - first)):
            row[ids[i]] = line[i]


@inner
def _mix(recall, output, linear, ids, work, r, total, named, chosen, log_probs, tokens):
    """Mix neighbours in datastores into the best tokens of a row, if it has any."""
    if recall.shares[r] > 0:
        logits = _whole_row(output, linear, ids, work, r)
        mix(recall, r, logits, total, named, chosen, log_probs[r], tokens[r])


@inner
def _whole_row(output, linear, ids, work, r):
    """All logits (V, filled up) of a row; those of tokens that it may not say are the lowest."""
    logits = np.empty(linear.scale.shape[0], np.float32)
    product(work.entered[r:], work.entered_scale[r:], 1, linear, logits, work.board)
    if ids is None:
        return logits
    row = np.full(linear_at(output, 0).scale.shape[0], np.float32(LOWEST), np.float32)
    _put_down(logits, 0, ids, row)
    return row


@inner
def _bound(columns, largest):
    """A number that as many logits reach as are wanted, and the largest of all.

    It is the last of so many of the columns' maxima, for which ``largest`` is room; where more are
    wanted than there are columns, all reach it.
    """
    wanted = largest.shape[0]
    if wanted > COLUMNS:
        return np.float32(LOWEST), _largest(columns)
    for i in range(COLUMNS):
        if i >= wanted and columns[i] <= largest[wanted - 1]:
            continue
        place = min(i, wanted - 1)
        while place > 0 and largest[place - 1] < columns[i]:
            largest[place] = largest[place - 1]
            place -= 1
        largest[place] = columns[i]
    return largest[wanted - 1], largest[0]


@inner
def _find_largest(line, lanes, deals, bound, first, number, found, tokens):
    """The largest logits of those that reach a bound, falling; of equals the first comes first.

    ``lanes`` has the largest of every lane of every deal: what is below the bound is passed over.
    ``first`` is the token of the first logit, and ``number`` have been found; how many there are
    then.
    """
    for n in range(deals):
        bits = at_least(lanes, n * LANES, bound)
        while bits:
            lane = lowest_bit(bits)
            bits &= bits - 1
            for token in range(n * COLUMNS + lane, (n + 1) * COLUMNS, LANES):
                if line[token] >= bound:
                    number = _enter(line[token], first + token, number, found, tokens)
    return number


@inner
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
