"""The innermost loops of finding the best tokens.

Arguments come in pairs: an array, and where in it to begin, in items (of a flat view of it).
"""

from __future__ import annotations

from typing import Any

from numba import float32, int32, int64, types
from numba.extending import intrinsic

from tformer.model.network.int8.simd.emitter import (
    FLOAT,
    FLOATS,
    LANES,
    LONG,
    LOWEST,
    SHORT,
    WORD,
    Emitter,
    Vectors,
)

COLUMNS = 8 * LANES
"""Columns to which :func:`deal` deals out a row of numbers, as one deals cards."""


@intrinsic
def deal(typing, line, line_at, deals, columns, columns_at, lanes, lanes_at):
    """The largest number of every column, and for every deal that of every lane.

    Args:
        line: ``deals`` times ``COLUMNS`` float32, a deal after the other.
        columns: where the largest of every column are put, (COLUMNS,).
        lanes: where the largest of every lane are put, (deals, LANES): those of the eight vectors
            that make a deal.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        numbers, places, deals = emit.at(0, FLOAT), emit.at(5, FLOAT), arguments[2]
        vectors = range(COLUMNS // LANES)

        def add(index: Any, totals: Vectors) -> Vectors:
            row = emit.move(numbers, builder.mul(index, LONG(COLUMNS)), FLOAT)
            values = [emit.floats(row, v) for v in vectors]
            sums = [emit.larger(*pair) for pair in zip(totals, values, strict=True)]
            while len(values) > 1:
                pairs = zip(values[::2], values[1::2], strict=True)
                values = [emit.larger(*pair) for pair in pairs]
            emit.store(values[0], emit.move(places, builder.mul(index, LONG(LANES)), FLOAT))
            return sums

        totals = emit.sum_over(deals, [FLOATS([LOWEST] * LANES)] * len(vectors), add)
        for v, total in enumerate(totals):
            emit.store(total, emit.move(emit.at(3, FLOAT), LANES * v, FLOAT))
        return context.get_dummy_value()

    at = int64
    return types.void(line, at, at, columns, at, lanes, at), generate


@intrinsic
def at_least(typing, numbers, numbers_at, bound):
    """Which of 16 float32 are not below a bound, as the bits of an int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        values = emit.floats(emit.at(0, FLOAT))
        found = builder.fcmp_ordered(">=", values, emit.everywhere(arguments[2]))
        return builder.zext(builder.bitcast(found, SHORT), WORD)

    return int32(numbers, int64, float32), generate


@intrinsic
def sum_of_powers(typing, line, line_at, deals, largest):
    """The sum of e^(x - ``largest``) of ``deals`` times ``COLUMNS`` float32, none above it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        numbers, deals = emit.at(0, FLOAT), arguments[2]
        factor = emit.to_base_two(FLOAT(1.0))
        lowered = emit.everywhere(builder.fneg(emit.to_base_two(arguments[3])))
        factors = emit.everywhere(factor)

        def add(index: Any, totals: Vectors) -> Vectors:
            row = emit.move(numbers, builder.mul(index, LONG(COLUMNS)), FLOAT)
            return [
                builder.fadd(total, emit.exponential(emit.floats(row, v), factors, lowered))
                for v, total in enumerate(totals)
            ]

        nothing = FLOATS([0.0] * LANES)
        totals = emit.sum_over(deals, [nothing] * (COLUMNS // LANES), add)
        while len(totals) > 1:
            totals = [builder.fadd(*pair) for pair in zip(totals[::2], totals[1::2], strict=True)]
        return emit.across(totals[0], builder.fadd)

    return float32(line, int64, int64, float32), generate
