"""Settings of the process that let calls and engines share the interpreter and the cores.

Measured with 64 clients that send a sentence a call, on two cores: 0.74 of offline throughput
without them, 0.88 with them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

SWITCH_SECONDS = 0.0005
"""Seconds that a thread may keep the interpreter from the others. Engines need it for some hundred
microseconds between two steps of a few milliseconds; with Python's own 5 ms they would wait for the
answering of calls as long as they compute."""

NEW_OBJECTS = 20_000
"""A search for garbage after so many new objects, a few megabytes; Python's own 700 are a handful
of calls."""


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Do the asyncio side of a server, by uvloop, whose turns cost less, where that is."""
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop

        uvloop.run(work)


def prepare_threads() -> None:
    """Let the threads of this process, which is a server's, disturb one another little.

    At the interpreter they take turns often. At the cores they do not push in: on Linux the process
    is of the kind that computes much (`SCHED_BATCH`), whose threads, when they wake, run at once on
    a free core, but let an engine finish its turn of a few milliseconds, whose caches they would
    empty. Meanwhile other calls come, and are answered in the same turn.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # not everybody may
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def serve_soon() -> None:
    """Let this thread push in at the cores: it has little to do, for somebody who waits."""
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def keep_what_is_loaded() -> None:
    """Spare the search for garbage all that was loaded, and search less often.

    What was loaded stays, and a search stops every thread. Calls leave little that is not free as
    soon as nobody refers to it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
