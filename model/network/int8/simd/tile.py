"""The product of some rows and some columns, whose sums are in registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

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
from tformer.model.network.int8.simd.tiles import BLOCK

UNROLLED = 4
"""Quads of a row that a turn of the loop takes, of which a filled-up row has a multiple."""


class Tile:
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
            quad = builder.mul(index, LONG(UNROLLED))
            weights_at = builder.mul(quad, LONG(BLOCK * QUAD))
            left = builder.mul(quad, LONG(QUAD))
            panels = [emit.move(place, weights_at, BYTE) for place in places]
            lines = [emit.move(row, left, BYTE) for row in rows]
            for n in range(UNROLLED):
                weights = [
                    emit.load(emit.move(panel, n * BLOCK * QUAD, BYTE), kind) for panel in panels
                ]
                fours = [self._four(line, n) for line in lines]
                sums = [(four, vector) for four in fours for vector in weights]
                totals = [
                    DOT.add(emit, total, four, vector)
                    for total, (four, vector) in zip(totals, sums, strict=True)
                ]
            return totals

        count = builder.sdiv(self._depth, LONG(UNROLLED * QUAD))
        starts = [start for row in rows for start in self._start(row)]
        return emit.sum_over(count, starts, add)

    def _lines(self) -> Vectors:
        """Addresses of the activations of every row."""
        emit, builder = self._emit, self._emit.builder
        first, length = emit.at(0, BYTE), self._length()
        return [emit.move(first, builder.mul(length, LONG(n)), BYTE) for n in range(self._rows)]

    def _length(self) -> Any:
        """Bytes of a row."""
        return self._depth

    def _four(self, line: Any, quad: int) -> Vectors:
        """Four activations."""
        emit = self._emit
        return [emit.load(emit.move(line, quad * QUAD, BYTE), WORD)]

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
        emit = self._emit
        if DOT.offset == 0:
            return [self._words([0] * self._lanes)] * self._vectors
        first = emit.move(emit.at(7, WORD), self._columns[0], WORD)
        places = (emit.move(first, v * self._lanes, WORD) for v in range(self._vectors))
        return [emit.load(place, self._words) for place in places]


def scaled_output(emit: Emitter, total: Any, scale: Any, bias: Any, factor: Any) -> Any:
    """Outputs from their sums (int32), scales and biases, and the scale of the row."""
    scaled = emit.builder.fmul(emit.builder.sitofp(total, scale.type), scale)
    return emit.add_product(bias, scaled, factor)
