"""Arrow's own files and streams (Feather, `.arrow`), batch by batch, compressed as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tformer.dataset.files.arrow_blocks import ArrowBlock, checked_schema, cut
from tformer.dataset.files.arrow_library import arrow, blaming_file
from tformer.dataset.files.blocks import Results, RowBlock
from tformer.dataset.files.columns import Column

_FILE = b"ARROW1"
_CODECS = {b"\x04\x22\x4d\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of a compressed buffer, behind its length."""


@dataclass
class IpcShard:
    """A file, or a stream in a file."""

    path: Path

    def schema(self) -> Any:
        """Its schema (`pyarrow.Schema`)."""
        with self._opened() as (schema, _):
            return schema

    def check(self, columns: Sequence[Column], paths: Sequence[str]) -> None:
        """See `Shard`."""
        checked_schema(self.schema(), columns, paths, str(self.path))

    def blocks(self) -> Iterator[ArrowBlock]:
        """See `Shard`."""
        size = self.path.stat().st_size
        number = first_row = 0
        with self._opened() as (_, batches):
            done = 0
            for position, batch in batches:
                share, done = (min(position, size) - done) / max(1, batch.num_rows), position
                parts = list(cut(batch)) if batch.num_rows else [batch]
                for part in parts:
                    yield ArrowBlock(
                        number, first_row, part, share * part.num_rows, str(self.path),
                        ends_group=part is parts[-1],
                    )  # fmt: skip
                    number, first_row = number + 1, first_row + part.num_rows

    def write(
        self, stream: BinaryIO, columns: Sequence[Column], results: Callable[[RowBlock], Results]
    ) -> None:
        """See `Shard`."""
        pa = arrow(str(self.path))
        schema = checked_schema(self.schema(), columns, (), str(self.path))
        options = pa.ipc.IpcWriteOptions(
            compression=self._codec(), emit_dictionary_deltas=not self._is_file
        )
        make = pa.ipc.new_file if self._is_file else pa.ipc.new_stream
        with make(stream, schema, options=options) as writer:
            waiting: list[Any] = []
            for block in self.blocks():
                waiting.append(block.with_results(columns, results(block)))
                if block.ends_group:
                    table = pa.Table.from_batches(waiting).combine_chunks()
                    writer.write_table(table.replace_schema_metadata(schema.metadata))
                    waiting = []

    @property
    def _is_file(self) -> bool:
        with self.path.open("rb") as stream:
            return stream.read(len(_FILE)) == _FILE

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Iterator[tuple[int, Any]]]]:
        """The schema, and batches with the position in the file behind each."""
        pa = arrow(str(self.path))
        with blaming_file(self.path), pa.OSFile(str(self.path)) as source:
            if self._is_file:
                file = pa.ipc.open_file(source)
                yield file.schema, self._of_file(file)
            else:
                stream = pa.ipc.open_stream(source)
                yield stream.schema, ((source.tell(), batch) for batch in stream)

    def _of_file(self, file: Any) -> Iterator[tuple[int, Any]]:
        size = self.path.stat().st_size
        for i in range(file.num_record_batches):
            yield size * (i + 1) // file.num_record_batches, file.get_batch(i)

    def _codec(self) -> str | None:
        """The codec of the first batch of rows; None if it is not compressed."""
        pa = arrow(str(self.path))
        with blaming_file(self.path), pa.OSFile(str(self.path)) as source:
            if self._is_file:
                source.seek(8)
            for message in pa.ipc.MessageReader.open_stream(source):
                if message.type == "record batch" and message.body is not None:
                    return _codec_of(message.body.to_pybytes())
        return None


def _codec_of(body: bytes) -> str | None:
    """The codec of a batch, each of whose buffers begins with its length and then a frame."""
    for sign, name in _CODECS.items():
        at = body.find(sign)
        while at >= 0:
            if at % 8 == 0 and at >= 8 and int.from_bytes(body[at - 8 : at], "little") < 1 << 40:
                return name
            at = body.find(sign, at + 1)
    return None
