"""Lines of text in, lines of text out: the contract of a program in a pipeline.

- A line ends at "\\n" and nowhere else: form feeds, U+0085, U+2028 and a lone "\\r" are text.
- "\\r\\n" stays "\\r\\n", and a last line without an ending stays without. Between two inputs a
  missing ending is added, so that the last line of one and the first of the next stay two.
- A byte order mark at the beginning of an input is dropped, but where one file becomes another.
- Text in UTF-16 is refused where it is not named as the encoding: half of its bytes would look
  like text. So is what is no text at all, as its first bytes tell.
- A file that ends in .gz is read, or written, compressed.
- Bytes that are not UTF-8 are read as U+FFFD and reported; NUL and all else go through.
- A line is written and flushed at once.
"""

import codecs
import gzip
import io
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import UnsupportedOperation
from pathlib import Path
from typing import Protocol, cast

from tformer.documents.io.encoding import looks_binary
from tformer.model.errors import InputError, UsageError

STDIN = Path("-")

# What a pipe of Linux holds; one read takes no more than what is there.
_READ_SIZE = 1 << 16

UTF_16 = frozenset({codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE})
"""Byte order marks of UTF-16."""

_MARKS = (codecs.BOM_UTF8, *UTF_16)

_HEAD = 8192

_BINARY = {
    b"%PDF-": "PDF",
    b"\x89PNG": "PNG",
    b"\x7fELF": "ELF",
    b"PK\x03\x04": "ZIP",
    b"GIF8": "GIF",
    b"\xff\xd8\xff": "JPEG",
    b"\x1f\x8b": "gzip; name it .gz",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"SQLite format 3": "SQLite",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"OggS": "Ogg",
    b"RIFF": "RIFF",
    b"MZ\x90": "a program",
}
"""First bytes of files that are no text."""


@dataclass(frozen=True)
class Line:
    """One line of an input."""

    text: str
    """Without its ending."""

    ending: str
    """"\\n", "\\r\\n", or "" for a last line that has none."""

    damaged: bool = False
    """True if some bytes were not UTF-8; they are U+FFFD in `text`."""

    size: int = 0
    """Bytes that the line took in the input."""


# --- in ------------------------------------------------------------------------------------------


class _Readable(Protocol):
    """A binary stream that can say what is there without waiting for more."""

    def read1(self, size: int, /) -> bytes: ...
    def fileno(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...


def name_of(path: Path) -> str:
    """Name of an input in messages."""
    return "stdin" if path == STDIN else str(path)


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed, as its name says."""
    return path.suffix.lower() == ".gz"


def check_encoding(name: str | None) -> None:
    """Find an unknown encoding.

    Raises:
        UsageError: Python knows no such encoding.
    """
    try:
        codecs.lookup(name or "utf-8")
    except LookupError:
        raise UsageError(f"--encoding {name}: no such encoding; try cp1252 or utf-16") from None


def check_is_text(path: Path, encoding: str | None = None) -> None:
    """Refuse a file that is no text, as its beginning tells.

    Raises:
        InputError: it is not text, or cannot be read.
    """
    if not path.is_file():
        return
    with blaming(path), _open(path) as stream:
        _refuse_binary(path, stream.read1(_HEAD), encoding)


def _refuse_binary(path: Path, head: bytes, encoding: str | None) -> None:
    kind = next((kind for start, kind in _BINARY.items() if head.startswith(start)), None)
    if kind is None and encoding is None and looks_binary(head):
        kind = "binary"
    if kind:
        raise InputError(f"{name_of(path)}: is no text ({kind}): nothing is translated")


def check_inputs(paths: Sequence[Path]) -> None:
    """Find a missing input before the time that loading a model takes.

    Raises:
        InputError: a path does not exist, is a folder, or may not be read.
    """
    for path in paths:
        if path == STDIN:
            continue
        if not path.exists():
            raise InputError(_missing(path))
        if path.is_dir():
            raise InputError(f"{path}: is a folder, give the files in it")
        if not os.access(path, os.R_OK):
            raise InputError(f"{path}: no permission to read it")


def check_names(paths: Iterable[Path]) -> None:
    """Refuse what is too long for the name of a file: a text that was given as an argument.

    Raises:
        InputError: there is one.
    """
    for path in paths:
        is_long = any(len(os.fsencode(part)) > 255 for part in path.parts)
        if is_long or ("\n" in str(path) and not path.exists()):
            raise InputError(_missing(Path(f"{str(path)[:40].splitlines()[0]} ...")))


def _missing(path: Path) -> str:
    if " " in str(path).strip() or not re.search(r"[./\\]", str(path)):
        return f"{path}: no such file; to translate a sentence: echo '...' | tformer translate"
    return f"{path}: no such file"


def size_of(paths: Sequence[Path]) -> int | None:
    """Bytes of all inputs together, or None if one of them has no size, as a pipe has none."""
    if not all(path.is_file() and not is_compressed(path) for path in paths):
        return None
    return sum(path.stat().st_size for path in paths)


def mark_of(path: Path) -> bytes:
    """The byte order mark that a file begins with; nothing for what is no file.

    Raises:
        InputError: the file cannot be read.
    """
    if not path.is_file() or is_compressed(path):
        return b""
    with blaming(path), path.open("rb") as stream:
        start = stream.read(len(codecs.BOM_UTF8))
    return next((mark for mark in _MARKS if start.startswith(mark)), b"")


def read_runs(
    path: Path, *, last: bool = True, encoding: str | None = None
) -> Iterator[Iterable[Line]]:
    """Read an input as runs of lines; each must be used up before the next is asked for.

    A file is one run, read as it is used. From a pipe or a terminal a run is the complete lines
    that one read finds there: a slow producer's line is not kept waiting for the next, and a fast
    producer's lines come by the hundred.

    Args:
        path: a file, or "-" for stdin.
        last: whether no other input follows.
        encoding: of its text; None is UTF-8.

    Raises:
        InputError: the input cannot be read.
    """
    missing_ending = b"" if last else b"\n"
    with blaming(path), _open(path) as stream:
        lines: Iterable[bytes]
        start = codecs.BOM_UTF8
        if encoding is not None:
            yield _transcoded(path, stream, encoding, missing_ending)
            return
        for lines in [stream] if _is_file(stream) else _arriving(stream):
            # A run is read while this function waits, so it answers for its own errors.
            yield _decoded(path, lines, start, missing_ending)
            start = b""


def read_all(path: Path) -> bytes:
    """All bytes of an input at once, for what is no sequence of lines.

    Raises:
        InputError: the input cannot be read.
    """
    with blaming(path), _open(path) as stream:
        return b"".join(stream)


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Say of a failure to read which input it was."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{name_of(path)}: cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{name_of(path)}: is damaged: its compressed data break off") from error


def _open(path: Path) -> AbstractContextManager[_Readable]:
    if path != STDIN:
        if is_compressed(path):
            return cast(AbstractContextManager[_Readable], gzip.open(path, "rb"))
        return cast(AbstractContextManager[_Readable], path.open("rb"))
    if sys.stdin is None:
        raise InputError("stdin is closed: give a file or a pipe")
    return nullcontext(cast(_Readable, sys.stdin.buffer))


def _is_file(stream: _Readable) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except UnsupportedOperation:  # a stream in memory, which has everything at hand
        return False


def _arriving(stream: _Readable) -> Iterator[list[bytes]]:
    """Complete lines, as many at a time as one read finds."""
    unfinished: list[bytes] = []
    while chunk := stream.read1(_READ_SIZE):
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*unfinished, lines[0]])
            unfinished.clear()
            yield [line + b"\n" for line in lines]
        if rest:
            unfinished.append(rest)
    if unfinished:
        yield [b"".join(unfinished)]


def _decoded(
    path: Path, lines: Iterable[bytes], start: bytes, missing_ending: bytes
) -> Iterator[Line]:
    with blaming(path):
        for raw in lines:
            if start and raw.startswith(tuple(UTF_16)):
                raise InputError(
                    f"{name_of(path)}: is UTF-16, which has no lines of bytes: convert it to "
                    "UTF-8, or name it with --encoding utf-16"
                )
            if start:
                _refuse_binary(path, raw[:_HEAD], None)
            yield decode(raw.removeprefix(start), missing_ending, size=len(raw))
            start = b""


def _transcoded(
    path: Path, stream: _Readable, encoding: str, missing_ending: bytes
) -> Iterator[Line]:
    """The lines of a text in another encoding, read at once."""
    with blaming(path):
        data = b"".join(stream)
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        raise InputError(f"{name_of(path)}: is not {encoding}: {error}") from error
    for line in io.BytesIO(text.encode("utf-8", "surrogatepass")):
        yield decode(line, missing_ending, size=len(line))


def decode(raw: bytes, missing_ending: bytes = b"", *, size: int = 0) -> Line:
    """Turn the bytes of one line into text and ending."""
    body = raw.removesuffix(b"\n")
    ending = raw[len(body) :] or missing_ending
    if raw.endswith(b"\r\n"):
        body, ending = body[:-1], b"\r\n"
    try:
        return Line(body.decode(), ending.decode(), size=size)
    except UnicodeDecodeError:
        text = body.decode(errors="replace")
        return Line(text, ending.decode(), damaged=True, size=size)


# --- out -----------------------------------------------------------------------------------------
