"""Attention in float32, compiled by Numba: queries, four at a time, to keys of one group and head.

Padding is masked and comes last, and a masked key adds nothing to a sum; so the sums of a row are
the same however many keys there are beyond its own.
"""

from __future__ import annotations

import numpy as np
from numba import carray
from numba.extending import register_jitable

from tformer.model.hardware.numba_cache import inner, njit
from tformer.model.network.float32.job import (
    COUNT,
    GROUPS,
    HEADS,
    KEYS,
    MASK,
    OUTPUTS,
    QUERIES,
    ROWS,
    SIZE,
    VALUES,
    WIDTH,
)  # fmt: skip
from tformer.model.network.float32.team import in_team, taking
from tformer.model.network.int8.simd.attention import dots, mixture, softmax
from tformer.model.network.int8.simd.emitter import FLOAT
from tformer.model.network.int8.simd.pointers import pointer_to_floats, pointer_to_longs
from tformer.model.network.int8.simd.vectors import LANES

_FOUR = 4
"""Queries that are taken together."""

_SIZE = 4
"""Bytes of a number."""

_score_four, _score_one = dots(_FOUR, FLOAT), dots(1, FLOAT)
_softmax_four, _softmax_one = softmax(_FOUR, whole=False), softmax(1, whole=False)


@njit(nogil=True, cache=True)
def attend(place, begin, threads):
    """Let all queries attend to the keys of their group and head.

    Args:
        place: address of a job, see `job`.
        begin: address of ``GOMP_parallel``; not looked at with one thread.
        threads: how many share the work.
    """
    if threads > 1:
        _shared(begin, threads, place)
    else:
        job = carray(pointer_to_longs(place), (SIZE,))
        for number in range(_parts(job)):
            _head(job, number)


@inner
def _parts(job):
    return job[GROUPS] * job[HEADS]


@register_jitable
def _floats(job, argument, group, head):
    """The numbers of an argument, from a group and a head on."""
    at = job[argument] + (group * job[argument + 1] + head * job[argument + 2]) * _SIZE
    return carray(pointer_to_floats(at), (1,))


@inner
def _head(job, number):
    """Attend in one group and head."""
    group, head = number // job[HEADS], number % job[HEADS]
    rows, count, width = job[ROWS], job[COUNT], job[WIDTH]
    columns = (count + LANES - 1) // LANES * LANES
    places, masks = np.zeros(columns, np.int64), np.zeros(columns // LANES, np.uint16)
    added, scores = np.zeros(columns, np.float32), np.empty(_FOUR * columns, np.float32)
    for s in range(count):
        places[s] = s * job[KEYS + 3]
    _read_mask(job, group, head, added, masks)
    queries, outputs = _floats(job, QUERIES, group, head), _floats(job, OUTPUTS, group, head)
    keys, values = _floats(job, KEYS, group, head), _floats(job, VALUES, group, head)
    scale = np.float32(1) / np.sqrt(np.float32(width))
    apart, stride, vectors = job[QUERIES + 3], job[OUTPUTS + 3], width // LANES
    n = 0
    while n < rows:
        at, to = n * apart, n * stride
        if rows - n >= _FOUR:
            for s in range(0, columns, LANES // _FOUR):
                _score_four(queries, at, apart, keys, 0, places, s, vectors, scores, s, columns)
            _scaled(scores, _FOUR, scale, added)
            _softmax_four(scores, 0, columns // LANES, columns, masks, 0, 0, np.float32(1))
            _mix_four(scores, columns, places, count, values, vectors, outputs, to, stride)
            n += _FOUR
        else:
            for s in range(0, columns, LANES):
                _score_one(queries, at, apart, keys, 0, places, s, vectors, scores, s, columns)
            _scaled(scores, 1, scale, added)
            _softmax_one(scores, 0, columns // LANES, columns, masks, 0, 0, np.float32(1))
            _mix_one(scores, columns, places, count, values, vectors, outputs, to, stride)
            n += 1


_shared = in_team(taking(SIZE, _parts, _head))


@inner
def _read_mask(job, group, head, added, masks):
    """Fill in what is added to scores (zeros till then), and which of them count."""
    count = job[COUNT]
    if job[MASK] != 0:
        at = job[MASK] + (group * job[MASK + 1] + head * job[MASK + 2]) * _SIZE
        line = carray(pointer_to_floats(at), (count,))
        for s in range(count):
            added[s] = line[s]
    for s in range(count):
        if added[s] > -np.inf:
            masks[s // LANES] |= np.uint16(1 << (s % LANES))


@inner
def _scaled(scores, rows, scale, added):
    """Scale the scores of some rows, and add the mask."""
    columns = added.shape[0]
    for n in range(rows):
        for s in range(columns):
            scores[n * columns + s] = scores[n * columns + s] * scale + added[s]


def _mixer(rows):
    """A function that sums ``count`` values with the weights of so many rows."""
    four, one = mixture(rows, 4, FLOAT), mixture(rows, 1, FLOAT)

    @inner
    def mix(weights, apart, places, count, values, vectors, out, out_at, stride):
        done = 0
        while done < vectors:
            first, to = done * LANES, out_at + done * LANES
            if vectors - done >= 4:
                four(weights, 0, apart, places, 0, count, values, first, out, to, stride)
                done += 4
            else:
                one(weights, 0, apart, places, 0, count, values, first, out, to, stride)
                done += 1

    return mix


_mix_four, _mix_one = _mixer(_FOUR), _mixer(1)
