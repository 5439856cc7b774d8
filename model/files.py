"""Files that are replaced whole, locked and compared.

Functions here raise OSError if they say nothing else: the caller knows what the file is for, and
says so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from tformer.model.errors import InputError

_LOCKED_BYTE = 1 << 40
_WAIT_SECONDS = 0.05


def sha256_of(path: Path) -> str:
    """SHA-256 of the content of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def refuse_special(path: Path | None) -> None:
    """See that a file that is read again while others wait is a regular one, or none.

    Reading a pipe or a terminal would wait, and reading some devices never ends.

    Raises:
        InputError: it is a pipe, a device or a socket.
    """
    if path is None:
        return
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # who reads it says so
        return
    if stat.S_ISFIFO(mode):
        raise InputError(f"{path}: is a pipe, which cannot be read again: put a file there")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: is a device or a socket, and no file: put a file there")


FileState = tuple[int, int, int, int]


def state_of(path: Path) -> FileState | None:
    """Identity of a file's content, even if its modification time is put back; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@contextmanager
def replacing(path: Path, *, aside: Path | None = None) -> Iterator[BinaryIO]:
    """Open a stream whose content becomes the file at the end, whole or not at all.

    It is written beside its place, synchronised with the disk and moved there, with the permissions
    of the file that was there before.

    Args:
        path: the file; a symbolic link is replaced, not followed.
        aside: where to write first; None makes up a name. What a killed process left there is
            overwritten, so the caller must know that nobody else uses it.
    """
    descriptor, aside = _made_aside(path) if aside is None else _made_anew(aside)
    try:
        with open(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        aside.chmod(_mode_for(path))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Make a directory that becomes ``path`` at the end, or vanishes if anything fails.

    A directory that was there is replaced, and comes back if that fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield folder
        folder.chmod(0o755)
        _replace_directory(folder, path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def lock(stream: IO[Any], *, wait: bool) -> None:
    """Lock an open file for this process, until it is closed; without effect where locks are not.

    Raises:
        BlockingIOError: another process has it locked, and ``wait`` is false.
    """
    try:
        import fcntl
    except ImportError:
        _lock_byte(stream, wait)
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        pass


def _lock_byte(stream: IO[Any], wait: bool) -> None:
    """Lock a byte far behind the content: on Windows nobody else could read a locked one."""
    if sys.platform == "win32":
        import msvcrt

        at = os.lseek(stream.fileno(), 0, os.SEEK_CUR)
        os.lseek(stream.fileno(), _LOCKED_BYTE, os.SEEK_SET)
        try:
            while True:
                with suppress(OSError):
                    msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
                    return
                if not wait:
                    raise BlockingIOError(f"{stream.name}: is locked")
                time.sleep(_WAIT_SECONDS)
        finally:
            os.lseek(stream.fileno(), at, os.SEEK_SET)


def _made_aside(path: Path) -> tuple[int, Path]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:50]}.", dir=path.parent)
    return descriptor, Path(name)


def _made_anew(path: Path) -> tuple[int, Path]:
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), path


def _mode_for(path: Path) -> int:
    """Permissions of the file that is replaced, or else those of any new file."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _replace_directory(new: Path, path: Path) -> None:
    if not path.exists():
        new.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    old = path.rename(aside / path.name)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    finally:
        shutil.rmtree(aside)
