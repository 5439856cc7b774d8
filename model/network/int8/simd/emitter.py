"""Writes innermost loops as LLVM has them, for functions that Numba compiles.

Left to itself the compiler keeps sums in memory, or takes no vectors for the last few of a
sentence's positions, which are most of them. Here vectors of 16 numbers stay in registers. And it
may not choose: sums are taken in the order that is written down, and what is rounded once is so
everywhere, so that two compilations of a loop cannot differ by a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from tformer.model.hardware.cpu import level
from tformer.model.network.int8.simd.vectors import LANES

BYTE, SHORT, WORD, LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
FLOAT, HALF, DOUBLE = ir.FloatType(), ir.HalfType(), ir.DoubleType()
INTEGERS, FLOATS = ir.VectorType(WORD, LANES), ir.VectorType(FLOAT, LANES)
HALVES, BYTES = ir.VectorType(HALF, LANES), ir.VectorType(BYTE, LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)

Vectors = list[Any]

SUMS = level().registers * level().lanes // (2 * LANES)
"""Vectors of sums that registers hold, besides what is added to them."""


def blocks(count: int, size: int) -> list[range]:
    """``count`` sums in blocks that are taken at a time, at least one each."""
    size = max(size, 1)
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


# 2^f for |f| <= 1/2, to a relative 2e-7: the polynomial that equals it where Chebyshev's sixth one
# is zero (from f^5 to f^0).
_POWERS = (1.33908633e-3, 9.67603177e-3, 5.55035695e-2, 0.240221068, 0.693147182, 1.00000012)
_LOG2_E, _LOG_2 = 1.4426950408889634, 0.6931471805599453
_HALF_ROOT = 0x3FE6A09E667F3BCD
"""The bits of 1 / sqrt(2) in float64."""
_WHOLE = 1.5 * 2.0**23
"""A float32 of this size has no fraction: what is added to it is rounded to a whole number, which
its lowest bits then hold."""
_NUMBERS = ("nnan", "nsz")


def _in_quarters(*lanes: int) -> list[int]:
    """The same lanes of every quarter of a vector; a processor exchanges them fastest."""
    return [4 * quarter + lane for quarter in range(4) for lane in lanes]


def _of_quarters(*quarters: int) -> list[int]:
    return [4 * quarter + lane for quarter in quarters for lane in range(4)]


_FOLDS = (
    (_in_quarters(0, 16, 1, 17), _in_quarters(2, 18, 3, 19)),
    (_in_quarters(0, 1, 16, 17), _in_quarters(2, 3, 18, 19)),
    (_of_quarters(0, 1, 4, 5), _of_quarters(2, 3, 6, 7)),
    (_of_quarters(0, 2, 4, 6), _of_quarters(1, 3, 5, 7)),
)
"""Lanes of two vectors that are added to those of the same two, until every lane is a whole sum."""


class Emitter:
    """Writes instructions into a function that Numba compiles."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self.arguments = arguments
        self._context = context
        self._types = signature.args

    def function(self, name: str, result: ir.Type, arguments: Sequence[ir.Type]) -> Any:
        """A function that LLVM has, or knows as an instruction."""
        from numba.core import cgutils  # which only who compiles needs

        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, kind, name)

    # -- memory -------------------------------------------------------------------------------

    def at(self, argument: int, item: ir.Type) -> Any:
        """Address of the item of an array argument that the next argument names."""
        array = self._context.make_array(self._types[argument])(
            self._context, self.builder, self.arguments[argument]
        )
        data = self.builder.bitcast(array.data, item.as_pointer())
        return self.move(data, self.arguments[argument + 1], item)

    def move(self, place: Any, items: Any, item: ir.Type) -> Any:
        """So many items further."""
        count = LONG(items) if isinstance(items, int) else items
        return self.builder.gep(place, [count], source_etype=item)

    def load(self, place: Any, kind: ir.Type) -> Any:
        """Load a vector, aligned or not."""
        value = self.builder.load(self.builder.bitcast(place, kind.as_pointer()), typ=kind)
        value.align = 1
        return value

    def floats(self, place: Any, vector: int = 0) -> Any:
        """Vector number ``vector`` of float32 numbers that begin there."""
        return self.load(self.move(place, LANES * vector, FLOAT), FLOATS)

    def halves(self, place: Any, vector: int = 0) -> Any:
        """Vector number ``vector`` of float16 numbers that begin there, as float32."""
        values = self.load(self.move(place, LANES * vector, HALF), HALVES)
        return self.builder.fpext(values, FLOATS)

    def numbers(self, place: Any, kind: ir.Type, vector: int = 0) -> Any:
        """Vector number ``vector`` of numbers of a kind, float32 or float16, as float32."""
        return (self.halves if kind is HALF else self.floats)(place, vector)

    def mask(self, place: Any) -> Any:
        """The bits of an uint16, one for each lane."""
        return self.builder.bitcast(self.load(place, SHORT), MASK)

    def store(self, value: Any, place: Any) -> None:
        """Put a value there, aligned or not."""
        target = self.builder.bitcast(place, value.type.as_pointer())
        self.builder.store(value, target).align = 1

    # -- vectors ------------------------------------------------------------------------------

    def everywhere(self, value: Any, kind: ir.VectorType = FLOATS) -> Any:
        """A vector that has a value in all lanes."""
        nothing = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(nothing, value, WORD(0))
        lanes = ir.Constant(ir.VectorType(WORD, kind.count), None)
        return self.builder.shuffle_vector(first, nothing, lanes)

    def share(self, place: Any) -> Any:
        """The float32 that is there, in all lanes."""
        return self.everywhere(self.load(place, FLOAT))

    def add_product(self, total: Any, left: Any, right: Any) -> Any:
        """``total + left * right``, rounded once."""
        kind = total.type
        fused = self.function(f"llvm.fma.v{kind.count}f32", kind, [kind] * 3)
        return self.builder.call(fused, [left, right, total])

    def larger(self, one: Any, other: Any) -> Any:
        """The larger number in every lane, of which none is NaN."""
        is_larger = self.builder.fcmp_ordered(">", one, other, flags=_NUMBERS)
        return self.builder.select(is_larger, one, other, flags=_NUMBERS)

    def smaller(self, one: Any, other: Any) -> Any:
        """The smaller number in every lane, of which none is NaN."""
        is_smaller = self.builder.fcmp_ordered("<", one, other, flags=_NUMBERS)
        return self.builder.select(is_smaller, one, other, flags=_NUMBERS)

    def pick(self, one: Any, other: Any, lanes: Sequence[int]) -> Any:
        """Lanes of two vectors, those of the second counted from 16 on."""
        index = ir.Constant(ir.VectorType(WORD, len(lanes)), list(lanes))
        return self.builder.shuffle_vector(one, other, index)

    def across_four(self, vectors: Vectors, join: Callable[[Any, Any], Any]) -> Any:
        """All lanes of four vectors joined to one each; every quarter of the result has these."""
        for low, high in _FOLDS[:2]:
            vectors = [
                join(self.pick(one, other, low), self.pick(one, other, high))
                for one, other in zip(vectors[::2], vectors[1::2], strict=True)
            ]
        (vector,) = vectors
        for quarters in ((2, 3, 0, 1), (1, 0, 3, 2)):
            vector = join(vector, self.pick(vector, vector, _of_quarters(*quarters)))
        return vector

    def joined(self, vectors: Vectors, join: Callable[[Any, Any], Any]) -> Any:
        """The lanes of each of 1 or 4 vectors joined; lane i has the result of vector i."""
        if len(vectors) == 4:
            return self.across_four(vectors, join)
        return self.everywhere(self.across(vectors[0], join), vectors[0].type)

    def spread(self, vector: Any, count: int) -> Vectors:
        """Each of the first lanes in all lanes of a vector of its own."""
        return [self.pick(vector, vector, [number] * LANES) for number in range(count)]

    def across(self, vector: Any, join: Callable[[Any, Any], Any]) -> Any:
        """All lanes of a vector joined to one value."""
        lanes = LANES
        while lanes > 1:
            lanes //= 2
            other = self.pick(vector, vector, [(i + lanes) % LANES for i in range(LANES)])
            vector = join(vector, other)
        return self.builder.extract_element(vector, WORD(0))

    def sums_of(self, vectors: Vectors) -> Any:
        """The sums of 16 vectors, one in each lane, all taken in the same order."""
        for low, high in _FOLDS:
            vectors = [
                self.builder.fadd(self.pick(one, other, low), self.pick(one, other, high))
                for one, other in zip(vectors[::2], vectors[1::2], strict=True)
            ]
        return vectors[0]

    def power_of_two(self, whole: Any, x: Any) -> Any:
        """2^x of -126 <= x <= 0, ``whole`` being x + ``_WHOLE``: 2^n 2^f with n + f = x."""
        builder = self.builder
        n = builder.fsub(whole, FLOATS([_WHOLE] * LANES))
        f = builder.fsub(x, n)
        p = FLOATS([_POWERS[0]] * LANES)
        for factor in _POWERS[1:]:
            p = self.add_product(FLOATS([factor] * LANES), p, f)
        bits = builder.shl(builder.bitcast(whole, INTEGERS), INTEGERS([23] * LANES))
        return builder.bitcast(builder.add(builder.bitcast(p, INTEGERS), bits), FLOATS)

    def exponential(self, x: Any, factor: Any, largest: Any) -> Any:
        """e^(s x) of s x not above their maximum m, over e^m; about 0 far below.

        Args:
            x: a vector.
            factor: s log2 e in all lanes, see :meth:`to_base_two`.
            largest: -m log2 e in all lanes.
        """
        power = self.add_product(largest, x, factor)
        power = self.larger(power, FLOATS([-126.0] * LANES))
        whole = self.builder.fadd(power, FLOATS([_WHOLE] * LANES))
        return self.power_of_two(whole, power)

    def decay(self, x: Any) -> Any:
        """e^x of x <= 0; about 0 far below."""
        nothing = FLOATS([0.0] * LANES)
        return self.exponential(x, FLOATS([_LOG2_E] * LANES), nothing)

    def logarithm(self, x: Any) -> Any:
        """ln x of one float32 that is at least 1, in float64: e ln 2 + ln m with x = 2^e m.

        ln m is 2 artanh((m - 1) / (m + 1)), of which the terms from the eighth on are below 1e-13.
        """
        builder = self.builder
        bits = builder.bitcast(builder.fpext(x, DOUBLE), LONG)
        # From 1 / sqrt(2) on, a mantissa is taken for that of the next power of two.
        moved = builder.sub(bits, LONG(_HALF_ROOT))
        e = builder.ashr(moved, LONG(52))
        m = builder.bitcast(builder.sub(bits, builder.shl(e, LONG(52))), DOUBLE)
        t = builder.fdiv(builder.fsub(m, DOUBLE(1.0)), builder.fadd(m, DOUBLE(1.0)))
        square, series = builder.fmul(t, t), DOUBLE(1 / 15)
        for divisor in (13, 11, 9, 7, 5, 3, 1):
            series = builder.fadd(builder.fmul(series, square), DOUBLE(1 / divisor))
        whole = builder.fmul(builder.sitofp(e, DOUBLE), DOUBLE(_LOG_2))
        return builder.fadd(whole, builder.fmul(builder.fadd(t, t), series))

    def magnitude(self, vector: Any) -> Any:
        """Without signs."""
        bits = self.builder.bitcast(vector, INTEGERS)
        return self.builder.bitcast(self.builder.and_(bits, INTEGERS([0x7FFFFFFF] * LANES)), FLOATS)

    def to_base_two(self, value: Any) -> Any:
        """A float32 times log2 e."""
        return self.builder.fmul(value, FLOAT(_LOG2_E))

    # -- loops --------------------------------------------------------------------------------

    def sum_over(
        self, count: Any, start: Vectors, add: Callable[[Any, Vectors], Vectors]
    ) -> Vectors:
        """Vectors that begin as ``start`` and become ``add(index, vectors)``, ``count`` times."""
        builder = self.builder
        before, loop = builder.block, builder.append_basic_block("loop")
        done = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed(">", count, LONG(0)), loop, done)
        builder.position_at_end(loop)
        index = builder.phi(LONG)
        index.add_incoming(LONG(0), before)
        totals = [builder.phi(value.type) for value in start]
        sums = add(index, totals)
        following = builder.add(index, LONG(1))
        last = builder.block  # `add` may have loops of its own
        index.add_incoming(following, last)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
        builder.position_at_end(done)
        results = []
        for first, total, following_sum in zip(start, totals, sums, strict=True):
            total.add_incoming(first, before)
            total.add_incoming(following_sum, last)
            result = builder.phi(first.type)
            result.add_incoming(first, before)
            result.add_incoming(following_sum, last)
            results.append(result)
        return results

    def either(
        self, condition: Any, one: Callable[[], Vectors], other: Callable[[], Vectors]
    ) -> Vectors:
        """The vectors that ``one`` writes if a condition is true, else those of ``other``."""
        builder, ways = self.builder, []
        yes, no, done = (builder.append_basic_block(name) for name in ("yes", "no", "both"))
        builder.cbranch(condition, yes, no)
        for block, write in ((yes, one), (no, other)):
            builder.position_at_end(block)
            vectors = write()
            ways.append((vectors, builder.block))
            builder.branch(done)
        builder.position_at_end(done)
        results = [builder.phi(vector.type) for vector in ways[0][0]]
        for vectors, block in ways:
            for result, vector in zip(results, vectors, strict=True):
                result.add_incoming(vector, block)
        return results

    def total_of(self, count: Any, ways: int, add: Callable[[Any, Any], Any]) -> Any:
        """The sum over all lanes of ``total = add(index, total)``, in ``ways`` sums that alternate.

        An addition waits for the one before it; several sums do not wait for each other.
        """
        builder = self.builder

        def add_some(index: Any, totals: Vectors) -> Vectors:
            first = builder.mul(index, LONG(ways))
            return [add(builder.add(first, LONG(n)), total) for n, total in enumerate(totals)]

        nothing = FLOATS([0.0] * LANES)
        whole = builder.sdiv(count, LONG(ways))
        totals = self.sum_over(whole, [nothing] * ways, add_some)
        while len(totals) > 1:
            totals = [builder.fadd(*pair) for pair in zip(totals[::2], totals[1::2], strict=True)]
        done = builder.mul(whole, LONG(ways))
        (total,) = self.sum_over(
            builder.sub(count, done),
            totals,
            lambda index, sums: [add(builder.add(index, done), sums[0])],
        )
        return self.across(total, builder.fadd)

    def each(self, count: Any, do: Callable[[Any], None]) -> None:
        """``do(index)``, ``count`` times."""

        def add(index: Any, _: Vectors) -> Vectors:
            do(index)
            return []

        self.sum_over(count, [], add)
