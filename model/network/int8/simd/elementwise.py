"""The innermost loops of what happens to a row, which is so many whole vectors.

Arguments come in pairs: an array, and where in it to begin, in items (of a flat view of it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import float32, int64, types
from numba.extending import intrinsic

from tformer.model.network.int8.simd.dot import BOUNDED, DOT, QUAD
from tformer.model.network.int8.simd.emitter import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INTEGERS,
    LONG,
    SHORT,
    WORD,
    Emitter,
    Vectors,
)
from tformer.model.network.int8.simd.vectors import LANES

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


def _activation(of: Callable[[Emitter, Any], Any]) -> Any:
    """A loop that applies a function to the vectors of a row; returns the largest magnitude."""

    @intrinsic
    def activate(typing, row, row_at, vectors):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit = _Rows(context, builder, signature, arguments)
            row = emit.row(0)

            def put(index: Any, largest: Vectors) -> Vectors:
                values = of(emit, emit.floats(row(index)))
                emit.store(values, row(index))
                return [emit.larger(largest[0], emit.magnitude(values))]

            (largest,) = emit.sum_over(arguments[2], [FLOATS([0.0] * LANES)], put)
            return emit.across(largest, emit.larger)

        return float32(row, int64, int64), generate

    return activate


def _relu(emit: Emitter, x: Any) -> Any:
    return emit.larger(x, FLOATS([0.0] * LANES))


def _logistic(emit: Emitter, x: Any, z: Any) -> Any:
    """x / (1 + e^-z), by powers of e that cannot overflow."""
    builder, one = emit.builder, FLOATS([1.0] * LANES)
    power = emit.decay(builder.fneg(emit.magnitude(z)))
    is_positive = builder.fcmp_ordered(">=", z, FLOATS([0.0] * LANES))
    share = builder.select(is_positive, one, power)
    return builder.fdiv(builder.fmul(x, share), builder.fadd(one, power))


def _silu(emit: Emitter, x: Any) -> Any:
    return _logistic(emit, x, x)


def _gelu_tanh(emit: Emitter, x: Any) -> Any:
    """An approximation of `_gelu`, with which some models were trained: (1 + tanh u) x / 2."""
    square = emit.builder.fmul(x, x)
    bracket = emit.add_product(
        FLOATS([2 * 0.7978845608] * LANES), square, FLOATS([2 * 0.7978845608 * 0.044715] * LANES)
    )
    return _logistic(emit, x, emit.builder.fmul(x, bracket))


# The error function of x >= 0 is 1 - (a1 t + ... + a5 t^5) e^(-x^2) with t = 1 / (1 + p x), to
# 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
_ERF_P = 0.3275911
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def _gelu(emit: Emitter, x: Any) -> Any:
    """x times the probability that a standard normal variable is below it."""
    builder, one = emit.builder, FLOATS([1.0] * LANES)
    z = builder.fmul(emit.magnitude(x), FLOATS([0.5**0.5] * LANES))
    t = builder.fdiv(one, emit.add_product(one, z, FLOATS([_ERF_P] * LANES)))
    series = FLOATS([_ERF[0]] * LANES)
    for factor in _ERF[1:]:
        series = emit.add_product(FLOATS([factor] * LANES), series, t)
    power = emit.decay(builder.fneg(builder.fmul(z, z)))
    tail = builder.fmul(builder.fmul(builder.fmul(series, t), power), FLOATS([0.5] * LANES))
    is_positive = builder.fcmp_ordered(">=", x, FLOATS([0.0] * LANES))
    return builder.fmul(x, builder.select(is_positive, builder.fsub(one, tail), tail))


rectify, gelu, silu = _activation(_relu), _activation(_gelu), _activation(_silu)
gelu_tanh = _activation(_gelu_tanh)
"""Apply an activation to so many vectors of a row, in place; returns the largest magnitude."""


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
def put_bytes(typing, row, row_at, factor, offset, out, out_at, end, vectors):
    """Write the whole part of ``factor`` times a row plus an offset, 0 to 255, as `dot` stores it.

    What is rounded is the same at every level. ``end`` is where the sum of negative magnitudes goes
    that a row has which stores signs apart; the squares are before it.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = _Rows(context, builder, signature, arguments)
        row, start = emit.row(0), emit.at(4, BYTE)
        factor, offset = (emit.everywhere(value) for value in arguments[2:4])

        def put(index: Any, sums: Vectors) -> Vectors:
            values = emit.add_product(offset, emit.floats(row(index)), factor)
            numbers = builder.fptosi(values, INTEGERS)
            place = emit.move(start, builder.mul(index, LONG(LANES * DOT.width)), BYTE)
            if BOUNDED:
                squares = emit.move(squares_at, index, LONG)
                return _put_with_signs_apart(emit, numbers, place, squares, sums)
            bytes_ = builder.trunc(numbers, BYTES)
            if DOT.offset == 0:
                bytes_ = builder.xor(bytes_, BYTES([-128] * LANES))
            emit.store(bytes_, place)
            return []

        nothing = [INTEGERS([0] * LANES)] * (DOT.width - 1)
        length = builder.sub(arguments[6], arguments[5])
        place = emit.move(start, length, BYTE)
        # Of the whole row, which may be longer than what is written to it: a fifth is squares.
        squares_at = emit.move(place, builder.sdiv(length, LONG(-5)), BYTE)
        for below in emit.sum_over(arguments[7], nothing, put):
            emit.store(emit.across(below, builder.add), place)
        return context.get_dummy_value()

    at = int64
    return types.void(row, at, float32, float32, out, at, at, at), generate


def _put_with_signs_apart(
    emit: Emitter, numbers: Any, place: Any, squares: Any, sums: Vectors
) -> Vectors:
    """Write numbers less 128 as magnitudes and signs, four of each.

    Args:
        emit: where to.
        numbers: a vector of int32, 1 to 255.
        place: where they begin.
        squares: where those of every four go that meet in a sum of 16 bits.
        sums: of magnitudes below 0.

    Returns:
        The sums with that of these numbers.
    """
    builder = emit.builder
    values = builder.sub(numbers, INTEGERS([128] * LANES))
    signs = builder.ashr(values, INTEGERS([31] * LANES))
    magnitudes = builder.sub(builder.xor(values, signs), signs)
    quads = ir.VectorType(WORD, LANES // QUAD)
    bytes_ = builder.trunc(magnitudes, BYTES)
    one = builder.bitcast(bytes_, quads)
    other = builder.bitcast(builder.trunc(signs, BYTES), quads)
    count = LANES // QUAD
    order = [n + part for n in range(count) for part in (0, count)]
    emit.store(emit.pick(one, other, order), place)
    emit.store(_squares(emit, bytes_), squares)
    return [builder.add(sums[0], builder.and_(magnitudes, signs))]


def _squares(emit: Emitter, magnitudes: Any) -> Any:
    """Sums of the squares of four bytes: of one pair of a quad, and the same of the next quad."""
    builder, shorts = emit.builder, ir.VectorType(SHORT, LANES // 2)
    pairs = emit.function("llvm.x86.ssse3.pmadd.ub.sw.128", shorts, [BYTES] * 2)
    quads = builder.bitcast(
        builder.call(pairs, [magnitudes] * 2), ir.VectorType(WORD, LANES // QUAD)
    )
    even, odd = (emit.pick(quads, quads, [n, n + 2]) for n in (0, 1))
    halves = ir.VectorType(SHORT, LANES // QUAD)
    return builder.add(builder.bitcast(even, halves), builder.bitcast(odd, halves))
