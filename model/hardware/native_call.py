"""Calls of compiled code that needs neither Numba nor the interpreter.

A function of an object file takes one thing, the address of a table of whole numbers of 64 bits:
its arguments (an array is its address and its extents, and its strides if it is not C-contiguous; a
tuple is its parts; None is nothing), with room behind them for what it returns. Types decide which
code is called, as Numba has it: every combination of types has an object of its own.
"""

from __future__ import annotations

import ctypes
import pickle
import struct
from array import array
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

ENTRY = "tformer_entry"
"""Name of the function of an object file that is called."""

_DOUBLE, _LONG = struct.Struct("d"), struct.Struct("q")

_NATIVE = ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
"""Status, where a result of Numba's own and the address of an error are put, and the argument."""

_WITHOUT_LOCK, _WITH_LOCK = ctypes.CFUNCTYPE(*_NATIVE), ctypes.PYFUNCTYPE(*_NATIVE)

_at_buffer = ctypes.c_char.from_buffer

Call = Callable[[list[int]], Any]


class ObjectCode(NamedTuple):
    """An object file, and what one must know to call its function."""

    code: bytes
    arity: int
    """Count of the numbers that the arguments are."""
    result: Any
    """Kind of what is returned: "none", "int", "bool", "float", or a list of these."""
    names: list[str]
    """Functions that it looks for in the process."""


class Unsuitable(TypeError):
    """An argument that is not given to compiled code."""


def described(arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[int]]:
    """The types of arguments, as something to look for, and the numbers that they are.

    Raises:
        Unsuitable: when one is of another type.
    """
    kinds: list[Any] = []
    numbers: list[int] = []
    for argument in arguments:
        _describe(argument, kinds, numbers)
    return tuple(kinds), numbers


def _describe(value: Any, kinds: list[Any], numbers: list[int]) -> None:
    kind = type(value)
    if kind is np.ndarray:
        _describe_array(value, kinds, numbers)
    elif value is None:
        kinds.append(None)
    elif isinstance(value, tuple):
        kinds += (kind, len(value))
        for part in value:
            _describe(part, kinds, numbers)
    elif isinstance(value, (bool, np.bool_)):
        kinds.append(bool)
        numbers.append(int(value))
    elif isinstance(value, (int, np.int64)):
        kinds.append(int)
        numbers.append(int(value))
    elif isinstance(value, float):  # float64 of NumPy is one
        kinds.append(float)
        numbers += _LONG.unpack(_DOUBLE.pack(value))
    else:
        raise Unsuitable(f"a {kind.__name__}")


def _describe_array(array: Any, kinds: list[Any], numbers: list[int]) -> None:
    layout, strides = "C", ()
    try:
        # The buffer tells it in a fifth of the time that NumPy takes, and that it is C-contiguous.
        numbers.append(ctypes.addressof(_at_buffer(array)))
    except (TypeError, ValueError, BufferError):  # not so, or read-only or empty
        numbers.append(array.ctypes.data)
        if not array.flags.c_contiguous:
            layout, strides = "F" if array.flags.f_contiguous else "A", array.strides
    numbers += array.shape
    numbers += strides
    kinds += (array.dtype, array.ndim, layout)


def signature(kinds: tuple[Any, ...]) -> str:
    """The same types in words that are the same everywhere."""
    return " ".join(map(_word, kinds))


def _word(kind: Any) -> str:
    if isinstance(kind, np.dtype):
        return str(kind.descr) if kind.fields else kind.str
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


def calling(address: int, code: ObjectCode, *, nogil: bool) -> Call:
    """A way to call the function at an address with the numbers that its arguments are.

    With ``nogil`` other threads run meanwhile.
    """
    native = (_WITHOUT_LOCK if nogil else _WITH_LOCK)(address)
    # Behind what is returned: Numba's own result, of no use, and the address of an error.
    room = [0] * (_size(code.result) + 2)
    result = None if code.result == "none" else code.result

    def call(numbers: list[int]) -> Any:
        table = array("q", numbers + room)
        first, length = table.buffer_info()
        own = first + 8 * (length - 2)
        status = native(own, own + 8, first)
        if status:
            raise _error(status, table[-1])
        return None if result is None else _result(result, iter(table[code.arity :]))

    return call


def _size(kind: Any) -> int:
    return sum(map(_size, kind)) if isinstance(kind, list) else int(kind != "none")


def _result(kind: Any, numbers: Iterator[int]) -> Any:
    if isinstance(kind, list):
        return tuple(_result(part, numbers) for part in kind)
    if kind == "none":
        return None
    number = next(numbers)
    if kind == "float":
        return _DOUBLE.unpack(_LONG.pack(number))[0]
    return bool(number) if kind == "bool" else number


def _error(status: int, address: int) -> Exception:
    """The exception that compiled code ended with."""
    if status < 1 or not address:
        return RuntimeError(f"compiled code ended with status {status}")
    data = ctypes.c_void_p.from_address(address).value or 0
    size = ctypes.c_int32.from_address(address + 8).value
    kind, arguments, _ = pickle.loads(ctypes.string_at(data, size))  # of our own object file
    error: Exception = kind(*(arguments or ()))
    return error
