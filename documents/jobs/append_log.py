"""Records in a file that only grows, so that the death of its writer costs the last one at most.

A line is the CRC-32 of a record in hexadecimal, a space, and the record in JSON. What is read ends
at the first line that is not whole; what is appended goes there. Each record is handed to the
system at once, which a killed process cannot take back, and to the disk every second.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO
from zlib import crc32

from tformer.model.errors import OutputError
from tformer.model.files import lock

SYNC_SECONDS = 1.0
"""Seconds between synchronisations: what a power cut may take back."""


class RecordFile:
    """A file of records: first what is there is read, then more is appended.

    While it is open no other process can open it.
    """

    def __init__(self, path: Path, *, of: Path) -> None:
        """Open the file if it is there; it is not made before there is something to write.

        Args:
            path: the file.
            of: what it keeps book of, for messages: nobody has heard of the file itself.

        Raises:
            OutputError: another process has it open, or it cannot be opened.
        """
        self.path = path
        self._of = of
        self._stream: BinaryIO | None = None
        with suppress(FileNotFoundError):
            self._stream = self._open("r+b")
        self._next: tuple[Any, int] | None = None
        self._end = 0
        self._appending = False
        self._synced = time.monotonic()

    def peek(self) -> Any | None:
        """The next record, if there is a whole one and none was appended yet."""
        if self._appending or self._stream is None:
            return None
        if self._next is None:
            self._stream.seek(self._end)
            line = self._stream.readline()
            record = _read(line)
            self._next = None if record is None else (record, len(line))
        return self._next[0] if self._next else None

    def keep(self) -> None:
        """Go on to the record behind the one that was looked at, which stays in the file."""
        assert self._next is not None
        self._end += self._next[1]
        self._next = None

    def rewind(self) -> None:
        """Go back to the first record, so that nothing is kept."""
        self._end, self._next = 0, None

    def append(self, record: Any) -> None:
        """Write a record behind the last one that was kept; others are dropped.

        Raises:
            OutputError: it cannot be written.
        """
        body = json.dumps(record, separators=(",", ":")).encode()
        line = b"%08x %s\n" % (crc32(body), body)
        try:
            stream = self._writable()
            stream.write(line)
            stream.flush()
            self._end += len(line)
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                self.sync()
        except OSError as error:
            raise self._cannot_write(error) from error

    def claim(self) -> None:
        """Make the file if it is not there, so that no other process can open it from now on.

        Raises:
            OutputError: another process was first, or it cannot be made.
        """
        try:
            self._writable()
        except OSError as error:
            raise self._cannot_write(error) from error

    def sync(self) -> None:
        """See to it that what was written survives a power cut."""
        if self._stream is not None:
            os.fsync(self._stream.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # of a full disk, which an append has told of
            self.sync()
        self._let_go()

    def remove(self) -> None:
        """Close the file and delete it, if it was ever made."""
        if self._stream is not None:
            self.path.unlink(missing_ok=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with suppress(OSError):
                stream.close()

    def _writable(self) -> BinaryIO:
        """The stream, at the end of what was kept."""
        if self._stream is None:
            self._stream = self._open("x+b")
        if not self._appending:
            self._stream.seek(self._end)
            self._stream.truncate()
            self._appending = True
        return self._stream

    def _open(self, mode: str) -> BinaryIO:
        try:
            stream = open(self.path, mode)  # noqa: SIM115, it stays open
        except FileExistsError as error:
            raise self._taken() from error
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._cannot_write(error) from error
        try:
            lock(stream, wait=False)
        except BlockingIOError as error:
            stream.close()
            raise self._taken() from error
        if not _is_at(stream, self.path):  # whoever had it locked has deleted it in the meantime
            stream.close()
            raise self._taken()
        return stream  # type: ignore[return-value]

    def _taken(self) -> OutputError:
        return OutputError(f"{self._of}: another tformer is at work on it: let it end first")

    def _cannot_write(self, error: OSError) -> OutputError:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return OutputError(
                f"{self._of}: cannot be written: there is no folder {self.path.parent}"
            )
        return OutputError(
            f"{self._of}: {self.path.name} cannot be written beside it: {error.strerror or error}"
        )


def _is_at(stream: IO[bytes], path: Path) -> bool:
    """Return whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _read(line: bytes) -> Any | None:
    """The record of a line; None if the line is not whole."""
    check, _, body = line[:-1].partition(b" ")
    if not line.endswith(b"\n") or check != b"%08x" % crc32(body):
        return None
    try:
        return json.loads(body)
    except ValueError:  # a collision of the check
        return None
