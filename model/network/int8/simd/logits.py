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
    LONG,
    SHORT,
    SUMS,
    WORD,
    Emitter,
    Vectors,
    blocks,
)
from tformer.model.network.int8.simd.vectors import COLUMNS, LANES, LOWEST


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

        def largest_of(vectors: range) -> Vectors:
            def add(index: Any, totals: Vectors) -> Vectors:
                row = emit.move(numbers, builder.mul(index, LONG(COLUMNS)), FLOAT)
                values = [emit.floats(row, v) for v in vectors]
                sums = [emit.larger(*pair) for pair in zip(totals, values, strict=True)]
                while len(values) > 1:
                    pairs = zip(values[::2], values[1::2], strict=True)
                    values = [emit.larger(*pair) for pair in pairs]
                place = emit.move(places, builder.mul(index, LONG(LANES)), FLOAT)
                if vectors[0] > 0:
                    values = [emit.larger(values[0], emit.floats(place))]
                emit.store(values[0], place)
                return sums

            return emit.sum_over(deals, [FLOATS([LOWEST] * LANES)] * len(vectors), add)

        for vectors in blocks(COLUMNS // LANES, SUMS):
            for v, total in zip(vectors, largest_of(vectors), strict=True):
                emit.store(total, emit.move(emit.at(3, FLOAT), LANES * v, FLOAT))
        return context.get_dummy_value()

    at = int64
    return types.void(line, at, at, columns, at, lanes, at), generate


@intrinsic
def at_least(typing, numbers, numbers_at, bound):
    """Mask of the 16 float32 that are not below a bound, as the bits of an int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        values = emit.floats(emit.at(0, FLOAT))
        found = builder.fcmp_ordered(">=", values, emit.everywhere(arguments[2]))
        return builder.zext(builder.bitcast(found, SHORT), WORD)

    return int32(numbers, int64, float32), generate


@intrinsic
def log_of_sum(typing, line, line_at, deals, largest):
    """ln of the sum of e^(x - ``largest``) of ``deals`` times ``COLUMNS`` float32, none above it.

    The largest must be among them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        numbers, deals = emit.at(0, FLOAT), arguments[2]
        factor = emit.to_base_two(FLOAT(1.0))
        lowered = emit.everywhere(builder.fneg(emit.to_base_two(arguments[3])))
        factors = emit.everywhere(factor)

        def sums_of(vectors: range) -> Vectors:
            def add(index: Any, totals: Vectors) -> Vectors:
                row = emit.move(numbers, builder.mul(index, LONG(COLUMNS)), FLOAT)
                return [
                    builder.fadd(total, emit.exponential(emit.floats(row, v), factors, lowered))
                    for v, total in zip(vectors, totals, strict=True)
                ]

            return emit.sum_over(deals, [FLOATS([0.0] * LANES)] * len(vectors), add)

        parts = [sums_of(vectors) for vectors in blocks(COLUMNS // LANES, SUMS // 2)]
        totals = [total for part in parts for total in part]
        while len(totals) > 1:
            totals = [builder.fadd(*pair) for pair in zip(totals[::2], totals[1::2], strict=True)]
        total = emit.across(totals[0], builder.fadd)
        return builder.fptrunc(emit.logarithm(total), FLOAT)

    return float32(line, int64, int64, float32), generate
