"""The innermost loops of what happens to a row, which is so many whole vectors.

Arguments come in pairs: an array, and where in it to begin, in items (of a flat view of it).
"""

from __future__ import annotations

from typing import Any

from numba import float32, int64, types
from numba.extending import intrinsic

from tformer.model.network.int8.simd.emitter import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INTEGERS,
    LANES,
    LONG,
    Emitter,
    Vectors,
)

_WAYS = 4
"""Sums that are taken at a time."""


class _Rows(Emitter):
    """Writes loops over the vectors of rows."""

    def row(self, argument: int) -> Any:
        """A function from a vector's number to where it is in the array that is an argument."""
        start = self.at(argument, FLOAT)
        return lambda index: self.move(start, self.builder.mul(index, LONG(LANES)), FLOAT)


@intrinsic
def put_sum(typing, row, row_at, factor, other, other_at, out, out_at, vectors):
    """out = ``factor`` times a row plus another; returns the total of what it writes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = _Rows(context, builder, signature, arguments)
        row, other, out = emit.row(0), emit.row(3), emit.row(5)
        factor = emit.everywhere(arguments[2])

        def add(index: Any, total: Any) -> Any:
            added = emit.add_product(emit.floats(other(index)), emit.floats(row(index)), factor)
            emit.store(added, out(index))
            return builder.fadd(total, added)

        return emit.total_of(arguments[7], _WAYS, add)

    at = int64
    return float32(row, at, float32, other, at, out, at, at), generate


@intrinsic
def deviation(typing, row, row_at, mean, vectors):
    """The sum of the squares of what the numbers of a row are from their mean."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = _Rows(context, builder, signature, arguments)
        row, mean = emit.row(0), emit.everywhere(arguments[2])

        def add(index: Any, total: Any) -> Any:
            difference = builder.fsub(emit.floats(row(index)), mean)
            return emit.add_product(total, difference, difference)

        return emit.total_of(arguments[3], _WAYS, add)

    return float32(row, int64, float32, int64), generate


@intrinsic
def put_normalised(
    typing, row, row_at, mean, factor, weight, weight_at, bias, bias_at, out, out_at, vectors
):
    """out = (row - mean) * factor * weight + bias; returns the largest magnitude in it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = _Rows(context, builder, signature, arguments)
        row, weight, bias, out = (emit.row(argument) for argument in (0, 4, 6, 8))
        mean, factor = (emit.everywhere(value) for value in arguments[2:4])

        def put(index: Any, largest: Vectors) -> Vectors:
            centred = builder.fmul(builder.fsub(emit.floats(row(index)), mean), factor)
            normed = emit.add_product(emit.floats(bias(index)), centred, emit.floats(weight(index)))
            emit.store(normed, out(index))
            return [emit.larger(largest[0], emit.magnitude(normed))]

        (largest,) = emit.sum_over(arguments[10], [FLOATS([0.0] * LANES)], put)
        return emit.across(largest, emit.larger)

    at = int64
    signature = float32(row, at, float32, float32, weight, at, bias, at, out, at, at)
    return signature, generate


@intrinsic
def rectify(typing, row, row_at, vectors):
    """Turn what is negative in a row into 0; returns the largest number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = _Rows(context, builder, signature, arguments)
        row, nothing = emit.row(0), FLOATS([0.0] * LANES)

        def put(index: Any, largest: Vectors) -> Vectors:
            values = emit.larger(emit.floats(row(index)), nothing)
            emit.store(values, row(index))
            return [emit.larger(largest[0], values)]

        (largest,) = emit.sum_over(arguments[2], [nothing], put)
        return emit.across(largest, emit.larger)

    return float32(row, int64, int64), generate


@intrinsic
def largest_magnitude(typing, row, row_at, vectors):
    """The largest magnitude in a row."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = _Rows(context, builder, signature, arguments)
        row = emit.row(0)

        def see(index: Any, largest: Vectors) -> Vectors:
            return [emit.larger(largest[0], emit.magnitude(emit.floats(row(index))))]

        (largest,) = emit.sum_over(arguments[2], [FLOATS([0.0] * LANES)], see)
        return emit.across(largest, emit.larger)

    return float32(row, int64, int64), generate


@intrinsic
def put_bytes(typing, row, row_at, factor, offset, out, out_at, vectors):
    """Write the whole part of ``factor`` times a row plus an offset, 0 to 255, as uint8."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = _Rows(context, builder, signature, arguments)
        row, start = emit.row(0), emit.at(4, BYTE)
        factor, offset = (emit.everywhere(value) for value in arguments[2:4])

        def put(index: Any) -> None:
            values = emit.add_product(offset, emit.floats(row(index)), factor)
            numbers = builder.trunc(builder.fptosi(values, INTEGERS), BYTES)
            emit.store(numbers, emit.move(start, builder.mul(index, LONG(LANES)), BYTE))

        emit.each(arguments[6], put)
        return context.get_dummy_value()

    at = int64
    return types.void(row, at, float32, float32, out, at, at), generate
