"""What a worker has to do for one call, and what it tells of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tformer.model.drafts import Sentence


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
