"""Scheduling: several engines, each in a thread of its own, that share one queue.

    scheduler = Scheduler(start_work, engines=2, beam_size=4, max_tokens=8192)
    scheduler.submit(Job([Text(sentences)], listener))
    ...                                     # listener.deliver([job]) when it is closed
    scheduler.close()

An engine computes on one core and without the interpreter's lock, so N engines use N cores and
nobody waits at a barrier. Each takes sentences from the queue between two of its steps, up to its
fair share of all tokens that are known, so that engines come to an end together.

**Priority lane.** In a full batch a sentence takes as long as the batch does. So where others have
much, a client that has nothing and asks for little goes to an extra engine with a small batch: the
system gives its thread a core soon, and the others lose some milliseconds.

**Helpers.** While an engine has nothing to do and nothing waits, those that have work may let its
core compute a part of theirs (`Engine.share_work`), which a single sentence gains most from.

**Ownership.** All state of jobs and texts is guarded by the lock of the scheduler; a sentence that
was handed to an engine belongs to its thread until that thread has finished it. A text whose
sentences share state (`Text.together`) goes to one engine as a whole.

**Failures.** A sentence that fails (its ``error`` is set) fails its text and nothing else. Only
when a step of the network itself fails does everything in that engine fail; it then starts anew.
Every failure ends at least one job, so an engine that cannot work answers all with the error
instead of trying for ever.

This is the only place that knows how many engines there are. What surrounds it is thin: an iterator
for files (`pipeline.translator`), asyncio for the server (`server.scheduling`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import Generic, Protocol

from tformer.model.engine.engine import Engine, Finished, source_tokens
from tformer.model.engine.jobs import FEW, Item, Job, Outbox, Text, deliver
from tformer.model.engine.queues import FifoQueue, Queue

logger = logging.getLogger(__name__)

SLACK = 64
"""Tokens by which an engine may exceed its fair share: two sentences."""

LOT = 32
"""Sentences that one of several engines takes at a time, at most: enough to fill a good part of its
batch, few enough that the engines come to an end together."""

PRIORITY_TOKENS = 64
"""Source tokens of a job that may take the priority lane, at most, and of all that are in it."""

CROWD = 8
"""Sentences that clients have on average where a small job takes the priority lane."""

GIVING_WAY = 2
"""Engines that leave their cores meanwhile: one to the lane, one to those who bring and take away
what it works on, for whom there would be no core left."""

GIVE_WAY_SECONDS = 0.1
"""Time for which an engine leaves its core so, at most, before its next step."""


class Work(Protocol[Item]):
    """An engine with the passes around it; used by one thread."""

    @property
    def busy(self) -> bool:
        """True while a step is to be taken."""

    @property
    def num_waiting(self) -> int:
        """Sentences that were submitted and are not yet in the batch."""

    @property
    def num_running(self) -> int:
        """Sentences in the batch."""

    def submit(self, sentences: Sequence[Item]) -> None:
        """Queue sentences; those that cannot be decoded come back from a step with an error."""

    def cancel(self, sentences: Iterable[Item]) -> None:
        """Forget sentences."""

    @property
    def engines(self) -> Sequence[Engine]:
        """Engines of which a step is to be taken."""

    def review(self, answers: Iterable[Finished]) -> Sequence[Item]:
        """Go on with the answers of the engines' step; returns finished and failed sentences."""


@dataclass(frozen=True)
class Batch:
    """State of all engines after a step, for observers."""

    sentences: int
    rows: int
    """Sentences times beam size."""
    target_tokens: int
    """Tokens of the sentences that the step finished."""


@dataclass(frozen=True, eq=False)
class _Queued(Generic[Item]):
    """Sentences that wait together."""

    sentences: Sequence[Item]
    text: Text[Item]
    job: Job[Item]
    tokens: int

    @property
    def is_void(self) -> bool:
        """True if nobody wants it any more."""
        return self.job.closed or self.text.error is not None


class Scheduler(Generic[Item]):
    """Runs jobs on several engines."""

    def __init__(
        self,
        start_work: Callable[[], Work[Item]],
        *,
        engines: int,
        beam_size: int,
        max_tokens: int,
        padded: bool = True,
        queue: Queue[_Queued[Item]] | None = None,
        start_priority_lane: Callable[[], None] | None = None,
        watch: Callable[[Batch], None] = lambda batch: None,
        name: str = "model",
        idle_seconds: float | None = None,
    ) -> None:
        """Start the threads.

        Args:
            start_work: makes an idle engine.
            engines: how many, at least 1.
            beam_size: rows that a sentence takes.
            max_tokens: budget of the batch of one engine, rows times source tokens.
            padded: whether a sentence counts as much as the longest one with it.
            queue: order of what waits; None is first come, first served.
            start_priority_lane: called at the beginning of the thread of the priority lane, which
                is for the sentences of clients with few; None is no such lane.
            watch: called in an engine's thread after every step.
            name: of the model, for threads and log.
            idle_seconds: time after :meth:`release` for which the threads wait for more; None is
                for ever.
        """
        self.idle_seconds = idle_seconds
        self._released: float | None = None
        self.budget = max_tokens // beam_size
        """Source tokens, padding included, that enter an idle engine in one go."""
        self.padded = padded
        self._beam_size = beam_size
        self.name = name
        self.lock = threading.RLock()
        self.queue: Queue[_Queued[Item]] = FifoQueue() if queue is None else queue
        self.priority: Queue[_Queued[Item]] = FifoQueue()
        """Sentences that take the priority lane."""
        self.queued_tokens = 0
        """Tokens in `queue`."""
        self.clients: Counter[str] = Counter()
        """Sentences that wait or run, by client."""
        self.closing = False
        self._watch = watch
        self._observing = threading.Lock()
        self._engines = [EngineThread(self, start_work, self.queue) for _ in range(engines)]
        self._lane: EngineThread[Item] | None = None
        if start_priority_lane:
            self._lane = EngineThread(self, start_work, self.priority, start_priority_lane)
        self.threads = [*self._engines, *filter(None, [self._lane])]
        self._start_threads()

    def _start_threads(self) -> None:
        """Start all threads, of which some give way to the priority lane, if there is one."""
        for engine in self._engines[:GIVING_WAY]:
            engine.gives_way_to = self._lane
        for thread in self.threads:
            thread.start()

    def submit(self, *jobs: Job[Item], longest_first: bool | None = None) -> None:
        """Queue jobs.

        Args:
            jobs: which nobody has submitted before.
            longest_first: True and False queue the sentences of all of them sorted by length; None
                as they come.

        Raises:
            RuntimeError: the scheduler was closed.
        """
        entries = [entry for job in jobs for entry in _entries(job)]
        if longest_first is not None:
            entries.sort(key=lambda entry: entry.tokens, reverse=longest_first)
        if empty := [job for job in jobs if not job.unfinished]:
            for job in empty:
                job.closed = True
            deliver(empty)
        with self.lock:
            if self.closing:
                raise RuntimeError("the scheduler was closed")
            for job_entries in _by_job(entries) if self._lane else [entries]:
                self._queue(job_entries)
            self._wake_those_with_work()

    def _wake_those_with_work(self) -> None:
        """Wake as many threads as have something to do. The lock is held."""
        for thread in self.threads:
            thread.send_helpers_away()
        idle = [engine for engine in self._engines if engine.is_idle]
        for engine in idle[: len(self.queue)]:
            engine.awake.notify_all()
        if self._lane and self.priority:
            self._lane.awake.notify_all()

    def wake_all(self) -> None:
        """Let every thread look what there is to do; the lock must be held."""
        for thread in self.threads:
            thread.awake.notify_all()

    def _queue(self, entries: Sequence[_Queued[Item]]) -> None:
        """Queue the entries, of one job where that matters. The lock is held."""
        tokens = sum(entry.tokens for entry in entries)
        first = bool(entries) and self._has_priority(entries[0].job, tokens)
        queue = self.priority if first else self.queue
        for entry in entries:
            queue.push(entry.job.client, entry.tokens, entry)
            self.clients[entry.job.client] += len(entry.sentences)
        if queue is self.queue:
            self.queued_tokens += tokens

    def _has_priority(self, job: Job[Item], tokens: int) -> bool:
        """Tell whether a job may go ahead of what others have. The lock is held."""
        lane = self._lane
        if lane is None or self.priority or lane.tokens + tokens > PRIORITY_TOKENS:
            return False
        sentences = self.clients.total()
        return job.client not in self.clients and sentences >= max(FEW, CROWD * len(self.clients))

    def cancel(
        self, job: Job[Item], error: Exception | None = None, *, unless_started: bool = False
    ) -> None:
        """End a job now: its sentences leave the engines before their next step.

        Args:
            job: that was submitted.
            error: what its listener is told; None tells it nothing.
            unless_started: leave a job alone that an engine has been given a part of.
        """
        with self.lock:
            if job.closed or (unless_started and job.started):
                return
            job.closed, job.error = True, error
            for thread in self.threads:
                thread.drop(lambda place: place.job is job)
            self.wake_all()
        if error:
            deliver([job])

    def close(self, patience: float | None = None, error: Exception | None = None) -> None:
        """Finish what was submitted, and end the threads.

        Args:
            patience: seconds to wait, at most; None is as long as it takes.
            error: what the jobs that are left after that are told.
        """
        with self.lock:
            self.closing = True
            self.wake_all()
        deadline = None if patience is None else time.monotonic() + patience
        for thread in self.threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        for job in self._jobs():
            self.cancel(job, error)
        for thread in self.threads:
            thread.join()

    def release(self) -> None:
        """Let the threads end in a while: whoever has submitted jobs has no more."""
        with self.lock:
            self._released = time.monotonic()

    def reclaim(self) -> bool:
        """Keep the threads for more jobs; False if they have ended, and take none."""
        with self.lock:
            self._released = None
            return not self.closing

    def end_if_unused(self) -> None:
        """Let all threads end if nobody needs them any more; the lock must be held."""
        released, limit = self._released, self.idle_seconds
        if released is not None and limit is not None and time.monotonic() - released >= limit:
            self.closing = True
            self.wake_all()

    @property
    def is_idle(self) -> bool:
        """True if nothing waits or runs."""
        with self.lock:
            return not self.queue and all(thread.is_idle for thread in self.threads)

    def _jobs(self) -> list[Job[Item]]:
        """All that wait or run; those that wait are taken from the queue."""
        with self.lock:
            running = [place.job for thread in self.threads for place in thread.places.values()]
            for queue in (self.queue, self.priority):
                while queue:
                    running.append(self.pop(queue).job)
        return list(dict.fromkeys(running))

    def share(self) -> float:
        """Tokens that each engine should have of all that are known; the lock must be held."""
        running = sum(thread.tokens for thread in self._engines)
        return (self.queued_tokens + running) / len(self._engines)

    def spare_cores(self) -> int:
        """Cores without work, for each engine that has some; the lock must be held."""
        if self.queue or self.priority:
            return 0
        busy = sum(not thread.is_idle for thread in self.threads)
        return max(0, len(self._engines) - busy) // max(busy, 1)

    @property
    def num_engines(self) -> int:
        """Engines that share the queue."""
        return len(self._engines)

    def next_entry(self, queue: Queue[_Queued[Item]]) -> _Queued[Item] | None:
        """Return the next entry that somebody wants; the lock must be held."""
        while queue:
            entry = queue.peek()
            if not entry.is_void:
                return entry
            self.pop(queue)
        return None

    def pop(self, queue: Queue[_Queued[Item]]) -> _Queued[Item]:
        """Take the next entry; the lock must be held."""
        entry = queue.pop()
        if queue is self.queue:
            self.queued_tokens -= entry.tokens
        self.leave(entry.job.client, len(entry.sentences))
        return entry

    def leave(self, client: str, sentences: int = 1) -> None:
        """Note that a client has so many sentences fewer; the lock must be held."""
        self.clients[client] -= sentences
        if not self.clients[client]:
            del self.clients[client]

    def observe(self, target_tokens: int) -> None:
        """Tell the observer of a step."""
        with self._observing:  # of two engines, the one that tells last must know of the other
            running = sum(thread.num_running for thread in self.threads)
            self._watch(Batch(running, running * self._beam_size, target_tokens))


def _entries(job: Job[Item]) -> list[_Queued[Item]]:
    """The sentences of a job, each by itself unless its text keeps them together."""
    groups: list[tuple[Text[Item], Sequence[Item]]] = []
    for text in job.texts:
        if text.together and text.sentences:
            groups.append((text, text.sentences))
        else:
            groups += [(text, [sentence]) for sentence in text.sentences]
    return [
        _Queued(sentences, text, job, sum(len(sentence.tokens) for sentence in sentences))
        for text, sentences in groups
    ]


def _by_job(entries: Sequence[_Queued[Item]]) -> Iterator[Sequence[_Queued[Item]]]:
    """Entries that follow one another, by job."""
    for _, found in groupby(entries, key=lambda entry: id(entry.job)):
        yield list(found)


class EngineThread(threading.Thread, Generic[Item]):
    """One engine, and what it works on."""

    def __init__(
        self,
        scheduler: Scheduler[Item],
        start_work: Callable[[], Work[Item]],
        queue: Queue[_Queued[Item]],
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Not started; ``prepare`` is called first in the thread."""
        super().__init__(name=f"tformer {scheduler.name}", daemon=True)
        self.places: dict[Item, _Queued[Item]] = {}
        """Its tasks by sentence; guarded by the scheduler's lock, as `tokens` is."""
        self.tokens = 0
        self.num_running = 0
        self.gives_way_to: EngineThread[Item] | None = None
        """Priority lane for which this one leaves its core free."""
        self.queue = queue
        """Queue of its own sentences, or that of all engines."""
        self.awake = threading.Condition(scheduler.lock)
        """Notified when there may be something to do: each thread has one, since a wake-up that
        finds nothing costs as much as answering a call does."""
        self._scheduler = scheduler
        self._prepare = prepare
        self._start_work = start_work
        self._work = start_work()
        self._has_ended = False
        self._helped: Engine | None = None
        """The engine to which helpers were called."""
        self._unwanted: list[Item] = []
        self._outbox: Outbox[Item] = Outbox()

    @property
    def is_idle(self) -> bool:
        """True if it has nothing."""
        return self._has_ended or not (self.places or self._work.busy)

    def run(self) -> None:
        """Work until the scheduler is closed and nothing is left."""
        self._prepare()
        while self._turn():
            pass
        self._outbox.send_all()
        self._end()

    def _end(self) -> None:
        """Give the engine up now: thread and scheduler, which know each other, stay for a while."""
        self.send_helpers_away()
        with self._scheduler.lock:
            self._has_ended, self._helped = True, None
            del self._work

    def drop(self, is_unwanted: Callable[[_Queued[Item]], bool]) -> None:
        """Forget sentences before the next step; the lock must be held."""
        unwanted = [sentence for sentence, place in self.places.items() if is_unwanted(place)]
        for sentence in unwanted:
            self._forget(sentence)
        self._unwanted += unwanted

    def _forget(self, sentence: Item) -> _Queued[Item] | None:
        place = self.places.pop(sentence, None)
        if place:
            self.tokens -= len(sentence.tokens)
            self._scheduler.leave(place.job.client)
        return place

    def _turn(self) -> bool:
        """Take in what is new, and take a step; False when all is done."""
        try:
            self._outbox.send(self._work.num_running)
            with self._scheduler.lock:
                if not self._wait():
                    return False
                self._give_way()
                unwanted, self._unwanted = self._unwanted, []
                lot = self._take()
                spare = self._scheduler.spare_cores()
            if unwanted:
                self._cancel(unwanted)
            if lot:
                self._work.submit(lot)
            if self._work.busy:
                self._call_helpers(spare)
                self._step()
        except Exception as error:
            logger.exception("a step has failed", extra={"model": self._scheduler.name})
            self._start_again(error)
        return True

    def _cancel(self, sentences: Sequence[Item]) -> None:
        self._work.cancel(sentences)
        if not self._work.busy and self.num_running:
            self.num_running = 0
            self._scheduler.observe(0)

    def _wait(self) -> bool:
        """Wait for something to do; False if there will be nothing more. The lock is held."""
        while not (self._work.busy or self._unwanted or self._scheduler.next_entry(self.queue)):
            self.send_helpers_away()
            if self._scheduler.closing:
                return False
            self.awake.wait(self._scheduler.idle_seconds)
            self._scheduler.end_if_unused()
        return True

    def _call_helpers(self, workers: int) -> None:
        """Let cores that have nothing to do take a part of the next step."""
        engines = self._work.engines
        if workers and len(engines) == 1:
            self._helped = engines[0]
            self._helped.share_work(workers)
        else:
            self.send_helpers_away()

    def send_helpers_away(self) -> None:
        """Let their cores have other work; any thread may."""
        if helped := self._helped:
            helped.share_work(0)

    def _give_way(self) -> None:
        """Let the priority lane finish what it has, for a while. The lock is held."""
        lane, waiting = self.gives_way_to, self._scheduler.priority
        if lane and (waiting or not lane.is_idle):
            self.awake.wait_for(lambda: not waiting and lane.is_idle, GIVE_WAY_SECONDS)

    def _take(self) -> list[Item]:
        """Take the sentences that enter now from the queue. The lock is held.

        What waits in an engine is beyond fairness, so a lot is no more than what enters in one go:
        a quarter of the budget, or all of it when nothing runs.
        """
        lot: list[Item] = []
        if self._work.num_waiting:
            return lot
        scheduler = self._scheduler
        budget = scheduler.budget // 4 if self._work.num_running else scheduler.budget
        most = LOT if scheduler.num_engines > 1 else budget
        share = scheduler.share() + SLACK if self.queue is scheduler.queue else inf
        lengths: list[int] = []
        while entry := scheduler.next_entry(self.queue):
            lengths += [len(sentence.tokens) for sentence in entry.sentences]
            tokens = source_tokens(lengths, padded=scheduler.padded)
            if lot and (len(lengths) > most or tokens > budget):
                break
            if self.tokens and self.tokens + entry.tokens > share:
                break
            lot += self._enter(scheduler.pop(self.queue))
        return lot

    def _enter(self, entry: _Queued[Item]) -> Sequence[Item]:
        now = time.monotonic()
        entry.job.started = True
        entry.text.timing.entered = max(entry.text.timing.entered, now)
        for sentence in entry.sentences:
            self.places[sentence] = entry
        self._scheduler.clients[entry.job.client] += len(entry.sentences)
        self.tokens += entry.tokens
        return entry.sentences

    def _step(self) -> None:
        answers = [answer for engine in self._work.engines for answer in engine.step()]
        finished = self._work.review(answers)
        self.num_running = self._work.num_running
        self._outbox.pass_step()
        self._scheduler.observe(sum(sentence.target_tokens for sentence in finished))
        if finished:
            with self._scheduler.lock:
                now = time.monotonic()
                for sentence in finished:
                    self._finish(sentence, now)
                if self.is_idle:
                    self._scheduler.wake_all()  # an engine may give way to this one

    def _finish(self, sentence: Item, now: float) -> None:
        """Take note of a sentence that was finished or has failed. The lock is held."""
        place = self._forget(sentence)
        if place is None:  # cancelled meanwhile
            return
        text = place.text
        text.timing.finished = max(text.timing.finished, now)
        text.unfinished -= 1
        if sentence.error:
            text.error = sentence.error
            for thread in self._scheduler.threads:
                thread.drop(lambda other: other.text is text)
        if text.error or not text.unfinished:
            self._close_text(place.job)

    def _close_text(self, job: Job[Item]) -> None:
        job.unfinished -= 1
        if not job.unfinished and not job.closed:
            job.closed = True
            self._outbox.put(job)

    def _start_again(self, error: Exception) -> None:
        """Fail everything that the engine has, and go on with a new one.

        One that failed with nothing in it fails the job whose turn it is: whatever the cause, it is
        not met for ever.
        """
        scheduler = self._scheduler
        self.send_helpers_away()
        with scheduler.lock:
            jobs = dict.fromkeys(place.job for place in self.places.values())
            if not jobs and scheduler.next_entry(self.queue):
                jobs = {scheduler.pop(self.queue).job: None}
            closing = [job for job in jobs if not job.closed]
            for job in closing:
                job.closed, job.error = True, error
            for thread in scheduler.threads:
                thread.drop(lambda place: place.job in jobs)
            self._unwanted = []
            scheduler.wake_all()
        deliver(closing)
        try:
            self._work = self._start_work()
        except Exception:  # the old one is used again; what it fails at, fails its jobs
            logger.exception("an engine has not started", extra={"model": scheduler.name})
