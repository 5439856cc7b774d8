"""Columns in structures and lists of Arrow arrays: their texts, and further columns beside them.

All arrays are `pyarrow.Array`. Slices are welcome: nothing looks at their buffers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tformer.dataset.files.columns import splits
from tformer.model.errors import InputError

Steps = tuple[str, ...]
"""Names of fields from a column to the text in it; lists on the way have none."""


def resolved(schema: Any, path: str, where: str) -> Steps:
    """Find a column of text.

    Args:
        schema: of the table, or the type of a structure.
        path: names behind dots; a name may have dots itself.
        where: file, for messages.

    Raises:
        InputError: there is no such column, or it holds no text.
    """
    steps, kind = _found(schema, tuple(path.split(".")), path, where)
    while is_list(kind):
        kind = kind.value_type
    if not is_text(kind):
        raise InputError(f"{where}: the column {path} holds {kind}, not text")
    return steps


def value_steps(schema: Any, path: str, where: str) -> Steps:
    """Find a column of any type that is in no list; see `resolved`."""
    steps, _ = _found(schema, tuple(path.split(".")), path, where, lists=False)
    return steps


def _found(
    schema: Any, rest: Steps, path: str, where: str, *, lists: bool = True
) -> tuple[Steps, Any]:
    names = names_of(schema)
    for name, others in splits(rest):
        if name in names:
            kind = schema.field(name).type
            if not others:
                return (name,), kind
            while lists and is_list(kind):
                kind = kind.value_type
            if not is_struct(kind):
                raise InputError(f"{where}: the column {name} holds {kind}, which has no {path}")
            steps, leaf = _found(kind, others, path, where, lists=lists)
            return (name, *steps), leaf
    raise InputError(f"{where}: has no column {path}; it has {', '.join(names) or 'none'}")


def names_of(schema: Any) -> list[str]:
    """Names of the fields of a schema or of the type of a structure."""
    return [field.name for field in schema]


def is_list(kind: Any) -> bool:
    """Return whether a type is one of lists of any length."""
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def is_struct(kind: Any) -> bool:
    """Return whether a type is one of structures."""
    import pyarrow as pa

    return pa.types.is_struct(kind)


def is_text(kind: Any) -> bool:
    """Return whether a type is one of texts, or of an encoding of them."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_view = getattr(pa.types, "is_string_view", lambda _: False)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or is_view(kind)


def text_type(kind: Any) -> Any:
    """The type of a translation of texts of a type."""
    import pyarrow as pa

    while is_list(kind):
        kind = kind.value_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def leaves(array: Any, steps: Steps, rows: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64]]:
    """The texts below an array, one after the other, and the row of each."""
    import pyarrow.compute as pc

    while is_list(array.type):
        rows = np.repeat(rows, _lengths(array))
        array = array.flatten()
    if not steps:
        return array, rows
    return leaves(pc.struct_field(array, [steps[0]]), steps[1:], rows)


def with_siblings(array: Any, steps: Steps, added: Mapping[str, Any]) -> Any:
    """Structures, perhaps in lists, with further fields beside one of theirs.

    Args:
        array: of structures.
        steps: names of fields to the one.
        added: flat values of the new fields by name: as many as `leaves` gives of that field.
    """
    import pyarrow as pa

    if is_list(array.type):
        return _relisted(array, with_siblings(array.flatten(), steps, added))
    fields = [array.type.field(i) for i in range(array.type.num_fields)]
    children = [array.field(i) for i in range(array.type.num_fields)]
    at = names_of(array.type).index(steps[0])
    if len(steps) > 1:
        children[at] = with_siblings(_child(array, steps[0]), steps[1:], added)
        fields[at] = fields[at].with_type(children[at].type)
    else:
        fields, children = add_columns(fields, children, _child(array, steps[0]), added)
    return pa.StructArray.from_arrays(children, fields=fields, mask=array.is_null())


def add_columns(
    fields: Sequence[Any], arrays: Sequence[Any], beside: Any, added: Mapping[str, Any]
) -> tuple[list[Any], list[Any]]:
    """Fields and arrays with further ones, in lists as those of ``beside`` are.

    A name that is there already is replaced.
    """
    import pyarrow as pa

    fields, arrays = list(fields), list(arrays)
    names = [field.name for field in fields]
    for name, flat in added.items():
        array = _shaped(beside, flat)
        if name in names:
            at = names.index(name)
            if fields[at].type != array.type and is_text(array.type):
                array = array.cast(fields[at].type)
            fields[at], arrays[at] = fields[at].with_type(array.type), array
        else:
            fields.append(pa.field(name, array.type))
            arrays.append(array)
    return fields, arrays


def _child(array: Any, name: str) -> Any:
    import pyarrow.compute as pc

    return pc.struct_field(array, [name])


def _shaped(like: Any, flat: Any) -> Any:
    """Flat values in lists as those of another array."""
    return _relisted(like, _shaped(like.flatten(), flat)) if is_list(like.type) else flat


def _lengths(array: Any) -> NDArray[np.int64]:
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(array), 0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)


def _relisted(array: Any, values: Any) -> Any:
    """Lists with other values: as many, in the same order, as ``array.flatten()`` gives."""
    import pyarrow as pa

    large = pa.types.is_large_list(array.type)
    kind = array.type.value_field.with_type(values.type)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(_lengths(array))])
    offsets = pa.array(ends, pa.int64() if large else pa.int32())
    lists = pa.LargeListArray if large else pa.ListArray
    return lists.from_arrays(
        offsets,
        values,
        type=pa.large_list(kind) if large else pa.list_(kind),
        mask=array.is_null() if array.null_count else None,
    )
