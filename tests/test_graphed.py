"""The network in recorded steps against the one that is run operation by operation.

CUDA graphs are emulated, see `tape`; tests/test_cuda.py runs the same comparisons on a GPU.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tape import TapeRecorder
from test_engine import alone, assert_same, drain, random_request
from tiny import tiny_transformer, wide_transformer

from tformer.model.engine.engine import Engine, Finished
from tformer.model.hardware import device
from tformer.model.network.cuda_graphs import Buckets, Graphed, GraphedDecoding, PoolShape
from tformer.model.network.cuda_graphs.pool import Pool
from tformer.model.network.eager import Eager
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request

EOS = 2
FEW = Buckets(places=(2, 5), target=(16, 48), source=(32, 64))


def taped(transformer: Transformer, **settings: Any) -> Graphed:
    return Graphed(transformer, recorder_for=TapeRecorder, **settings)


def spoil(decoding: GraphedDecoding) -> None:
    """Overwrite all that belongs to nobody: free places, and positions that are not in use."""
    if decoding._workspace is None:
        return
    pool = decoding._workspace.pool
    free = [p for p in range(pool.shape.places + 1) if p not in decoding._places]
    pool.cache[:, free] = 1e6
    pool.cross[:, free] = 1e6
    pool.ancestors[free] = 255
    for place, source, target in zip(
        decoding._places, decoding._sources, decoding._targets, strict=True
    ):
        pool.cache[:, place, :, target:] = 1e6
        pool.cross[:, place, :, source:] = 1e6
        pool.ancestors[place, :, target:] = 255


def play(
    engine: Engine, draw: random.Random, widest: int, before_step: Callable[[], None]
) -> tuple[dict[int, Request], dict[int, Finished]]:
    """Requests that come at any time, some of which are taken back; those that remain."""
    requests: dict[int, Request] = {}
    finished: dict[int, Finished] = {}
    for step in range(200):
        for _ in range(draw.randint(0, 3) if step < 14 else 0):
            request = random_request(draw, widest)
            requests[engine.submit(request)] = request
        if requests and draw.random() < 0.2:
            number = draw.choice(sorted(requests))
            if engine.cancel(number):
                del requests[number]
        before_step()
        finished.update((answer.number, answer) for answer in engine.step())
        if step >= 14 and not engine.busy:
            break
    return requests, finished


@pytest.mark.parametrize("seed", range(10))
def test_answers_are_those_of_the_plain_network(seed: int) -> None:
    """Any arrivals and cancellations, with everything spoilt that nobody should read."""
    draw = random.Random(seed)
    transformer = tiny_transformer(seed)
    widest = draw.choice([1, 3, 4])
    network = taped(transformer, buckets=draw.choice([FEW, Buckets()]))
    engine = Engine(network, beam_size=widest, max_tokens=draw.choice([1, 200, 1000]))
    with torch.inference_mode():
        requests, finished = play(engine, draw, widest, lambda: spoil(engine._decoding))
    assert finished.keys() == requests.keys()
    for number, answer in finished.items():
        assert_same(answer, alone(transformer, requests[number]))
    (workspace,) = network._workspaces
    assert workspace.is_free


@pytest.mark.parametrize("beam_size", [1, 2, 5])
@pytest.mark.parametrize("recorded", [False, True], ids=["eager", "recorded"])
def test_logits_are_those_of_the_plain_network(beam_size: int, recorded: bool) -> None:
    """Step by step, with beams that are reordered at random and sentences that come and go."""
    draw = random.Random(beam_size)
    transformer = tiny_transformer(3, vocab_size=40)
    network = taped(transformer, buckets=FEW) if recorded else Graphed(transformer)
    plain, fast = Eager(transformer).start(beam_size), network.start(beam_size)
    sentences = 0
    with torch.inference_mode():
        for _ in range(40):
            if sentences < 7 and (not sentences or draw.random() < 0.3):
                sources = [[5] * draw.randint(1, 30) for _ in range(draw.randint(1, 3))]
                for decoding in (plain, fast):
                    decoding.admit(sources)
                sentences += len(sources)
            tokens = torch.randint(3, 40, (sentences * beam_size,)).numpy()
            if draw.random() < 0.5:
                expected, found = plain.step(tokens), fast.step(tokens)
            else:
                expected, attended = plain.step_with_attention(tokens)
                found, attention = fast.step_with_attention(tokens)
                width = min(attention.shape[1], attended.shape[1])
                torch.testing.assert_close(
                    attention[:, :width], attended[:, :width], rtol=0, atol=1e-12
                )
                assert not attention[:, width:].any()
            torch.testing.assert_close(found.all(), expected.all(), rtol=0, atol=1e-12)
            torch.testing.assert_close(found.of(EOS), expected.of(EOS), rtol=0, atol=1e-12)
            for width in (1, 2 * beam_size + 1, 20):
                for ours, theirs in zip(found.best(width), expected.best(width), strict=True):
                    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
            parents = torch.randint(beam_size, (sentences, beam_size))
            rows = (torch.arange(sentences)[:, None] * beam_size + parents).flatten().numpy()
            staying = [index for index in range(sentences) if draw.random() < 0.95]
            kept = rows.reshape(sentences, beam_size)[staying].flatten()
            for decoding in (plain, fast):
                if len(staying) < sentences:
                    decoding.select(kept, staying)
                else:
                    decoding.select(rows)
            sentences = len(staying)


def test_steps_are_recorded_and_the_python_code_is_not_run_again() -> None:
    network = taped(tiny_transformer(1))
    steps = 0
    step = network.decoder.step

    def counting(pool: Pool, shape: PoolShape, width: int, attentive: bool) -> Any:
        nonlocal steps
        steps += 1
        return step(pool, shape, width, attentive)

    network.decoder.step = counting  # type: ignore[method-assign]
    options = DecodingOptions(beam_size=2, min_length=20, max_length=20)
    for _ in range(2):
        engine = Engine(network, beam_size=2)
        engine.submit(Request((5, 6, EOS), options))
        drain(engine)
    assert steps == 2  # once to warm up, once to record
    recorder = network._workspaces[0].recordings._recorder
    assert isinstance(recorder, TapeRecorder)
    assert recorder.replays == 2 * 21 - 1 + 1  # of the encoder's, the second


def test_a_sentence_stays_in_its_place_while_others_come_and_go() -> None:
    decoding = Graphed(tiny_transformer(1)).start(1)
    decoding.admit([[5], [6], [7]])
    assert decoding._places == [0, 1, 2]
    decoding.step(np.array([1, 1, 1]))
    decoding.select(np.array([0, 2]), [0, 2])
    assert decoding._places == [0, 2]
    decoding.admit([[8], [9]])
    assert decoding._places == [0, 2, 1, 3]


def test_places_close_up_when_most_are_empty() -> None:
    decoding = Graphed(tiny_transformer(1)).start(1)
    decoding.admit([[token] for token in range(3, 11)])
    decoding.step(np.ones(8, np.int64))
    decoding.select(np.array([6, 2, 7]), [6, 2, 7])
    decoding.step(np.array([5, 5, 5]))
    assert sorted(decoding._places) == [0, 1, 2]
    assert decoding._places[1] == 2


def test_a_pool_grows_and_keeps_what_fits_its_memory() -> None:
    transformer = tiny_transformer(1, max_length=512)
    network = Graphed(transformer)
    decoding = network.start(2)
    decoding.admit([[5] * 300])
    (workspace,) = network._workspaces
    assert workspace.pool.shape == PoolShape(16, 128, 512)
    decoding.admit([[5]] * 20)
    assert workspace.pool.shape == PoolShape(32, 128, 512)

    network = Graphed(transformer, pool_bytes=1 << 20)
    decoding = network.start(2)
    decoding.admit([[5] * 500])
    decoding.select(np.array([], np.int64), [])
    decoding.admit([[5]] * 100)
    (workspace,) = network._workspaces
    assert workspace.pool.shape == PoolShape(128, 128, 64)


def test_two_batches_at_once_have_a_workspace_each_and_later_ones_take_over() -> None:
    network = Graphed(tiny_transformer(1))
    first, second = network.start(2), network.start(2)
    first.admit([[5]])
    second.admit([[5]])
    assert len(network._workspaces) == 2
    del first  # a batch that nobody finished
    assert network._workspaces[0].is_abandoned
    pool = network._workspaces[0].pool
    third = network.start(2)
    third.admit([[5]])
    assert len(network._workspaces) == 2
    assert network._workspaces[0].pool is not pool
    second.select(np.array([], np.int64), [])
    assert network._workspaces[1].is_free


class NoGraphs(TapeRecorder):
    def record(self, work: Callable[[], Any]) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")


def test_without_graphs_decoding_goes_on_and_says_so_once() -> None:
    transformer = tiny_transformer(2)
    network = Graphed(transformer, recorder_for=NoGraphs)
    request = Request((5, 6, EOS), DecodingOptions(beam_size=2, max_length=9))
    engine = Engine(network, beam_size=2)
    number = engine.submit(request)
    with pytest.warns(RuntimeWarning, match="goes on without CUDA graphs") as caught:
        answer = drain(engine)[number]
    assert len(caught) == 1
    assert "more of it" not in str(caught[0].message)
    assert_same(answer, alone(transformer, request))


class Full(TapeRecorder):
    def warm_up(self, work: Callable[[], Any]) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_batch_that_finds_no_memory_gives_up_what_it_has() -> None:
    network = Graphed(tiny_transformer(2), recorder_for=Full)
    decoding = network.start(2)
    with pytest.raises(torch.OutOfMemoryError):
        decoding.admit([[5, 6]])
    assert network._workspaces == []
    network._recorder_for = TapeRecorder
    decoding = network.start(2)
    decoding.admit([[5, 6]])
    decoding.step(np.array([1, 1]))


def test_an_engine_goes_on_with_less_when_memory_runs_out() -> None:
    runs = 0

    class FullOnce(TapeRecorder):
        def warm_up(self, work: Callable[[], Any]) -> Any:
            nonlocal runs
            runs += 1
            if runs == 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().warm_up(work)

    transformer = tiny_transformer(2)
    network = Graphed(transformer, recorder_for=FullOnce, buckets=FEW)
    engine = Engine(network, beam_size=2)
    draw = random.Random(3)
    requests = {}
    for _ in range(8):
        request = random_request(draw, 2)
        requests[engine.submit(request)] = request
    found = drain(engine)
    assert runs > 3
    assert found.keys() == requests.keys()
    for number, answer in found.items():
        assert_same(answer, alone(transformer, requests[number]))


@pytest.mark.parametrize("beam_size", [1, 4])
def test_nothing_waits_for_the_device(beam_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the device "meta" nothing can be read, and nothing of the host can be mixed in; so all
    that an engine does there but one reading a step goes through without waiting for a GPU."""
    draw = random.Random(beam_size)
    reads = 0

    def made_up(best: torch.Tensor, tokens: torch.Tensor, *named: Any) -> tuple[Any, ...]:
        """Scores that let a hypothesis end now and then."""
        nonlocal reads
        reads += 1
        assert all(tensor.is_meta for tensor in (best, tokens, *named))
        some = torch.stack([torch.randperm(12)[: tokens.shape[1]] for _ in tokens])
        falling = -torch.rand(best.shape, dtype=best.dtype).cumsum(1)
        return falling, some, *(torch.full(column.shape, -9.0) for column in named)

    monkeypatch.setattr(device, "on_host", made_up)
    engine = Engine(Graphed(tiny_transformer(1).to("meta"), buckets=FEW), beam_size=beam_size)
    steps = answers = 0
    for arrivals in (4, 2, 0, 0, 3, 9, 0, *[0] * 70):
        for _ in range(arrivals):
            engine.submit(Request([5] * draw.randint(1, 40), DecodingOptions(beam_size=beam_size)))
        steps += engine.busy
        answers += len(engine.step())
    assert answers == 18
    assert reads == steps


@pytest.fixture
def one_thread() -> Iterator[None]:
    """So that a row of a tensor is computed in the same way wherever it stands."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_only_positions_in_use_decide() -> None:
    """With buckets of one rung everything has one shape, and a sentence its very bits."""
    transformer = wide_transformer(torch.float32)
    one = Buckets(places=(8,), target=(64,), source=(64,))
    network = Graphed(transformer, buckets=one)
    draw = random.Random(5)
    options = DecodingOptions(beam_size=3, n_best=3, max_length=20)
    requests = [
        Request((*(draw.randrange(3, 500) for _ in range(draw.randint(1, 40))), EOS), options)
        for _ in range(8)
    ]

    def answers(batches: list[list[Request]]) -> list[Any]:
        found = []
        for batch in batches:
            engine = Engine(network, beam_size=3)
            for request in batch:
                engine.submit(request)
            found += [answer.hypotheses for _, answer in sorted(drain(engine).items())]
        return found

    assert answers([[request] for request in requests]) == answers([requests])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_infinities_of_a_sentence_that_left_do_not_stay(dtype: torch.dtype) -> None:
    network = Graphed(tiny_transformer(1, dtype=dtype))
    decoding = network.start(2)
    decoding.admit([[5, 6]])
    workspace = network._workspaces[0]
    if dtype == torch.float16:
        with torch.inference_mode():
            workspace.pool.cache.fill_(float("inf"))
    decoding.select(np.array([], np.int64), [])
    decoding.admit([[5, 6]])
    assert not decoding.step(np.array([1, 1])).all().isnan().any()
    assert network.dtype == str(dtype).removeprefix("torch.")
    assert decoding.step(np.array([1, 1])).all().dtype == torch.float32


def test_buckets_beyond_the_last_rung_are_its_multiples() -> None:
    assert FEW.covering(PoolShape(1, 1, 1)) == PoolShape(2, 16, 32)
    assert FEW.covering(PoolShape(6, 17, 64)) == PoolShape(10, 48, 64)
    assert FEW.covering(PoolShape(11, 97, 65)) == PoolShape(15, 144, 128)
