"""Engines side by side against one alone."""

from __future__ import annotations

import random
import threading

import pytest
import torch
from tiny import tiny_transformer

from tformer.model.engine.engine import Engine, Finished
from tformer.model.engine.parallel import SLACK, ParallelEngine
from tformer.model.errors import ModelError, UsageError
from tformer.model.network.eager import Eager
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request


@pytest.fixture
def network() -> Eager:
    return Eager(tiny_transformer(1))


def parallel(network: Eager, threads: int = 3) -> ParallelEngine:
    return ParallelEngine(lambda: Engine(network, beam_size=2, max_tokens=100), threads)


def some_requests(count: int) -> list[Request]:
    draw = random.Random(count)
    options = DecodingOptions(beam_size=2, max_length=12)
    return [
        Request((*(draw.randrange(3, 12) for _ in range(draw.randint(1, 9))), 2), options)
        for _ in range(count)
    ]


def drain(engine: Engine | ParallelEngine) -> dict[int, tuple]:
    found = {}
    while engine.busy:
        for answer in engine.step():
            assert answer.number not in found
            found[answer.number] = answer.hypotheses
    return found


@pytest.mark.parametrize("threads", [1, 3])
def test_every_request_is_answered_once_and_as_by_one_engine(network: Eager, threads: int) -> None:
    requests = some_requests(100)
    alone, engine = Engine(network, beam_size=2), parallel(network, threads)
    expected = {alone.submit(request): request for request in requests}.keys()
    numbers = [engine.submit(request) for request in requests[:60]]
    found: dict[int, tuple] = {}
    for _ in range(5):
        found.update((answer.number, answer.hypotheses) for answer in engine.step())
    numbers += [engine.submit(request) for request in requests[60:]]
    found.update(drain(engine))
    assert numbers == list(expected)
    assert found == drain(alone)
    assert engine.num_waiting == engine.num_running == 0
    assert engine.step() == []


def test_what_is_cancelled_never_comes(network: Eager) -> None:
    engine, draw = parallel(network), random.Random(1)
    numbers = [engine.submit(request) for request in some_requests(80)]
    answered: set[int] = set()
    cancelled: set[int] = set()
    while engine.busy:
        answered.update(answer.number for answer in engine.step())
        number = draw.choice(numbers)
        if engine.cancel(number):
            assert number not in answered | cancelled
            cancelled.add(number)
        else:
            assert number in answered | cancelled
    assert cancelled
    assert answered == set(numbers) - cancelled
    assert not engine.cancel(numbers[0])


def test_bad_requests_are_refused_at_once(network: Eager) -> None:
    engine = parallel(network)
    with pytest.raises(UsageError, match="beam_size must be at most"):
        engine.submit(Request((3, 2), DecodingOptions(beam_size=3)))
    assert not engine.busy


def test_an_error_of_a_step_reaches_the_caller() -> None:
    transformer = tiny_transformer(1)
    with torch.no_grad():
        transformer.embedding.weight.fill_(torch.nan)
    engine = parallel(Eager(transformer))
    engine.submit(
        Request((3, 2), DecodingOptions(beam_size=2)),
    )
    with pytest.raises(ModelError):
        while engine.busy:
            engine.step()


class Held:
    """An engine whose steps end when they are let, and that finishes nothing."""

    num_waiting = 0
    busy = True

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.allowed = threading.Semaphore(0)

    def check(self, request: Request) -> None: ...

    def submit(self, request: Request) -> int:
        self.requests.append(request)
        return len(self.requests)

    def step(self) -> list[Finished]:
        self.allowed.acquire()
        return []


def test_a_full_engine_leaves_a_request_to_an_emptier_one_that_is_in_the_middle_of_a_step() -> None:
    long, short, next_one = (Request((3,) * size, DecodingOptions()) for size in (2 * SLACK, 2, 3))
    full, empty = engines = [Held(), Held()]
    both = ParallelEngine(iter(engines).__next__, 2)  # type: ignore[arg-type]
    for request in (long, short):
        both.submit(request)
    full.allowed.release()
    both.step()
    both.submit(next_one)
    full.allowed.release()
    both.step()  # the full one has been between two steps, and did not get it
    assert (full.requests, empty.requests) == ([long], [short])
    empty.allowed.release()
    both.step()
    for engine in engines:
        engine.allowed.release()
    both.step()
    assert (full.requests, empty.requests) == ([long], [short, next_one])
