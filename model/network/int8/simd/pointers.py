"""Single numbers and addresses."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import float32 as single
from numba import int8, int32, int64, types, uint8, uint16
from numba.core import cgutils
from numba.extending import intrinsic

from tformer.model.network.int8.simd.emitter import BYTE, LONG, WORD, Emitter
from tformer.model.network.int8.simd.vectors import CACHE_LINE


def _pointer_to(kind: Any) -> Any:
    @intrinsic
    def pointer(typing, address):
        """A pointer to numbers of a kind, from its address (int64)."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(int64), generate

    return pointer


pointer_to_bytes, pointer_to_signed_bytes = _pointer_to(uint8), _pointer_to(int8)
pointer_to_integers, pointer_to_floats = _pointer_to(int32), _pointer_to(single)
pointer_to_longs = _pointer_to(int64)

pointer_to_halves = _pointer_to(uint16)
"""float16, which Numba does not know, are taken for uint16."""


@intrinsic
def address(typing, array):
    """The address (int64) of an array's first number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(made.data, LONG)

    return int64(array), generate


@intrinsic
def multiply_add(typing, left, right, term):
    """``left * right + term`` of three float32, rounded once, as vectors do it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return single(single, single, single), generate


@intrinsic
def lowest_bit(typing, bits):
    """The number of the lowest bit that is set in an int32 other than 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.cttz(arguments[0], ir.IntType(1)(1)), LONG)

    return int64(int32), generate


@intrinsic
def fetch(typing, address, size):
    """Ask for ``size`` bytes from an address (int64) on, to have them near when they are read."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        address, size = arguments
        kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), WORD, WORD, WORD])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        start = builder.inttoptr(address, BYTE.as_pointer())

        def ask_for(index: Any) -> None:
            place = emit.move(start, builder.mul(index, LONG(CACHE_LINE)), BYTE)
            builder.call(ask, [place, WORD(0), WORD(2), WORD(1)])  # to read, to the second level

        emit.each(builder.sdiv(builder.add(size, LONG(CACHE_LINE - 1)), LONG(CACHE_LINE)), ask_for)
        return context.get_dummy_value()

    return types.void(int64, int64), generate
