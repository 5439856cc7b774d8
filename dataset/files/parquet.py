"""Parquet: row group by row group, with schema, metadata and compression as they are.

A row group is read in batches, so that one of any size takes little memory. It is written as one,
too, if its rows take no more than `GROUP_BYTES`, else as several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tformer.dataset.files.arrow_blocks import ArrowBlock, checked_schema, cut
from tformer.dataset.files.arrow_library import arrow, blaming_file
from tformer.dataset.files.blocks import BLOCK_ROWS, Results, RowBlock
from tformer.dataset.files.columns import Column

GROUP_BYTES = 8 << 20
"""Bytes of rows that are collected for a row group."""

_BATCH_BYTES = 4 << 20
"""Bytes of a batch that is read, about."""


@dataclass
class ParquetShard:
    """A Parquet file."""

    path: Path

    def schema(self) -> Any:
        """Its schema (`pyarrow.Schema`)."""
        with blaming_file(self.path), self._open() as file:
            return file.schema_arrow

    def check(self, columns: Sequence[Column], paths: Sequence[str]) -> None:
        """See `Shard`."""
        checked_schema(self.schema(), columns, paths, str(self.path))

    def blocks(self) -> Iterator[ArrowBlock]:
        """See `Shard`."""
        size = self.path.stat().st_size
        with blaming_file(self.path), self._open() as file:
            number = first_row = 0
            share = size / max(1, file.metadata.num_rows)
            for group in range(file.num_row_groups):
                facts = file.metadata.row_group(group)
                width = facts.total_byte_size / max(1, facts.num_rows)
                rows = int(min(BLOCK_ROWS, max(1, _BATCH_BYTES // max(1, width))))
                end = first_row + facts.num_rows
                batches = file.iter_batches(batch_size=rows, row_groups=[group], use_threads=False)
                for batch in (part for whole in batches for part in cut(whole)):
                    block = ArrowBlock(
                        number, first_row, batch, share * batch.num_rows, str(self.path)
                    )
                    number, first_row = number + 1, first_row + batch.num_rows
                    block.ends_group = first_row == end
                    yield block

    def write(
        self, stream: BinaryIO, columns: Sequence[Column], results: Callable[[RowBlock], Results]
    ) -> None:
        """See `Shard`."""
        pa = arrow(str(self.path))
        import pyarrow.parquet as pq

        with blaming_file(self.path), self._open() as file:
            schema = checked_schema(file.schema_arrow, columns, (), str(self.path))
            settings = _settings(file.metadata, schema)
        with pq.ParquetWriter(stream, schema, **settings) as writer:
            waiting: list[Any] = []
            for block in self.blocks():
                batch = block.with_results(columns, results(block))
                waiting.append(batch)
                if block.ends_group or sum(b.nbytes for b in waiting) > GROUP_BYTES:
                    table = pa.Table.from_batches(waiting).replace_schema_metadata(schema.metadata)
                    writer.write_table(table, row_group_size=max(1, table.num_rows))
                    waiting = []

    def _open(self) -> Any:
        arrow(str(self.path))
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.path, buffer_size=1 << 16, pre_buffer=False)


def _settings(metadata: Any, schema: Any) -> dict[str, Any]:
    """Settings of a writer that writes as a file was written."""
    settings: dict[str, Any] = {
        "version": _version(metadata.format_version),
        "use_compliant_nested_type": False,  # names of items as they are
    }
    if not metadata.num_row_groups:
        return settings
    group = metadata.row_group(0)
    facts = [group.column(i) for i in range(group.num_columns)]
    codecs = {one.path_in_schema: one.compression.lower() for one in facts}
    codecs = {path: "none" if codec == "uncompressed" else codec for path, codec in codecs.items()}
    usual = max(set(codecs.values()), key=list(codecs.values()).count)
    new = _leaf_paths(schema, usual)
    settings["compression"] = {path: codecs.get(path, usual) for path in new}
    settings["write_statistics"] = any(one.is_stats_set for one in facts)
    coded = [one.path_in_schema for one in facts if _is_dictionary(one)]
    settings["use_dictionary"] = coded or False
    return settings


def _version(found: str) -> str:
    return found if found in ("1.0", "2.4", "2.6") else "2.6"


def _is_dictionary(facts: Any) -> bool:
    return any("DICTIONARY" in encoding for encoding in facts.encodings)


def _leaf_paths(schema: Any, codec: str) -> list[str]:
    """Paths of columns as Parquet names them, which only a file that was written tells."""
    import io

    import pyarrow.parquet as pq

    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink, schema, compression=codec, use_compliant_nested_type=False
    ) as writer:
        writer.write_table(schema.empty_table())
    columns = pq.ParquetFile(io.BytesIO(sink.getvalue())).schema
    return [columns.column(i).path for i in range(len(columns))]
