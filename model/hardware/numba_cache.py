"""Code that Numba compiles, and where it is kept. No torch here.

Numba compiles a function when it is first called, for the processor at hand. For all that a
translation needs that takes a quarter of a minute; so the code is kept, in the first of these
folders that has it all already, which may then be read-only, or that can be written to:

    $NUMBA_CACHE_DIR, if it is set
    __pycache__ beside this module
    $XDG_CACHE_HOME/tformer, or ~/.cache/tformer
    a temporary one, of this process alone

There it has a folder of its own for every state of our sources, version of Numba and level of
processors: Numba would only notice when the file of the called function changes, and not when that
of a function does which is compiled into it.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core import caching
from numba.core.dispatcher import Dispatcher as CPUDispatcher

from tformer.model.files import lock
from tformer.model.hardware.cpu import level
from tformer.model.hardware.linked_code import only_linked

logger = logging.getLogger(__name__)

SOURCES = (
    "hardware/cpu.py",
    "hardware/linked_code.py",
    "hardware/numba_cache.py",
    "search/candidates.py",
    "search/hypotheses.py",
    "search/ngram_bans.py",
    "network/int8/**/*.py",
)
"""Files of `tformer.model` with functions that are compiled."""

READY = "ready"
"""A file in the folder of code that all is in."""

KEPT = 4
"""Folders of code that are kept beside each other, the newest."""

SILENT_SECONDS = 3.0
"""After which it is said what takes so long; at a terminal that is said at once."""

MESSAGE = "first use: compiling for this processor, which takes about 15 seconds, once"


def _aim() -> None:
    """Have Numba compile for the level and no more, whose code then suits every such processor.

    What this process has compiled before is not changed.
    """
    if target := level().target:
        numba.config.CPU_NAME, numba.config.CPU_FEATURES = target, level().features


_aim()  # before anything is decorated


def njit(*arguments: Any, **options: Any) -> Any:
    """``numba.njit``; but what it compiles with ``cache=True`` is kept in a folder of ours.

    ``f.inner`` of such a function is the same for compiled functions to call, see :func:`inner`.
    """
    is_kept = options.pop("cache", False)
    decorate = numba.njit(*arguments, no_cfunc_wrapper=True, **options)
    return _keeping(decorate) if is_kept else decorate


def inner(function: Any) -> Any:
    """A function for compiled ones to call.

    From Python it is not meant to be called, so what unpacks its arguments there is not compiled:
    for records of arrays that takes as long as the function. Where it is called all the same, as by
    tests, it is compiled once more.
    """
    compiled = numba.njit(function, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    compiled.__class__ = _Inner
    return compiled


class _Inner(CPUDispatcher):
    """A compiled function that has no wrapper for Python."""

    def __call__(self, *arguments: Any) -> Any:
        return _callable(self.py_func)(*arguments)

    def compile(self, sig: Any) -> Any:
        """Compile for callers, which optimise it with themselves."""
        with only_linked(self.targetctx.codegen(), self.py_func.__qualname__):
            return super().compile(sig)


@cache
def _callable(function: Any) -> Any:
    return numba.njit(function, nogil=True)


def _keeping(decorate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate_and_keep(function: Any) -> Any:
        compiled = decorate(function)
        compiled.inner = inner(function)
        if folder := code_folder():
            with _folder_of_numba(folder), suppress(RuntimeError):  # it cannot be written any more
                _enable_caching(compiled, is_written=_is_writable(folder))
        return compiled

    return decorate_and_keep


def _enable_caching(compiled: Any, *, is_written: bool) -> None:
    """Have Numba read what is kept, and write if it can: by itself it would not even read there."""
    if is_written:
        compiled.enable_caching()
        return
    locator = getattr(caching, "UserProvidedCacheLocator", None)
    locator = locator or caching._UserProvidedCacheLocator  # its name before Numba 0.62
    checked = locator.ensure_cache_path
    locator.ensure_cache_path = lambda self: None
    try:
        compiled.enable_caching()
    finally:
        locator.ensure_cache_path = checked
    compiled._cache.save_overload = lambda *_: None


@contextmanager
def _folder_of_numba(folder: Path) -> Iterator[None]:
    """Numba keeps what is decorated here in ``folder``; others' functions stay where they are."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


@cache
def code_folder() -> Path | None:
    """Folder of compiled code; None if nothing can be written anywhere."""
    name = f"tformer-{_digest()}"
    folders = (place / name for place in _places())
    return next((each for each in folders if _is_ready(each) or _is_writable(each)), None)


def _is_ready(folder: Path) -> bool:
    try:
        return (folder / READY).exists()
    except OSError:
        return False


def _places() -> Iterator[Path]:
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(given)
    yield Path(__file__).parent / "__pycache__"
    with suppress(RuntimeError):  # there is no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tformer"
    with suppress(OSError):
        folder = tempfile.mkdtemp(prefix="tformer-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        yield Path(folder)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _digest() -> str:
    """Hash everything that compiled code depends on."""
    digest = hashlib.sha256()
    for part in (numba.__version__, sys.implementation.cache_tag, *_target()):
        digest.update(f"{part}\n".encode())
    home = Path(__file__).parents[1]
    for file in sorted(file for pattern in SOURCES for file in home.glob(pattern)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _target() -> tuple[str, str]:
    """Target of compilation, as LLVM names it."""
    if target := level().target:
        return target, level().features
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


# -- the first use ------------------------------------------------------------------------


def once(compile_all: Callable[[], None]) -> None:
    """Have all code compiled and kept, by one process for all that wait for it.

    Args:
        compile_all: calls every function that is to be compiled; not called if there is their code.
    """
    folder = code_folder()
    if folder is not None and _is_ready(folder):
        return
    with _told_why_it_takes_so_long():
        if folder is None:
            compile_all()
            return
        with _locked(folder):
            if not (folder / READY).exists():
                compile_all()
                with suppress(OSError):
                    (folder / READY).touch()
                    _forget_older(folder)


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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from doing the same, where files can be locked."""
    with (folder / "lock").open("w") as stream:
        lock(stream, wait=True)
        yield


def _forget_older(folder: Path) -> None:
    """Remove code of sources that are long gone."""
    others = [path for path in folder.parent.glob("tformer-*") if (path / READY).exists()]
    for path in sorted(others, key=lambda path: (path / READY).stat().st_mtime)[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
