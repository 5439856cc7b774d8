"""Matrices that are stored in int8, put in the order in which products read them."""

from __future__ import annotations

import numpy as np

from tformer.model.hardware.numba_cache import njit
from tformer.model.network.int8.simd.dot import LARGEST

TOGETHER = 16
"""Numbers of a row that are moved before the next row's: what they are moved to is in the cache."""


@njit(nogil=True, cache=True)
def lay_out(values, quads, first, blocks, sums):
    """Put rows where they belong, and add up each.

    Args:
        values: (rows, in) int8.
        quads: the same, four bytes a number: (rows, in / 4) int32.
        first: the output that the first row is.
        blocks: (blocks, in / 4, rows of a block) int32, to be filled.
        sums: (rows,) int32, to be filled.
    """
    height, rows, start = blocks.shape[2], values.shape[0], 0
    while start < rows:
        block, place = (first + start) // height, (first + start) % height
        count = min(height - place, rows - start)
        for r in range(start, start + count):
            total = np.int32(0)
            for k in range(values.shape[1]):
                total += values[r, k]
            sums[r] = total
        for q in range(0, quads.shape[1], TOGETHER):
            for n in range(count):
                for k in range(q, min(q + TOGETHER, quads.shape[1])):
                    blocks[block, k, place + n] = quads[start + n, k]
        start += count


@njit(nogil=True, cache=True)
def put_limits(weight, limits):
    """Find how large the squares of activations may be that meet a block in sums of 16 bits.

    Four products of such a sum come from two quads. A weight that takes over a sign may become
    one larger: it is -w - 1 then.

    Args:
        weight: (blocks, in / QUAD, rows of a block, QUAD) int8.
        limits: (blocks, in / QUAD) uint16, to be filled: two of every two quads.
    """
    for block in range(weight.shape[0]):
        for quad in range(weight.shape[1]):
            first, lane = quad // 2 * 2, quad % 2 * 2
            largest = np.int32(1)
            for row in range(weight.shape[2]):
                squares = np.int32(0)
                for n in range(2):
                    for k in range(2):
                        w = np.int32(weight[block, first + n, row, lane + k])
                        size = max(w + 1, -w)
                        squares += size * size
                largest = max(largest, squares)
            limits[block, quad] = min(LARGEST * LARGEST // largest, np.int32(0xFFFF))


@njit(nogil=True, cache=True)
def gather(whole, part, tokens):
    """Copy rows of blocks (blocks, in / 4, rows of a block) int32 into their places in others."""
    height = whole.shape[2]
    for n in range(tokens.shape[0]):
        block, place = tokens[n] // height, tokens[n] % height
        for q in range(whole.shape[1]):
            part[n // height, q, n % height] = whole[block, q, place]
