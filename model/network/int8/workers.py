"""Threads on idle cores that compute a part of other engines' products, see `products`.

A worker stays in compiled code and looks at its board again and again, because to be woken would
take it longer than most products. That ends as soon as the board is closed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from tformer.model.hardware.cpu import current_core, leave_core, num_cores
from tformer.model.network.int8 import entries

MOST_WORKERS = 3
"""Cores that help another one, at most: a product of one sentence is not worth more."""

REST_SECONDS, LONGEST_REST_SECONDS = 0.01, 1.0
"""Time for which no workers are called after others were found to need the cores; it doubles with
every such finding that follows another one."""

LOST, LOST_SECONDS = 0.1, 0.0005
"""Part of the time of a call, and time, for which an engine with workers had no core if others need
the cores: then the workers take from their own engine."""

PATIENCE = 1 << 17
"""Looks at a board without a product on it after which a worker goes: some milliseconds, in which
an engine would have taken a step."""

STALLED = 1 << 14
"""Looks after which an engine takes the core of its workers for needed by others, and closes its
board: longer than any part takes."""

_LINE = 8
"""Numbers of a line of the cache; what different threads write lies in different ones."""

OPEN, PRESENT, OFFERED, DONE, STALLS, JOB = (n * _LINE for n in range(6))
"""Places on a board: the number of the opening, 0 while it is closed; workers that look at it;
parts of the product (how many, times 2^32, and how many have been taken); parts that workers have
done; how often a worker has kept the engine waiting; and the product."""

CORE = STALLS + 1
"""Place of the core of the engine."""

_SIZE = JOB + 2 * _LINE
ALL = np.int64(32)
TAKEN = np.int64((1 << 32) - 1)


class Board:
    """Place on which an engine offers parts of its products."""

    def __init__(self) -> None:
        """A closed one."""
        room = np.zeros(_SIZE + _LINE, np.int64)
        start = -(room.ctypes.data // room.itemsize) % _LINE
        self.numbers: NDArray[np.int64] = room[start : start + _SIZE]
        self._openings = count(1)

    @property
    def is_open(self) -> bool:
        """True while workers look at it."""
        return bool(self.numbers[OPEN])

    def open(self, workers: int) -> None:
        """Call workers, so many at most, if it is not open and there are cores for them."""
        if not self.is_open and WORKERS.has_cores:
            self.numbers[CORE] = current_core()
            opening = self.numbers[OPEN] = next(self._openings)
            WORKERS.call(min(workers, MOST_WORKERS), self.numbers, int(opening))

    def close(self) -> None:
        """Send the workers away when they have done what they have taken; any thread may."""
        self.numbers[OPEN] = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look whether the cores are needed by others while an engine computes."""
        if not self.is_open:
            yield
            return
        wall, computed = time.perf_counter(), time.thread_time()
        yield
        wall, computed = time.perf_counter() - wall, time.thread_time() - computed
        if wall - computed > max(LOST * wall, LOST_SECONDS) or self.numbers[STALLS]:
            self.numbers[STALLS] = 0
            self.close()
            WORKERS.rest()
        else:
            WORKERS.praise()


class Workers:
    """Threads that work where they are called to."""

    def __init__(self) -> None:
        """Without threads."""
        self.forget()

    def forget(self) -> None:
        """Begin without threads, of which a process that was forked has none."""
        self._calls: SimpleQueue[tuple[NDArray[np.int64], int]] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting = 0  # threads without a call; below zero, calls without a thread
        self._resting_until = 0.0
        self._rest = REST_SECONDS

    @property
    def has_cores(self) -> bool:
        """True if nobody else has needed the cores lately."""
        return time.monotonic() >= self._resting_until

    def rest(self) -> None:
        """Leave the cores to others for a while."""
        self._resting_until = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST_SECONDS)

    def praise(self) -> None:
        """Take note that workers had their cores."""
        self._rest = REST_SECONDS

    def call(self, workers: int, board: NDArray[np.int64], opening: int) -> None:
        """Have idle threads, or new ones, work for a board until that opening ends."""
        with self._lock:
            with suppress(RuntimeError):  # the system has no thread to give
                while self._waiting < workers and self._threads < num_cores():
                    threading.Thread(target=self._work, name="tformer worker", daemon=True).start()
                    self._threads += 1
                    self._waiting += 1
            self._waiting -= workers
        for _ in range(workers):
            self._calls.put((board, opening))

    def _work(self) -> None:
        while True:
            board, opening = self._calls.get()
            leave_core(int(board[CORE]))
            entries.assist(board, opening)
            with self._lock:
                self._waiting += 1


WORKERS = Workers()
"""Workers of this process."""

if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=WORKERS.forget)
