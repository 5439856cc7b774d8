"""Two innermost loops in vectors, written as LLVM has them.

Left to itself the compiler keeps their sums in memory, or takes no vectors for the last few of a
sentence's positions, which are most of them. Here the sums stay in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import float32, int32, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
"""Numbers of 32 bits in a vector."""

PANEL = 4 * LANES
"""Outputs of a product that are computed together, and what every width is filled up to."""

QUAD = 4
"""Bytes whose products are summed in one lane."""

_BYTE, _WORD, _LONG, _FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_INTEGERS, _FLOATS = ir.VectorType(_WORD, LANES), ir.VectorType(_FLOAT, LANES)


@intrinsic
def as_float(typing: Any, bits: Any) -> Any:
    """The float32 that has the bits of an int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return float32(int32), generate


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """A pointer to float32 numbers, from its address (int64)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(float32)(types.int64), generate


@intrinsic
def larger(typing: Any, one: Any, other: Any) -> Any:
    """The larger of two float32 that are not NaN.

    Python's ``max`` says nothing about NaN to the compiler, which then compares one by one.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flags = ["nnan", "nsz"]
        is_larger = builder.fcmp_ordered(">", *arguments, flags=flags)
        return builder.select(is_larger, *arguments, flags=flags)

    return float32(float32, float32), generate


class _Emitter:
    """Writes instructions into a function that Numba compiles."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self.arguments = arguments
        self._context = context
        self._types = signature.args

    def at(self, argument: int, item: ir.Type) -> Any:
        """Where the array that is an argument has the item that the next argument names."""
        array = self._context.make_array(self._types[argument])(
            self._context, self.builder, self.arguments[argument]
        )
        data = self.builder.bitcast(array.data, item.as_pointer())
        return self.move(data, self.arguments[argument + 1], item)

    def move(self, place: Any, items: Any, item: ir.Type) -> Any:
        """So many items further."""
        return self.builder.gep(place, [items], source_etype=item)

    def load(self, place: Any, kind: ir.Type) -> Any:
        """What is there, aligned or not."""
        value = self.builder.load(self.builder.bitcast(place, kind.as_pointer()), typ=kind)
        value.align = 1
        return value

    def store(self, value: Any, place: Any) -> None:
        """Put a value there, aligned as its items are."""
        target = self.builder.bitcast(place, value.type.as_pointer())
        self.builder.store(value, target).align = 4

    def everywhere(self, value: Any, kind: ir.VectorType) -> Any:
        """A vector that has a value in all lanes."""
        nothing = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(nothing, value, _WORD(0))
        lanes = ir.Constant(ir.VectorType(_WORD, kind.count), None)
        return self.builder.shuffle_vector(first, nothing, lanes)

    def sum_over(self, count: Any, start: list[Any], add: Any) -> list[Any]:
        """Vectors that begin as ``start`` and become ``add(index, vectors)``, ``count`` times."""
        builder = self.builder
        before, loop = builder.block, builder.append_basic_block("loop")
        done = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed(">", count, _LONG(0)), loop, done)
        builder.position_at_end(loop)
        index = builder.phi(_LONG)
        index.add_incoming(_LONG(0), before)
        totals = [builder.phi(value.type) for value in start]
        sums = add(index, totals)
        following = builder.add(index, _LONG(1))
        index.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
        builder.position_at_end(done)
        results = []
        for first, total, following_sum in zip(start, totals, sums, strict=True):
            total.add_incoming(first, before)
            total.add_incoming(following_sum, loop)
            result = builder.phi(first.type)
            result.add_incoming(first, before)
            result.add_incoming(following_sum, loop)
            results.append(result)
        return results


def tile(rows: int) -> Any:
    """A function that multiplies ``rows`` rows of bytes with one panel of weights (AVX-512 VNNI).

    Its arguments are arrays and where in them to begin, in items: activations (uint8) and the
    length of their rows; weights (int8); the sums to begin with (int32); where to put the sums
    (int32) and the length of those rows.
    """
    columns = range(PANEL // LANES)

    @intrinsic
    def multiply(
        typing, left, left_at, depth, right, right_at, start, start_at, out, out_at, stride
    ):
        def generate(context, builder, signature, arguments):
            depth, stride = arguments[2], arguments[9]
            # `at` reads an array and the argument behind it; `depth` stands between two arrays.
            emit = _Emitter(context, builder, signature, arguments)
            activations, weights = emit.at(0, _BYTE), emit.at(3, _BYTE)
            begin, sums = emit.at(5, _WORD), emit.at(7, _WORD)
            kind = ir.FunctionType(_INTEGERS, [_INTEGERS] * 3)
            name = "llvm.x86.avx512.vpdpbusd.512"
            dot = cgutils.get_or_insert_function(builder.module, kind, name)

            def add(index: Any, totals: list[Any]) -> list[Any]:
                panel = emit.move(weights, builder.mul(index, _LONG(PANEL * QUAD)), _BYTE)
                vectors = [
                    emit.load(emit.move(panel, _LONG(LANES * QUAD * c), _BYTE), _INTEGERS)
                    for c in columns
                ]
                sums = []
                for row in range(rows):
                    quad = builder.add(
                        builder.mul(depth, _LONG(row)), builder.mul(index, _LONG(QUAD))
                    )
                    word = emit.load(emit.move(activations, quad, _BYTE), _WORD)
                    lanes = emit.everywhere(word, _INTEGERS)
                    for c in columns:
                        total = totals[row * len(columns) + c]
                        sums.append(builder.call(dot, [total, lanes, vectors[c]]))
                return sums

            first = [
                emit.load(emit.move(begin, _LONG(LANES * c), _WORD), _INTEGERS) for c in columns
            ]
            totals = emit.sum_over(builder.sdiv(depth, _LONG(QUAD)), first * rows, add)
            for row in range(rows):
                for c in columns:
                    place = builder.add(builder.mul(stride, _LONG(row)), _LONG(LANES * c))
                    emit.store(totals[row * len(columns) + c], emit.move(sums, place, _WORD))
            return context.get_dummy_value()

        at = types.int64
        return types.void(left, at, at, right, at, start, at, out, at, at), generate

    return multiply


def _combiner(vectors: int) -> Any:
    """A function that sums weighted rows, ``vectors`` wide: out = sum of weights[n] rows[n].

    Its arguments are arrays and where in them to begin: weights (float32); where each row lies
    (int64, in items), and how many there are; the rows (float32); where to put the sum (float32).
    """
    # An addition waits for the one before it; so there are several sums at a time, of every so
    # manyth row, which come together at the end.
    unrolled = 8 // vectors

    @intrinsic
    def combine(typing, weights, weights_at, places, places_at, count, rows, rows_at, out, out_at):
        def generate(context, builder, signature, arguments):
            emit = _Emitter(context, builder, signature, arguments)
            shares, offsets = emit.at(0, _FLOAT), emit.at(2, _LONG)
            base, target = emit.at(5, _FLOAT), emit.at(7, _FLOAT)

            def add_row(index: Any, totals: list[Any]) -> list[Any]:
                share = emit.load(emit.move(shares, index, _FLOAT), _FLOAT)
                lanes = emit.everywhere(share, _FLOATS)
                offset = emit.load(emit.move(offsets, index, _LONG), _LONG)
                row = emit.move(base, offset, _FLOAT)
                sums = []
                for v, total in enumerate(totals):
                    values = emit.load(emit.move(row, _LONG(LANES * v), _FLOAT), _FLOATS)
                    product = builder.fmul(lanes, values, flags=["contract"])
                    sums.append(builder.fadd(total, product, flags=["contract"]))
                return sums

            def add_rows(index: Any, totals: list[Any]) -> list[Any]:
                first = builder.mul(index, _LONG(unrolled))
                sums = []
                for u in range(unrolled):
                    row = builder.add(first, _LONG(u))
                    sums += add_row(row, totals[u * vectors : (u + 1) * vectors])
                return sums

            nothing = ir.Constant(_FLOATS, [0.0] * LANES)
            whole = builder.sdiv(arguments[4], _LONG(unrolled))
            several = emit.sum_over(whole, [nothing] * vectors * unrolled, add_rows)
            totals = several[:vectors]
            for start in range(vectors, len(several), vectors):
                pairs = zip(totals, several[start : start + vectors], strict=True)
                totals = [builder.fadd(*pair) for pair in pairs]
            done = builder.mul(whole, _LONG(unrolled))
            totals = emit.sum_over(
                builder.sub(arguments[4], done),
                totals,
                lambda index, sums: add_row(builder.add(index, done), sums),
            )
            for v, total in enumerate(totals):
                emit.store(total, emit.move(target, _LONG(LANES * v), _FLOAT))
            return context.get_dummy_value()

        at = types.int64
        return types.void(weights, at, places, at, at, rows, at, out, at), generate

    return combine


_one, _two, _four = _combiner(1), _combiner(2), _combiner(4)


@njit(nogil=True, inline="always")
def weighted_sum(weights, weights_at, places, count, rows, rows_at, width, out, out_at):
    """out = sum over n < ``count`` of weights[n] times the row of ``width`` at places[n].

    Args:
        weights, rows, out: flat float32, which begin at ``weights_at``, ``rows_at``, ``out_at``.
        places: (at least count,) int64, where in ``rows`` each row begins.
    """
    done = 0
    while width - done >= 4 * LANES:
        _four(weights, weights_at, places, 0, count, rows, rows_at + done, out, out_at + done)
        done += 4 * LANES
    if width - done >= 2 * LANES:
        _two(weights, weights_at, places, 0, count, rows, rows_at + done, out, out_at + done)
        done += 2 * LANES
    if width - done >= LANES:
        _one(weights, weights_at, places, 0, count, rows, rows_at + done, out, out_at + done)
        done += LANES
    for i in range(done, width):
        total = float32(0.0)
        for n in range(count):
            total += weights[weights_at + n] * rows[rows_at + places[n] + i]
        out[out_at + i] = total
