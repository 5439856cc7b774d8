"""Engines that wait for the next call of a library's user."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from tformer.model.engine.scheduler import Scheduler
from tformer.model.passes.draft import Sentence


class _Kept(NamedTuple):
    """A scheduler that nobody uses."""

    beam_size: int
    process: int
    """The process that has its threads: one that was forked has none of them."""
    scheduler: Scheduler[Sentence]


class SchedulerPool:
    """Lends a scheduler to one user at a time, and keeps the one that was used last."""

    def __init__(self, start: Callable[[int], Scheduler[Sentence]]) -> None:
        """Empty; ``start`` makes a scheduler for beams of a size, which ends when it is unused."""
        self._start = start
        self._lock = Lock()
        self._kept: _Kept | None = None

    @contextmanager
    def borrowed(self, beam_size: int) -> Iterator[Scheduler[Sentence]]:
        """A scheduler without jobs; whoever is done before all of its jobs are raises an error."""
        scheduler = self._take(beam_size) or self._start(beam_size)
        try:
            yield scheduler
        except BaseException:  # as a generator does that nobody asks for more
            scheduler.close(0)
            raise
        self._keep(_Kept(beam_size, os.getpid(), scheduler))

    def _take(self, beam_size: int) -> Scheduler[Sentence] | None:
        """The kept one, if it is of use; else it ends, before another one takes memory."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is None or kept.process != os.getpid():
            return None
        if kept.beam_size != beam_size:
            kept.scheduler.close(0)
            return None
        return kept.scheduler if kept.scheduler.reclaim() else None

    def _keep(self, new: _Kept) -> None:
        """Keep one in the place of another."""
        new.scheduler.release()
        with self._lock:
            old, self._kept = self._kept, new
        if old and old.process == new.process:
            old.scheduler.close(0)
