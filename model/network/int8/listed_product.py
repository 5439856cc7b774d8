"""Products of rows of which only what is not zero is listed, see `simd.sparse`."""

from __future__ import annotations

from tformer.model.hardware.numba_cache import inner
from tformer.model.network.int8.simd.dot import QUAD
from tformer.model.network.int8.simd.pointers import address, fetch
from tformer.model.network.int8.simd.sparse import put_panel
from tformer.model.network.int8.simd.tiles import PANEL

MANY = 16
"""Rows from which on the weights of a product without zeros are asked for before they are read."""


@inner
def partial_listed_product(values, places, starts, factors, rows, linear, outputs, first, end):
    """Project rows, each listed from its start on, to the outputs ``first`` to ``end``.

    Args:
        values, places, starts: the lists (uint8, int32), and where each begins (rows + 1,), int32.
        factors: (rows,), the rows' scales.
        rows: how many.
        linear: whose weights are laid out by inputs.
        outputs: flat, float32, one row after the other, as wide as the filled-up projection.
        first, end: whole panels.
    """
    stride, inputs = linear.scale.shape[0], linear.weight.shape[1]
    for column in range(first, end, PANEL):
        for n in range(rows):
            start, quads = starts[n], (starts[n + 1] - starts[n]) // QUAD
            put_panel(
                values, start, places, start, quads, linear.weight, column * inputs, factors[n],
                linear.scale, column, linear.bias, column, outputs, n * stride + column,
            )  # fmt: skip
            if column + PANEL < end:
                fetch_part((column + PANEL) // PANEL, n, rows, linear)


@inner
def fetch_part(panel, n, rows, linear):
    """Ask for part ``n`` of ``rows`` of a panel, if so many rows will read most of it.

    They read it in no order that a processor foresees.
    """
    if rows >= MANY:
        size = linear.weight.shape[1] * PANEL
        part = size // rows
        fetch(address(linear.weight) + panel * size + n * part, part)
