"""Functions that Numba compiles, called without Numba where their code is kept. No torch here.

What is compiled is an object file for each combination of types that a function is called with
(`native_call`), for the level of processors at hand; `code_store` says where they are. Those that
translations need are made when the package is built (`precompile`); what is missing is compiled
when it is first called, and kept. Numba is imported only then: it takes as long as a translation.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cached_property
from threading import RLock
from typing import Any

from tformer.model.hardware import code_store
from tformer.model.hardware.native_call import (
    Call,
    ObjectCode,
    Unsuitable,
    calling,
    described,
    signature,
)

_lock = RLock()
"""Numba compiles one function at a time."""


class Inner:
    """A function for compiled ones to call; Numba takes it for the compiled function that it is.

    From Python it is not meant to be called, so what unpacks its arguments there is not compiled:
    for records of arrays that takes as long as the function. Where it is called all the same, as by
    tests, it is compiled once more.
    """

    def __init__(self, function: Any) -> None:
        self.py_func = function
        self.__doc__ = function.__doc__
        self.__module__, self.__qualname__ = function.__module__, function.__qualname__

    @cached_property
    def compiled(self) -> Any:
        """Numba's dispatcher."""
        from tformer.model.hardware import numba_compiler

        return numba_compiler.inner(self.py_func)

    @property
    def _numba_type_(self) -> Any:
        return self.compiled._numba_type_

    @cached_property
    def _for_python(self) -> Any:
        from tformer.model.hardware import numba_compiler

        return numba_compiler.dispatcher(self.py_func, nogil=True)

    def __call__(self, *arguments: Any) -> Any:
        """Call it, as tests do."""
        return self._for_python(*arguments)


inner = Inner


class Kernel:
    """A compiled function for Python to call."""

    def __init__(self, module: str, name: str, *, nogil: bool) -> None:
        """The function of this name in a module, which is imported only to compile it."""
        self.module, self.name, self._nogil = module, name, nogil
        self._calls: dict[tuple[Any, ...], Call] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Call what is compiled for arguments like these."""
        try:
            kinds, numbers = described(arguments)
        except Unsuitable:
            return self._by_numba(*arguments)
        call = self._calls.get(kinds) or self._load(kinds, arguments)
        return self._by_numba(*arguments) if call is _unlinkable else call(numbers)

    def for_numbers(self, count: int) -> Call:
        """Return a way to call it with a list of so many whole numbers."""
        kinds, numbers = described((0,) * count)
        call = self._calls.get(kinds) or self._load(kinds, tuple(numbers))
        return (lambda given: self._by_numba(*given)) if call is _unlinkable else call

    @cached_property
    def inner(self) -> Inner:
        """The same for compiled functions to call."""
        return Inner(self._function)

    @cached_property
    def _function(self) -> Any:
        return getattr(importlib.import_module(self.module), self.name)._function

    @cached_property
    def _by_numba(self) -> Any:
        from tformer.model.hardware import numba_compiler

        return numba_compiler.dispatcher(self._function, nogil=self._nogil)

    def is_kept(self, arguments: tuple[Any, ...]) -> bool:
        """Return whether there is code for arguments like these."""
        return code_store.exists(self._file(described(arguments)[0]))

    def code(self, arguments: tuple[Any, ...]) -> tuple[str, ObjectCode]:
        """The file name and the code for arguments like these, which is compiled if there is none;
        it is not called."""
        kinds, _ = described(arguments)
        return self._file(kinds), self._found(kinds, arguments)

    def _file(self, kinds: tuple[Any, ...]) -> str:
        module = self.module.removeprefix("tformer.model.")
        return code_store.file_name(f"{module}.{self.name}", signature(kinds))

    def _load(self, kinds: tuple[Any, ...], arguments: tuple[Any, ...]) -> Call:
        from tformer.model.hardware.object_loader import loaded

        with _lock:
            if call := self._calls.get(kinds):
                return call
            code = self._found(kinds, arguments)
            address = loaded(code)
            call = _unlinkable
            if address is not None:
                call = calling(address, code, nogil=self._nogil)
            self._calls[kinds] = call
            return call

    def _found(self, kinds: tuple[Any, ...], arguments: tuple[Any, ...]) -> ObjectCode:
        name = self._file(kinds)
        with _lock:
            code = code_store.found(name)
            if code is None:
                from tformer.model.hardware import numba_compiler

                code = numba_compiler.object_code(self.inner.compiled, arguments)
                code_store.keep(name, code)
            return code


def _unlinkable(numbers: list[int]) -> None:
    """Stand for code that nothing links here; Numba compiles it for this process."""


def njit(*, nogil: bool = False, cache: bool = False) -> Callable[[Any], Any]:
    """``numba.njit``; what it compiles with ``cache=True`` is a :class:`Kernel`, and kept."""

    def decorate(function: Any) -> Any:
        if not cache:
            from tformer.model.hardware import numba_compiler

            return numba_compiler.dispatcher(function, nogil=nogil)
        kernel = Kernel(function.__module__, function.__qualname__, nogil=nogil)
        kernel.__dict__["_function"] = function
        kernel.__doc__ = function.__doc__
        return kernel

    return decorate
