"""Matrices that are stored in int8, put in the order in which products read them."""

from __future__ import annotations

from tformer.model.hardware.numba_cache import njit


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
    height = blocks.shape[2]
    for r in range(values.shape[0]):
        block, place = (first + r) // height, (first + r) % height
        total = 0
        for k in range(values.shape[1]):
            total += values[r, k]
        sums[r] = total
        for q in range(quads.shape[1]):
            blocks[block, q, place] = quads[r, q]
