"""How much is let in, and what becomes of those who wait."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tformer.server.admission import LONGEST_WAIT, SHORTEST_WAIT, Admission, Reservation, estimate
from tformer.server.status import Overloaded


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_what_does_not_fit_is_refused_until_there_is_room() -> None:
    admission = Admission(100)
    with admission.reserve(60), admission.reserve(40):
        with pytest.raises(Overloaded, match="100 of 100 tokens") as refused:
            admission.reserve(1)
        assert SHORTEST_WAIT <= refused.value.retry_after <= LONGEST_WAIT
    with admission.reserve(100):
        pass
    assert admission.tokens == 0


def test_what_is_larger_than_the_queue_goes_alone() -> None:
    admission = Admission(100)
    with admission.reserve(1), pytest.raises(Overloaded):
        admission.reserve(1000)
    with admission.reserve(1000), pytest.raises(Overloaded):
        admission.reserve(1)


def test_a_guess_is_corrected() -> None:
    admission = Admission(100)
    with admission.reserve(90) as room:
        room.resize(10)
        with admission.reserve(90):
            assert admission.tokens == 100
    assert admission.tokens == 0


def test_a_guess_grows_with_the_text_and_is_never_nothing() -> None:
    assert estimate([]) == 0
    assert estimate([""]) > 0
    assert estimate(["a" * 300]) > 100


def test_those_who_wait_come_in_in_order() -> None:
    async def test() -> None:
        admission = Admission(10)
        order = []

        async def visit(name: str, tokens: int) -> None:
            with await admission.wait(tokens, patience=10):
                order.append(name)
                await asyncio.sleep(0)

        with admission.reserve(10):
            visits = [asyncio.create_task(visit(*v)) for v in [("a", 8), ("b", 8), ("c", 1)]]
            await asyncio.sleep(0.01)
            assert not order
            with pytest.raises(Overloaded):  # nobody goes past a line
                admission.reserve(0)
        await asyncio.gather(*visits)
        assert order == ["a", "b", "c"]
        assert admission.tokens == 0

    run(test)


def test_who_has_waited_too_long_is_refused() -> None:
    async def test() -> None:
        admission = Admission(10)
        with admission.reserve(10), pytest.raises(Overloaded, match=r"0\.01 seconds"):
            await admission.wait(1, patience=0.01)
        with admission.reserve(10):
            pass

    run(test)


def test_who_is_cancelled_leaves_no_tokens_behind() -> None:
    async def test() -> None:
        admission = Admission(10)
        room: Reservation = admission.reserve(10)
        waiting = [asyncio.create_task(admission.wait(10, patience=10)) for _ in range(2)]
        await asyncio.sleep(0.01)
        admission.release(room.tokens)  # lets the first in, whom we cancel at the same moment
        waiting[0].cancel()
        with await waiting[1]:
            assert admission.tokens == 10
        assert admission.tokens == 0
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]

    run(test)
