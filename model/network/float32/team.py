"""Work of a team of threads: those of OpenMP, which torch has for its own work.

Other threads beside them would be in their way: they look for work for a while before they sleep.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import int64, types
from numba.core.typing import signature as signed
from numba.extending import intrinsic

from tformer.model.network.int8.simd.emitter import BYTE, LONG, WORD


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
