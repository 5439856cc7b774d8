"""How much is let in, and what becomes of those who wait."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tformer.model.errors import UsageError
from tformer.server.admission import LONGEST_WAIT, SHORTEST_WAIT, Admission, Reservation
from tformer.server.rpc.messages import estimate
from tformer.server.status import Overloaded


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_what_does_not_fit_is_refused_until_there_is_room() -> None:
    admission = Admission(100)
    with admission.reserve(60, "a"), admission.reserve(40, "b"):
        with pytest.raises(Overloaded, match="100 of 100 tokens") as refused:
            admission.reserve(1, "c")
        assert SHORTEST_WAIT <= refused.value.retry_after <= LONGEST_WAIT
    with admission.reserve(100, "a"):
        pass
    assert admission.tokens == 0


def test_what_can_never_fit_is_refused_for_good() -> None:
    admission = Admission(100)
    with pytest.raises(UsageError, match=r"101 tokens .*\(100\)"):
        admission.reserve(101)


@pytest.mark.parametrize("greedy", [1, 2, 5])
def test_greedy_clients_leave_a_share_for_whoever_comes_new(greedy: int) -> None:
    admission = Admission(1000)
    names = [str(number) for number in range(greedy)]
    for _ in range(1000):
        for name in names:
            with suppress(Overloaded):
                admission.reserve(1, name)
    for name in names:
        assert admission._held[name] == pytest.approx(1000 / (greedy + 1), abs=1)
    admission.reserve(1000 - admission.tokens, "new")


def test_a_guess_is_corrected() -> None:
    admission = Admission(100)
    with admission.reserve(90, "a") as room:
        room.resize(10)
        with admission.reserve(90, "b"):
            assert admission.tokens == 100
    assert admission.tokens == 0


def test_a_guess_grows_with_the_text_and_is_never_nothing() -> None:
    assert estimate([]) == 0
    assert estimate([""]) > 0
    assert estimate(["a" * 300]) > 100


def test_those_who_wait_come_in_in_the_order_of_their_client() -> None:
    async def test() -> None:
        admission = Admission(10)
        order = []

        async def visit(name: str, tokens: int) -> None:
            with await admission.wait(tokens, patience=10, client=name[0]):
                order.append(name)
                await asyncio.sleep(0)

        with admission.reserve(10, "a"):
            visits = [("a1", 8), ("a2", 3), ("b1", 3), ("b2", 1)]
            tasks = [asyncio.create_task(visit(*each)) for each in visits]
            await asyncio.sleep(0.01)
            assert not order
            with pytest.raises(Overloaded):  # nobody goes past a line of its own client
                admission.reserve(0, "a")
        await asyncio.gather(*tasks)
        assert order.index("a1") < order.index("a2") and order.index("b1") < order.index("b2")
        assert admission.tokens == 0 and not admission._held and not admission._lines

    run(test)


def test_who_waits_holds_up_nobody_else() -> None:
    async def test() -> None:
        admission = Admission(100)
        with admission.reserve(50, "greedy"):
            waiting = asyncio.create_task(admission.wait(10, patience=10, client="greedy"))
            await asyncio.sleep(0.01)
            with admission.reserve(20, "other"):
                assert not waiting.done()
        with await waiting:
            pass

    run(test)


def test_who_has_waited_too_long_is_refused() -> None:
    async def test() -> None:
        admission = Admission(10)
        with admission.reserve(10), pytest.raises(Overloaded, match=r"0\.01 seconds"):
            await admission.wait(1, patience=0.01)
        with admission.reserve(10):
            pass

    run(test)


def test_nobody_is_refused_while_the_line_moves() -> None:
    async def test() -> None:
        admission = Admission(10)
        answered = []

        async def visit(number: int) -> None:
            with await admission.wait(10, patience=0.1):
                await asyncio.sleep(0.03)
                answered.append(number)

        await asyncio.gather(*map(visit, range(8)))  # the last waits for twice its patience
        assert answered == list(range(8))
        with admission.reserve(10):
            started = asyncio.get_running_loop().time()
            waiting = [admission.wait(1, patience=0.1) for _ in range(5)]
            found = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(each) for each in found} == {Overloaded}
            assert asyncio.get_running_loop().time() - started < 0.3
        assert admission.tokens == 0 and not admission._lines

    run(test)


def test_lines_are_served_in_turns() -> None:
    async def test() -> None:
        admission = Admission(10)
        order = []

        async def visit(client: str) -> None:
            with await admission.wait(10, patience=10, client=client):
                order.append(client)
                await asyncio.sleep(0)

        with admission.reserve(10, "first"):
            tasks = [asyncio.create_task(visit(client)) for client in "aaabbbccc"]
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
        assert "".join(order) == "abcabcabc"

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
