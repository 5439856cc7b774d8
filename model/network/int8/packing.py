"""Weights in int8, in the order in which products read them (`gemm`).

A weight matrix has a scale for every output, an activation one for every row: the largest magnitude
of each becomes 127.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tformer.model.errors import ModelError
from tformer.model.hardware.cpu import num_cores
from tformer.model.network.int8.panels import lay_out, put_limits
from tformer.model.network.int8.records import Floats, Numbers, PackedLinear, aligned
from tformer.model.network.int8.simd.dot import BOUNDED, DOT, QUAD
from tformer.model.network.int8.simd.tiles import BLOCK, PANEL, output_of
from tformer.model.network.int8.simd.vectors import LOWEST

DAMAGED = "the model computes no numbers (NaN): its weights are damaged"

OFFSET = DOT.offset
"""Zero point that makes a quantised activation a uint8."""

LIMIT = 127
"""Largest magnitude of a quantised number; -128 is not used, so that signs are alike."""

QUANTISED_TOGETHER = 16 * PANEL
"""Rows of a weight matrix that are in memory as float32 at a time."""


_SHARED = 1 << 20
"""Bytes from which on a matrix that is in int8 is laid out by all cores."""


def filled_to(width: int, whole: int) -> int:
    """``width`` and what it takes to make a multiple of ``whole``."""
    return -(-width // whole) * whole


def filled(width: int) -> int:
    """``width`` and what it takes to make whole panels."""
    return filled_to(width, PANEL)


def stored_row(width: int) -> int:
    """Bytes of a row of ``width`` activations, filled up; see `simd.dot`."""
    return int(DOT.row(filled(width)))


class Projection(NamedTuple):
    """A projection as it is stored."""

    weight: NDArray[Any]
    """(out, in), floating of any width, or int8."""
    bias: Numbers | None = None
    """(out,)"""
    scale: Floats | None = None
    """(out,), of a weight in int8, which is taken as it is."""

    @property
    def outputs(self) -> int:
        """Outputs; a bias may have more than the weight, which are the bias alone."""
        return max(self.weight.shape[0], 0 if self.bias is None else self.bias.shape[0])


def quantised(*projections: Projection) -> PackedLinear:
    """Projections of one input, side by side, as int8; each begins with a panel of its own.

    Raises:
        ModelError: when a weight is NaN or infinite.
    """
    places = np.cumsum([0, *(filled(each.outputs) for each in projections)])
    out, width = int(places[-1]), filled(projections[0].weight.shape[1])
    linear = PackedLinear(
        aligned((out // BLOCK, width // QUAD, BLOCK, QUAD), np.int8),
        aligned((out,), np.int32),
        aligned((out,), np.float32),
        aligned((out,), np.float32),
        aligned((out // BLOCK, width // QUAD if BOUNDED else 0), np.uint16),
    )
    for (weight, bias, scale), place in zip(projections, places.tolist(), strict=False):
        if scale is not None:
            _put_whole(weight, scale, linear, place)
        for first in range(0, 0 if scale is not None else weight.shape[0], QUANTISED_TOGETHER):
            part = slice(first, first + QUANTISED_TOGETHER)
            _quantise(np.asarray(weight[part]), linear, place + first)
        if bias is not None:
            # What may never be said has a bias of minus infinity.
            outputs = slice(place, place + bias.shape[0])
            linear.bias[outputs] = np.maximum(np.asarray(bias, np.float32), np.float32(LOWEST))
    if not np.isfinite(linear.bias).all():
        raise ModelError(DAMAGED)
    if BOUNDED:
        put_limits(linear.weight, linear.limits)
    return linear


def by_inputs(linear: PackedLinear) -> PackedLinear:
    """The same with the weights of a panel laid out input by input, as `simd.sparse` reads them."""
    outputs = linear.weight.shape[0] * BLOCK
    weight = linear.weight.transpose(1, 3, 0, 2).reshape(-1, outputs // PANEL, PANEL)
    order = [output_of(byte) for byte in range(PANEL)]
    by_panels = aligned((outputs // PANEL, len(weight), PANEL, 1), np.int8, np.empty)
    by_panels[..., 0] = weight.transpose(1, 0, 2)[:, :, order]
    return linear._replace(weight=by_panels, limits=linear.limits[:, :0].copy())


def _quantise(weight: Numbers, linear: PackedLinear, place: int) -> None:
    """Put some rows of a weight matrix (rows, in) where they belong, from output ``place`` on."""
    rows, width = weight.shape
    real = np.zeros((filled(rows), filled(width)), np.float32)
    real[:rows, :width] = weight
    largest = np.maximum(real.max(1), -real.min(1))  # NaN if one is
    if not np.isfinite(largest).all():
        raise ModelError(DAMAGED)
    scale = largest / np.float32(LIMIT)
    real /= np.maximum(scale, np.float32(1e-30))[:, None]
    _lay_out(np.rint(real, out=real).astype(np.int8), scale, linear, place)


def _put_whole(weight: NDArray[np.int8], scale: Floats, linear: PackedLinear, place: int) -> None:
    """Put rows (rows, in) that are in int8 where they belong; what is filled up stays zero."""
    rows, width = weight.shape
    if not np.isfinite(scale).all():
        raise ModelError(DAMAGED)
    missing = filled(width) - width
    values = np.ascontiguousarray(np.pad(weight, ((0, 0), (0, missing))) if missing else weight)
    sums = np.empty(rows, np.int32)
    blocks = linear.weight.view(np.int32).reshape(*linear.weight.shape[:3])
    lots = np.array_split(np.arange(rows), num_cores() if values.nbytes >= _SHARED else 1)

    def part(lot: NDArray[np.int64]) -> None:
        mine = values[lot[0] : lot[-1] + 1]
        lay_out(mine, mine.view(np.int32), place + int(lot[0]), blocks, sums[lot[0] : lot[-1] + 1])

    if len(lots) == 1:
        part(lots[0])
    else:
        with ThreadPoolExecutor(len(lots)) as pool:
            list(pool.map(part, lots))
    linear.scale[place : place + rows] = scale
    linear.start[place : place + rows] = sums * -OFFSET


def _lay_out(whole: NDArray[np.int8], scale: Floats, linear: PackedLinear, place: int) -> None:
    """Put filled-up rows in int8, and the scales that there are, in the order of blocks."""
    outputs, blocks = slice(place, place + len(scale)), slice(place // BLOCK, None)
    linear.scale[outputs] = scale
    linear.start[place : place + len(whole)] = whole.sum(1, dtype=np.int32) * -OFFSET
    quads = whole.view(np.int32).reshape(-1, BLOCK, whole.shape[1] // QUAD)  # QUAD bytes each
    linear.weight.view(np.int32)[blocks, :, :, 0][: len(quads)] = quads.transpose(0, 2, 1)


def unstored(rows: NDArray[np.uint8], width: int) -> NDArray[np.int8]:
    """The numbers (N, ``width``) of rows as `simd.dot` stores them, -127 to 127."""
    if not BOUNDED:
        return (rows[:, :width] - np.uint8(OFFSET)).view(np.int8)
    quads = rows[:, : 2 * filled(width)].reshape(len(rows), -1, 2, QUAD)
    magnitudes, signs = (quads[:, :, n].reshape(len(rows), -1).view(np.int8) for n in (0, 1))
    return np.ascontiguousarray(np.where(signs, -magnitudes, magnitudes)[:, :width])
