"""Jobs of a scheduler: the texts of one call, and the delivery of what became of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

FEW = 16
"""Sentences in the batch up to which an answer is delivered at once."""

LONGEST_STAY = 18
"""Steps for which an answer waits for others, at most. A sentence of news takes some thirty."""


class Decodable(Protocol):
    """A unit of decoding, as far as a scheduler looks into it."""

    @property
    def tokens(self) -> Sequence[int]:
        """Input of the encoder."""

    @property
    def target_tokens(self) -> int:
        """Tokens of its best hypothesis, once it has been translated."""

    error: Exception | None
    """Error, if it could not be translated."""


Item = TypeVar("Item", bound=Decodable)


@dataclass
class Timing:
    """When one text got where, in seconds of `time.monotonic`."""

    submitted: float
    entered: float
    """When its last sentence was given to an engine."""
    finished: float

    @classmethod
    def none(cls) -> Timing:
        """Timing of a text that needed no engine."""
        now = time.monotonic()
        return cls(now, now, now)

    @property
    def queue_seconds(self) -> float:
        """Seconds it waited."""
        return self.entered - self.submitted

    @property
    def compute_seconds(self) -> float:
        """Seconds it was in an engine."""
        return self.finished - self.entered


@dataclass(eq=False)
class Text(Generic[Item]):
    """The sentences of one text. A text succeeds or fails as a whole, and alone."""

    sentences: Sequence[Item]
    """Sentences that need an engine."""
    together: bool = False
    """True if one engine must have them all, because they share state."""
    timing: Timing = field(default_factory=Timing.none)
    unfinished: int = field(init=False)
    """Sentences without a result."""
    error: Exception | None = None
    """Error of a sentence; the others are not worked on any more."""

    def __post_init__(self) -> None:
        self.unfinished = len(self.sentences)


class Listener(Protocol):
    """Listener that is told of closed jobs."""

    def deliver(self, jobs: Sequence[Any]) -> None:
        """Take closed jobs; called in an engine's thread, so it must be quick."""


@dataclass(eq=False)
class Job(Generic[Item]):
    """The texts of one call."""

    texts: Sequence[Text[Item]]
    listener: Listener
    client: str = ""
    """Client whose share it counts against in a fair queue."""
    unfinished: int = field(init=False)
    """Texts that have neither succeeded nor failed."""
    started: bool = False
    """True once an engine has been given any of it."""
    closed: bool = False
    """True once nothing more happens to it."""
    error: Exception | None = None
    """Error that ended it before all texts were finished."""

    def __post_init__(self) -> None:
        self.unfinished = sum(bool(text.sentences) for text in self.texts)


class Outbox(Generic[Item]):
    """Batches the delivery of closed jobs.

    Waking an event loop, and the clients behind it, costs several times what they then do, since
    engines fill the caches with weights meanwhile. So where much is in the batch an answer waits a
    little for others, and the engines lose less time to the answering.
    """

    def __init__(self) -> None:
        """Empty."""
        self._jobs: list[Job[Item]] = []
        self._steps = 0
        self._failed = False

    def put(self, job: Job[Item]) -> None:
        """Add a closed job; one that has failed makes all be delivered next time."""
        self._jobs.append(job)
        self._failed |= job.error is not None

    def pass_step(self) -> None:
        """Note that the engine has taken a step."""
        self._steps += bool(self._jobs)

    def send(self, running: int) -> None:
        """Deliver the jobs if it is time, with so many sentences in the batch."""
        if self._jobs and (running <= FEW or self._failed or self._steps >= LONGEST_STAY):
            self.send_all()

    def send_all(self) -> None:
        """Deliver the jobs."""
        jobs, self._jobs, self._steps, self._failed = self._jobs, [], 0, False
        deliver(jobs)


def deliver(jobs: Sequence[Job[Item]]) -> None:
    """Tell every listener of its jobs, of all of them at once."""
    for listener in dict.fromkeys(job.listener for job in jobs):
        listener.deliver([job for job in jobs if job.listener is listener])
