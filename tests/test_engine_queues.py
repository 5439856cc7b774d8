"""Whose turn it is."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from tformer.model.engine.queues import FairQueue


def drain(queue: FairQueue[str]) -> str:
    return "".join(queue.pop() for _ in range(len(queue)))


def test_one_client_is_served_in_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in "abc":
        queue.push("client", 5, item)
    assert drain(queue) == "abc"


def test_one_sentence_goes_before_the_rest_of_a_thousand() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(1000):
        queue.push("many", 10, "m")
    assert [queue.pop() for _ in range(500)] == ["m"] * 500
    queue.push("one", 10, "1")
    assert "1" in {queue.pop() for _ in range(2)}


def test_shares_are_equal_in_tokens_not_in_sentences() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(10):
        queue.push("long", 40, "L")
    for _ in range(40):
        queue.push("short", 10, "s")
    first = [queue.pop() for _ in range(25)]
    assert first.count("L") == 5
    assert max(len(list(run)) for _, run in groupby(first)) <= 5


def test_a_client_that_was_away_has_saved_nothing_up() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("b", 1, "b")
    for _ in range(100):
        queue.push("a", 1, "a")
    for _ in range(50):
        queue.pop()
    for _ in range(10):
        queue.push("b", 1, "b")
    assert drain(queue)[:10].count("b") in (4, 5, 6)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 100))))
def test_everything_comes_out_once_and_each_clients_items_in_order(
    pushed: list[tuple[str, int]],
) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for number, (client, cost) in enumerate(pushed):
        queue.push(client, cost, (client, number))
    popped = []
    while queue:
        following = queue.peek()
        popped.append(queue.pop())
        assert popped[-1] == following
    assert len(popped) == len(pushed)
    for client in "abc":
        numbers = [number for name, number in popped if name == client]
        assert numbers == sorted(numbers)
    assert not queue._ends and not queue._sizes
