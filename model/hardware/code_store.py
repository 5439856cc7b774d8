"""Object files of compiled functions, and where they are. No torch here.

An object is looked for in these folders; what had to be compiled is put into the first of them that
can be written to:

    compiled, beside this module: what the package was built with, which is only read
    __pycache__ beside this module
    $XDG_CACHE_HOME/tformer, or ~/.cache/tformer
    a temporary one, of this process alone

$NUMBA_CACHE_DIR names a folder that takes the place of the two in the middle.

There they lie in a folder for every state of our sources and level of processors, and for nothing
else: neither its path nor the time of a file matters, nor the version of Numba that made it.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Timer

from tformer.model.files import lock, replacing
from tformer.model.hardware.cpu import level
from tformer.model.hardware.native_call import ObjectCode

logger = logging.getLogger(__name__)

SOURCES = (
    "datastore/mixing.py",
    "hardware/cpu.py",
    "hardware/linked_code.py",
    "hardware/native_*.py",
    "hardware/numba_*.py",
    "search/candidates.py",
    "search/hypotheses.py",
    "search/ngram_bans.py",
    "network/float32/*.py",
    "network/int8/**/*.py",
)
"""Files of `tformer.model` on which compiled code depends."""

PLACE = "NUMBA_CACHE_DIR"
"""The environment variable that names a folder."""

BUILT = "compiled"
"""The folder beside this module with what the package was built with."""

KEPT = 4
"""Folders of code that are kept beside each other, the newest."""

SILENT_SECONDS = 3.0
"""After which it is said what takes so long; at a terminal that is said at once."""

MESSAGE = "first use: compiling for this processor, which may take half a minute, once"

_OURS = re.compile("tformer-[0-9a-f]{16}")
"""Names of folders of code."""

_MARK = b"tformer object 1\n"


def file_name(function: str, types: str) -> str:
    """The name of the object of a function for some types."""
    return f"{function}-{hashlib.sha256(types.encode()).hexdigest()[:16]}.o"


def found(name: str) -> ObjectCode | None:
    """The object of a name, wherever it is whole."""
    for place in _places():
        try:
            content = (place / _folder_name() / name).read_bytes()
        except OSError:
            continue
        if code := _read(content):
            return code
        logger.warning("%s: damaged; it is passed over", place / _folder_name() / name)
    return None


def exists(name: str) -> bool:
    """Return whether there is an object of a name, be it whole or not."""
    return any(map(os.path.isfile, (place / _folder_name() / name for place in _places())))


def keep(name: str, code: ObjectCode) -> None:
    """Write an object down, if that can be done anywhere."""
    if folder := code_folder():
        with suppress(OSError):
            _write(folder, name, code)
            _forget_older(folder)


def build(place: Path, name: str, code: ObjectCode) -> None:
    """Write an object down for those who get the package.

    Raises:
        OSError: when it cannot be written there.
    """
    folder = place / _folder_name()
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, name, code)


def _write(folder: Path, name: str, code: ObjectCode) -> None:
    with replacing(folder / name) as stream:
        stream.write(_written(code))


def _written(code: ObjectCode) -> bytes:
    about = json.dumps([code.arity, code.result, code.names]).encode()
    content = about + b"\n" + code.code
    return _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def _read(content: bytes) -> ObjectCode | None:
    """An object as it was written; None if a byte of it is another."""
    if not content.startswith(_MARK):
        return None
    digest, _, content = content[len(_MARK) :].partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        return None
    about, _, code = content.partition(b"\n")
    return ObjectCode(code, *json.loads(about))


@cache
def code_folder() -> Path | None:
    """The folder that new code is put into; None if nothing can be written anywhere."""
    folders = (place / _folder_name() for place in _places() if place != built_folder())
    return next(filter(_is_writable, folders), None) or _own_folder()


def built_folder() -> Path:
    """The folder with what the package was built with, for all levels."""
    return Path(__file__).parent / BUILT


def _places() -> Iterator[Path]:
    if given := os.environ.get(PLACE):
        yield Path(given)
        yield built_folder()
        return
    yield built_folder()
    yield Path(__file__).parent / "__pycache__"
    with suppress(RuntimeError):  # there is no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tformer"


@cache
def _own_folder() -> Path | None:
    try:
        folder = tempfile.mkdtemp(prefix="tformer-")
    except OSError:
        return None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@cache
def _folder_name() -> str:
    return f"tformer-{digest()}"


def digest() -> str:
    """Hash everything that compiled code depends on."""
    found = hashlib.sha256()
    for part in (sys.platform, platform.machine().lower(), *_target()):
        found.update(f"{part}\n".encode())
    home = Path(__file__).parents[1]
    for file in sorted(file for pattern in SOURCES for file in home.glob(pattern)):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _target() -> tuple[str, str]:
    """Target of compilation, as LLVM names it."""
    if target := level().target:
        return target, level().features
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


# -- the first use ------------------------------------------------------------------------


@contextmanager
def first_use() -> Iterator[None]:
    """Say what takes so long, and keep other processes from doing the same meanwhile."""
    with _told_why_it_takes_so_long():
        folder = code_folder()
        if folder is None:
            yield
            return
        with (folder / "lock").open("w") as stream:
            lock(stream, wait=True)
            yield


@contextmanager
def _told_why_it_takes_so_long() -> Iterator[None]:
    at_terminal = sys.stderr is not None and sys.stderr.isatty()
    timer = Timer(0 if at_terminal else SILENT_SECONDS, logger.warning, [MESSAGE])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _forget_older(folder: Path) -> None:
    """Remove code of sources that are long gone."""
    others = [path for path in folder.parent.iterdir() if _OURS.fullmatch(path.name)]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
