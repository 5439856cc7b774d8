"""Products of int8 matrices, compiled by Numba for the processor at hand.

Weights are those of `packing`. Sums of int8 products in int32 are exact, so they cannot depend on
who else is in a batch, nor on the order in which they are taken.

How processors multiply bytes differs, and with it how activations are stored (`simd.dot`): what is
added by an offset, or taken away by signs that are apart, sums begin with.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tformer.model.hardware.cpu import level
from tformer.model.hardware.numba_cache import inner
from tformer.model.network.int8.packing import LIMIT, OFFSET
from tformer.model.network.int8.simd.dot import BOUNDED, QUAD
from tformer.model.network.int8.simd.gemm import tile
from tformer.model.network.int8.simd.matrix_tiles import (
    TILE_BYTES,
    TILE_ROWS,
    add_to_sums,
    begin_tiles,
    clear_sums,
    end_tiles,
    put_outputs,
    put_sums,
)
from tformer.model.network.int8.simd.pointers import multiply_add
from tformer.model.network.int8.simd.tiles import BLOCK, PANEL, ROWS

_rows_and_block, _row_and_panel = tile(ROWS), tile(1)


@inner
def _product_fast(activations, factors, rows, linear, outputs, first, end):
    _product_from(activations, factors, 0, rows, linear, outputs, first, end)


@inner
def _product_from(activations, factors, begin, rows, linear, outputs, first, end):
    """The product of the rows from ``begin`` on."""
    length, stride = activations.shape[1], linear.scale.shape[0]
    depth = linear.weight.shape[1] * QUAD
    whole = rows - (rows - begin) % ROWS
    for panel in range(first, end, PANEL):
        for column in range(panel, panel + PANEL, BLOCK):
            for n in range(begin, whole, ROWS):
                _rows_and_block(
                    activations, n * length, depth, factors, n, linear.weight, column * depth,
                    linear.start, column, linear.scale, column, linear.bias, column,
                    outputs, n * stride + column, stride,
                    linear.limits, column // BLOCK * linear.limits.shape[1],
                )  # fmt: skip
        for n in range(whole, rows):
            _row_and_panel(
                activations, n * length, depth, factors, n, linear.weight, panel * depth,
                linear.start, panel, linear.scale, panel, linear.bias, panel,
                outputs, n * stride + panel, stride,
                linear.limits, panel // BLOCK * linear.limits.shape[1],
            )  # fmt: skip


@inner
def _product_by_tiles(activations, factors, rows, linear, outputs, first, end):
    """The same, sixteen rows at a time as far as there are so many."""
    length, stride = activations.shape[1], linear.scale.shape[0]
    depth = linear.weight.shape[1] * QUAD
    whole = rows - rows % TILE_ROWS
    if whole:
        sums = np.empty(TILE_ROWS * BLOCK, np.int32)
        begin_tiles()
        for column in range(first, end, BLOCK):
            for n in range(0, whole, TILE_ROWS):
                clear_sums()
                for place in range(0, depth, TILE_BYTES):
                    add_to_sums(
                        activations, n * length + place, length,
                        linear.weight, column * depth + place * BLOCK,
                    )  # fmt: skip
                put_sums(sums, 0)
                for r in range(TILE_ROWS):
                    put_outputs(
                        sums, r * BLOCK, linear.start, column, linear.scale, column,
                        linear.bias, column, factors, n + r, outputs, (n + r) * stride + column,
                    )  # fmt: skip
        end_tiles()
    _product_from(activations, factors, whole, rows, linear, outputs, first, end)


@njit(inline="always")
def activation(row, number):
    """An activation as it is stored, without its offset taken away."""
    if BOUNDED:
        place = number // QUAD * 2 * QUAD + number % QUAD
        return np.int32(row[place]) * np.int32(-1 if row[place + QUAD] else 1)
    x = np.int32(row[number])
    return x - np.int32(256) if OFFSET == 0 and x > LIMIT else x  # a signed byte


@inner
def product_plain(activations, factors, rows, linear, outputs, start, end):
    """The same for any processor, as one would write it down."""
    blocks, quads = linear.weight.shape[:2]
    totals = np.empty(BLOCK, np.int32)
    for n in range(rows):
        for block in range(start // BLOCK, end // BLOCK):
            first = block * BLOCK
            totals[:] = linear.start[first : first + BLOCK]
            for q in range(quads):
                for lane in range(QUAD):
                    x = activation(activations[n], q * QUAD + lane)
                    for i in range(BLOCK):
                        totals[i] += x * np.int32(linear.weight[block, q, i, lane])
            for i in range(BLOCK):
                scaled = np.float32(totals[i]) * linear.scale[first + i]
                output = multiply_add(scaled, factors[n], linear.bias[first + i])
                outputs[n * blocks * BLOCK + first + i] = output


_fast = _product_by_tiles if level().tiles else _product_fast
partial_product = _fast if level().products != "none" else product_plain
"""Project the first ``rows`` of activations (N, `stored_row`), uint8, by a :class:`PackedLinear` to
its outputs from number ``first`` to ``end``, whole panels.

``factors`` (N,) are the rows' scales. Outputs, float32, go to the flat ``outputs``, one row after
the other, as wide as the filled-up projection."""
