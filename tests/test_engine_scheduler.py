"""Scheduling over several engines: balance, ownership, cancellation, failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tformer.model.engine.jobs import Job, Text
from tformer.model.engine.queues import FairQueue
from tformer.model.engine.scheduler import LOT, SLACK, Batch, Scheduler


@dataclass(eq=False)
class Item:
    tokens: Sequence[int]
    fails: bool = False
    breaks: bool = False
    error: Exception | None = None
    target_tokens: int = 1


class FakeWork:
    """Finishes a sentence a step, when it is let."""

    made: list[FakeWork]

    def __init__(self, allowed: threading.Semaphore | None = None) -> None:
        self.allowed = allowed
        self.items: list[Item] = []
        self.lots: list[list[Item]] = []
        self.finished: list[Item] = []
        self.num_waiting = 0

    @property
    def busy(self) -> bool:
        return bool(self.items)

    @property
    def num_running(self) -> int:
        return len(self.items)

    def submit(self, sentences: Sequence[Item]) -> None:
        self.lots.append(list(sentences))
        self.items += sentences

    def cancel(self, sentences: Iterable[Item]) -> None:
        for item in sentences:
            if item in self.items:
                self.items.remove(item)

    engines = ()

    def review(self, answers: Sequence[object]) -> list[Item]:
        if self.allowed:
            self.allowed.acquire()
        item = self.items.pop(0)
        if item.breaks:
            raise ValueError("the network has failed")
        if item.fails:
            item.error = KeyError("a pass has failed")
        self.finished.append(item)
        return [item]


@dataclass(eq=False)
class Mail:
    jobs: list[Job] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def deliver(self, jobs: Sequence[Job]) -> None:
        with self.came:
            self.jobs += jobs
            self.came.notify_all()

    def wait(self, number: int) -> list[Job]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.jobs) >= number, timeout=20)
        return self.jobs

    def job(self, *texts: Text, client: str = "") -> Job:
        return Job(texts, self, client)


@contextmanager
def scheduling(
    engines: int, start: Callable[[], FakeWork] = FakeWork, **options: object
) -> Iterator[tuple[Scheduler, list[FakeWork]]]:
    made: list[FakeWork] = []

    def start_work() -> FakeWork:
        made.append(start())
        return made[-1]

    scheduler = Scheduler(
        start_work,
        engines=engines,
        beam_size=1,
        max_tokens=1000,
        **options,  # type: ignore[arg-type]
    )
    try:
        yield scheduler, made
    finally:
        scheduler.close(0)


def text(*lengths: int, together: bool = False, **how: bool) -> Text:
    return Text([Item([1] * length, **how) for length in lengths], together)


@pytest.mark.parametrize("engines", [1, 2, 3])
@pytest.mark.parametrize("queue", [None, FairQueue])
def test_every_sentence_is_finished_once(engines: int, queue: type | None) -> None:
    mail = Mail()
    with scheduling(engines, queue=queue and queue()) as (scheduler, made):
        jobs = [mail.job(text(3, 5), text(), text(n % 7 + 1), client=str(n % 3)) for n in range(60)]
        for job in jobs:
            scheduler.submit(job)
        assert set(mail.wait(60)) == set(jobs)
        assert scheduler.is_idle and not scheduler.queued_tokens
    done = [item for work in made for item in work.finished]
    assert len(done) == len(set(done)) == 180
    assert not any(job.error or text.error for job in jobs for text in job.texts)


def test_a_job_without_sentences_is_closed_at_once() -> None:
    mail = Mail()
    with scheduling(1) as (scheduler, _):
        scheduler.submit(mail.job(text(), text()))
        assert len(mail.jobs) == 1


def test_engines_take_equal_shares_and_no_more_than_a_lot() -> None:
    allowed = threading.Semaphore(0)
    mail = Mail()
    with scheduling(2, lambda: FakeWork(allowed)) as (scheduler, made):
        scheduler.submit(mail.job(text(*[20] * 40)), longest_first=True)
        while sum(len(work.lots) for work in made) < 2:
            pass
        sizes = [len(work.lots[0]) for work in made]
        assert max(sizes) <= LOT and abs(sizes[0] - sizes[1]) <= 2 * SLACK // 20
        for _ in range(40):
            allowed.release()
        mail.wait(1)


def test_the_sentences_of_a_text_stay_together_where_they_share_state() -> None:
    mail = Mail()
    with scheduling(3) as (scheduler, made):
        texts = [text(4, 4, 4, 4, together=True) for _ in range(9)]
        scheduler.submit(mail.job(*texts))
        mail.wait(1)
    for one in texts:
        assert sum(one.sentences[0] in work.finished for work in made) == 1
        owner = next(work for work in made if one.sentences[0] in work.finished)
        assert all(sentence in owner.finished for sentence in one.sentences)


def test_a_sentence_that_fails_fails_its_text_and_nothing_else() -> None:
    mail = Mail()
    with scheduling(2) as (scheduler, _):
        bad = Text([Item([1]), Item([1], fails=True), Item([1])])
        job, other = mail.job(text(3), bad, text(2, 2)), mail.job(text(5))
        scheduler.submit(job, other)
        mail.wait(2)
        assert scheduler.is_idle
    assert isinstance(bad.error, KeyError)
    assert [bool(one.error) for one in job.texts] == [False, True, False]
    assert job.error is None and other.texts[0].error is None


def test_a_step_that_fails_takes_its_engine_with_it_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail = Mail()
    with scheduling(2) as (scheduler, made):
        broken = mail.job(Text([Item([1], breaks=True)]))
        scheduler.submit(broken)
        mail.wait(1)
        assert isinstance(broken.error, ValueError)
        good = [mail.job(text(3)) for _ in range(20)]
        scheduler.submit(*good)
        mail.wait(21)
        assert not any(job.error for job in good)
        assert len(made) == 3
    assert "a step has failed" in caplog.text


def test_an_engine_that_always_fails_answers_everybody(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeWork):
        """Refuses every sentence, and fails again before it has taken any."""

        taken = False

        @property
        def num_waiting(self) -> int:
            if self.taken:
                raise ValueError("a fault of programming")
            return 0

        @num_waiting.setter
        def num_waiting(self, number: int) -> None: ...

        def submit(self, sentences: Sequence[Item]) -> None:
            self.taken = True
            raise ValueError("refused")

    made = iter([Broken()])  # no further engine starts
    mail = Mail()
    with scheduling(1, lambda: next(made)) as (scheduler, _):
        jobs = [mail.job(text(3, 4), text(2)) for _ in range(30)]
        scheduler.submit(*jobs)
        assert set(mail.wait(30)) == set(jobs)
        assert all(isinstance(job.error, ValueError) for job in jobs)
        assert scheduler.is_idle and not scheduler.clients and not scheduler.queued_tokens
    assert "an engine has not started" in caplog.text


def test_what_is_cancelled_is_not_delivered_and_leaves_no_trace() -> None:
    allowed = threading.Semaphore(0)
    mail = Mail()
    with scheduling(2, lambda: FakeWork(allowed)) as (scheduler, _):
        jobs = [mail.job(text(5, 5)) for _ in range(100)]
        scheduler.submit(*jobs)
        for job in jobs[::2]:
            scheduler.cancel(job)
        for _ in range(1000):
            allowed.release()
        assert set(mail.wait(50)) == set(jobs[1::2])
        assert scheduler.is_idle and not scheduler.queued_tokens


def test_what_has_begun_is_not_ended_by_a_deadline_for_what_waits() -> None:
    allowed = threading.Semaphore(0)
    mail = Mail()
    with scheduling(1, lambda: FakeWork(allowed)) as (scheduler, made):
        begun, waiting = mail.job(text(900)), mail.job(text(900))
        scheduler.submit(begun)
        while not (made and made[0].lots):
            pass
        scheduler.submit(waiting)
        for job in (begun, waiting):
            scheduler.cancel(job, TimeoutError("in vain"), unless_started=True)
        assert mail.wait(1) == [waiting] and isinstance(waiting.error, TimeoutError)
        allowed.release()
        mail.wait(2)
        assert begun.error is None


def test_closing_without_patience_tells_everybody() -> None:
    allowed = threading.Semaphore(0)
    mail = Mail()
    with scheduling(2, lambda: FakeWork(allowed)) as (scheduler, _):
        jobs = [mail.job(text(400)) for _ in range(9)]
        scheduler.submit(*jobs)
        closing = threading.Thread(target=scheduler.close, args=(0, TimeoutError("closed")))
        closing.start()
        assert set(mail.wait(9)) == set(jobs)
        assert all(isinstance(job.error, TimeoutError) for job in jobs)
        for _ in range(4):
            allowed.release()
        closing.join(20)
        with pytest.raises(RuntimeError):
            scheduler.submit(mail.job(text(1)))


def test_the_observer_sees_an_idle_batch_at_the_end() -> None:
    mail, batches = Mail(), []
    with scheduling(2, watch=batches.append) as (scheduler, _):
        scheduler.submit(*(mail.job(text(3)) for _ in range(10)))
        mail.wait(10)
    assert batches[-1].rows == 0
    assert sum(batch.target_tokens for batch in batches) == 10
    assert isinstance(batches[0], Batch)


def test_a_small_job_takes_the_priority_lane_past_a_greedy_client() -> None:
    allowed = threading.Semaphore(0)
    works = iter([FakeWork(allowed), FakeWork(allowed), FakeWork()])  # the last is the lane's
    with scheduling(
        2, lambda: next(works), queue=FairQueue(), start_priority_lane=lambda: None
    ) as (
        scheduler,
        made,
    ):
        mail, greedy = Mail(), Mail()
        scheduler.submit(*[greedy.job(Text([Item([1] * 9)]), client="greedy") for _ in range(200)])
        scheduler.submit(mail.job(Text([Item([1] * 9)]), client="small"))
        mail.wait(1)
        assert not greedy.jobs and len(made[2].finished) == 1
        scheduler.submit(mail.job(Text([Item([1] * 99)]), client="another"))  # asks for too much
        allowed.release(1000)
        mail.wait(2)
        greedy.wait(200)
        assert len(made[2].finished) == 1 and not scheduler.clients


def test_equal_clients_share_the_engines_alone() -> None:
    allowed = threading.Semaphore(0)
    works = iter([FakeWork(allowed), FakeWork(allowed), FakeWork()])
    with scheduling(
        2, lambda: next(works), queue=FairQueue(), start_priority_lane=lambda: None
    ) as (
        scheduler,
        made,
    ):
        mail = Mail()
        for number in range(64):
            scheduler.submit(mail.job(Text([Item([1] * 9)]), client=str(number)))
        allowed.release(1000)
        mail.wait(64)
        assert not made[2].finished and not scheduler.clients


@dataclass(eq=False)
class FakeEngine:
    """Notes how many helpers it has."""

    helpers: list[int] = field(default_factory=list)

    def share_work(self, workers: int) -> None:
        self.helpers.append(workers)

    def step(self) -> list[object]:
        return []


class HelpedWork(FakeWork):
    """Has an engine while it has sentences."""

    def __init__(self, allowed: threading.Semaphore | None = None) -> None:
        super().__init__(allowed)
        self.engine = FakeEngine()

    @property
    def engines(self) -> list[FakeEngine]:  # type: ignore[override]
        return [self.engine] if self.items else []


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_idle_cores_help_until_they_have_work_of_their_own() -> None:
    allowed, mail = threading.Semaphore(0), Mail()
    with scheduling(4, lambda: HelpedWork(allowed)) as (scheduler, made):
        scheduler.submit(mail.job(text(30)))
        until(lambda: any(work.engine.helpers for work in made))
        (first,) = (work for work in made if work.items)
        assert first.engine.helpers == [3]
        scheduler.submit(mail.job(text(30)))
        assert first.engine.helpers == [3, 0], "at once, and not after the step"
        until(lambda: sum(bool(work.engine.helpers) for work in made) == 2)
        (second,) = (work for work in made if work.items and work is not first)
        assert second.engine.helpers == [1], "two idle cores for two engines"
        allowed.release(2)
        mail.wait(2)
        until(lambda: scheduler.is_idle)
        until(lambda: first.engine.helpers[-1] == second.engine.helpers[-1] == 0)


@pytest.mark.parametrize("engines", [1, 2])
def test_no_core_helps_that_has_work(engines: int) -> None:
    allowed, mail = threading.Semaphore(0), Mail()
    with scheduling(engines, lambda: HelpedWork(allowed)) as (scheduler, made):
        scheduler.submit(mail.job(*(text(30) for _ in range(4 * engines))))
        until(lambda: all(work.items for work in made))
        for work in made:
            assert not any(work.engine.helpers)
        allowed.release(4 * engines)
        mail.wait(1)
