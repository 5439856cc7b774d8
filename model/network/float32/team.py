"""Work of a team of threads: those of OpenMP, which torch has for its own work.

Other threads beside them would be in their way: they look for work for a while before they sleep.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import carray, int64, types
from numba.core.typing import signature as signed
from numba.extending import intrinsic

from tformer.model.hardware.numba_cache import inner
from tformer.model.network.int8.simd.atomics import add
from tformer.model.network.int8.simd.emitter import BYTE, LONG, WORD
from tformer.model.network.int8.simd.pointers import pointer_to_longs


def taking(size: int, parts: Any, part: Any) -> Any:
    """A function of the address of a job that computes parts of it until all are taken.

    Args:
        size: numbers (int64) of a job, the first of which counts the parts that are taken.
        parts: function of a job: how many parts it has.
        part: function of a job and a number, which computes that part.
    """

    @inner
    def take(place):
        job = carray(pointer_to_longs(place), (size,))
        count = parts(job)
        while True:
            number = add(job, 0, 1)
            if number >= count:
                break
            part(job, number)

    return take.py_func


def in_team(work: Any) -> Any:
    """A function that has every thread of a team call ``work`` once with the same number.

    Its arguments are int64: address of OpenMP's function ``GOMP_parallel``, how many threads, and
    the number. It returns when all of them have.
    """

    @intrinsic
    def run(typing, begin, threads, number):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            begin, threads, number = arguments
            body = _body(context, builder, work)
            kind = ir.FunctionType(ir.VoidType(), [body.type, BYTE.as_pointer(), WORD, WORD])
            function = builder.inttoptr(begin, kind.as_pointer())
            data = builder.inttoptr(number, BYTE.as_pointer())
            builder.call(function, [body, data, builder.trunc(threads, WORD), WORD(0)])
            return context.get_dummy_value()

        return types.void(int64, int64, int64), generate

    return run


def _body(context: Any, builder: Any, work: Any) -> Any:
    """The function of one pointer that every thread calls."""
    kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer()])
    name = f"{builder.function.name}.team"
    body = ir.Function(builder.module, kind, name)
    body.linkage = "internal"
    inside = ir.IRBuilder(body.append_basic_block())
    called = signed(types.none, int64)
    compiled = context.compile_subroutine(builder, work, called)
    number = inside.ptrtoint(body.args[0], LONG)
    context.call_internal_no_propagate(inside, compiled.fndesc, called, [number])
    inside.ret_void()
    return body
