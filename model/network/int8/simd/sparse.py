"""The innermost loops of a product that reads the weights of no activation that is zero.

After a ReLU most activations are zero. What is left of a row is listed: bytes, and where in a
panel of weights that are laid out by inputs those of each begin. Four are multiplied at a time:
their weights, one input after the other, are interleaved to those of a quad, as `dot` takes them.
The sums are those of the whole product, since what is left out adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import float32, int64, types
from numba.extending import intrinsic

from tformer.model.hardware.cpu import level
from tformer.model.network.int8.simd.dot import DOT, QUAD
from tformer.model.network.int8.simd.emitter import (
    BYTE,
    FLOAT,
    FLOATS,
    INTEGERS,
    LONG,
    SHORT,
    WORD,
    Emitter,
    Vectors,
)
from tformer.model.network.int8.simd.tile import scaled_output
from tformer.model.network.int8.simd.tiles import GROUP, PANEL, QUARTER
from tformer.model.network.int8.simd.vectors import LANES

_WIDTH = level().lanes


_WAYS = 4
"""Maxima that are taken at a time: one waits for the one before it."""


@intrinsic
def largest_positive(typing, row, row_at, vectors):
    """The largest number of a row, or 0 if none is above it.

    A row has whole panels, which are so many ``vectors``.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        row = emit.at(0, FLOAT)

        def see(count: int) -> Callable[[Any, Vectors], Vectors]:
            def add(index: Any, largest: Vectors) -> Vectors:
                place = emit.move(row, builder.mul(index, LONG(count * LANES)), FLOAT)
                return [emit.larger(each, emit.floats(place, n)) for n, each in enumerate(largest)]

            return add

        nothing, whole = FLOATS([0.0] * LANES), builder.sdiv(arguments[2], LONG(_WAYS))
        largest = emit.sum_over(whole, [nothing] * _WAYS, see(_WAYS))
        while len(largest) > 1:
            largest = [emit.larger(*pair) for pair in zip(largest[::2], largest[1::2], strict=True)]
        return emit.across(largest[0], emit.larger)

    return float32(row, int64, int64), generate


@intrinsic
def put_nonzero(typing, row, row_at, factor, values, values_at, places, places_at, vectors):
    """List what is above zero of the whole parts of ``factor`` times a row.

    Rounded as by `elementwise.put_bytes`. Returns how many there are; behind them are zeros to a
    whole quad, and what else is in the next ``LANES`` items of the list is written over.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        row, values, places = emit.at(0, FLOAT), emit.at(3, BYTE), emit.at(5, WORD)
        factor, offset = emit.everywhere(arguments[2]), FLOATS([128.5] * LANES)
        steps = ir.VectorType(WORD, _WIDTH)([PANEL * lane for lane in range(_WIDTH)])

        def put(index: Any, found: Vectors) -> Vectors:
            (count,) = found
            first = builder.mul(index, LONG(LANES))
            # What is far below zero has no whole part in int32.
            numbers = emit.larger(emit.floats(emit.move(row, first, FLOAT)), FLOATS([0.0] * LANES))
            scaled = emit.add_product(offset, numbers, factor)
            numbers = builder.sub(builder.fptosi(scaled, INTEGERS), INTEGERS([128] * LANES))
            for lane in range(0, LANES, _WIDTH):
                part = emit.pick(numbers, numbers, range(lane, lane + _WIDTH))
                is_listed = builder.icmp_signed(">", part, part.type([0] * _WIDTH))
                start = builder.mul(builder.add(first, LONG(lane)), LONG(PANEL))
                start = emit.everywhere(builder.trunc(start, WORD), steps.type)
                pack = _packing(emit, is_listed)
                bytes_ = builder.trunc(pack(part), ir.VectorType(BYTE, _WIDTH))
                emit.store(bytes_, emit.move(values, count, BYTE))
                emit.store(pack(builder.add(start, steps)), emit.move(places, count, WORD))
                count = builder.add(count, _number_of(emit, is_listed))
            return [count]

        (count,) = emit.sum_over(arguments[7], [LONG(0)], put)
        emit.store(WORD(0), emit.move(values, count, BYTE))
        nothing = ir.VectorType(WORD, QUAD)([0] * QUAD)
        emit.store(nothing, emit.move(places, count, WORD))
        return count

    at = int64
    return int64(row, at, float32, values, at, places, at, at), generate


def _number_of(emit: Emitter, mask: Any) -> Any:
    """Count the lanes of a mask."""
    kind = ir.IntType(mask.type.count)
    count = emit.function(f"llvm.ctpop.i{kind.width}", kind, [kind])
    return emit.builder.zext(emit.builder.call(count, [emit.builder.bitcast(mask, kind)]), LONG)


def _packing(emit: Emitter, mask: Any) -> Any:
    """A function of a vector (int32): the lanes of the mask, which come first; others are any."""
    builder, kind = emit.builder, ir.VectorType(WORD, _WIDTH)
    if _WIDTH == LANES:
        name = "llvm.x86.avx512.mask.compress.v16i32"
        compress = emit.function(name, kind, [kind, kind, mask.type])
        return lambda vector: builder.call(compress, [vector, kind([0] * _WIDTH), mask])
    permute = emit.function("llvm.x86.avx2.permd", kind, [kind, kind])
    number = builder.zext(builder.bitcast(mask, BYTE), LONG)
    place = emit.move(_orders(emit), builder.mul(number, LONG(_WIDTH)), BYTE)
    order = builder.zext(emit.load(place, ir.VectorType(BYTE, _WIDTH)), kind)
    return lambda vector: builder.call(permute, [vector, order])


def _orders(emit: Emitter) -> Any:
    """Address of a table: of each mask of eight lanes, their numbers."""
    from numba.core import cgutils  # which only who compiles needs

    table = bytearray()
    for mask in range(1 << _WIDTH):
        lanes = [lane for lane in range(_WIDTH) if mask >> lane & 1]
        table += bytes(lanes + [0] * (_WIDTH - len(lanes)))
    kind = ir.ArrayType(BYTE, len(table))
    stored = cgutils.global_constant(emit.builder.module, "orders", ir.Constant(kind, table))
    return emit.builder.bitcast(stored, BYTE.as_pointer())


@intrinsic
def put_panel(
    typing, values, values_at, places, places_at, quads, right, right_at, factor,
    scale, scale_at, bias, bias_at, out, out_at,
):  # fmt: skip
    """Put a panel of outputs of a row that is listed, ``quads`` times four numbers.

    Arguments: the list; weights (int8), an input after the other, those of the panel from
    ``right_at`` on; the row's scale; the outputs' scales and biases (float32); where to put them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        for column in range(0, PANEL, GROUP):
            _put_group(emit, column)
        return context.get_dummy_value()

    at = int64
    signature = types.void(
        values, at, places, at, at, right, at, float32, scale, at, bias, at, out, at
    )
    return signature, generate


def _put_group(emit: Emitter, column: int) -> None:
    """Put the outputs of a panel from ``column`` on whose sums registers hold, see `put_panel`."""
    builder = emit.builder
    values, places, right = emit.at(0, BYTE), emit.at(2, WORD), emit.at(5, BYTE)
    right = emit.move(right, column, BYTE)

    def add(index: Any, totals: Vectors) -> Vectors:
        first = builder.mul(index, LONG(QUAD))
        four = [emit.load(emit.move(values, first, BYTE), WORD)]
        lines = []
        for n in range(QUAD):
            place = emit.load(emit.move(emit.move(places, first, WORD), n, WORD), WORD)
            line = emit.move(right, builder.zext(place, LONG), BYTE)
            lines.append(emit.load(line, ir.VectorType(BYTE, GROUP)))
        return [
            DOT.add(emit, total, four, each)
            for total, each in zip(totals, _quads(emit, lines), strict=True)
        ]

    nothing = ir.VectorType(WORD, _WIDTH)([0] * _WIDTH)
    totals = emit.sum_over(emit.arguments[4], [nothing] * (GROUP // _WIDTH), add)
    kind = ir.VectorType(FLOAT, _WIDTH)
    factor = emit.everywhere(emit.arguments[7], kind)
    scales, biases, outputs = (emit.move(emit.at(n, FLOAT), column, FLOAT) for n in (8, 10, 12))
    for at, total in zip(range(0, GROUP, _WIDTH), totals, strict=True):
        scale, bias = (emit.load(emit.move(p, at, FLOAT), kind) for p in (scales, biases))
        output = scaled_output(emit, total, scale, bias, factor)
        emit.store(output, emit.move(outputs, at, FLOAT))


def _quads(emit: Emitter, inputs: Sequence[Any]) -> Vectors:
    """Weights of four inputs, a register each, as four of quads; see `tiles.output_of`."""
    one, two, three, four = inputs
    words = ir.VectorType(SHORT, GROUP // 2)
    found = []
    for half in (0, 1):
        first, second = (
            emit.builder.bitcast(_interleaved(emit, left, right, half), words)
            for left, right in ((one, two), (three, four))
        )
        found += [_interleaved(emit, first, second, part) for part in (0, 1)]
    return [emit.builder.bitcast(each, one.type) for each in found]


def _interleaved(emit: Emitter, one: Any, other: Any, part: int) -> Any:
    """Items of the first or second half of every quarter of two vectors, in turns."""
    count = one.type.count
    size = count * QUARTER // GROUP
    lanes = []
    for quarter in range(0, count, size):
        for item in range(quarter + part * size // 2, quarter + (part + 1) * size // 2):
            lanes += [item, count + item]
    return emit.pick(one, other, lanes)
