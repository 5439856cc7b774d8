"""The innermost loop of a product.

Arguments come in pairs: an array, and where in it to begin, in items (of a flat view of it).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import int64, types
from numba.extending import intrinsic

from tformer.model.hardware.cpu import level
from tformer.model.network.int8.simd.dot import DOT, QUAD, weights_of
from tformer.model.network.int8.simd.emitter import (
    BYTE,
    FLOAT,
    LONG,
    WORD,
    Emitter,
    Vectors,
)
from tformer.model.network.int8.simd.tiles import BLOCK, PANEL, ROWS, vectors_of

_UNROLLED = 4 if DOT.width == 1 else 1
"""Quads of a row that a turn of the loop takes, of which a filled-up row has a multiple; sums of
more than one turn are added up before by the compiler, for which registers are too few."""


def tile(rows: int) -> Any:
    """A function that multiplies ``rows`` rows of bytes: 1 with a panel, ``ROWS`` with a block.

    Its arguments: activations and how many a row has; the rows' scales (float32); weights (int8),
    block after block; the outputs' sums to begin with (int32), scales and biases (float32);
    where to put the outputs (float32) and the length of those rows.
    """

    @intrinsic
    def multiply(
        typing, left, left_at, depth, factors, factors_at, right, right_at, start, start_at,
        scale, scale_at, bias, bias_at, out, out_at, stride,
    ):  # fmt: skip
        def generate(context, builder, signature, arguments):
            put_tile(Emitter(context, builder, signature, arguments), rows)
            return context.get_dummy_value()

        at = int64
        signature = types.void(
            left, at, at, factors, at, right, at, start, at, scale, at, bias, at, out, at, at
        )
        return signature, generate

    return multiply


def put_tile(emit: Emitter, rows: int) -> None:
    """Write the product of some rows with what belongs to them; see :func:`tile`."""
    columns = BLOCK if rows == ROWS else PANEL
    width = vectors_of(rows, level(), DOT.sums) * level().lanes // DOT.sums
    kind = _PairedTile if level().pairs and rows == ROWS else _Tile
    for first in range(0, columns, width):
        part = range(first, min(first + width, columns))
        kind(emit, rows, part).put()


class _Tile:
    """Writes the product of some rows and some columns, whose sums are in registers."""

    def __init__(self, emit: Emitter, rows: int, columns: range) -> None:
        self._lanes = level().lanes
        self._emit = emit
        self._rows = rows
        self._columns = columns
        self._vectors = len(columns) * DOT.sums // self._lanes
        self._depth, self._stride = emit.arguments[2], emit.arguments[15]
        self._words = ir.VectorType(WORD, self._lanes)
        self._floats = ir.VectorType(FLOAT, self._lanes)

    def put(self) -> None:
        """Put all outputs."""
        emit, builder = self._emit, self._emit.builder
        totals = iter(self._whole(self._sums()))
        first = self._columns[0]
        scales, biases, outputs = (emit.move(emit.at(n, FLOAT), first, FLOAT) for n in (9, 11, 13))
        for n in range(self._rows):
            factor = emit.load(emit.move(emit.at(3, FLOAT), n, FLOAT), FLOAT)
            factor = emit.everywhere(factor, self._floats)
            line = emit.move(outputs, builder.mul(self._stride, LONG(n)), FLOAT)
            for column in range(0, len(self._columns), self._lanes):
                scale = emit.load(emit.move(scales, column, FLOAT), self._floats)
                bias = emit.load(emit.move(biases, column, FLOAT), self._floats)
                output = scaled_output(emit, next(totals), scale, bias, factor)
                emit.store(output, emit.move(line, column, FLOAT))

    def _whole(self, sums: Vectors) -> Vectors:
        """Vectors of outputs, from those where an output has two sums side by side."""
        if DOT.sums == 1:
            return sums
        emit, even = self._emit, range(0, 2 * self._lanes, 2)
        return [
            emit.builder.add(emit.pick(*pair, even), emit.pick(*pair, [n + 1 for n in even]))
            for pair in zip(sums[::2], sums[1::2], strict=True)
        ]

    def _sums(self) -> Vectors:
        """The sums, a row after the other."""
        emit, builder = self._emit, self._emit.builder
        kind, places = weights_of(self._lanes, DOT), self._places()
        rows = self._lines()

        def add(index: Any, totals: Vectors) -> Vectors:
            quad = builder.mul(index, LONG(_UNROLLED))
            weights_at = builder.mul(quad, LONG(BLOCK * QUAD))
            left = builder.mul(quad, LONG(QUAD * DOT.width))
            panels = [emit.move(place, weights_at, BYTE) for place in places]
            lines = [emit.move(row, left, BYTE) for row in rows]
            for n in range(_UNROLLED):
                weights = [
                    emit.load(emit.move(panel, n * BLOCK * QUAD, BYTE), kind) for panel in panels
                ]
                fours = [self._fours(line, n * QUAD * DOT.width) for line in lines]
                sums = [(four, vector) for four in fours for vector in weights]
                totals = [
                    DOT.add(emit, total, four, vector)
                    for total, (four, vector) in zip(totals, sums, strict=True)
                ]
            return totals

        count = builder.sdiv(self._depth, LONG(_UNROLLED * QUAD))
        starts = [start for row in rows for start in self._start(row)]
        return emit.sum_over(count, starts, add)

    def _lines(self) -> Vectors:
        """Addresses of the activations of every row."""
        emit, builder = self._emit, self._emit.builder
        depth = builder.mul(self._depth, LONG(DOT.width))
        length = builder.add(depth, LONG(DOT.row(0)))
        first = emit.at(0, BYTE)
        return [emit.move(first, builder.mul(length, LONG(n)), BYTE) for n in range(self._rows)]

    def _fours(self, line: Any, offset: int) -> Vectors:
        """Four activations: one number, or one of magnitudes and one of signs."""
        emit = self._emit
        places = (emit.move(line, offset + n * QUAD, BYTE) for n in range(DOT.width))
        return [emit.load(place, WORD) for place in places]

    def _places(self) -> Vectors:
        """Addresses of the weights of every vector of sums."""
        emit, builder = self._emit, self._emit.builder
        panel, places = emit.at(5, BYTE), []
        for v in range(self._vectors):
            block, column = divmod(self._columns[v * self._lanes // DOT.sums], BLOCK)
            start = builder.mul(self._depth, LONG(block * BLOCK))
            inside = LONG(column * QUAD)
            places.append(emit.move(panel, builder.add(start, inside), BYTE))
        return places

    def _start(self, line: Any) -> Vectors:
        """The sums of a row to begin with."""
        emit, builder = self._emit, self._emit.builder
        if DOT.width == 2:
            end = emit.move(line, builder.mul(self._depth, LONG(DOT.width)), BYTE)
            return [emit.everywhere(emit.load(end, WORD), self._words)] * self._vectors
        if DOT.offset == 0:
            return [self._words([0] * self._lanes)] * self._vectors
        first = emit.move(emit.at(7, WORD), self._columns[0], WORD)
        places = (emit.move(first, v * self._lanes, WORD) for v in range(self._vectors))
        return [emit.load(place, self._words) for place in places]


class _PairedTile(_Tile):
    """The same by `smmla`, which multiplies two rows by two outputs, two quads of each at once.

    Sums of a pair of rows and a pair of outputs are the four lanes of a register.
    """

    def _sums(self) -> Vectors:
        """The sums, a row after the other."""
        emit, builder = self._emit, self._emit.builder
        places, rows = self._places(), self._lines()

        def add(index: Any, totals: Vectors) -> Vectors:
            quad = builder.mul(index, LONG(_UNROLLED))
            weights_at, left = (builder.mul(quad, LONG(n)) for n in (BLOCK * QUAD, QUAD))
            panels = [emit.move(place, weights_at, BYTE) for place in places]
            lines = [emit.move(row, left, BYTE) for row in rows]
            for n in range(0, _UNROLLED, 2):
                outputs = [pair for panel in panels for pair in self._two_outputs(panel, n)]
                pairs = [
                    self._two_rows(*two, n) for two in zip(lines[::2], lines[1::2], strict=True)
                ]
                both = [(pair, weights) for pair in pairs for weights in outputs]
                totals = [
                    self._multiplied(total, *each) for total, each in zip(totals, both, strict=True)
                ]
            return totals

        count = builder.sdiv(self._depth, LONG(_UNROLLED * QUAD))
        starts = [self._words([0] * self._lanes)] * (self._rows * self._vectors)
        return self._by_rows(emit.sum_over(count, starts, add))

    def _two_outputs(self, panel: Any, quad: int) -> Vectors:
        """Weights of four outputs, two and two, of two quads that follow each other."""
        emit = self._emit
        one, other = (
            emit.load(emit.move(panel, n * BLOCK * QUAD, BYTE), self._words)
            for n in (quad, quad + 1)
        )
        return [emit.pick(one, other, lanes) for lanes in ([0, 4, 1, 5], [2, 6, 3, 7])]

    def _two_rows(self, one: Any, other: Any, quad: int) -> Any:
        """Two quads of each of two rows."""
        emit, builder = self._emit, self._emit.builder
        pair = ir.VectorType(LONG, 2)(ir.Undefined)
        for lane, row in enumerate((one, other)):
            eight = emit.load(emit.move(row, quad * QUAD, BYTE), LONG)
            pair = builder.insert_element(pair, eight, WORD(lane))
        return pair

    def _multiplied(self, total: Any, rows: Any, outputs: Any) -> Any:
        """The sums, with the products of two rows and two outputs."""
        builder, bytes_ = self._emit.builder, ir.VectorType(BYTE, 16)
        kinds = [self._words, bytes_, bytes_]
        function = self._emit.function("llvm.aarch64.neon.smmla.v4i32.v16i8", self._words, kinds)
        given = [builder.bitcast(each, bytes_) for each in (rows, outputs)]
        return builder.call(function, [total, *given])

    def _by_rows(self, sums: Vectors) -> Vectors:
        """Sums of pairs of rows as those of one row after the other."""
        width = 2 * self._vectors
        found = []
        for first in range(0, len(sums), width):
            pair = sums[first : first + width]
            for lanes in ([0, 1, 4, 5], [2, 3, 6, 7]):
                found += [
                    self._emit.pick(*two, lanes) for two in zip(pair[::2], pair[1::2], strict=True)
                ]
        return found


def scaled_output(emit: Emitter, total: Any, scale: Any, bias: Any, factor: Any) -> Any:
    """Outputs from their sums (int32), scales and biases, and the scale of the row."""
    scaled = emit.builder.fmul(emit.builder.sitofp(total, scale.type), scale)
    return emit.add_product(bias, scaled, factor)
