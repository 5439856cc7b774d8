"""The innermost loop of a product.

Arguments come in pairs: an array, and where in it to begin, in items (of a flat view of it).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import int64, types
from numba.extending import intrinsic

from tformer.model.hardware.cpu import Level, level
from tformer.model.network.int8.simd.dot import DOT, QUAD, weights_of
from tformer.model.network.int8.simd.emitter import (
    BYTE,
    BYTES,
    FLOAT,
    LANES,
    LONG,
    SHORT,
    WORD,
    Emitter,
    Vectors,
)

PANEL = 4 * LANES
"""Outputs of a product that are computed together, and what every width is filled up to."""


class Block(NamedTuple):
    """Sums that are in registers at a time."""

    rows: int
    vectors: int
    """Number of vectors of a row's sums, each as wide as a register."""


def block_of(rows: int, level: Level) -> Block:
    """Block of ``rows`` rows and a panel that a level's registers hold, besides the factors."""
    sums = level.registers // 2
    return Block(rows, min(PANEL * DOT.sums // level.lanes, sums // rows))


def tile(rows: int) -> Any:
    """A function that multiplies ``rows`` rows of bytes, 1 or 4, with one panel of weights.

    Its arguments: activations, as wide as ``DOT`` has them, and the length of their rows; the rows'
    scales (float32); weights (int8); the panel's sums to begin with (int32), scales and biases
    (float32); where to put the outputs (float32) and the length of those rows.
    """

    @intrinsic
    def multiply(
        typing, left, left_at, depth, factors, factors_at, right, right_at, start, start_at,
        scale, scale_at, bias, bias_at, out, out_at, stride,
    ):  # fmt: skip
        def generate(context, builder, signature, arguments):
            _Tile(Emitter(context, builder, signature, arguments), rows).put()
            return context.get_dummy_value()

        at = int64
        signature = types.void(
            left, at, at, factors, at, right, at, start, at, scale, at, bias, at, out, at, at
        )
        return signature, generate

    return multiply


class _Tile:
    """Writes the product of some rows and a panel, a block after the other."""

    def __init__(self, emit: Emitter, rows: int) -> None:
        self._lanes = level().lanes
        self._block = block_of(rows, level())
        self._emit = emit
        self._depth, self._stride = emit.arguments[2], emit.arguments[15]
        self._words = ir.VectorType(WORD, self._lanes)
        self._floats = ir.VectorType(FLOAT, self._lanes)

    def put(self) -> None:
        """Put all outputs of the rows."""
        width = self._block.vectors * self._lanes // DOT.sums
        count = LONG(PANEL // width)
        builder = self._emit.builder
        self._emit.each(count, lambda n: self._put(builder.mul(n, LONG(width))))

    def _put(self, column: Any) -> None:
        """Put a block's outputs from ``column`` on."""
        emit, builder = self._emit, self._emit.builder
        totals = iter(self._whole(self._sums(column)))
        places = (emit.move(emit.at(n, FLOAT), column, FLOAT) for n in (9, 11, 13))
        scales, biases, outputs = places
        for n in range(self._block.rows):
            factor = emit.load(emit.move(emit.at(3, FLOAT), n, FLOAT), FLOAT)
            factor = emit.everywhere(factor, self._floats)
            line = emit.move(outputs, builder.mul(self._stride, LONG(n)), FLOAT)
            for first in range(0, self._block.vectors * self._lanes // DOT.sums, self._lanes):
                scale = emit.load(emit.move(scales, first, FLOAT), self._floats)
                bias = emit.load(emit.move(biases, first, FLOAT), self._floats)
                scaled = builder.fmul(builder.sitofp(next(totals), self._floats), scale)
                output = emit.add_product(bias, scaled, factor)
                emit.store(output, emit.move(line, first, FLOAT))

    def _whole(self, sums: Vectors) -> Vectors:
        """Vectors of outputs, from those where an output has two sums side by side."""
        if DOT.sums == 1:
            return sums
        emit, even = self._emit, range(0, 2 * self._lanes, 2)
        return [
            emit.builder.add(emit.pick(*pair, even), emit.pick(*pair, [n + 1 for n in even]))
            for pair in zip(sums[::2], sums[1::2], strict=True)
        ]

    def _sums(self, column: Any) -> Vectors:
        """The sums of a block, a row after the other."""
        emit, builder, block = self._emit, self._emit.builder, self._block
        kind = weights_of(self._lanes, DOT)
        panel = emit.move(emit.at(5, BYTE), builder.mul(column, LONG(QUAD)), BYTE)
        item = ir.IntType(8 * DOT.width)
        quad = ir.IntType(8 * DOT.width * QUAD)

        def add(index: Any, totals: Vectors) -> Vectors:
            quads = emit.move(panel, builder.mul(index, LONG(PANEL * QUAD)), BYTE)
            weights = [
                emit.load(emit.move(quads, kind.count * v, BYTE), kind)
                for v in range(block.vectors)
            ]
            sums, left = [], iter(totals)
            for n in range(block.rows):
                at = builder.add(builder.mul(self._depth, LONG(n)), builder.mul(index, LONG(QUAD)))
                four = emit.load(emit.move(emit.at(0, item), at, item), quad)
                sums += [DOT.add(emit, next(left), four, vector) for vector in weights]
            return sums

        count = builder.sdiv(self._depth, LONG(QUAD))
        return emit.sum_over(count, self._start(column) * block.rows, add)

    def _start(self, column: Any) -> Vectors:
        """The sums of a row to begin with; what is stored without an offset begins at nothing."""
        if DOT.offset == 0:
            return [self._words([0] * self._lanes)] * self._block.vectors
        emit, first = self._emit, self._emit.move(self._emit.at(7, WORD), column, WORD)
        places = (emit.move(first, v * self._lanes, WORD) for v in range(self._block.vectors))
        return [emit.load(place, self._words) for place in places]


@intrinsic
def widen(typing, left, left_at, right, right_at, vectors):
    """Write so many whole vectors of signed bytes as numbers of 16 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        bytes_, target = emit.at(0, BYTE), emit.at(2, SHORT)

        def put(index: Any) -> None:
            at = builder.mul(index, LONG(LANES))
            values = emit.load(emit.move(bytes_, at, BYTE), BYTES)
            wide = builder.sext(values, ir.VectorType(SHORT, LANES))
            emit.store(wide, emit.move(target, at, SHORT))

        emit.each(arguments[4], put)
        return context.get_dummy_value()

    return types.void(left, int64, right, int64, int64), generate
