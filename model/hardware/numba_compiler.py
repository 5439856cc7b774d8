"""Object files of functions, made by Numba. Only who compiles imports this, since Numba is slow.

A function gets an entry that takes the address of a table of whole numbers (`native_call`), has its
arguments made from them and writes what it returns behind them. So an object needs nothing of
Python's, nor of Numba's: the little that compiled code expects of a runtime goes with it.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.core.codegen import JITCPUCodegen
from numba.core.dispatcher import Dispatcher as CPUDispatcher
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from tformer.model.hardware.cpu import level
from tformer.model.hardware.linked_code import EntryLibrary, LinkedLibrary, library_of
from tformer.model.hardware.native_call import ENTRY, ObjectCode
from tformer.model.hardware.native_runtime import add_runtime
from tformer.model.hardware.numba_tables import put_value, size_of, value_of


def _aim() -> None:
    """Have Numba compile for the level and no more, whose code then suits every such processor.

    What this process has compiled before is not changed. Who did so has made Numba aim at the
    processor at hand; objects of that would be kept for others, which may have less.
    """
    if target := level().target:
        numba.config.CPU_NAME, numba.config.CPU_FEATURES = target, level().features
        cpu_target.target_context._internal_codegen = JITCPUCodegen("numba.exec")


_aim()  # before anything is compiled


class InnerDispatcher(CPUDispatcher):
    """A function for compiled ones to call, without what unpacks arguments of Python."""

    def compile(self, sig: Any) -> Any:
        """Compile for callers, which optimise it with themselves."""
        with library_of(self.targetctx.codegen(), self.py_func.__qualname__, LinkedLibrary):
            return super().compile(sig)


def inner(function: Any) -> Any:
    """``function`` for compiled ones to call."""
    compiled = numba.njit(function, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    compiled.__class__ = InnerDispatcher
    return compiled


def dispatcher(function: Any, *, nogil: bool) -> Any:
    """``function`` for Python to call, with any arguments that Numba knows; it is not kept."""
    return numba.njit(function, nogil=nogil, no_cfunc_wrapper=True)


def object_code(function: Any, arguments: tuple[Any, ...]) -> ObjectCode:
    """Compile a function for arguments like these.

    Args:
        function: what :func:`inner` gave.
        arguments: values of the right types, whatever they are.
    """
    entry, arity = _entry(function, tuple(map(numba.typeof, arguments)))
    compiled = numba.njit(entry, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    codegen = compiled.targetctx.codegen()
    with library_of(codegen, entry.__qualname__, EntryLibrary):
        compiled.compile((types.int64,))
        (result,) = compiled.overloads.values()
        result.library._ensure_finalized()
    kind = function.overloads[tuple(map(numba.typeof, arguments))].signature.return_type
    module = _module(result.library, result.fndesc.llvm_func_name)
    return ObjectCode(codegen._tm.emit_object(module), arity, _described(kind), _unresolved(module))


def _entry(function: Any, kinds: tuple[Any, ...]) -> tuple[Any, int]:
    """A function of the address of a table, and how many numbers of it are arguments."""
    arity = sum(map(size_of, kinds))

    @intrinsic
    def unpacked(typing: Any, address: Any) -> Any:
        kind = types.Tuple(kinds)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            numbers = _loaded(builder, arguments[0], arity)
            return value_of(context, builder, signature.return_type, numbers)

        return kind(types.int64), generate

    @intrinsic
    def put(typing: Any, address: Any, result: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first = builder.inttoptr(arguments[0], _LONG.as_pointer())
            for n, number in enumerate(put_value(context, builder, result, arguments[1])):
                builder.store(number, builder.gep(first, [_LONG(arity + n)]))
            return context.get_dummy_value()

        return types.none(address, result), generate

    def entry(address):
        put(address, function(*unpacked(address)))
        return 0

    return entry, arity


_LONG = ir.IntType(64)


def _loaded(builder: Any, address: Any, count: int) -> Any:
    first = builder.inttoptr(address, _LONG.as_pointer())
    return (builder.load(builder.gep(first, [_LONG(n)])) for n in range(count))


def _described(kind: Any) -> Any:
    """The kind of a result, for `native_call`."""
    if isinstance(kind, types.BaseTuple):
        return [_described(part) for part in kind]
    if isinstance(kind, types.NoneType):
        return "none"
    if isinstance(kind, types.Boolean):
        return "bool"
    if isinstance(kind, types.Integer):
        return "int"
    assert isinstance(kind, types.Float), f"a function for Python returns {kind}"
    return "float"


def _module(library: Any, name: str) -> Any:
    """All code of a library, with its runtime, nothing of which is seen but the entry."""
    module = llvm.parse_bitcode(library._final_module.as_bitcode())
    add_runtime(module)
    for each in (*module.functions, *module.global_variables):
        if each.name == name:
            each.name = ENTRY
        elif not each.is_declaration:
            each.linkage = "internal"
    module.verify()
    return module


def _unresolved(module: Any) -> list[str]:
    """Names that the object looks for in the process."""
    everything = (*module.functions, *module.global_variables)
    names = {each.name for each in everything if each.is_declaration}
    return sorted(filter(None, map(_looked_up, names)))


_OF_THE_LIBRARY = {"pow", "exp", "exp2", "log", "log2", "sin", "cos", "memcpy", "memmove", "memset"}
"""Functions of which LLVM may make a call of the C library."""


def _looked_up(name: str) -> str:
    """The name that is looked for if a module declares one; empty for an instruction."""
    if not name.startswith("llvm."):
        return name
    _, function, *kinds = name.split(".")
    return function + "f" * (kinds[:1] == ["f32"]) if function in _OF_THE_LIBRARY else ""
