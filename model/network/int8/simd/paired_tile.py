"""Products by `smmla`, of two rows and two outputs at once."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from tformer.model.network.int8.simd.dot import QUAD
from tformer.model.network.int8.simd.emitter import BYTE, LONG, WORD, Vectors
from tformer.model.network.int8.simd.tile import UNROLLED, Tile
from tformer.model.network.int8.simd.tiles import BLOCK


class PairedTile(Tile):
    """A product by `smmla`, which multiplies two rows by two outputs, two quads of each at once.

    Sums of a pair of rows and a pair of outputs are the four lanes of a register.
    """

    def _sums(self) -> Vectors:
        """The sums, a row after the other."""
        emit, builder = self._emit, self._emit.builder
        places, rows = self._places(), self._lines()

        def add(index: Any, totals: Vectors) -> Vectors:
            quad = builder.mul(index, LONG(UNROLLED))
            weights_at, left = (builder.mul(quad, LONG(n)) for n in (BLOCK * QUAD, QUAD))
            panels = [emit.move(place, weights_at, BYTE) for place in places]
            lines = [emit.move(row, left, BYTE) for row in rows]
            for n in range(0, UNROLLED, 2):
                outputs = [pair for panel in panels for pair in self._two_outputs(panel, n)]
                pairs = [
                    self._two_rows(*two, n) for two in zip(lines[::2], lines[1::2], strict=True)
                ]
                both = [(pair, weights) for pair in pairs for weights in outputs]
                totals = [
                    self._multiplied(total, *each) for total, each in zip(totals, both, strict=True)
                ]
            return totals

        count = builder.sdiv(self._depth, LONG(UNROLLED * QUAD))
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
