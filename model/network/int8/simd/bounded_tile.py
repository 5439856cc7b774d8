"""Products by `vpmaddubsw`, of which two quads are added in 16 bits wherever that is enough.

Two products of bytes fill 16 bits, and four may need more. By the inequality of Cauchy and Schwarz
their sum is at most the root of the activations' squares times that of the weights'. So a row has
the squares of every four activations that meet in a sum of 16 bits, and a block of weights the
largest that these may be. Where no row is above it, two quads take one widening multiplication
instead of two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from tformer.model.network.int8.simd.dot import DOT, LINE, QUAD, add_two_quads, weights_of
from tformer.model.network.int8.simd.emitter import BYTE, LONG, SHORT, WORD, Vectors
from tformer.model.network.int8.simd.tile import Tile
from tformer.model.network.int8.simd.tiles import BLOCK

_QUADS = 16
"""Quads of a segment, which is looked at as a whole; a filled-up row has a multiple."""

_SQUARES = ir.VectorType(SHORT, _QUADS)
"""Sums of squares of a segment: two of every two quads."""

_SEGMENT = _QUADS * QUAD * DOT.width
"""Bytes of a row that are a segment."""


class BoundedTile(Tile):
    """A product whose activations are stored as magnitudes and signs."""

    def _sums(self) -> Vectors:
        """The sums, a row after the other."""
        emit, builder = self._emit, self._emit.builder
        places, rows, limits = self._places(), self._lines(), emit.at(16, SHORT)

        def add(index: Any, totals: Vectors) -> Vectors:
            weights_at = builder.mul(index, LONG(_QUADS * QUAD * BLOCK))
            panels = [emit.move(place, weights_at, BYTE) for place in places]
            lines = [emit.move(row, builder.mul(index, LONG(_SEGMENT)), BYTE) for row in rows]

            def by(quads: int) -> Callable[[], Vectors]:
                return lambda: self._segment(panels, lines, totals, quads)

            return emit.either(self._is_bounded(index, rows, limits), by(2), by(1))

        count = builder.sdiv(self._depth, LONG(_QUADS * QUAD))
        return emit.sum_over(count, [start for row in rows for start in self._start(row)], add)

    def _segment(self, panels: Vectors, lines: Vectors, totals: Vectors, quads: int) -> Vectors:
        """The sums with a segment, so many quads at a time."""
        emit, kind = self._emit, weights_of(self._lanes, DOT)

        def add(index: Any, totals: Vectors) -> Vectors:
            quad = emit.builder.mul(index, LONG(quads))
            weights_at = emit.builder.mul(quad, LONG(BLOCK * QUAD))
            left = emit.builder.mul(quad, LONG(QUAD * DOT.width))
            weights = []
            for panel in panels:
                first = emit.move(panel, weights_at, BYTE)
                places = [emit.move(first, n * BLOCK * QUAD, BYTE) for n in range(quads)]
                weights.append([emit.load(place, kind) for place in places])
            sums = iter(totals)
            return [
                self._add(next(sums), [self._fours(line, left, n) for n in range(quads)], vector)
                for line in lines
                for vector in weights
            ]

        return emit.sum_over(LONG(_QUADS // quads), totals, add)

    def _add(self, total: Any, fours: list[Vectors], weights: Vectors) -> Any:
        """A sum with one quad, or with two."""
        if len(fours) == 2:
            return add_two_quads(self._emit, total, fours, weights)
        return DOT.add(self._emit, total, fours[0], weights[0])

    def _fours(self, line: Any, left: Any, quad: int) -> Vectors:
        """Four magnitudes, and their signs."""
        emit = self._emit
        first = emit.move(emit.move(line, left, BYTE), quad * QUAD * DOT.width, BYTE)
        return [emit.load(emit.move(first, n * QUAD, BYTE), WORD) for n in range(DOT.width)]

    def _is_bounded(self, segment: Any, rows: Vectors, limits: Any) -> Any:
        """True if no sum of two quads of a segment can be too large for 16 bits."""
        emit, builder = self._emit, self._emit.builder
        larger, less = (
            emit.function(f"llvm.{name}.v{_QUADS}i16", _SQUARES, [_SQUARES] * 2)
            for name in ("umax", "usub.sat")
        )
        at = builder.mul(segment, LONG(_QUADS))

        def squares(place: Any) -> Any:
            return emit.load(emit.move(place, at, SHORT), _SQUARES)

        squares_at = builder.mul(self._depth, LONG(DOT.width))
        largest, *others = (squares(emit.move(row, squares_at, BYTE)) for row in rows)
        for other in others:
            largest = builder.call(larger, [largest, other])
        excess = builder.call(less, [largest, squares(limits)])
        whole = ir.IntType(SHORT.width * _QUADS)
        return builder.icmp_unsigned("==", builder.bitcast(excess, whole), whole(0))

    def _length(self) -> Any:
        """Bytes of a row."""
        return self._emit.builder.add(self._end(), LONG(LINE))

    def _end(self) -> Any:
        """Bytes of a row before its sum: activations and squares."""
        builder = self._emit.builder
        return builder.sdiv(builder.mul(self._depth, LONG(2 * DOT.width + 1)), LONG(2))

    def _start(self, line: Any) -> Vectors:
        """The sums of a row to begin with."""
        emit = self._emit
        total = emit.load(emit.move(line, self._end(), BYTE), WORD)
        return [emit.everywhere(total, self._words)] * self._vectors
