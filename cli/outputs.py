"""Outputs of commands: stdout, or a file that appears whole or not at all."""

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from tformer.cli.exits import PipeClosed
from tformer.cli.lines import is_compressed
from tformer.model.errors import OutputError
from tformer.model.files import replacing

_HAS_EFFECTIVE_IDS = os.access in os.supports_effective_ids


class Writer:
    """Writes text to a binary stream, each time at once."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> None:
        """Write text in UTF-8; see `write_bytes`."""
        self.write_bytes(text.encode())

    def write_bytes(self, data: bytes) -> None:
        """Write and flush.

        Raises:
            PipeClosed: nobody reads any more.
            OutputError: the disk is full, or the like.
        """
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError as error:
            raise PipeClosed from error
        except OSError as error:
            raise _cannot_write(self._name, error) from error


class _Compressed:
    """A stream that compresses; it is flushed by the hundred writes, for each costs bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._gzip = gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)

    def write(self, data: bytes) -> int:
        return self._gzip.write(data)

    def flush(self) -> None:
        """Leave it to the end."""

    def close(self) -> None:
        self._gzip.close()


@contextmanager
def open_output(path: Path | None, *, aside: Path | None = None) -> Iterator[Writer]:
    """Write to stdout, or to a file that appears whole or not at all.

    The file is written beside its place and moved there at the end, so that what was there before
    stays untouched if anything fails. A device or a named pipe is written to directly.

    Args:
        path: the file; None is stdout.
        aside: where to write it first; None makes up a name. What a killed process left there is
            overwritten, so the caller must know that nobody else uses it.

    Raises:
        OutputError: the file cannot be written, or is there and may not be.
    """
    if path is None:
        if sys.stdout is None:
            raise OutputError("stdout is closed: give a file with --output")
        yield Writer(sys.stdout.buffer, "stdout")
    elif not is_replaceable(path):
        yield from _write_directly(path)
    else:
        yield from _write_aside(Path(os.path.realpath(path)), aside)


def is_replaceable(path: Path) -> bool:
    """Return whether an output is a file, or nothing yet: no device, named pipe or folder."""
    return not path.exists() or path.is_file()


def abandon_stdout() -> None:
    """Give up what stdout still holds; Python would try to write it once more at exit, and fail."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _write_directly(path: Path) -> Iterator[Writer]:
    try:
        stream = path.open("wb", buffering=0)
    except OSError as error:
        raise _cannot_write(str(path), error) from error
    with stream:
        yield Writer(cast(BinaryIO, stream), str(path))


def _write_aside(path: Path, aside: Path | None) -> Iterator[Writer]:
    if _is_read_only(path):
        # Whoever may write the folder could replace it, but its owner has said no.
        raise OutputError(f"{path}: cannot be written: it is read-only")
    try:
        with replacing(path, aside=aside) as stream:
            if is_compressed(path):
                compressed = _Compressed(stream)
                yield Writer(cast(BinaryIO, compressed), str(path))
                compressed.close()
            else:
                yield Writer(stream, str(path))
    except OSError as error:
        raise _cannot_write(str(path), error) from error


def _is_read_only(path: Path) -> bool:
    """Return whether nobody may write a file, not even root, or this process may not."""
    if not path.exists():
        return False
    may_write = os.access(path, os.W_OK, effective_ids=_HAS_EFFECTIVE_IDS)
    return not (may_write and path.stat().st_mode & 0o222)


def _cannot_write(name: str, error: OSError) -> OutputError:
    return OutputError(f"{name}: cannot be written: {error.strerror or error}")
