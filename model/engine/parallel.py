"""Several engines side by side, each on a thread of its own, behind the surface of one.

An int8 network computes without the interpreter's lock and on one core; N engines use N cores, each
with a batch of its own, and nobody waits at barriers in every product as the threads of one product
would. Requests wait in one queue, in the order in which they came, and go to whichever engine has
places.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from operator import attrgetter

from tformer.model.engine.engine import Engine, Finished
from tformer.model.search.request import Request

SLACK = 64
"""Tokens by which an engine may be fuller than another and still take a request: two sentences."""

FEW = 8
"""Requests for whom an emptier engine is worth waiting for, at most."""

LOT = 32
"""Requests that an engine takes from the queue at a time, at most: enough to fill a good part of
its batch, few enough that the engines come to an end together."""


class ParallelEngine:
    """What an `Engine` does, by several; a request is answered as by any one of them."""

    def __init__(self, start: Callable[[], Engine], threads: int) -> None:
        """Idle engines, each from ``start()``; ``threads`` is at least 1."""
        self._seats = [_Seat(start()) for _ in range(threads)]
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._waiting: deque[tuple[int, Request]] = deque()
        self._next_number = 0

    @property
    def busy(self) -> bool:
        """Whether a request is waiting or running."""
        return bool(self._waiting) or any(seat.busy for seat in self._seats)

    @property
    def num_waiting(self) -> int:
        """Requests that have not been admitted."""
        return len(self._waiting) + sum(seat.engine.num_waiting for seat in self._seats)

    @property
    def num_running(self) -> int:
        """Sentences in the batches."""
        return sum(seat.engine.num_running for seat in self._seats)

    def submit(self, request: Request) -> int:
        """Queue a request; see `Engine.submit`."""
        self._seats[0].engine.check(request)
        number, self._next_number = self._next_number, self._next_number + 1
        self._waiting.append((number, request))
        return number

    def cancel(self, number: int) -> bool:
        """Forget a request, waiting or running; False when it is not (or no longer) here."""
        for waiting in self._waiting:
            if waiting[0] == number:
                self._waiting.remove(waiting)
                return True
        return any(seat.cancel(number) for seat in self._seats)

    def step(self) -> list[Finished]:
        """Keep every engine at work, and return what those that ended a step have finished.

        Raises:
            ModelError: when the network computes nothing but NaN.
        """
        self._hand_out()
        for seat in self._seats:
            seat.go_on(self._threads)
        steps = [seat.step for seat in self._seats if seat.step]
        if not steps:
            return []
        wait(steps, return_when=FIRST_COMPLETED)
        return [answer for seat in self._seats for answer in seat.collect()]

    def _hand_out(self) -> None:
        """Give requests to the engines that are between two steps, the emptiest first.

        One that is fuller than another, which is taking a step, does not get the last few: they are
        better off with that one in a moment.
        """
        resting = [s for s in self._seats if s.step is None and not s.engine.num_waiting]
        most = min((s.tokens for s in self._seats if s.step), default=math.inf) + SLACK
        for _ in range(min(len(self._waiting), LOT * len(resting))):
            seat = min(resting, key=attrgetter("tokens"))
            if seat.tokens > most and len(self._waiting) <= FEW:
                break
            seat.submit(*self._waiting.popleft())


class _Seat:
    """An engine, the step that it is taking, and the numbers by which its requests are known."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.step: Future[list[Finished]] | None = None
        self.tokens = 0
        """Of the sources of its requests."""
        self._numbers: dict[int, int] = {}
        self._lengths: dict[int, int] = {}
        self._cancelled: set[int] = set()

    @property
    def busy(self) -> bool:
        return self.step is not None or self.engine.busy

    def submit(self, number: int, request: Request) -> None:
        """Queue a request; only between steps."""
        own = self.engine.submit(request)
        self._numbers[own], self._lengths[own] = number, len(request.source)
        self.tokens += len(request.source)

    def cancel(self, number: int) -> bool:
        """Forget a request, at once or when the step has ended."""
        own = next((own for own, theirs in self._numbers.items() if theirs == number), None)
        if own is None or own in self._cancelled:
            return False
        if self.step is None:
            self._forget(own)
            return self.engine.cancel(own)
        self._cancelled.add(own)
        return True

    def go_on(self, threads: ThreadPoolExecutor) -> None:
        """Begin a step, if none is under way and there is something to do."""
        if self.step is None and self.engine.busy:
            self.step = threads.submit(self.engine.step)

    def collect(self) -> list[Finished]:
        """The answers of a step that has ended; none while it is under way."""
        if self.step is None or not self.step.done():
            return []
        step, self.step = self.step, None
        answers = step.result()
        cancelled, self._cancelled = self._cancelled, set()
        done = [(self._forget(answer.number), answer) for answer in answers]
        for own in cancelled & self._numbers.keys():
            self._forget(own)
            self.engine.cancel(own)
        return [
            replace(answer, number=number)
            for number, answer in done
            if answer.number not in cancelled
        ]

    def _forget(self, own: int) -> int:
        """Hold a request no longer; the number by which others know it."""
        self.tokens -= self._lengths.pop(own)
        return self._numbers.pop(own)
