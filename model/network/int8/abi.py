"""Arrays in compiled functions, made from tables of addresses (`tables`), each where it is used.

A layer's weights as one value would take the compiler longer than all that uses them.
"""

from __future__ import annotations

from typing import Any, get_type_hints

import numpy as np
from numba import types
from numba.extending import intrinsic

from tformer.model.hardware.numba_tables import size_of, value_of
from tformer.model.network.int8.records import Beginning, Norm, PackedLinear, RowBuffers, Shape
from tformer.model.network.int8.simd.emitter import LONG, Emitter

_BYTES, _SIGNED = types.uint8[:, ::1], types.int8[:, ::1]
_FLOATS, _FLOAT_ROWS = types.float32[::1], types.float32[:, ::1]
_INTEGERS = types.int32[::1]

_LINEAR = types.NamedTuple(
    [types.int8[:, :, :, ::1], _INTEGERS, _FLOATS, _FLOATS, types.uint16[:, ::1]], PackedLinear
)
_NORM = types.NamedTuple([_FLOATS] * 2, Norm)
_SHAPE = types.NamedTuple([types.int64, types.int64, types.boolean, types.int64], Shape)
_BEGINNING = types.NamedTuple(
    [_FLOAT_ROWS, _SIGNED, _FLOATS, _FLOAT_ROWS, _FLOATS, _NORM, _NORM], Beginning
)
_WORK = types.NamedTuple(
    [
        _FLOAT_ROWS, _BYTES, _FLOATS, _BYTES, _FLOATS, _BYTES, _FLOATS, types.uint8[::1], _INTEGERS,
        _FLOATS, types.int64[::1],
    ],
    RowBuffers,
)  # fmt: skip


def places(record: type[tuple[Any, ...]]) -> Any:
    """Offsets of the fields of a record, weights and normalisations, in its part of a table."""
    sizes = {PackedLinear: size_of(_LINEAR), Norm: size_of(_NORM)}
    ends = np.cumsum([0, *(sizes[kind] for kind in get_type_hints(record).values())]).tolist()
    return record(*ends[:-1])


def size(record: type[tuple[Any, ...]]) -> int:
    """Count of the numbers that describe a record of weights and normalisations."""
    return sum(
        size_of(_LINEAR if kind is PackedLinear else _NORM)
        for kind in get_type_hints(record).values()
    )


LINEAR = size_of(_LINEAR)
"""Numbers that describe a :class:`PackedLinear`."""

LAYERS = size_of(_SHAPE) + size_of(_BEGINNING)
"""Offset of the first layer of a stack in its table."""


def _reader(kind: Any) -> Any:
    """A function of a table and a place in it that makes a value of a kind again."""

    @intrinsic
    def read(typing, table, at):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit = Emitter(context, builder, signature, arguments)
            first = emit.at(0, LONG)
            numbers = (emit.load(emit.move(first, n, LONG), LONG) for n in range(size_of(kind)))
            return value_of(context, builder, kind, numbers)

        return kind(table, types.int64), generate

    return read


linear_at, norm_at, work_at = _reader(_LINEAR), _reader(_NORM), _reader(_WORK)
shape_at, beginning_at = _reader(_SHAPE), _reader(_BEGINNING)
"""Functions of a table and an offset: the value that is described there."""

BEGINNING = size_of(_SHAPE)
"""Offset of the :class:`Beginning` of a stack; its :class:`Shape` is at 0."""
