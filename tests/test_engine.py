"""The engine against one-by-one results and against the reference search."""

from __future__ import annotations

import gc
import random
import resource
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from random_requests import random_options
from reference_search import Reference, reference_search
from tiny import tiny_transformer, wide_transformer

from tformer.model.engine.engine import Engine, Finished
from tformer.model.errors import DeviceError, ModelError, UsageError
from tformer.model.network.eager import Eager, EagerDecoding
from tformer.model.network.float32.packed import usable
from tformer.model.network.int8.network import Int8
from tformer.model.network.interface import Decoding
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request, Term

EOS = 2
GREEDY = DecodingOptions(beam_size=1)


def random_request(draw: random.Random, widest: int, vocab_size: int = 12) -> Request:
    limit = draw.randint(4, 12)
    options = replace(random_options(draw, widest, 2), max_length=draw.choice([None, limit]))

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(draw.randrange(3, vocab_size) for _ in range(count))

    prefix = tokens(draw.choice([0, 0, 0, 2]))
    required = ((tokens(2), tokens(1)),) if draw.random() < 0.3 and not options.sampling else ()
    pieces = tokens(draw.choice([0, 2, draw.randint(0, 29)]))
    return Request((*pieces, EOS), options, prefix, required)


def drain(engine: Engine) -> dict[int, Finished]:
    finished = {}
    while engine.busy:
        for answer in engine.step():
            assert answer.number not in finished
            finished[answer.number] = answer
    return finished


def alone(transformer: Transformer, request: Request) -> Finished:
    engine = Engine(Eager(transformer), beam_size=request.options.beam_size)
    number = engine.submit(request)
    return drain(engine)[number]


def assert_same(found: Finished, expected: Finished) -> None:
    assert [h.tokens for h in found.hypotheses] == [h.tokens for h in expected.hypotheses]
    assert [h.score for h in found.hypotheses] == pytest.approx(
        [h.score for h in expected.hypotheses]
    )


class Plain:
    """Decoding by running the whole network over every prefix: no cache, no batch, no padding."""

    def __init__(self, transformer: Transformer, request: Request) -> None:
        self.transformer = transformer
        self.source = torch.tensor([request.source])

    @torch.inference_mode()
    def log_probs(self, tokens: tuple[int, ...]) -> list[float]:
        logits = self.transformer(self.source, None, torch.tensor([[1, *tokens]]))
        return logits[0, -1].log_softmax(-1).tolist()

    @torch.inference_mode()
    def attention(self, tokens: tuple[int, ...]) -> list[float]:
        target = torch.tensor([[1, *tokens]])
        weights = self.transformer.attention_weights(self.source, None, target)
        return weights.cross[-1][0, :, -1].mean(0).tolist()


def expected_hypotheses(transformer: Transformer, request: Request) -> list[Reference]:
    limit = request.options.target_limit(len(request.source))
    plain = Plain(transformer, request)
    return reference_search(plain.log_probs, request, limit, EOS, plain.attention)


def check_against_the_reference(seed: int) -> None:
    """One random network; requests with options of their own that come, and are taken back."""
    draw = random.Random(seed)
    transformer = tiny_transformer(seed, vocab_size=draw.choice([6, 12]))
    vocab_size = transformer.config.vocab_size
    engine = Engine(Eager(transformer), beam_size=4, max_tokens=draw.choice([1, 100, 1000]))
    requests, finished = {}, {}
    for _ in range(4):
        for _ in range(draw.randint(0, 2)):
            request = random_request(draw, 4, vocab_size)
            request = replace(request, options=replace(request.options, max_length=6))
            requests[engine.submit(request)] = request
        if requests and draw.random() < 0.2:
            number = draw.choice(sorted(requests))
            if engine.cancel(number):
                del requests[number]
        finished.update((answer.number, answer) for answer in engine.step())
    finished.update(drain(engine))
    assert finished.keys() == requests.keys()
    for number, request in requests.items():
        expected = expected_hypotheses(transformer, request)
        found = finished[number].hypotheses
        assert [h.tokens for h in found] == [h.tokens for h in expected]
        assert [h.score for h in found] == pytest.approx([h.score for h in expected], rel=1e-9)
        assert [sum(h.token_scores) for h in found] == pytest.approx([h.log_prob for h in expected])


@pytest.mark.parametrize("seed", range(25))
def test_equals_the_reference_search(seed: int) -> None:
    check_against_the_reference(seed)


@pytest.mark.parametrize("seed", range(6))
def test_alternatives_change_no_hypothesis(seed: int) -> None:
    transformer = tiny_transformer(seed, vocab_size=12)
    request = random_request(random.Random(seed), 4)
    expected = alone(transformer, request)
    found = alone(transformer, replace(request, alternatives=True))
    assert found.hypotheses == expected.hypotheses
    assert not expected.alternatives
    assert len(found.alternatives) <= request.options.beam_size - len(found.hypotheses)
    scores = [h.score for h in (*found.hypotheses, *found.alternatives)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.slow
def test_equals_the_reference_search_on_a_thousand_models() -> None:
    for seed in range(1000, 2000):
        check_against_the_reference(seed)


@pytest.mark.parametrize("seed", range(12))
def test_neighbours_change_nothing(seed: int) -> None:
    """Requests that come at any time, in any company, under any budget, some taken back."""
    draw = random.Random(seed)
    transformer = tiny_transformer(seed)
    engine = Engine(Eager(transformer), beam_size=4, max_tokens=draw.choice([1, 200, 1000]))
    requests = {}
    finished: dict[int, Finished] = {}
    cancelled = set()
    for _ in range(14):
        for _ in range(draw.randint(0, 3)):
            request = random_request(draw, widest=4)
            requests[engine.submit(request)] = request
        if requests and draw.random() < 0.2:
            number = draw.choice(sorted(requests))
            expected = number not in finished and number not in cancelled
            assert engine.cancel(number) == expected
            if expected:
                cancelled.add(number)
        finished.update((answer.number, answer) for answer in engine.step())
    finished.update(drain(engine))

    assert finished.keys() == requests.keys() - cancelled
    for number, answer in finished.items():
        assert_same(answer, alone(transformer, requests[number]))


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Another number of threads, which share the rows of a product in another way."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("arithmetic", ["float32", "packed", "bfloat16"])
@pytest.mark.parametrize("beam_size", [1, 3, 4])
@pytest.mark.usefixtures("threads")
def test_neighbours_do_not_change_a_bit(arithmetic: str, beam_size: int) -> None:
    """Where float64 hides the order of a sum, these do not: tokens and scores are the very same."""
    draw = random.Random(beam_size)
    transformer = wide_transformer(torch.bfloat16 if arithmetic == "bfloat16" else torch.float32)
    if arithmetic == "packed":
        if not usable():
            pytest.skip("torch's own products are taken here")
        transformer.pack()
    options = DecodingOptions(beam_size=beam_size, n_best=beam_size, max_length=20)
    requests = [
        Request((*(draw.randrange(3, 500) for _ in range(draw.randint(1, 60))), EOS), options)
        for _ in range(12)
    ]
    expected = [alone(transformer, request).hypotheses for request in requests]
    for budget in (16384, 600):
        engine = Engine(Eager(transformer), beam_size=beam_size, max_tokens=budget)
        order = draw.sample(range(len(requests)), len(requests))
        numbers = {engine.submit(requests[index]): index for index in order}
        for number, answer in drain(engine).items():
            assert answer.hypotheses == expected[numbers[number]]


def test_nothing_is_left_behind_after_a_drain() -> None:
    transformer = tiny_transformer(1)
    engine = Engine(Eager(transformer), beam_size=3)
    draw = random.Random(1)
    for _ in range(20):
        engine.submit(random_request(draw, widest=3))
    assert len(drain(engine)) == 20
    assert not engine.busy
    assert engine.num_running == engine.num_waiting == 0
    assert engine._decoding._cache is None
    assert engine._beam.num_sentences == 0


def test_short_sentences_do_not_wait_for_long_ones() -> None:
    engine = Engine(Eager(tiny_transformer(1)), beam_size=1)
    long = engine.submit(
        Request((5, EOS), DecodingOptions(beam_size=1, min_length=30, max_length=30))
    )
    engine.step()
    short = engine.submit(Request((5, EOS), DecodingOptions(beam_size=1, max_length=1)))
    order = [answer.number for answer in drain(engine).values()]
    assert order == [short, long]


def test_the_batch_stays_within_its_budget() -> None:
    engine = Engine(Eager(tiny_transformer(1)), beam_size=2, max_tokens=80)
    for length in (5, 5, 40, 5, 20, 5, 5, 5, 5, 5):
        options = DecodingOptions(beam_size=2, min_length=8, max_length=8)
        engine.submit(Request((*[5] * (length - 1), EOS), options))
    largest = 0
    while engine.busy:
        engine.step()
        if engine.num_running:
            longest = max(sentence.length for sentence in engine._running)
            largest = max(largest, 2 * longest * engine.num_running)
    assert largest == 80


def test_without_padding_a_long_sentence_takes_no_room_from_short_ones() -> None:
    """A budget of 90 holds three sentences as long as the longest one, or 80 tokens of eleven."""
    together = {}
    for network in (Int8(tiny_transformer(1)), Eager(tiny_transformer(1))):
        engine = Engine(network, beam_size=1, max_tokens=90)
        for length in (30, *[5] * 10, 40, 5):
            options = DecodingOptions(beam_size=1, min_length=40, max_length=40)
            engine.submit(Request((*[5] * (length - 1), EOS), options))
        engine.step()
        together[type(network)] = engine.num_running
        while engine.busy:
            engine.step()
            assert sum(sentence.length for sentence in engine._running) <= 90
    assert together == {Int8: 11, Eager: 3}


def test_a_sentence_over_the_budget_runs_alone() -> None:
    engine = Engine(Eager(tiny_transformer(1)), beam_size=2, max_tokens=10)
    for _ in range(2):
        engine.submit(Request((*[5] * 30, EOS), DecodingOptions(beam_size=2, max_length=3)))
    engine.step()
    assert (engine.num_running, engine.num_waiting) == (1, 1)
    assert len(drain(engine)) == 2


def test_requests_enter_in_the_order_in_which_they_came() -> None:
    engine = Engine(Eager(tiny_transformer(1)), beam_size=1, max_tokens=20)
    one_token = DecodingOptions(beam_size=1, min_length=1, max_length=1)
    for length in (20, 2, 20, 2):
        engine.submit(Request((*[5] * (length - 1), EOS), one_token))
    assert list(drain(engine)) == [0, 1, 2, 3]


def test_the_network_is_not_asked_for_positions_it_does_not_have() -> None:
    transformer = tiny_transformer(1, max_length=16)
    options = DecodingOptions(beam_size=1, min_length=15)
    (hypothesis,) = alone(transformer, Request((*[5] * 15, EOS), options)).hypotheses
    assert len(hypothesis.tokens) == 15


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        pytest.param(Request(()), "1 to 64 tokens, not 0", id="empty-source"),
        pytest.param(Request((5,) * 65), "1 to 64 tokens, not 65", id="source-too-long"),
        pytest.param(
            Request((5,), DecodingOptions(beam_size=5)), "beam_size must be at most", id="wide-beam"
        ),
        pytest.param(Request((5,), prefix=(12,)), "token 12 cannot be said", id="no-such-token"),
        pytest.param(Request((5,), prefix=(EOS,)), "token 2 cannot be said", id="prefix-ends"),
        pytest.param(
            Request((5,), required=(((-1,),),)), "token -1 cannot be said", id="negative-token"
        ),
        pytest.param(
            Request((5,), DecodingOptions(max_length=4), (3, 4), (((4, 5),), ((6, 6), (7,) * 3))),
            "take 5 tokens, but max_length is 4",
            id="more-required-than-allowed",
        ),
    ],
)
def test_wrong_requests_are_refused(request_: Request, message: str) -> None:
    engine = Engine(Eager(tiny_transformer(1)), beam_size=4)
    with pytest.raises(UsageError, match=message):
        engine.submit(request_)
    assert not engine.busy


@pytest.mark.parametrize("required", [((),), (((),),), (((3,), ()),)], ids=str)
def test_a_term_that_cannot_be_said_is_refused(required: tuple[Term, ...]) -> None:
    with pytest.raises(UsageError, match="a required term must have an alternative"):
        Request((5,), required=required)


def test_samples_promise_no_terms() -> None:
    with pytest.raises(UsageError, match="sampling cannot promise"):
        Request((5,), DecodingOptions(sampling=True), required=(((3,),),))


def test_a_network_that_does_not_tell_its_attention_says_so() -> None:
    class Silent(Eager):
        def start(self, beam_size: int) -> Decoding:  # type: ignore[override]
            class Silenced:
                admit = step = select = None

            return Silenced()  # type: ignore[return-value]

    engine = Engine(Silent(tiny_transformer(1)))
    with pytest.raises(UsageError, match="coverage_penalty needs to know"):
        engine.submit(Request((5,), DecodingOptions(coverage_penalty=0.1)))


class Cramped(Eager):
    """A network on a device that has memory for so many sentences, and gets by until ``verb``."""

    def __init__(self, transformer: Transformer, verb: str, capacity: int) -> None:
        super().__init__(transformer)
        self.verb = verb
        self.capacity = capacity
        self.failures = 0

    def start(self, beam_size: int) -> EagerDecoding:
        decoding = super().start(beam_size)
        called = getattr(decoding, self.verb)

        def cramped(*arguments: Any) -> Any:
            result = called(*arguments)
            cache = decoding._cache
            if cache is not None and cache.num_sentences > self.capacity:
                self.failures += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return result

        setattr(decoding, self.verb, cramped)
        return decoding


@pytest.mark.parametrize("verb", ["admit", "step", "select"])
def test_out_of_memory_halves_the_batch_and_loses_nothing(verb: str) -> None:
    draw = random.Random(verb)
    requests = [random_request(draw, widest=2) for _ in range(20)]
    transformer = tiny_transformer(1)
    network = Cramped(transformer, verb, capacity=3)
    engine = Engine(network, beam_size=2)
    numbers = [engine.submit(request) for request in requests]
    engine.step()
    assert engine.cancel(numbers.pop())
    found = drain(engine)
    assert sorted(found) == numbers
    for number, request in zip(numbers, requests, strict=False):
        assert_same(found[number], alone(transformer, request))
    assert 0 < network.failures < 8


def test_a_sentence_for_which_there_is_no_memory_is_an_error() -> None:
    network = Cramped(tiny_transformer(1), "step", capacity=0)
    engine = Engine(network, beam_size=2)
    engine.submit(Request((5, EOS), DecodingOptions(beam_size=2)))
    with pytest.raises(DeviceError, match="one sentence of 2 tokens and a beam of 2"):
        engine.step()
    assert not engine.busy
    network.capacity = 1
    engine.submit(Request((5, EOS), DecodingOptions(beam_size=2)))
    assert len(drain(engine)) == 1


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def run_tiny_requests(engine: Engine, count: int) -> None:
    """A few tokens each, many at a time, some of them cancelled."""
    kinds = [
        Request((*range(3, 3 + n), EOS), DecodingOptions(beam_size=2, n_best=2, max_length=limit))
        for n in (0, 2)
        for limit in (1, 2)
    ]
    for _ in range(count // 500):
        numbers = [engine.submit(kinds[index % len(kinds)]) for index in range(500)]
        engine.step()
        assert engine.cancel(*numbers[::11]) and not engine.cancel(*numbers[::11])
        drain(engine)


def test_requests_leave_no_memory_behind() -> None:
    engine = Engine(Eager(tiny_transformer(1)), beam_size=2, max_tokens=2000)
    tracemalloc.start()
    try:
        run_tiny_requests(engine, 500)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        run_tiny_requests(engine, 1500)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000  # a leak of one object a request would be more


@pytest.mark.slow
def test_a_hundred_thousand_requests_leave_nothing_behind() -> None:
    engine = Engine(Eager(tiny_transformer(1)), beam_size=2, max_tokens=2000)
    run_tiny_requests(engine, 1000)
    gc.collect()
    objects, memory = len(gc.get_objects()), resident()
    run_tiny_requests(engine, 100_000)
    gc.collect()
    assert len(gc.get_objects()) - objects < 100
    assert resident() - memory < 16 * 2**20


def test_a_damaged_model_is_an_error_and_not_an_endless_loop() -> None:
    transformer = tiny_transformer(1)
    with torch.no_grad():
        transformer.embedding.weight.fill_(float("nan"))
    engine = Engine(Eager(transformer), beam_size=2)
    engine.submit(Request((5, EOS), DecodingOptions(beam_size=2, max_length=3)))
    with pytest.raises(ModelError, match="NaN"):
        drain(engine)


def test_an_idle_engine_has_nothing_to_do() -> None:
    engine = Engine(Eager(tiny_transformer(1)))
    assert engine.step() == []
    assert not engine.cancel(0)


def test_terms_that_other_options_forbid_end_one_request_alone() -> None:
    """A term that says a token twice, where no token may be said twice."""
    transformer = tiny_transformer(1)
    engine = Engine(Eager(transformer), beam_size=2)
    options = DecodingOptions(beam_size=2, max_length=12, no_repeat_ngram_size=1)
    impossible = engine.submit(Request((5, 6), options, required=(((7, 7),),)))
    other = engine.submit(Request((5, 6, 8), replace(options, no_repeat_ngram_size=0)))
    found = drain(engine)
    assert found[impossible].hypotheses == ()
    assert_same(
        found[other],
        alone(transformer, Request((5, 6, 8), replace(options, no_repeat_ngram_size=0))),
    )
