"""The innermost loops of attention.

Arguments come in pairs: an array, and where in it to begin, in items (of a flat view of it).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import float32, int64, types
from numba.extending import intrinsic

from tformer.model.network.int8.simd.emitter import (
    FLOAT,
    FLOATS,
    HALF,
    HALVES,
    INTEGERS,
    LONG,
    SHORT,
    SUMS,
    Emitter,
    Vectors,
    blocks,
)
from tformer.model.network.int8.simd.vectors import LANES, LOWEST

_UNIT = 2.0**20
"""A weight of 1 before normalisation, as a whole number."""


@intrinsic
def put_halves(typing, row, row_at, out, out_at, vectors):
    """Write so many whole vectors of float32 as float16, whose range they are kept in."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        numbers, target = emit.at(0, FLOAT), emit.at(2, HALF)

        def put(index: Any) -> None:
            at = builder.mul(index, LONG(LANES))
            values = emit.larger(
                emit.floats(emit.move(numbers, at, FLOAT)), FLOATS([-65504.0] * LANES)
            )
            values = emit.smaller(values, FLOATS([65504.0] * LANES))
            emit.store(builder.fptrunc(values, HALVES), emit.move(target, at, HALF))

        emit.each(arguments[4], put)
        return context.get_dummy_value()

    return types.void(row, int64, out, int64, int64), generate


def dots(queries: int, kind: ir.Type = HALF) -> Any:
    """A function that multiplies ``queries`` queries, 1 or 4, with 16 or 4 keys, each with each.

    Its arguments: queries (float32) and how far they are apart; keys (of ``kind``); where each
    begins among them (int64); how many whole vectors a query has; where to put the sums (float32),
    a row a query, and how far these are apart.
    """
    keys = LANES // queries

    @intrinsic
    def multiply(
        typing, left, left_at, apart, right, right_at, places, places_at, vectors, out, out_at,
        stride,
    ):  # fmt: skip
        def generate(context, builder, signature, arguments):
            apart, vectors, stride = arguments[2], arguments[7], arguments[10]
            emit = Emitter(context, builder, signature, arguments)
            first, base, offsets = emit.at(0, FLOAT), emit.at(3, kind), emit.at(5, LONG)
            lines = [
                emit.move(first, builder.mul(apart, LONG(query)), FLOAT) for query in range(queries)
            ]
            rows = [
                emit.move(base, emit.load(emit.move(offsets, key, LONG), LONG), kind)
                for key in range(keys)
            ]

            def sums_of(queries_: range, keys_: range) -> Vectors:
                def add(index: Any, totals: Vectors) -> Vectors:
                    at, left_over = builder.mul(index, LONG(LANES)), iter(totals)
                    right = [emit.numbers(emit.move(rows[key], at, kind), kind) for key in keys_]
                    sums = []
                    for query in queries_:
                        left = emit.floats(emit.move(lines[query], at, FLOAT))
                        sums += [emit.add_product(next(left_over), left, key) for key in right]
                    return sums

                nothing = [FLOATS([0.0] * LANES)] * (len(queries_) * len(keys_))
                return emit.sum_over(vectors, nothing, add)

            together = min(queries, SUMS)
            products: dict[tuple[int, int], Any] = {}
            for queries_ in blocks(queries, together):
                for keys_ in blocks(keys, SUMS // len(queries_)):
                    places = [(query, key) for query in queries_ for key in keys_]
                    products.update(zip(places, sums_of(queries_, keys_), strict=True))
            sums = emit.sums_of([products[place] for place in sorted(products)])
            target = emit.at(8, FLOAT)
            for query in range(queries):
                part = emit.pick(sums, sums, range(query * keys, query * keys + keys))
                emit.store(part, emit.move(target, builder.mul(stride, LONG(query)), FLOAT))
            return context.get_dummy_value()

        at = int64
        return types.void(left, at, at, right, at, places, at, at, out, at, at), generate

    return multiply


def mixture(sums: int, vectors: int, kind: ir.Type = HALF) -> Any:
    """A function that takes ``sums`` weighted sums of the same rows, ``vectors`` wide.

    Its arguments: weights (float32) and how far those of one sum and the next are apart; where each
    row lies (int64), and how many there are; the rows (float16); where to put the sums (float32),
    and how far these are apart.
    """

    @intrinsic
    def combine(
        typing, weights, weights_at, apart, places, places_at, count, rows, rows_at, out, out_at,
        stride,
    ):  # fmt: skip
        def generate(context, builder, signature, arguments):
            apart, count, stride = arguments[2], arguments[5], arguments[10]
            emit = Emitter(context, builder, signature, arguments)
            offsets, base = emit.at(3, LONG), emit.at(6, kind)
            lines = [
                emit.move(emit.at(0, FLOAT), builder.mul(apart, LONG(n)), FLOAT)
                for n in range(sums)
            ]

            def sums_of(columns: range) -> Vectors:
                def add(index: Any, totals: Vectors) -> Vectors:
                    offset = emit.load(emit.move(offsets, index, LONG), LONG)
                    row, left_over = emit.move(base, offset, kind), iter(totals)
                    values = [emit.numbers(row, kind, v) for v in columns]
                    results = []
                    for line in lines:
                        share = emit.share(emit.move(line, index, FLOAT))
                        results += [emit.add_product(next(left_over), share, v) for v in values]
                    return results

                nothing = FLOATS([0.0] * LANES)
                return emit.sum_over(count, [nothing] * (sums * len(columns)), add)

            for columns in blocks(vectors, SUMS // sums):
                totals = iter(sums_of(columns))
                for n in range(sums):
                    target = emit.move(emit.at(8, FLOAT), builder.mul(stride, LONG(n)), FLOAT)
                    for v in columns:
                        emit.store(next(totals), emit.move(target, LANES * v, FLOAT))
            return context.get_dummy_value()

        at = int64
        return types.void(weights, at, at, places, at, at, rows, at, out, at, at), generate

    return combine


def softmax(rows: int, *, whole: bool = True) -> Any:
    """A function that turns ``rows`` rows of scores, 1 or 4, times a scale into weights, in place.

    Its arguments: scores (float32), how many whole vectors a row has, and how far rows are apart;
    masks (uint16, one for each vector) and how far those of rows are apart; the positive scale.
    Only lanes whose bits are set in the masks count; what is in the others is not looked at, and
    gets a weight of 0. The sum of a row is taken in whole numbers, so that it does not depend on
    the lanes in which its weights are; or, without ``whole``, in float32.
    """

    def added(builder: Any, total: Any, power: Any) -> Any:
        if not whole:
            return builder.fadd(total, power)
        units = builder.fmul(power, FLOATS([_UNIT] * LANES))
        return builder.add(total, builder.fptosi(units, INTEGERS))

    def shares_of(emit: Emitter, sums: Vectors) -> Vectors:
        if not whole:  # each in the same order, however many there are
            one = FLOATS([1.0] * LANES)
            totals = [emit.everywhere(emit.across(each, emit.builder.fadd)) for each in sums]
            return [emit.builder.fdiv(one, total) for total in totals]
        total = emit.builder.sitofp(emit.joined(sums, emit.builder.add), FLOATS)
        return emit.spread(emit.builder.fdiv(FLOATS([_UNIT] * LANES), total), rows)

    zero = INTEGERS([0] * LANES) if whole else FLOATS([0.0] * LANES)

    @intrinsic
    def turn(typing, scores, scores_at, vectors, apart, masks, masks_at, masks_apart, scale):
        def generate(context, builder, signature, arguments):
            emit = Emitter(context, builder, signature, arguments)
            vectors, apart, masks_apart = arguments[2], arguments[3], arguments[6]
            lines = [
                emit.move(emit.at(0, FLOAT), builder.mul(apart, LONG(n)), FLOAT)
                for n in range(rows)
            ]
            bits = [
                emit.move(emit.at(4, SHORT), builder.mul(masks_apart, LONG(n)), SHORT)
                for n in range(rows)
            ]
            lowest, nothing = FLOATS([LOWEST] * LANES), FLOATS([0.0] * LANES)

            def places(index: Any) -> list[Any]:
                at = builder.mul(index, LONG(LANES))
                return [emit.move(line, at, FLOAT) for line in lines]

            def masked(index: Any, values: Vectors, other: Any) -> Vectors:
                return [
                    builder.select(emit.mask(emit.move(mask, index, SHORT)), value, other)
                    for mask, value in zip(bits, values, strict=True)
                ]

            def add_larger(index: Any, totals: Vectors) -> Vectors:
                values = masked(index, [emit.floats(place) for place in places(index)], lowest)
                return [emit.larger(*pair) for pair in zip(totals, values, strict=True)]

            factor = emit.everywhere(emit.to_base_two(arguments[7]))
            maxima = emit.sum_over(vectors, [lowest] * rows, add_larger)
            largest = builder.fmul(emit.joined(maxima, emit.larger), factor)
            lowered = emit.spread(builder.fneg(largest), rows)

            def add_powers(index: Any, totals: Vectors) -> Vectors:
                at = places(index)
                powers = [
                    emit.exponential(emit.floats(place), factor, low)
                    for place, low in zip(at, lowered, strict=True)
                ]
                powers, sums = masked(index, powers, nothing), []
                for place, power, total in zip(at, powers, totals, strict=True):
                    emit.store(power, place)
                    sums.append(added(builder, total, power))
                return sums

            sums = emit.sum_over(vectors, [zero] * rows, add_powers)
            shares = shares_of(emit, sums)

            def divide(index: Any) -> None:
                for place, share in zip(places(index), shares, strict=True):
                    emit.store(builder.fmul(emit.floats(place), share), place)

            emit.each(vectors, divide)
            return context.get_dummy_value()

        at = int64
        return types.void(scores, at, at, at, masks, at, at, float32), generate

    return turn
