"""Values of Numba's types as whole numbers of 64 bits in a table, and back, in compiled code.

An array is an address and its extents, and its strides if it is not C-contiguous; a tuple is its
parts, one after the other; None is nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.np.arrayobj import populate_array

_LONG = ir.IntType(64)


def size_of(kind: Any) -> int:
    """Count of the numbers that describe a value."""
    if isinstance(kind, types.BaseTuple):
        return sum(map(size_of, kind.types))
    if isinstance(kind, types.Array):
        return 1 + kind.ndim * (1 if kind.layout == "C" else 2)
    return 0 if isinstance(kind, types.NoneType) else 1


def value_of(context: Any, builder: Any, kind: Any, numbers: Iterator[Any]) -> Any:
    """The value that the next numbers describe."""
    if isinstance(kind, types.BaseTuple):
        parts = [value_of(context, builder, part, numbers) for part in kind.types]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        return _array(context, builder, kind, numbers)
    if isinstance(kind, types.NoneType):
        return context.get_dummy_value()
    number = next(numbers)
    if isinstance(kind, types.Boolean):
        return builder.icmp_signed("!=", number, _LONG(0))
    if isinstance(kind, types.Float):
        assert kind.bitwidth == 64
        return builder.bitcast(number, ir.DoubleType())
    assert kind == types.int64, f"{kind} cannot be given to compiled code"
    return number


def _array(context: Any, builder: Any, kind: Any, numbers: Iterator[Any]) -> Any:
    """An array whose memory somebody else keeps."""
    address, shape = next(numbers), [next(numbers) for _ in range(kind.ndim)]
    item = _LONG(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    if kind.layout == "C":
        strides = [item]
        for extent in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], extent))
    else:
        strides = [next(numbers) for _ in range(kind.ndim)]
    array = context.make_array(kind)(context, builder)
    data = builder.inttoptr(address, array.data.type)
    populate_array(array, data, shape, strides[: kind.ndim], item, None)
    return array._getvalue()


def put_value(context: Any, builder: Any, kind: Any, value: Any) -> Iterator[Any]:
    """The numbers that describe a value without arrays."""
    if isinstance(kind, types.BaseTuple):
        for n, part in enumerate(kind):
            yield from put_value(context, builder, part, builder.extract_value(value, n))
    elif isinstance(kind, (types.Boolean, types.Integer)):
        yield context.cast(builder, value, kind, types.int64)
    elif isinstance(kind, types.Float):
        yield builder.bitcast(context.cast(builder, value, kind, types.float64), _LONG)
