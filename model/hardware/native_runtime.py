"""The runtime that compiled code expects: memory for arrays, and other shapes of these.

Numba's own runtime counts what is allocated and lives in its extension modules. Here the same
functions are few instructions long and a part of each object, which so needs the C library only.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

_LONG, _WORD, _BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)
_ADDRESS, _LONGS = _BYTE.as_pointer(), _LONG.as_pointer()

_HEADER = 48
"""Bytes in front of an array's memory: references, destructor and what it is given, address of the
memory, size, allocator."""

_ALIGNMENT = 64
"""Alignment of arrays: a cache line, which is more than what is asked for."""


def add_runtime(module: Any) -> None:
    """Define in a module of LLVM what it declares of the runtime."""
    runtime = ir.Module("runtime")
    runtime.triple = module.triple
    functions = {
        "NRT_MemInfo_alloc_aligned": _allocate,
        "NRT_MemInfo_alloc_safe_aligned": _allocate,
        "NRT_MemInfo_call_dtor": _free,
        "NRT_Free": _free,
        "numba_attempt_nocopy_reshape": _reshape,
    }
    declared = {each.name for each in module.functions if each.is_declaration}
    malloc = ir.Function(runtime, ir.FunctionType(_ADDRESS, [_LONG]), "malloc")
    free = ir.Function(runtime, ir.FunctionType(ir.VoidType(), [_ADDRESS]), "free")
    for name in functions.keys() & declared:
        functions[name](runtime, name, malloc, free)
    parsed = llvm.parse_assembly(str(runtime))
    parsed.data_layout = module.data_layout
    module.link_in(parsed)


def _begun(module: ir.Module, name: str, result: Any, kinds: list[Any]) -> Any:
    function = ir.Function(module, ir.FunctionType(result, kinds), name)
    return function, ir.IRBuilder(function.append_basic_block())


def _free(module: ir.Module, name: str, malloc: Any, free: Any) -> None:
    function, build = _begun(module, name, ir.VoidType(), [_ADDRESS])
    build.call(free, function.args)
    build.ret_void()


def _allocate(module: ir.Module, name: str, malloc: Any, free: Any) -> None:
    """The address of a header, of which somebody has a reference; null if there is no memory."""
    function, build = _begun(module, name, _ADDRESS, [_LONG, _WORD])
    size, align = function.args[0], _LONG(_ALIGNMENT)
    room = build.add(build.add(size, align), _LONG(_HEADER))
    header = build.call(malloc, [room])
    with build.if_then(build.icmp_unsigned("==", header, _ADDRESS(None)), likely=False):
        build.ret(_ADDRESS(None))
    begin = build.add(build.ptrtoint(header, _LONG), _LONG(_HEADER - 1))
    begin = build.add(begin, align)
    begin = build.sub(begin, build.urem(begin, align))
    fields = build.bitcast(header, _LONGS)
    for n, number in enumerate((_LONG(1), _LONG(0), _LONG(0), begin, size, _LONG(0))):
        build.store(number, build.gep(fields, [_LONG(n)]))
    build.ret(header)


def _reshape(module: ir.Module, name: str, malloc: Any, free: Any) -> None:
    """Strides of an array in another shape: 1, or 0 if it is not C-contiguous."""
    long, longs = _LONG, _LONGS
    kinds = [long, longs, longs, long, longs, longs, long, _WORD]
    function, build = _begun(module, name, _WORD, kinds)
    count, shape, strides, new_count, new_shape, new_strides, item, _ = function.args

    def wrong(build: Any, n: Any, expected: Any) -> Any:
        extent = build.load(build.gep(shape, [n]))
        stride = build.load(build.gep(strides, [n]))
        with build.if_then(
            build.and_(
                build.icmp_signed("!=", stride, expected), build.icmp_signed(">", extent, long(1))
            )
        ):
            build.ret(_WORD(0))
        return build.mul(expected, extent)

    def put(build: Any, n: Any, expected: Any) -> Any:
        build.store(expected, build.gep(new_strides, [n]))
        return build.mul(expected, build.load(build.gep(new_shape, [n])))

    _from_the_last(function, build, count, item, wrong)
    _from_the_last(function, build, new_count, item, put)
    build.ret(_WORD(1))


def _from_the_last(function: Any, build: Any, count: Any, item: Any, turn: Any) -> None:
    """A loop over the dimensions, the last one first, with the bytes of what is inside each."""
    number, inside = build.alloca(_LONG), build.alloca(_LONG)
    build.store(count, number)
    build.store(item, inside)
    head, body, end = (function.append_basic_block() for _ in range(3))
    build.branch(head)
    build.position_at_end(head)
    build.cbranch(build.icmp_signed(">", build.load(number), _LONG(0)), body, end)
    build.position_at_end(body)
    n = build.sub(build.load(number), _LONG(1))
    build.store(n, number)
    build.store(turn(build, n, build.load(inside)), inside)
    build.branch(head)
    build.position_at_end(end)
