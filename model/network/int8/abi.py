"""Weights and working memory as tables of addresses, and back.

A call of a compiled function unpacks every array that it is given, which for the hundred arrays of
a network takes as long as a step for one sentence. So kernels are given tables of whole numbers,
an address and the extents for every array, from which they make the arrays again, each where it is
used: a layer's weights as one value would take the compiler longer than all that uses them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray

from tformer.model.network.int8.elementwise import Beginning, Norm, RowBuffers, Shape
from tformer.model.network.int8.gemm import PackedLinear
from tformer.model.network.int8.simd.emitter import LONG, Emitter

_BYTES, _SIGNED = types.uint8[:, ::1], types.int8[:, ::1]
_FLOATS, _FLOAT_ROWS = types.float32[::1], types.float32[:, ::1]
_INTEGERS = types.int32[::1]

_LINEAR = types.NamedTuple([types.int8[:, :, :, ::1], _INTEGERS, _FLOATS, _FLOATS], PackedLinear)
_NORM = types.NamedTuple([_FLOATS] * 2, Norm)
_SHAPE = types.NamedTuple([types.int64, types.int64, types.boolean, types.int64], Shape)
_BEGINNING = types.NamedTuple(
    [_FLOAT_ROWS, _SIGNED, _FLOATS, _FLOAT_ROWS, _FLOATS, _NORM, _NORM], Beginning
)
_WORK = types.NamedTuple(
    [_FLOAT_ROWS, _BYTES, _FLOATS, _BYTES, _FLOATS, _BYTES, _FLOATS, _FLOATS], RowBuffers
)


class Table:
    """Addresses and extents of arrays, which live as long as it does."""

    def __init__(self, *parts: Any) -> None:
        """Describe arrays, whole numbers and tuples of these, one after the other."""
        self.parts = parts
        self.numbers: NDArray[np.int64] = np.fromiter(_described(parts), np.int64)


def _described(part: Any) -> Iterator[int]:
    if isinstance(part, np.ndarray):
        assert part.flags.c_contiguous
        yield part.ctypes.data
        yield from part.shape
    elif isinstance(part, tuple):
        for item in part:
            yield from _described(item)
    else:
        yield int(part)


def _size(kind: Any) -> int:
    """Count of the numbers that describe a value."""
    if isinstance(kind, types.NamedTuple):
        return sum(map(_size, kind.types))
    return 1 + kind.ndim if isinstance(kind, types.Array) else 1


def places(record: type[tuple[Any, ...]]) -> Any:
    """Offsets of the fields of a record, weights and normalisations, in its part of a table."""
    sizes = {PackedLinear: _size(_LINEAR), Norm: _size(_NORM)}
    ends = np.cumsum([0, *(sizes[kind] for kind in get_type_hints(record).values())]).tolist()
    return record(*ends[:-1])


def size(record: type[tuple[Any, ...]]) -> int:
    """Count of the numbers that describe a record of weights and normalisations."""
    return sum(
        _size(_LINEAR if kind is PackedLinear else _NORM)
        for kind in get_type_hints(record).values()
    )


LINEAR = _size(_LINEAR)
"""Numbers that describe a :class:`PackedLinear`."""

LAYERS = _size(_SHAPE) + _size(_BEGINNING)
"""Offset of the first layer of a stack in its table."""


def _reader(kind: Any) -> Any:
    """A function of a table and a place in it that makes a value of a kind again."""

    @intrinsic
    def read(typing, table, at):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit = Emitter(context, builder, signature, arguments)
            first = emit.at(0, LONG)
            numbers = (emit.load(emit.move(first, n, LONG), LONG) for n in range(_size(kind)))
            return _value(context, builder, kind, numbers)

        return kind(table, types.int64), generate

    return read


def _value(context: Any, builder: Any, kind: Any, numbers: Iterator[Any]) -> Any:
    if isinstance(kind, types.NamedTuple):
        parts = [_value(context, builder, part, numbers) for part in kind.types]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        return _array(context, builder, kind, numbers)
    number = next(numbers)
    return builder.icmp_signed("!=", number, LONG(0)) if kind is types.boolean else number


def _array(context: Any, builder: Any, kind: Any, numbers: Iterator[Any]) -> Any:
    """An array, C-contiguous, whose memory somebody else keeps."""
    address, shape = next(numbers), [next(numbers) for _ in range(kind.ndim)]
    item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    strides = [LONG(item)]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    array = context.make_array(kind)(context, builder)
    data = builder.inttoptr(address, array.data.type)
    populate_array(array, data, shape, strides, LONG(item), None)
    return array._getvalue()


linear_at, norm_at, work_at = _reader(_LINEAR), _reader(_NORM), _reader(_WORK)
shape_at, beginning_at = _reader(_SHAPE), _reader(_BEGINNING)
"""Functions of a table and an offset: the value that is described there."""

BEGINNING = _size(_SHAPE)
"""Offset of the :class:`Beginning` of a stack; its :class:`Shape` is at 0."""
