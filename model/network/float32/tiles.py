"""The innermost loop of a product in float32, for functions that Numba compiles.

An output is one sum: it begins with the bias, and every product is added as it comes, rounded once.
So its bits do not depend on who else is computed, nor on the width of vectors.
"""

from __future__ import annotations

from typing import Any

from numba import int64, types
from numba.extending import intrinsic

from tformer.model.hardware.cpu import level
from tformer.model.network.float32.panel import PANEL
from tformer.model.network.int8.simd.emitter import FLOAT, LONG, Emitter, Vectors, blocks
from tformer.model.network.int8.simd.vectors import LANES

TOGETHER = (6, 4, 2, 1)
"""Rows that are multiplied at a time; with those of the first, registers are full."""

_UNROLLED = 4 if level().lanes > 4 else 2
"""Inputs that are multiplied before a loop begins anew. Of four on Arm, LLVM would load what all of
them need first, and keep sums in memory meanwhile."""

_REGISTERS = level().registers * level().lanes // LANES
"""Vectors that registers hold."""


def _vectors(rows: int) -> int:
    """Vectors of sums of each row that are computed at once, besides weights and an input."""
    if rows == 1:  # whose weights need no registers, since each is used once
        return min(PANEL // LANES, _REGISTERS // 2)
    return min(PANEL // LANES, max((_REGISTERS - 1) // (rows + 1), 1))


def tile(rows: int) -> Any:
    """A function that multiplies ``rows`` rows with a panel.

    Its arguments are int64: address of the inputs (float32), and how many numbers a row and the
    next are apart; how many inputs an output has; address of the panel, the biases of its outputs
    and then their weights of every input; where to put the outputs, and how far rows are apart
    there.
    """

    @intrinsic
    def multiply(typing, states, apart, depth, panel, outputs, stride):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit = Emitter(context, builder, signature, arguments)
            for vectors in blocks(PANEL // LANES, _vectors(rows)):
                _FloatTile(emit, rows, vectors).put()
            return context.get_dummy_value()

        return types.void(*[int64] * 6), generate

    return multiply


class _FloatTile:
    """Writes the product of some rows and some columns, whose sums are in registers."""

    def __init__(self, emit: Emitter, rows: int, vectors: range) -> None:
        self._emit = emit
        self._vectors = vectors
        self._states, self._outputs = (
            self._lines(rows, *emit.arguments[n : n + 2]) for n in (0, 4)
        )
        panel = emit.builder.inttoptr(emit.arguments[3], FLOAT.as_pointer())
        self._biases = emit.move(panel, vectors[0] * LANES, FLOAT)
        self._weights = emit.move(self._biases, PANEL, FLOAT)
        self._depth = emit.arguments[2]

    def _lines(self, rows: int, *place: Any) -> list[tuple[Any, Any]]:
        """Address of the first of the rows, and how far each is from there."""
        builder = self._emit.builder
        first, apart = place
        return [
            self._emit.move(
                builder.inttoptr(first, FLOAT.as_pointer()), builder.mul(apart, LONG(n)), FLOAT
            )
            for n in range(rows)
        ]

    def put(self) -> None:
        """Put all outputs."""
        emit, builder = self._emit, self._emit.builder
        biases = self._row(self._biases)
        whole = builder.sdiv(self._depth, LONG(_UNROLLED))
        done = builder.mul(whole, LONG(_UNROLLED))
        totals = emit.sum_over(whole, biases * len(self._states), self._add_some)
        totals = emit.sum_over(
            builder.sub(self._depth, done),
            totals,
            lambda index, totals: self._add(builder.add(index, done), totals),
        )
        sums = iter(totals)
        for line in self._outputs:
            for v in self._vectors:
                emit.store(next(sums), emit.move(line, v * LANES, FLOAT))

    def _row(self, place: Any) -> Vectors:
        return [self._emit.floats(place, v - self._vectors[0]) for v in self._vectors]

    def _add_some(self, index: Any, totals: Vectors) -> Vectors:
        builder = self._emit.builder
        first = builder.mul(index, LONG(_UNROLLED))
        for n in range(_UNROLLED):
            totals = self._add(builder.add(first, LONG(n)), totals)
        return totals

    def _add(self, number: Any, totals: Vectors) -> Vectors:
        """The sums, with the products of one input."""
        emit = self._emit
        place = emit.move(self._weights, emit.builder.mul(number, LONG(PANEL)), FLOAT)
        weights, left = self._row(place), iter(totals)
        sums = []
        for line in self._states:
            state = emit.share(emit.move(line, number, FLOAT))
            sums += [emit.add_product(next(left), state, weight) for weight in weights]
        return sums
