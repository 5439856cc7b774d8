"""The feed-forward sub-layer, a few rows at a time."""

from __future__ import annotations

import numpy as np

from tformer.model.hardware.numba_cache import inner
from tformer.model.network.int8.elementwise import activate, leave, quantise_to
from tformer.model.network.int8.packing import LIMIT
from tformer.model.network.int8.products import product
from tformer.model.network.int8.records import FEED_TOGETHER
from tformer.model.network.int8.simd.attention import fetch
from tformer.model.network.int8.simd.dot import QUAD
from tformer.model.network.int8.simd.pointers import address
from tformer.model.network.int8.simd.sparse import put_nonzero, put_panel
from tformer.model.network.int8.simd.tiles import PANEL, SPARSE
from tformer.model.network.int8.simd.vectors import LANES

MANY = 16
"""Rows from which on the weights of a product without zeros are asked for before they are read."""


@inner
def _with_all(rows, inner, outer, norm, shape, work):
    """By whole products."""
    width, outputs = inner.scale.shape[0], work.outputs
    for start in range(0, rows, FEED_TOGETHER):
        count = min(FEED_TOGETHER, rows - start)
        product(work.entered[start:], work.entered_scale[start:], count, inner, outputs, work.board)
        for n in range(start, start + count):
            at = (n - start) * width
            largest = activate(outputs, at, width, shape.activation)
            work.active_scale[n] = quantise_to(outputs, at, width, largest, work.active[n])
    product(work.active, work.active_scale, rows, outer, outputs, work.board)
    leave(0, rows, outer, norm, shape, work)


@inner
def _without_zeros(rows, inner, outer, norm, shape, work):
    """By a second product that reads the weights of no activation that is zero."""
    width, outputs = inner.scale.shape[0], work.outputs
    starts = np.empty(FEED_TOGETHER + 1, np.int64)
    for first in range(0, rows, FEED_TOGETHER):
        count = min(FEED_TOGETHER, rows - first)
        product(work.entered[first:], work.entered_scale[first:], count, inner, outputs, work.board)
        starts[0] = 0
        for n in range(count):
            largest = activate(outputs, n * width, width, shape.activation)
            factor = np.float32(LIMIT) / max(largest, np.float32(1e-30))
            listed = put_nonzero(
                outputs, n * width, factor, work.values, starts[n], work.places, starts[n],
                width // LANES,
            )  # fmt: skip
            starts[n + 1] = starts[n] + (listed + QUAD - 1) // QUAD * QUAD
            work.active_scale[n] = largest / np.float32(LIMIT)
            _fetch(0, n, count, outer)
        _project(count, starts, outer, work)
        leave(first, count, outer, norm, shape, work)


@inner
def _project(rows, starts, linear, work):
    """Project rows that are listed, each from its start on; see `simd.sparse`."""
    panels, inputs = linear.weight.shape[:2]
    stride = linear.scale.shape[0]
    for panel in range(panels):
        column = panel * PANEL
        for n in range(rows):
            put_panel(
                work.values, starts[n], work.places, starts[n], (starts[n + 1] - starts[n]) // QUAD,
                linear.weight, column * inputs, work.active_scale[n], linear.scale, column,
                linear.bias, column, work.outputs, n * stride + column,
            )  # fmt: skip
            if panel + 1 < panels:
                _fetch(panel + 1, n, rows, linear)


@inner
def _fetch(panel, n, rows, linear):
    """Ask for part ``n`` of ``rows`` of a panel, if so many rows will read most of it.

    They read it in no order that a processor foresees.
    """
    if rows >= MANY:
        size = linear.weight.shape[1] * PANEL
        part = size // rows
        fetch(address(linear.weight) + panel * size + n * part, part)


@inner
def _by_layout(rows, inner, outer, norm, shape, work):
    if outer.weight.shape[3] == 1:
        _without_zeros(rows, inner, outer, norm, shape, work)
    else:
        _with_all(rows, inner, outer, norm, shape, work)


feed_forward = _by_layout if SPARSE else _with_all
"""The feed-forward sub-layer of the first ``rows`` of ``work``, and what follows it; where weights
of ``outer`` are laid out by inputs, zeros are left out."""
