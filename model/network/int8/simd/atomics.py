"""Numbers that threads exchange: each access is one, and in the order that is written down."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import int64, types
from numba.extending import intrinsic

from tformer.model.hardware.cpu import level
from tformer.model.network.int8.simd.emitter import LONG, WORD, Emitter

_ORDER = "seq_cst"
_ALIGNED = 8

_PAUSES = {"x86": ("llvm.x86.sse2.pause", ()), "arm": ("llvm.aarch64.hint", (1,))}
"""Instructions that tell a processor that its thread waits for another one, by architecture."""


@intrinsic
def read(typing, numbers, at):
    """A number (int64) of an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = Emitter(context, builder, signature, arguments).at(0, LONG)
        return builder.load_atomic(place, _ORDER, _ALIGNED, typ=LONG)

    return int64(numbers, int64), generate


@intrinsic
def write(typing, numbers, at, number):
    """Put a number (int64) into an array, behind all that was written before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = Emitter(context, builder, signature, arguments).at(0, LONG)
        builder.store_atomic(arguments[2], place, _ORDER, _ALIGNED)
        return context.get_dummy_value()

    return types.void(numbers, int64, int64), generate


@intrinsic
def add(typing, numbers, at, number):
    """Add to a number (int64) of an array; returns what it was before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = Emitter(context, builder, signature, arguments).at(0, LONG)
        return builder.atomic_rmw("add", place, arguments[2], _ORDER)

    return int64(numbers, int64, int64), generate


@intrinsic
def pause(typing):
    """Let the processor rest for a moment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        name, numbers = _PAUSES.get(level().machine, (None, ()))
        if name:
            kind = ir.FunctionType(ir.VoidType(), [WORD] * len(numbers))
            emit = Emitter(context, builder, signature, arguments)
            emit.builder.call(
                emit.function(name, kind.return_type, kind.args), [WORD(n) for n in numbers]
            )
        return context.get_dummy_value()

    return types.void(), generate
