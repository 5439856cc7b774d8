"""What a worker has to do for one call, and how it is told that this is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from tformer.model.passes.draft import Sentence

FEW = 16
"""Where no more sentences are in work, an answer waits for no other."""

LONGEST_STAY = 18
"""Steps for which an answer waits for others, at most. A sentence of news takes some thirty."""


@dataclass
class Timing:
    """When one draft got where, in seconds of `time.monotonic`."""

    submitted: float
    entered: float
    """When its last sentence was given to the engine."""
    finished: float

    @classmethod
    def none(cls) -> Timing:
        """Of what was there at once."""
        now = time.monotonic()
        return cls(now, now, now)

    @property
    def queue_seconds(self) -> float:
        """How long it waited."""
        return self.entered - self.submitted

    @property
    def compute_seconds(self) -> float:
        """How long it was in work."""
        return self.finished - self.entered


class Part(NamedTuple):
    """A sentence, and the timing of the draft that it is part of."""

    sentence: Sentence
    timing: Timing


@dataclass(eq=False)
class Job:
    """What a worker has to do for one call, and who waits for it."""

    parts: Sequence[Part]
    client: str
    answered: asyncio.Future[None]
    unfinished: int = field(init=False)
    """Sentences without a translation."""
    started: bool = False
    """Whether the engine has been given any of them."""
    closed: bool = False
    """Nobody waits any more."""
    error: Exception | None = None
    """Why not all has been done."""

    def __post_init__(self) -> None:
        self.unfinished = len(self.parts)

    def resolve(self) -> None:
        """Tell who waits; in the event loop."""
        if self.answered.done():  # cancelled meanwhile
            return
        if self.error is None:
            self.answered.set_result(None)
        else:
            self.answered.set_exception(self.error)


class Outbox:
    """Jobs that are closed, and whose event loop has not been told: it is told of several at once.

    Waking an event loop, and the clients behind it, costs several times what they then do, since
    engines fill the caches with weights meanwhile. So where much is in work an answer waits a
    little for others, and the engines lose less time to the answering.
    """

    def __init__(self) -> None:
        """Empty."""
        self._jobs: list[Job] = []
        self._steps = 0
        self._failed = False

    def put(self, job: Job) -> None:
        """Add a job; with one that has failed, all are sent next time."""
        self._jobs.append(job)
        self._failed |= job.error is not None

    def pass_step(self) -> None:
        """The engine has taken a step."""
        self._steps += bool(self._jobs)

    def send(self, running: int) -> None:
        """Send the jobs if it is time, where so many sentences are in work."""
        if self._jobs and (running <= FEW or self._failed or self._steps >= LONGEST_STAY):
            self.send_all()

    def send_all(self) -> None:
        """Send the jobs."""
        jobs, self._jobs, self._steps, self._failed = self._jobs, [], 0, False
        for loop in {job.answered.get_loop() for job in jobs}:
            with suppress(RuntimeError):  # the loop is closed, so nobody waits
                own = [job for job in jobs if job.answered.get_loop() is loop]
                loop.call_soon_threadsafe(_resolve, own)


def _resolve(jobs: Iterable[Job]) -> None:
    for job in jobs:
        job.resolve()
