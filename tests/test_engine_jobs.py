"""Answers that wait for others, and those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tformer.model.engine.jobs import FEW, LONGEST_STAY, Outbox
from tformer.server.scheduling import _Loop, _PendingJob

MANY = FEW + 1


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def job(error: Exception | None = None) -> _PendingJob:
    loop = asyncio.get_running_loop()
    made = _PendingJob((), _Loop(loop), "client")
    made.answered = loop.create_future()
    made.closed, made.error = True, error
    return made


async def answered(*jobs: _PendingJob) -> list[bool]:
    """Which have been answered once the event loop has had its turn."""
    await asyncio.sleep(0)
    return [job.answered.done() for job in jobs]


def test_an_answer_waits_for_others_where_many_sentences_are_in_work() -> None:
    async def test() -> None:
        outbox, first, second = Outbox(), job(), job()
        outbox.put(first)
        for _ in range(LONGEST_STAY - 1):
            outbox.pass_step()
            outbox.send(MANY)
        outbox.put(second)
        outbox.send(MANY)
        assert await answered(first, second) == [False, False]
        outbox.pass_step()
        outbox.send(MANY)
        assert await answered(first, second) == [True, True]

    run(test)


def test_the_next_one_waits_as_long_again() -> None:
    async def test() -> None:
        outbox, first, second = Outbox(), job(), job()
        outbox.put(first)
        for _ in range(LONGEST_STAY):
            outbox.pass_step()
        outbox.send(MANY)
        for _ in range(LONGEST_STAY):  # with nothing to send
            outbox.pass_step()
        outbox.put(second)
        outbox.send(MANY)
        assert await answered(first, second) == [True, False]

    run(test)


def test_an_answer_goes_at_once_where_few_are_in_work() -> None:
    async def test() -> None:
        outbox, only = Outbox(), job()
        outbox.put(only)
        outbox.send(FEW)
        assert await answered(only) == [True]

    run(test)


def test_a_failure_goes_at_once_and_takes_the_others_along() -> None:
    async def test() -> None:
        outbox, fine, failed, later = Outbox(), job(), job(ValueError("no")), job()
        outbox.put(fine)
        outbox.put(failed)
        outbox.send(MANY)
        assert await answered(fine, failed) == [True, True]
        with pytest.raises(ValueError, match="no"):
            await failed.answered
        outbox.put(later)
        outbox.send(MANY)
        assert await answered(later) == [False]

    run(test)


def test_a_job_whose_event_loop_has_ended_disturbs_nobody() -> None:
    made: list[_PendingJob] = []

    async def test() -> None:
        made.append(job())

    run(test)

    async def other() -> None:
        outbox, alive = Outbox(), job()
        outbox.put(made[0])
        outbox.put(alive)
        outbox.send_all()
        assert await answered(alive) == [True]

    run(other)
