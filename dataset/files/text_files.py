"""Files of rows of text: plain, .gz or .zst, read and written as streams."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from tformer.dataset.files.arrow_library import arrow
from tformer.dataset.files.blocks import BLOCK_BYTES, BLOCK_ROWS
from tformer.dataset.files.formats import COMPRESSED
from tformer.model.errors import InputError

_Row = TypeVar("_Row")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Read a file, decompressed.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    damages: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error)
    try:
        with _stream(path) as stream:
            yield stream
    except damages as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}") from error


def _stream(path: Path) -> AbstractContextManager[BinaryIO]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast(AbstractContextManager[BinaryIO], gzip.open(path, "rb"))
    if suffix == ".zst":
        pa = arrow(str(path))
        raw = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        import io

        return cast(AbstractContextManager[BinaryIO], io.BufferedReader(raw, 1 << 16))
    return path.open("rb")


@contextmanager
def compressing(stream: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """A stream whose content is compressed as the name of its file says; the same each time."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed:
            yield cast(BinaryIO, packed)
    elif suffix == ".zst":
        pa = arrow(str(path))
        with pa.CompressedOutputStream(pa.PythonFile(_KeptOpen(stream), "w"), "zstd") as packed:
            yield cast(BinaryIO, packed)
    else:
        yield stream


class _KeptOpen:
    """A stream that is not closed by whoever writes to it."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open."""


def lines_of(path: Path, stream: BinaryIO, encoding: str) -> Iterator[str]:
    """Lines with their endings, ``\\n`` alone or behind ``\\r``.

    Raises:
        InputError: one is not in this encoding.
    """
    for number, raw in enumerate(stream, start=1):
        try:
            yield raw.decode(encoding)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}:{number}: not {encoding}: {error.reason}") from error


def grouped(rows: Iterator[_Row], size_of: Any) -> Iterator[Sequence[_Row]]:
    """Cut rows into groups that are small enough for a block."""
    group: list[_Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += size_of(row)
        if len(group) >= BLOCK_ROWS or size >= BLOCK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def is_plain(path: Path) -> bool:
    """Return whether a file is not compressed, so that its size tells how much is left."""
    return path.suffix.lower() not in COMPRESSED
