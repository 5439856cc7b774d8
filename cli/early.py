"""Signals that reach `tformer serve` before it has loaded what heeds them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn


def heed_signals(arguments: Sequence[str]) -> bool:
    """Let a server that has not begun to load end by SIGTERM, and ignore SIGHUP.

    What SIGHUP asks for is done anyway: models are read after this. As the first process of a
    container it would not even end, since for that one the system does nothing by itself.

    Returns:
        False where another command was called, for which nothing was done.
    """
    if arguments[:1] != ["serve"] or not hasattr(signal, "SIGHUP"):
        return False
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    return True


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End at once: nothing has been opened."""
    os._exit(0)
