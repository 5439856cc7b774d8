"""The innermost loop of a product.

Arguments come in pairs: an array, and where in it to begin, in items (of a flat view of it).
"""

from __future__ import annotations

from typing import Any

from numba import int64, types
from numba.extending import intrinsic

from tformer.model.hardware.cpu import level
from tformer.model.network.int8.simd.bounded_tile import BoundedTile
from tformer.model.network.int8.simd.dot import BOUNDED, DOT
from tformer.model.network.int8.simd.emitter import Emitter
from tformer.model.network.int8.simd.paired_tile import PairedTile
from tformer.model.network.int8.simd.tile import Tile
from tformer.model.network.int8.simd.tiles import BLOCK, PANEL, ROWS, vectors_of


def tile(rows: int) -> Any:
    """A function that multiplies ``rows`` rows of bytes: 1 with a panel, ``ROWS`` with a block.

    Its arguments: activations and how many a row has; the rows' scales (float32); weights (int8),
    block after block; the outputs' sums to begin with (int32), scales and biases (float32);
    where to put the outputs (float32) and the length of those rows; the blocks' limits (uint16).
    """

    @intrinsic
    def multiply(
        typing, left, left_at, depth, factors, factors_at, right, right_at, start, start_at,
        scale, scale_at, bias, bias_at, out, out_at, stride, limits, limits_at,
    ):  # fmt: skip
        def generate(context, builder, signature, arguments):
            put_tile(Emitter(context, builder, signature, arguments), rows)
            return context.get_dummy_value()

        at = int64
        signature = types.void(
            left, at, at, factors, at, right, at, start, at, scale, at, bias, at, out, at, at,
            limits, at,
        )  # fmt: skip
        return signature, generate

    return multiply


def put_tile(emit: Emitter, rows: int) -> None:
    """Write the product of some rows with what belongs to them; see :func:`tile`."""
    columns = BLOCK if rows == ROWS else PANEL
    width = vectors_of(rows, level(), DOT.sums) * level().lanes // DOT.sums
    kind = BoundedTile if BOUNDED else PairedTile if level().pairs and rows == ROWS else Tile
    for first in range(0, columns, width):
        part = range(first, min(first + width, columns))
        kind(emit, rows, part).put()
