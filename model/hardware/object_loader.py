"""Object files in memory, linked by LLVM. Numba is not needed for it."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from threading import Lock
from typing import Any

import llvmlite.binding as llvm

from tformer.model.hardware.native_call import ENTRY, ObjectCode

_lock = Lock()
_loaded: list[Any] = []
"""Engines; each holds the code of an object."""


def loaded(code: ObjectCode) -> int | None:
    """The address of the function of an object file; None where it cannot be linked.

    LLVM ends the process at a name that it does not find, so that is seen to before.
    """
    with _lock:
        _prepare()
        # With the first engine LLVM gets to know what the process has.
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        if not all(map(_is_known, code.names)):
            return None
        engine.add_object_file(llvm.ObjectFileRef.from_data(code.code))
        engine.finalize_object()
        _loaded.append(engine)
        return int(engine.get_function_address(ENTRY)) or None


def _is_known(name: str) -> bool:
    return llvm.address_of_symbol(name) is not None


@cache
def _prepare() -> None:
    with suppress(RuntimeError):  # newer ones do so by themselves
        llvm.initialize()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _machine() -> Any:
    """A machine for an engine, which owns it."""
    return llvm.Target.from_default_triple().create_target_machine(jit=True)
