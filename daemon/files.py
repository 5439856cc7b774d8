"""Where the files of the daemon are. Imports next to nothing: every command looks there."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def folder() -> Path:
    """Where all of them are, `$XDG_RUNTIME_DIR/tformer` or `~/.cache/tformer`.

    Who has no home has one of his own among the temporary files.
    """
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "tformer"
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "tformer"
    try:
        return Path.home() / ".cache" / "tformer"
    except RuntimeError:
        return Path(os.environ.get("TMPDIR") or "/tmp") / f"tformer-{os.getuid()}"


def socket_path() -> Path:
    """Where the daemon listens."""
    return folder() / "daemon.socket"


def starter_path() -> Path:
    """Where its starter listens, which runs commands."""
    return folder() / "starter.socket"


def log_path() -> Path:
    """What both log."""
    return folder() / "daemon.log"


def is_passed_by() -> bool:
    """Whether commands are to do without it."""
    return os.environ.get("TFORMER_DAEMON") == "0"


def is_own_socket(path: Path) -> bool:
    """Whether there is a socket, and nobody else has put it there."""
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.getuid()
