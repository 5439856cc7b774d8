"""Products of float32 matrices, compiled by Numba for the processor at hand.

    outputs    (rows, outputs), states Wᵀ + b
    panels     of `panel.PANEL` outputs: their biases, and then their weights of every input

A product is divided into parts, some rows and a panel each. Whoever has time takes the next.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from tformer.model.hardware.numba_cache import inner, njit
from tformer.model.network.float32.panel import PANEL
from tformer.model.network.float32.team import in_team, taking
from tformer.model.network.float32.tiles import TOGETHER, tile
from tformer.model.network.int8.simd.pointers import address, pointer_to_floats

_SIZE = 4
"""Bytes of a number."""

ROWS = 16 * TOGETHER[0]
"""Rows of a part, for which its weights are read once."""

TILE = 16
"""Inputs of an output that are laid out before the next output's: their lines are in the cache."""

_TAKEN, _STATES, _ROWS, _APART, _DEPTH, _PANELS, _OUTPUTS, _WIDTH = range(8)
"""Places of a job: parts that are taken, and the arguments of :func:`multiply`."""

_six, _four, _two, _one = map(tile, TOGETHER)


@njit(nogil=True, cache=True)
def multiply(states, rows, apart, depth, panels, outputs, width, begin, threads):
    """Project rows; all arguments are int64.

    Args:
        states: address of the rows (float32).
        rows: how many.
        apart: how many numbers a row and the next are apart.
        depth: inputs.
        panels: address of weights and biases.
        outputs: address of (rows, ``width``), to be filled.
        width: outputs of a row.
        begin: address of ``GOMP_parallel``; not looked at with one thread.
        threads: how many share the work.
    """
    job = np.empty(8, np.int64)
    job[_TAKEN] = 0
    job[_STATES], job[_ROWS], job[_APART], job[_DEPTH] = states, rows, apart, depth
    job[_PANELS], job[_OUTPUTS], job[_WIDTH] = panels, outputs, width
    if threads > 1:
        _shared(begin, threads, address(job))
    else:
        for number in range(_parts(job)):
            _part(job, number)
    job[_TAKEN] = 0  # it is there until now


@njit(nogil=True, cache=True)
def lay_out(weight, biases, outputs, depth, panels):
    """Lay out a projection; all arguments are int64.

    Args:
        weight: address of (``outputs``, ``depth``), float32.
        biases: address of (``outputs``,); 0 for none.
        outputs: how many.
        depth: inputs.
        panels: address of memory to be filled.
    """
    count = (outputs + PANEL - 1) // PANEL
    rows = carray(pointer_to_floats(weight), (outputs, depth))
    room = carray(pointer_to_floats(panels), (count, depth + 1, PANEL))
    line = carray(pointer_to_floats(biases), (outputs,))
    for first in range(0, outputs, PANEL):
        panel, height = room[first // PANEL], min(PANEL, outputs - first)
        if height < PANEL:
            panel[:] = 0
        for n in range(height):
            panel[0, n] = line[first + n] if biases != 0 else np.float32(0)
        for start in range(0, depth, TILE):
            end = min(start + TILE, depth)
            for n in range(height):
                for k in range(start, end):
                    panel[k + 1, n] = rows[first + n, k]


@inner
def _parts(job):
    return (job[_ROWS] + ROWS - 1) // ROWS * _panels(job)


@inner
def _panels(job):
    return (job[_WIDTH] + PANEL - 1) // PANEL


@inner
def _part(job, number):
    """Compute part ``number``: the panels follow each other, and then the rows do."""
    width, depth = job[_WIDTH], job[_DEPTH]
    count = _panels(job)
    first, panel = number // count * ROWS, number % count
    rows, column = min(ROWS, job[_ROWS] - first), panel * PANEL
    states = job[_STATES] + first * job[_APART] * _SIZE
    weights = job[_PANELS] + panel * (depth + 1) * PANEL * _SIZE
    outputs = job[_OUTPUTS] + (first * width + column) * _SIZE
    if column + PANEL <= width:
        _rows(states, rows, job[_APART], depth, weights, outputs, width)
        return
    room = np.empty((rows, PANEL), np.float32)
    _rows(states, rows, job[_APART], depth, weights, address(room), PANEL)
    for n in range(rows):
        line = carray(pointer_to_floats(outputs + n * width * _SIZE), (width - column,))
        for i in range(width - column):
            line[i] = room[n, i]


_shared = in_team(taking(8, _parts, _part))


@inner
def _rows(states, rows, apart, depth, weights, outputs, stride):
    """Multiply rows with a panel."""
    n = 0
    while n < rows:
        left = rows - n
        at, to = states + n * apart * _SIZE, outputs + n * stride * _SIZE
        if left >= 6:
            _six(at, apart, depth, weights, to, stride)
            n += 6
        elif left >= 4:
            _four(at, apart, depth, weights, to, stride)
            n += 4
        elif left >= 2:
            _two(at, apart, depth, weights, to, stride)
            n += 2
        else:
            _one(at, apart, depth, weights, to, stride)
            n += 1
