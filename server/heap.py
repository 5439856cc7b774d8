"""Memory that a burst of calls has left free, given back to the system.

The C library keeps what was freed below something that is still in use, as 20,000 streams at a time
leave it: some hundred megabytes that nobody has any more, and other processes lack.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
from collections.abc import Callable
from contextlib import suppress

from tformer.server.observability.memory import resident_bytes

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Seconds between looks at the memory."""

WORTH_BYTES = 32 << 20
"""Growth since the last time, from which on it is worth the some ten milliseconds that it takes."""


class Heap:
    """The heap of the C library, trimmed where it has grown and no longer grows."""

    def __init__(self, trim: Callable[[], None] | None = None) -> None:
        """Nothing is looked at yet; ``trim`` is that of the C library, where it has one."""
        self._trim = trim or _trim_of_c_library()
        self._kept = self._before = resident_bytes() or 0
        self._task: asyncio.Task[None] | None = None

    def watch(self, seconds: float = LOOK_SECONDS) -> None:
        """Look at it from now on, every so many seconds."""
        self._kept = self._before = resident_bytes() or 0
        if self._trim and self._kept:
            self._task = asyncio.get_running_loop().create_task(self._watch(seconds))

    def close(self) -> None:
        """Look at it no longer."""
        if self._task:
            self._task.cancel()

    async def _watch(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            now = resident_bytes() or 0
            grows, self._before = now > self._before + WORTH_BYTES, now
            if self._trim and not grows and now > self._kept + WORTH_BYTES:
                # Beside the event loop: threads that want memory may wait, but nobody else.
                await asyncio.to_thread(self._trim)
                self._kept = self._before = resident_bytes() or 0
                logger.debug("memory was given back", extra={"mib": (now - self._kept) >> 20})


def _trim_of_c_library() -> Callable[[], None] | None:
    """That of glibc; others give back what is free by themselves, or have none."""
    with suppress(OSError, AttributeError, TypeError):
        trim = ctypes.CDLL(None).malloc_trim
        return lambda: trim(0)
    return None
