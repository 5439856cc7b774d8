"""Products of which other threads compute a part, held to those of one thread."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from int8_storage import stored
from numba import njit
from tiny import wide_transformer

from tformer.model.engine.engine import Engine
from tformer.model.network.int8 import products, workers
from tformer.model.network.int8.gemm import partial_product
from tformer.model.network.int8.listed_product import partial_listed_product
from tformer.model.network.int8.network import Int8
from tformer.model.network.int8.packing import LIMIT, Projection, by_inputs, quantised
from tformer.model.network.int8.products import listed_product, product
from tformer.model.network.int8.records import PackedLinear
from tformer.model.network.int8.simd.atomics import add, read
from tformer.model.network.int8.simd.tiles import PANEL, SPARSE
from tformer.model.network.int8.workers import Board, Workers
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request

EOS = 2

present, opened = workers.PRESENT, workers.OPEN
offered, done = workers.OFFERED, workers.DONE


@njit(nogil=True)
def alone(activations, factors, rows, linear, outputs, first, end):
    partial_product(activations, factors, rows, linear, outputs, first, end)


@njit(nogil=True)
def with_others(activations, factors, rows, linear, outputs, board):
    product(activations, factors, rows, linear, outputs, board)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def drawn(rows: int, width: int, out: int) -> tuple[np.ndarray, np.ndarray, PackedLinear]:
    draw = np.random.default_rng(rows * width + out)
    weight = draw.normal(size=(out, width)).astype(np.float32)
    bias = draw.normal(size=out).astype(np.float32)
    values = draw.integers(-LIMIT, LIMIT + 1, (rows, width))
    factors = draw.random(rows).astype(np.float32)
    return stored(values), factors, quantised(Projection(weight, bias))


@pytest.mark.parametrize("helpers", [1, 3])
@pytest.mark.parametrize(("rows", "width", "out"), [(1, 512, 320), (4, 128, 1088), (30, 64, 128)])
def test_products_with_workers_are_those_without(
    helpers: int, rows: int, width: int, out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without work goes after milliseconds, so it is called again before every product."""
    monkeypatch.setattr(workers, "WORKERS", Workers())
    activations, factors, linear = drawn(rows, width, out)
    expected = np.empty(rows * linear.scale.shape[0], np.float32)
    alone(activations, factors, rows, linear, expected, 0, linear.scale.shape[0])

    def multiply(found: np.ndarray, board: np.ndarray) -> None:
        with_others(activations, factors, rows, linear, found, board)

    shared(multiply, expected, helpers)


def shared(
    multiply: Callable[[np.ndarray, np.ndarray], None], expected: np.ndarray, helpers: int
) -> None:
    """Multiply until workers have computed parts, and compare every time."""
    board = Board()

    def compute() -> None:
        for _ in range(200):
            board.open(helpers)
            found = np.full(len(expected) + 1, -1, np.float32)
            multiply(found, board.numbers)
            assert (found[:-1] == expected).all() and found[-1] == -1
        board.close()

    for _ in range(20):
        compute()
    end = time.monotonic() + 60
    while not board.numbers[offered] >> 32:
        assert time.monotonic() < end, "nothing was shared"
        compute()
    until(lambda: board.numbers[present] == 0)


@njit(nogil=True)
def listed_alone(values, places, starts, factors, rows, linear, outputs, first, end):
    partial_listed_product(values, places, starts, factors, rows, linear, outputs, first, end)


@njit(nogil=True)
def listed_with_others(values, places, starts, factors, rows, linear, outputs, board):
    listed_product(values, places, starts, factors, rows, linear, outputs, board)


@pytest.mark.skipif(not SPARSE, reason="whole products are faster at this level")
@pytest.mark.parametrize("helpers", [1, 3])
@pytest.mark.parametrize(("rows", "width", "out"), [(1, 1024, 320), (20, 256, 128)])
def test_products_without_zeros_are_the_same_with_workers(
    helpers: int, rows: int, width: int, out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORKERS", Workers())
    _, factors, linear = drawn(rows, width, out)
    draw, linear = np.random.default_rng(out), by_inputs(linear)
    quads = width // 4 - draw.integers(0, width // 8, rows)
    starts = np.concatenate([[0], 4 * np.cumsum(quads)]).astype(np.int32)
    values = draw.integers(1, LIMIT + 1, starts[-1]).astype(np.uint8)
    inputs = [np.sort(draw.choice(width, 4 * count, replace=False)) for count in quads]
    places = (np.concatenate(inputs) * PANEL).astype(np.int32)
    stride = linear.scale.shape[0]
    expected = np.empty(rows * stride, np.float32)
    lists = values, places, starts, factors, rows, linear
    listed_alone(*lists, expected, 0, stride)
    shared(lambda found, board: listed_with_others(*lists, found, board), expected, helpers)


@pytest.mark.parametrize(("width", "out"), [(64, 64), (192, 320), (1024, 128)])
def test_a_row_is_multiplied_alike_alone_and_among_others(width: int, out: int) -> None:
    """Processors that multiply sixteen rows together have other instructions for fewer."""
    activations, factors, linear = drawn(53, width, out)
    stride = linear.scale.shape[0]
    each = np.empty((53, stride), np.float32)
    for n in range(53):
        alone(activations[n : n + 1], factors[n : n + 1], 1, linear, each[n], 0, stride)
    for rows in (1, 3, 15, 16, 17, 32, 47, 53):
        found = np.full((rows + 1, stride), -1, np.float32)
        alone(activations, factors, rows, linear, found.reshape(-1), 0, stride)
        assert (found[:-1] == each[:rows]).all() and (found[-1] == -1).all()


def test_a_part_of_a_product_writes_its_outputs_alone() -> None:
    activations, factors, linear = drawn(5, 64, 256)
    expected, found = np.empty((5, 256), np.float32), np.full((5, 256), -1, np.float32)
    alone(activations, factors, 5, linear, expected.reshape(-1), 0, 256)
    alone(activations, factors, 5, linear, found.reshape(-1), 64, 192)
    assert (found[:, 64:192] == expected[:, 64:192]).all()
    assert (found[:, :64] == -1).all() and (found[:, 192:] == -1).all()


def test_workers_go_when_nothing_is_offered_and_can_be_called_again() -> None:
    board = Board()
    for _ in range(3):
        board.open(2)
        until(lambda: board.numbers[present] > 0 or not board.numbers[opened])
        until(lambda: board.numbers[present] == 0)
        until(lambda: board.numbers[opened] == 0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Openings of boards, to which nobody comes."""
    called: list[int] = []
    pool = Workers()
    monkeypatch.setattr(pool, "call", lambda *call: called.append(call[2]))
    monkeypatch.setattr(workers, "WORKERS", pool)
    return called


@pytest.mark.parametrize("lost", [0.0004, 0.5])
def test_workers_leave_their_cores_to_those_who_need_them(
    lost: float, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, computed = [100.0], [7.0]
    for clock, value in [("monotonic", now), ("perf_counter", now), ("thread_time", computed)]:
        monkeypatch.setattr(workers.time, clock, lambda value=value: value[0])
    board, other = Board(), Board()
    board.open(1)
    board.open(1)
    assert len(calls) == 1, "it is open"
    with board.watched():
        now[0] += 2 * lost
        computed[0] += lost
    assert board.is_open == (lost < workers.LOST_SECONDS)
    board.close()
    for each in (board, other):
        each.open(1)
        assert each.is_open == (lost < workers.LOST_SECONDS)
    if lost < workers.LOST_SECONDS:
        return
    for rest in (workers.REST_SECONDS, 2 * workers.REST_SECONDS):
        now[0] += rest * 0.99
        board.open(1)
        assert not board.is_open
        now[0] += rest * 0.02
        board.open(1)
        assert board.is_open
        with board.watched():
            now[0] += lost


def test_a_worker_that_keeps_an_engine_waiting_is_not_called_for_a_while(calls: list[int]) -> None:
    board = Board()
    board.open(1)
    with board.watched():
        board.numbers[workers.STALLS] += 1
    board.open(1)
    assert len(calls) == 1 and not board.is_open


@njit(nogil=True)
def take(board):
    """Wait for a part, and take it without doing it."""
    while True:
        there = read(board, offered)
        if there & workers.TAKEN < there >> workers.ALL:
            there = add(board, offered, 1)
            if there & workers.TAKEN < there >> workers.ALL:
                return there & workers.TAKEN


@njit(nogil=True)
def deliver(board):
    add(board, done, 1)


def test_an_engine_sends_workers_away_that_have_no_core() -> None:
    """The worker is the test, which is slow to do what it has taken."""
    activations, factors, linear = drawn(16, 256, 2048)
    outputs, expected = (np.zeros((16, 2048), np.float32) for _ in range(2))
    alone(activations, factors, 16, linear, expected.reshape(-1), 0, 2048)
    board = Board()
    board.numbers[present], board.numbers[opened] = 1, 7

    def compute() -> None:
        while board.numbers[opened]:
            with_others(activations, factors, 16, linear, outputs.reshape(-1), board.numbers)

    engine = threading.Thread(target=compute)
    engine.start()
    part = int(take(board.numbers))
    until(lambda: not board.numbers[opened])
    assert engine.is_alive() and board.numbers[workers.STALLS] == 1
    first, end = products._columns.py_func(2048, part)
    alone(activations, factors, 16, linear, outputs.reshape(-1), first, end)
    deliver(board.numbers)
    engine.join(20)
    assert not engine.is_alive() and (outputs == expected).all()


def answered(network: Int8, requests: list[Request], beam_size: int, helpers: int) -> list[tuple]:
    engine = Engine(network, beam_size=beam_size)
    numbers = [engine.submit(request) for request in requests]
    found = {}
    while engine.busy:
        engine.share_work(helpers)
        found.update((answer.number, answer.hypotheses) for answer in engine.step())
    engine.share_work(0)
    return [found[number] for number in numbers]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_translations_with_workers_are_those_without(beam_size: int) -> None:
    draw = random.Random(beam_size)
    network = Int8(wide_transformer(torch.float32))
    options = DecodingOptions(beam_size=beam_size, n_best=beam_size, max_length=30)
    for count in (1, 3):
        requests = [
            Request((*(draw.randrange(3, 500) for _ in range(draw.randint(1, 60))), EOS), options)
            for _ in range(count)
        ]
        expected = answered(network, requests, beam_size, 0)
        for helpers in (1, 2):
            assert answered(network, requests, beam_size, helpers) == expected


def _product_in_a_child(answers: multiprocessing.SimpleQueue) -> None:
    Board().open(1)
    until(lambda: workers.WORKERS._waiting > 0)
    answers.put("was there")


@pytest.mark.skipif(not hasattr(workers.os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_was_forked_has_workers_of_its_own() -> None:
    board = Board()
    board.open(1)
    board.close()
    until(lambda: workers.WORKERS._waiting > 0)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_product_in_a_child, args=(answers,))
    child.start()
    child.join(30)
    assert child.exitcode == 0 and answers.get() == "was there"


def test_memory_of_a_batch_that_has_ended_is_that_of_the_next() -> None:
    network = Int8(wide_transformer(torch.float32))
    first = network.start(4)
    room = first._room
    second = network.start(4)
    assert second._room is not room
    del first
    assert network.start(1)._room is room


def test_there_are_no_more_workers_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []
    monkeypatch.setattr(workers, "num_cores", lambda: 2)
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread))
    pool = Workers()
    for opening in range(5):
        pool.call(1, Board().numbers, opening)
    assert len(started) == 2


def test_an_engine_goes_on_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(workers, "WORKERS", Workers())
    network = Int8(wide_transformer(torch.float32))
    options = DecodingOptions(beam_size=1, n_best=1, max_length=10)
    request = [Request((7, 8, 9, EOS), options)]
    expected = answered(network, request, 1, 0)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert answered(network, request, 1, 2) == expected
