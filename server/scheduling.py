"""A scheduler for asyncio: calls wait for their drafts, and leave the engines when cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from tformer.model.engine.jobs import Job, Text, Timing
from tformer.model.engine.queues import FairQueue
from tformer.model.engine.scheduler import Batch, Scheduler
from tformer.model.errors import UsageError
from tformer.model.passes.draft import Draft, Sentence
from tformer.model.pipeline.translator import Translator
from tformer.server.status import Overloaded, ShuttingDown
from tformer.server.tuning import serve_soon


class AsyncScheduler:
    """Translates drafts for many clients, each of which has an equal share."""

    def __init__(
        self,
        translator: Translator,
        *,
        beam_size: int,
        max_wait: float,
        watch: Callable[[Batch], None] = lambda batch: None,
        name: str = "model",
    ) -> None:
        """Start the engines.

        Args:
            translator: what to translate with; nobody else may let its network compute.
            beam_size: the widest beam.
            max_wait: seconds after which a call that has not come to its turn is refused.
            watch: called in an engine's thread after every step.
            name: of the model, for the threads and the log.
        """
        self._max_wait = max_wait
        self._is_open = True
        self._loop: _Loop | None = None
        self.scheduler: Scheduler[Sentence] = translator.schedule(
            beam_size,
            queue=FairQueue(),
            start_priority_lane=serve_soon,
            watch=watch,
            name=name,
        )

    async def translate(
        self, drafts: Sequence[Draft], client: str, *, patient: bool = False
    ) -> list[Timing | Exception]:
        """Complete the drafts; if the caller is cancelled, they are forgotten.

        Args:
            drafts: to complete.
            client: whose share they take.
            patient: wait for their turn longer than ``max_wait``.

        Returns:
            Of each draft when it got where, or why it has failed.

        Raises:
            Overloaded: none of them had come to its turn after ``max_wait`` seconds, and they are
                not patient.
            ShuttingDown: the scheduler was closed.
            ModelError: the network computes nothing but NaN.
            UsageError: an option asks for what the network cannot do.
        """
        if not self._is_open:
            raise ShuttingDown("the server is shutting down")
        loop = asyncio.get_running_loop()
        texts = [Text(draft.waiting, together=draft.shares_state) for draft in drafts]
        call = _PendingJob(texts, self._listener(loop), client)
        call.answered = loop.create_future()
        if not call.unfinished:
            return [text.timing for text in texts]
        self.scheduler.submit(call)
        expiry = None if patient else loop.call_later(self._max_wait, self._expire, call)
        try:
            await call.answered
        except asyncio.CancelledError:
            self.scheduler.cancel(call)
            raise
        finally:
            if expiry:
                expiry.cancel()
        return _outcomes(call)

    def _listener(self, loop: asyncio.AbstractEventLoop) -> _Loop:
        """One for all calls of a loop, so that it is woken once for several of them."""
        if self._loop is None or self._loop.loop is not loop:
            self._loop = _Loop(loop)
        return self._loop

    def _expire(self, call: _PendingJob) -> None:
        error = Overloaded(f"waited {self._max_wait:g} seconds in vain", 1.0)
        self.scheduler.cancel(call, error, unless_started=True)

    async def close(self, patience: float | None = None) -> None:
        """Let the engines finish what they have, at most ``patience`` seconds, and end them."""
        self._is_open = False
        error = ShuttingDown("the server was told to stop and could not wait longer")
        await asyncio.to_thread(self.scheduler.close, patience, error)


class _PendingJob(Job[Sentence]):
    """A job, and the future that waits for it."""

    answered: asyncio.Future[None]

    def resolve(self) -> None:
        """Tell who waits; in the event loop."""
        if self.answered.done():  # cancelled meanwhile
            return
        if self.error is None:
            self.answered.set_result(None)
        else:
            self.answered.set_exception(self.error)


class _Loop:
    """Listener that wakes an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def deliver(self, calls: Sequence[_PendingJob]) -> None:
        """Resolve the futures of closed calls, in the loop."""
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            self.loop.call_soon_threadsafe(_resolve, calls)


def _resolve(calls: Sequence[_PendingJob]) -> None:
    for call in calls:
        call.resolve()


def _outcomes(call: _PendingJob) -> list[Timing | Exception]:
    """Timing of each text, or its error; invalid options fail all of them."""
    errors = [text.error for text in call.texts]
    for error in errors:
        if isinstance(error, UsageError):
            raise error
    return [error or text.timing for text, error in zip(call.texts, errors, strict=True)]
