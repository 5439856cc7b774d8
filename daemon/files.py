"""Paths of the daemon's files. Imports next to nothing: every command looks there."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def folder() -> Path:
    """Folder of the daemon: `$XDG_RUNTIME_DIR/tformer` or `~/.cache/tformer`.

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
    """Socket of the daemon."""
    return folder() / "daemon.socket"


def starter_path() -> Path:
    """Socket of the pre-fork server."""
    return folder() / "starter.socket"


def log_path() -> Path:
    """Log of both."""
    return folder() / "daemon.log"


def is_passed_by() -> bool:
    """Return whether the environment tells commands to bypass the daemon."""
    return os.environ.get("TFORMER_DAEMON") == "0"


def is_own_socket(path: Path) -> bool:
    """Return whether there is a socket that belongs to this user."""
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.getuid()
