"""Products of which idle cores compute a part.

A product of few rows, such as a single sentence has, is divided by its outputs. Its parts are
offered on a board (`workers`), where whoever comes first takes the next one: the thread that needs
the product, and workers on cores that have nothing else to do. So nobody waits for a worker that
the system has not given a core; and who computes an output does not change a bit of it.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from tformer.model.hardware.numba_cache import inner, njit
from tformer.model.network.int8.gemm import partial_product
from tformer.model.network.int8.listed_product import partial_listed_product
from tformer.model.network.int8.records import PackedLinear
from tformer.model.network.int8.simd.atomics import add, pause, read, write
from tformer.model.network.int8.simd.dot import BOUNDED, QUAD
from tformer.model.network.int8.simd.pointers import (
    address,
    pointer_to_bytes,
    pointer_to_floats,
    pointer_to_halves,
    pointer_to_integers,
    pointer_to_signed_bytes,
)
from tformer.model.network.int8.simd.tiles import BLOCK, PANEL, SPARSE
from tformer.model.network.int8.workers import (
    ALL,
    DONE,
    JOB,
    OFFERED,
    OPEN,
    PATIENCE,
    PRESENT,
    STALLED,
    STALLS,
    TAKEN,
)

PARTS = 8
"""Parts that a product is divided in, about: so many that two threads end together."""

SHARED = 1 << 17
"""Multiplications from which on a product is shared: to offer its parts takes as long as some
thousands."""


LISTED = JOB + 12
"""Places of the addresses of a product without zeros: starts, or 0, and places of the weights."""

LIMITS = JOB + 14
"""Place of the address of a product's limits."""


@njit(nogil=True, cache=True)
def assist(board, opening):
    """Compute parts of the products that are offered on a board, until its opening ends."""
    add(board, PRESENT, 1)
    looks = 0
    while looks < PATIENCE and read(board, OPEN) == opening:
        offered = read(board, OFFERED)
        if offered & TAKEN >= offered >> ALL:
            looks += 1
            pause()
            continue
        looks = 0
        offered = add(board, OFFERED, 1)
        number, parts = offered & TAKEN, offered >> ALL
        if number < parts:
            _do(board, number)
            add(board, DONE, 1)
    add(board, PRESENT, -1)
    if looks == PATIENCE and read(board, OPEN) == opening:
        write(board, OPEN, 0)


@inner
def _do_whole(board, number):
    """Compute a part of the product that is offered."""
    length, rows = board[JOB + 1], board[JOB + 2]
    out, blocks, quads = board[JOB + 4], board[JOB + 5], board[JOB + 6]
    stored = carray(pointer_to_bytes(board[JOB]), (rows, length))
    factors = carray(pointer_to_floats(board[JOB + 3]), (rows,))
    weight = carray(pointer_to_signed_bytes(board[JOB + 7]), (blocks, quads, BLOCK, QUAD))
    linear = PackedLinear(
        weight,
        carray(pointer_to_integers(board[JOB + 8]), (out,)),
        carray(pointer_to_floats(board[JOB + 9]), (out,)),
        carray(pointer_to_floats(board[JOB + 10]), (out,)),
        carray(pointer_to_halves(board[LIMITS]), (blocks, quads if BOUNDED else 0)),
    )
    outputs = carray(pointer_to_floats(board[JOB + 11]), (rows * out,))
    first, end = _columns(out, number)
    partial_product(stored, factors, rows, linear, outputs, first, end)


@inner
def _do_listed(board, number):
    """The same of rows without zeros."""
    rows, out, panels, inputs = board[JOB + 2], board[JOB + 4], board[JOB + 5], board[JOB + 6]
    starts = carray(pointer_to_integers(board[LISTED]), (rows + 1,))
    length = np.int64(starts[rows])
    linear = PackedLinear(
        carray(pointer_to_signed_bytes(board[JOB + 7]), (panels, inputs, PANEL, 1)),
        carray(pointer_to_integers(board[JOB + 8]), (out,)),
        carray(pointer_to_floats(board[JOB + 9]), (out,)),
        carray(pointer_to_floats(board[JOB + 10]), (out,)),
        carray(pointer_to_halves(board[LIMITS]), (0, 0)),
    )
    first, end = _columns(out, number)
    partial_listed_product(
        carray(pointer_to_bytes(board[JOB]), (length,)),
        carray(pointer_to_integers(board[LISTED + 1]), (length,)),
        starts,
        carray(pointer_to_floats(board[JOB + 3]), (rows,)),
        rows,
        linear,
        carray(pointer_to_floats(board[JOB + 11]), (rows * out,)),
        first,
        end,
    )


@inner
def _do_either(board, number):
    if board[LISTED] == 0:
        _do_whole(board, number)
    else:
        _do_listed(board, number)


_do = _do_either if SPARSE else _do_whole


@inner
def listed_product(values, places, starts, factors, rows, linear, outputs, board):
    """Project rows without zeros, alone or with others; see `partial_listed_product`."""
    out = linear.scale.shape[0]
    if starts[rows] * out < SHARED or read(board, PRESENT) == 0:
        partial_listed_product(values, places, starts, factors, rows, linear, outputs, 0, out)
    else:
        _offer(values, 0, factors, rows, linear, outputs, board)
        board[LISTED], board[LISTED + 1] = address(starts), address(places)
        _compute_with_others(_parts(out), board)


@inner
def product(activations, factors, rows, linear, outputs, board):
    """Project the first ``rows`` of activations, alone or with others; see `gemm.partial_product`.

    Args:
        activations, factors, rows, linear, outputs: as there.
        board: ``Board.numbers`` of those who help.
    """
    out = linear.scale.shape[0]
    size = rows * out * linear.weight.shape[1] * QUAD
    if size < SHARED or read(board, PRESENT) == 0:
        partial_product(activations, factors, rows, linear, outputs, 0, out)
    else:
        _offer(activations, activations.shape[1], factors, rows, linear, outputs, board)
        board[LISTED] = 0
        _compute_with_others(_parts(out), board)


@inner
def _compute_with_others(parts, board):
    """Compute what is offered until nobody has anything left to do."""
    write(board, DONE, 0)
    write(board, OFFERED, parts << ALL)
    mine = 0
    while True:
        number = add(board, OFFERED, 1) & TAKEN
        if number >= parts:
            break
        _do(board, number)
        mine += 1
    looks = 0
    while read(board, DONE) < parts - mine:
        looks += 1
        if looks == STALLED:
            write(board, OPEN, 0)
            board[STALLS] += 1
        pause()


@inner
def _offer(activations, length, factors, rows, linear, outputs, board):
    """Write down a product."""
    board[JOB] = address(activations)
    board[JOB + 1] = length
    board[JOB + 2] = rows
    board[JOB + 3] = address(factors)
    board[JOB + 4] = linear.scale.shape[0]
    board[JOB + 5], board[JOB + 6] = linear.weight.shape[0], linear.weight.shape[1]
    board[JOB + 7] = address(linear.weight)
    board[JOB + 8] = address(linear.start)
    board[JOB + 9] = address(linear.scale)
    board[JOB + 10] = address(linear.bias)
    board[JOB + 11] = address(outputs)
    board[LIMITS] = address(linear.limits)


@inner
def _width(out):
    """Outputs of a part, whole panels."""
    panels = out // PANEL
    return max(panels // PARTS, 1) * PANEL


@inner
def _parts(out):
    width = _width(out)
    return (out + width - 1) // width


@inner
def _columns(out, number):
    """First output of a part, and the one after its last."""
    first = number * _width(out)
    return first, min(first + _width(out), out)
