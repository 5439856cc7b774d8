"""Functions that are compiled only to be linked into others."""

from __future__ import annotations

import threading

import numba
import numpy as np
import pytest

from tformer.model.hardware.linked_code import LinkedLibrary
from tformer.model.hardware.numba_cache import inner, njit


@numba.njit
def _helper(x):
    return x + 1


@inner
def _lowest(row):
    total = np.float64(0.0)
    for i in range(row.shape[0]):
        total += row[i] * _helper(i)
    return total


@inner
def _middle(row):
    if row.shape[0] == 0:
        raise ValueError("no numbers")
    return _lowest(row) + np.zeros(3).sum()


@njit(nogil=True)
def called(row):
    return _middle(row)


def test_only_what_python_calls_becomes_machine_code() -> None:
    assert called(np.arange(4.0)) == 20
    for function in (_lowest, _middle):
        (overload,) = function.compiled.overloads.values()
        assert isinstance(overload.library, LinkedLibrary)
    (overload,) = called.overloads.values()
    assert not isinstance(overload.library, LinkedLibrary)
    for function in (_lowest, _middle):
        assert function(np.arange(3.0)) == 8  # compiled once more, for Python


def test_a_function_that_python_calls_too_has_its_own_code() -> None:
    """It was first compiled on the way, within one that is only linked."""
    assert called(np.arange(2.0)) == 2
    assert _helper(1) == 2


def test_errors_of_linked_functions_arrive() -> None:
    with pytest.raises(ValueError, match="no numbers"):
        called(np.empty(0))


def test_threads_compile_beside_each_other() -> None:
    def made(factor: int):
        @inner
        def product(x):
            return x * factor

        @numba.njit
        def product_of_python(x):
            return product(x) + factor

        return product_of_python

    functions, found = [made(n) for n in range(4)], {}
    threads = [
        threading.Thread(target=lambda n=n: found.setdefault(n, functions[n](3))) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: 4 * n for n in range(4)}
