"""Blocks of Arrow's record batches, whatever file they come from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tformer.dataset.files import nested
from tformer.dataset.files.blocks import BLOCK_BYTES, BLOCK_ROWS, Cells, CellTranslation, Results
from tformer.dataset.files.columns import Column, Extra, refuse_taken

_FEATURES = b"huggingface"
"""Key of the metadata in which the `datasets` library describes columns."""


@dataclass
class ArrowBlock:
    """Rows of a record batch."""

    number: int
    first_row: int
    batch: Any
    """`pyarrow.RecordBatch`."""
    size: float
    where: str
    """File, for messages."""
    ends_group: bool = False
    """True if a row group of the file ends with it."""

    @property
    def num_rows(self) -> int:
        """Rows of the batch."""
        return int(self.batch.num_rows)

    def cells(self, column: Column) -> Cells:
        """See `RowBlock`."""
        import pyarrow as pa

        steps = nested.resolved(self.batch.schema, column.path, self.where)
        array, rows = nested.leaves(
            self.batch.column(steps[0]), steps[1:], np.arange(self.num_rows, dtype=np.int64)
        )
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        return Cells(array.to_pylist(), rows.tolist())

    def values(self, path: str) -> Sequence[Any]:
        """See `RowBlock`."""
        import pyarrow.compute as pc

        first, *rest = nested.value_steps(self.batch.schema, path, self.where)
        array = self.batch.column(first)
        values: list[Any] = (pc.struct_field(array, rest) if rest else array).to_pylist()
        return values

    def with_results(self, columns: Sequence[Column], results: Results) -> Any:
        """The batch with further columns."""
        batch = self.batch
        for column in columns:
            steps = nested.resolved(batch.schema, column.path, self.where)
            added = _arrays(batch, column, steps, results[column.path])
            batch = _with_column(batch, steps, added)
        return batch


def checked_schema(schema: Any, columns: Sequence[Column], paths: Sequence[str], where: str) -> Any:
    """The schema of the output.

    Raises:
        InputError: a column is not there or holds no text.
        UsageError: an output has the name of another column.
    """
    import pyarrow as pa

    for column in columns:
        *parents, name = nested.resolved(schema, column.path, where)
        level = schema
        for parent in parents:
            level = level.field(parent).type
            while nested.is_list(level):
                level = level.value_type
        refuse_taken(nested.names_of(level), column, name, where)
    for path in paths:
        nested.value_steps(schema, path, where)
    empty = pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)
    block = ArrowBlock(0, 0, empty, 0, where)
    made = block.with_results(columns, {column.path: () for column in columns}).schema
    return made.with_metadata(described(schema.metadata, schema, made))


def cut(batch: Any) -> Iterator[Any]:
    """Cut a batch into parts that are small enough for a block."""
    if batch.num_rows > 1 and (batch.num_rows > BLOCK_ROWS or batch.nbytes > 8 * BLOCK_BYTES):
        half = min(BLOCK_ROWS, max(1, batch.num_rows // 2))
        yield from cut(batch.slice(0, half))
        yield from cut(batch.slice(half))
    else:
        yield batch


def described(
    metadata: Mapping[bytes, bytes] | None, before: Any, after: Any
) -> dict[bytes, bytes] | None:
    """Metadata of a schema, in which the `datasets` library also finds the new columns."""
    if not metadata or _FEATURES not in metadata:
        return dict(metadata) if metadata else None
    try:
        record = json.loads(metadata[_FEATURES])
        features = record["info"]["features"]
        record["info"]["features"] = with_features(features, before, after)
    except (ValueError, KeyError, TypeError):
        return dict(metadata)
    return {**metadata, _FEATURES: json.dumps(record).encode()}


def with_features(features: dict[str, Any], before: Any, after: Any) -> dict[str, Any]:
    """Features of the `datasets` library, with those of columns that are new or have changed."""
    changed = {
        field.name: feature_of(field.type)
        for field in after
        if field.name not in nested.names_of(before) or before.field(field.name).type != field.type
    }
    return {**features, **changed}


def feature_of(kind: Any) -> Any:
    """A type as the `datasets` library writes it."""
    if nested.is_list(kind):
        return {"feature": feature_of(kind.value_type), "_type": "List"}
    if nested.is_struct(kind):
        return {kind.field(i).name: feature_of(kind.field(i).type) for i in range(kind.num_fields)}
    name = {"double": "float64", "float": "float32"}.get(str(kind), str(kind))
    return {"dtype": name, "_type": "Value"}


def _arrays(
    batch: Any, column: Column, steps: nested.Steps, results: Sequence[CellTranslation | None]
) -> dict[str, Any]:
    """Flat values of the output columns by name."""
    import pyarrow as pa

    kind = batch.schema.field(steps[0]).type
    for step in steps[1:]:
        while nested.is_list(kind):
            kind = kind.value_type
        kind = kind.field(step).type
    types = {
        None: nested.text_type(kind),
        Extra.SCORE: pa.float64(),
        Extra.LANGUAGE: pa.string(),
        Extra.WARNINGS: pa.list_(pa.string()),
    }
    return {
        name: pa.array([value_of(result, extra) for result in results], types[extra])
        for extra, name in column.outputs(steps[-1])
    }


def value_of(result: CellTranslation | None, extra: Extra | None) -> Any:
    """Value of a result in an output column."""
    if result is None:
        return None
    if extra is None:
        return result.text
    if extra is Extra.SCORE:
        return result.score
    return (result.language or None) if extra is Extra.LANGUAGE else list(result.warnings)


def _with_column(batch: Any, steps: nested.Steps, added: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    fields, arrays = list(batch.schema), list(batch.columns)
    at = batch.schema.get_field_index(steps[0])
    if len(steps) == 1:
        fields, arrays = nested.add_columns(fields, arrays, arrays[at], added)
    else:
        arrays[at] = nested.with_siblings(arrays[at], steps[1:], added)
        fields[at] = fields[at].with_type(arrays[at].type)
    schema = pa.schema(fields, batch.schema.metadata)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
