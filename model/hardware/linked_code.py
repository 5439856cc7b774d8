"""Functions that are compiled only to be linked into others. No torch here.

Numba optimises every function that a compiled one calls and makes machine code of it, although the
caller gets a copy, which is optimised with it and is the only code that is ever run. Here such a
function stays as it was written, until its callers are compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock


class LinkedLibrary(JITCodeLibrary):  # type: ignore[misc]  # Numba is not analysed
    """Code of a function without a wrapper for Python, which its callers take over."""

    @property
    def codegen(self) -> Any:
        """Stand in for the generator of code: there is no code that needs an environment."""
        return _NoEnvironment()

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: nobody calls it by its address."""
        return 0

    def _optimize_final_module(self) -> None:
        """Leave it to the callers."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _NoEnvironment:
    def set_env(self, name: str, environment: Any) -> None:
        """Have nothing to set."""


class EntryLibrary(LinkedLibrary):
    """Code of a function with all that it calls, optimised; it is not run here."""

    def _optimize_final_module(self) -> None:
        JITCodeLibrary._optimize_final_module(self)


@contextmanager
def library_of(codegen: Any, name: str, kind: type[LinkedLibrary]) -> Iterator[None]:
    """Give the function of this qualified name, which is compiled meanwhile, such a library.

    Others that are compiled on the way get libraries of their own kind.
    """
    with global_compiler_lock:
        before = codegen.create_library

        def create_library(wanted: str, **options: Any) -> Any:
            if wanted == name:
                return kind(codegen, wanted, **options)
            return type(codegen).create_library(codegen, wanted, **options)

        codegen.create_library = create_library
        try:
            yield
        finally:
            codegen.create_library = before
