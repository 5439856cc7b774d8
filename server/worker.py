"""One thread that owns an engine, and the asyncio side that gives it work.

    worker = Worker(translator, beam_size=4, max_wait=30)
    timing = Timing.none()
    await worker.translate([Part(sentence, timing) for sentence in draft.waiting], client="alice")
    draft.translation(n_best=1)

Everything that happens to the engine happens in the thread; the asyncio side sends it messages,
which it reads between two steps. So a call that is cancelled has left the batch before the next
step. Sentences wait here, in a queue that is fair to clients; the engine is given only as many as
can enter soon.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tformer.model.errors import UsageError
from tformer.model.passes.draft import Sentence
from tformer.model.pipeline.translator import Translator
from tformer.server.fairness import FairQueue
from tformer.server.jobs import Job, Outbox, Part, Timing
from tformer.server.status import Overloaded, ShuttingDown

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """What the engine is doing, for those who watch."""

    sentences: int
    rows: int
    target_tokens: int
    """Tokens of the sentences that the last step finished."""


@dataclass(frozen=True, eq=False)
class _Place:
    """A sentence and where it belongs."""

    sentence: Sentence
    job: Job
    timing: Timing


class Worker:
    """Translates drafts in a thread of its own, many at a time, for many clients."""

    def __init__(
        self,
        translator: Translator,
        *,
        beam_size: int,
        max_wait: float,
        watch: Callable[[Batch], None] = lambda batch: None,
        name: str = "model",
        engines: int | None = None,
    ) -> None:
        """Start the thread.

        Args:
            translator: what to translate with; nobody else may let its network compute.
            beam_size: the widest beam.
            max_wait: seconds after which a call that has not come to its turn is refused.
            watch: called in the thread after every step.
            name: of the model, for the thread and the log.
            engines: that the thread looks after; None is all that the translator has.
        """
        self._translator = translator
        self._beam_size = beam_size
        self._max_wait = max_wait
        self._watch = watch
        self._name = name
        self._messages: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._queue: FairQueue[_Place] = FairQueue()
        self._start_work = partial(translator.start_work, beam_size, engines=engines)
        self._work = self._start_work()
        self._places: dict[Sentence, _Place] = {}
        self._outbox = Outbox()
        self._is_open = True  # of the asyncio side: whether jobs are taken
        self._closing = False  # of the thread: whether it ends when all jobs are done
        self._thread = threading.Thread(target=self._run, name=f"tformer {name}", daemon=True)
        self._thread.start()

    # --- the asyncio side ------------------------------------------------------------------------

    async def translate(self, parts: Sequence[Part], client: str) -> None:
        """Translate sentences; if the caller is cancelled, they are forgotten.

        Raises:
            Overloaded: none of them had come to its turn after ``max_wait`` seconds.
            ShuttingDown: the worker has been stopped.
            ModelError: the network computes nothing but NaN.
            UsageError: an option asks for what the network cannot do.
        """
        if not self._is_open:
            raise ShuttingDown("the server is shutting down")
        loop = asyncio.get_running_loop()
        job = Job(parts, client, loop.create_future())
        if not parts:
            return
        self._messages.put(partial(self._accept, job))
        expiry = loop.call_later(self._max_wait, self._messages.put, partial(self._expire, job))
        try:
            await job.answered
        except asyncio.CancelledError:
            self._messages.put(partial(self._forget, job))
            raise
        finally:
            expiry.cancel()

    async def close(self, patience: float | None = None) -> None:
        """Let the thread finish what it has, at most ``patience`` seconds, and end it."""
        self._is_open = False
        self._messages.put(self._start_closing)
        await asyncio.to_thread(self._thread.join, patience)
        if self._thread.is_alive():
            self._messages.put(self._abandon)
            await asyncio.to_thread(self._thread.join)

    # --- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        going_on = True
        while going_on:
            try:
                going_on = self._read_messages()
                self._feed()
                self._step()
            except Exception as error:
                logger.exception("a step has failed", extra={"model": self._name})
                self._start_again(error)
        self._outbox.send_all()

    def _read_messages(self) -> bool:
        """Do what was asked for; without work, wait for it. False when all is done."""
        while True:
            self._outbox.send(self._work.num_running)
            try:
                self._messages.get(block=self._is_idle and not self._closing)()
            except queue.Empty:
                return not (self._is_idle and self._closing)

    def _close(self, job: Job, error: Exception | None = None) -> None:
        """Answer a job, once."""
        if not job.closed:
            job.closed = True
            job.error = error
            self._outbox.put(job)

    @property
    def _is_idle(self) -> bool:
        return not self._queue and not self._work.busy

    def _accept(self, job: Job) -> None:
        for sentence, timing in job.parts:
            place = _Place(sentence, job, timing)
            self._queue.push(job.client, len(sentence.tokens), place)

    def _expire(self, job: Job) -> None:
        if not job.started and not job.closed:
            self._drop(job, Overloaded(f"waited {self._max_wait:g} seconds in vain", 1.0))

    def _forget(self, job: Job) -> None:
        self._drop(job, None)

    def _drop(self, job: Job, error: Exception | None) -> None:
        self._close(job, error)
        unwanted = [sentence for sentence, place in self._places.items() if place.job is job]
        self._work.cancel(unwanted)
        for sentence in unwanted:
            del self._places[sentence]

    def _start_closing(self) -> None:
        self._closing = True

    def _abandon(self) -> None:
        self._start_again(ShuttingDown("the server was told to stop and could not wait longer"))
        while self._queue:
            self._close(self._queue.pop().job, ShuttingDown("the server is shutting down"))

    def _start_again(self, error: Exception) -> None:
        """Answer everything in work with an error, and go on with a new engine."""
        for place in self._places.values():
            self._close(place.job, error)
        self._places.clear()
        self._work = self._start_work()

    def _feed(self) -> None:
        """Give the engine the next lot, when it has taken in the one before.

        What waits in the engine is beyond fairness, so a lot is no more than what enters in one go:
        a quarter of the budget, or all of it when nothing runs.
        """
        if self._work.num_waiting:
            return
        budget = (
            self._translator.max_tokens // 4
            if self._work.num_running
            else self._translator.max_tokens
        )
        if lot := self._next_lot(budget // self._beam_size):
            self._enter(lot)

    def _enter(self, lot: list[_Place]) -> None:
        now = time.monotonic()
        for place in lot:
            self._places[place.sentence] = place
            place.job.started = True
            place.timing.entered = max(place.timing.entered, now)
        sentences = [place.sentence for place in lot]
        try:
            self._work.submit(sentences)
        except UsageError:
            self._work.cancel(sentences)
            self._enter_one_by_one(lot)

    def _enter_one_by_one(self, lot: list[_Place]) -> None:
        """Some sentence asks for what this network cannot do: its call is refused, no other."""
        for place in lot:
            if place.job.closed:
                continue
            try:
                self._work.submit([place.sentence])
            except UsageError as error:
                self._drop(place.job, error)

    def _next_lot(self, tokens: int) -> list[_Place]:
        """Those whose turn it is, at least one; padded to one length they have ``tokens``."""
        lot: list[_Place] = []
        longest = 0
        while self._queue:
            place = self._queue.peek()
            if not place.job.closed:
                longest = max(longest, len(place.sentence.tokens))
                if lot and (len(lot) + 1) * longest > tokens:
                    break
                lot.append(place)
            self._queue.pop()
        return lot

    def _step(self) -> None:
        if not self._work.busy:
            return
        finished = self._work.step()
        now = time.monotonic()
        for sentence in finished:
            place = self._places.pop(sentence)
            place.timing.finished = max(place.timing.finished, now)
            place.job.unfinished -= 1
            if not place.job.unfinished:
                self._close(place.job)
        self._outbox.pass_step()
        running = self._work.num_running
        target_tokens = sum(sentence.target_tokens for sentence in finished)
        self._watch(Batch(running, running * self._beam_size, target_tokens))
