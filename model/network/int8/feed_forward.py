"""The feed-forward sub-layer, a few rows at a time."""

from __future__ import annotations

import numpy as np

from tformer.model.hardware.numba_cache import inner
from tformer.model.network.int8.elementwise import activate, leave, quantise_to
from tformer.model.network.int8.listed_product import fetch_part
from tformer.model.network.int8.packing import LIMIT
from tformer.model.network.int8.products import listed_product, product
from tformer.model.network.int8.records import FEED_TOGETHER
from tformer.model.network.int8.simd.dot import QUAD
from tformer.model.network.int8.simd.sparse import largest_positive, put_nonzero
from tformer.model.network.int8.simd.tiles import SPARSE
from tformer.model.network.int8.simd.vectors import LANES


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
    """By a second product that reads the weights of no activation that is zero after a ReLU."""
    width, outputs = inner.scale.shape[0], work.outputs
    starts = np.empty(FEED_TOGETHER + 1, np.int32)
    for first in range(0, rows, FEED_TOGETHER):
        count = min(FEED_TOGETHER, rows - first)
        product(work.entered[first:], work.entered_scale[first:], count, inner, outputs, work.board)
        starts[0] = 0
        for n in range(count):
            largest = largest_positive(outputs, n * width, width // LANES)
            factor = np.float32(LIMIT) / max(largest, np.float32(1e-30))
            listed = put_nonzero(
                outputs, n * width, factor, work.values, starts[n], work.places, starts[n],
                width // LANES,
            )  # fmt: skip
            starts[n + 1] = starts[n] + (listed + QUAD - 1) // QUAD * QUAD
            work.active_scale[n] = largest / np.float32(LIMIT)
            fetch_part(0, n, count, outer)
        listed_product(
            work.values, work.places, starts, work.active_scale, count, outer, outputs, work.board
        )
        leave(first, count, outer, norm, shape, work)


@inner
def _by_layout(rows, inner, outer, norm, shape, work):
    if outer.weight.shape[3] == 1:
        _without_zeros(rows, inner, outer, norm, shape, work)
    else:
        _with_all(rows, inner, outer, norm, shape, work)


feed_forward = _by_layout if SPARSE else _with_all
"""The feed-forward sub-layer of the first ``rows`` of ``work``, and what follows it; where weights
of ``outer`` are laid out by inputs, zeros are left out."""
