"""The vectorised beam search against the reference, and its rules one by one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from random_requests import random_options
from reference_search import reference_search

from tformer.model.hardware import device
from tformer.model.options import DecodingOptions, LengthNormalisation
from tformer.model.search.beam import Beam
from tformer.model.search.candidates import NextCandidate
from tformer.model.search.constraints import Progress, allocate
from tformer.model.search.hypotheses import (
    FINISHED,
    SENTENCE,
    FinishedHypothesis,
    exponent_and_offset,
    length_penalty,
    new_sentence,
    stopped,
)
from tformer.model.search.request import Request
from tformer.model.search.scores import LogProbs

BOS, EOS = 1, 2
TWO = Request((5,), DecodingOptions(beam_size=2))
GREEDY = Request((5,), DecodingOptions(beam_size=1))


class Given(LogProbs):
    """Log-probabilities (R, V) as they are, even if they do not add up to one."""

    def __init__(self, log_probs: torch.Tensor) -> None:
        super().__init__(log_probs)
        self._total = torch.zeros_like(self._total)


class Table:
    """Random next-token log-probabilities that depend on the whole prefix."""

    def __init__(self, seed: int, vocabulary: int, sharpness: float, impossible: float) -> None:
        self.seed = seed
        self.vocabulary = vocabulary
        self.sharpness = sharpness
        self.impossible = impossible

    def __call__(self, prefix: tuple[int, ...]) -> list[float]:
        draw = random.Random(f"{self.seed} {prefix}")
        logits = [draw.gauss(0, self.sharpness) for _ in range(self.vocabulary)]
        for token in range(self.vocabulary):
            if token != EOS and draw.random() < self.impossible:
                logits[token] = -math.inf
        total = math.log(sum(math.exp(logit) for logit in logits))
        return [logit - total for logit in logits]


def random_request(draw: random.Random, widest: int, vocabulary: int) -> tuple[Request, int]:
    """A request, and the length limit that goes with it."""
    limit = draw.randint(1, 9)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(draw.choice([EOS - 1, *range(EOS + 1, vocabulary)]) for _ in range(count))

    options = random_options(draw, widest, limit)
    prefix = tokens(draw.choice([0, 0, draw.randint(1, limit)]))
    required = tuple(
        tuple(tokens(draw.randint(1, 3)) for _ in range(draw.randint(1, 2)))
        for _ in range(draw.choice([0, 0, 1, 2, 3]))
    )
    if len(prefix) + Progress(required).after(prefix).needed > limit or options.sampling:
        required = ()
    return Request(tokens(draw.randint(1, 4)), options, prefix, required), limit


def attention(request: Request) -> Callable[[tuple[int, ...]], list[float]]:
    """To every token of the source, in choosing the token after a prefix."""

    def attend(prefix: tuple[int, ...]) -> list[float]:
        draw = random.Random(f"{request.source} {prefix}")
        weights = [draw.random() for _ in request.source]
        return [weight / sum(weights) for weight in weights]

    return attend


class Walk:
    """Runs a beam over tables, following the rows it returns as a cache would."""

    def __init__(self, widest: int) -> None:
        self.beam = Beam(widest, BOS, EOS)
        self.widest = widest
        self.waiting_for: list[int] = []
        self.tables: list[Table] = []
        self.attentions: list[Callable[[tuple[int, ...]], list[float]]] = []
        self.prefixes: list[tuple[int, ...]] = []  # of every row
        self.results: dict[int, list[FinishedHypothesis]] = {}

    def admit(self, admitted: list[tuple[int, Table, Request, int]]) -> None:
        self.beam.extend([a[2] for a in admitted], [a[3] for a in admitted])
        for number, table, request, _ in admitted:
            self.waiting_for.append(number)
            self.attentions.append(attention(request))
            self.tables.append(table)
            self.prefixes += [()] * self.widest

    def step(self) -> None:
        last = [prefix[-1] if prefix else BOS for prefix in self.prefixes]
        assert self.beam.tokens.tolist() == last
        log_probs = [self.tables[r // self.widest](p) for r, p in enumerate(self.prefixes)]
        scores = Given(torch.tensor(log_probs, dtype=torch.float64))
        rows = self.beam.advance(scores, self.attention() if self.beam.wants_attention else None)
        tokens = self.beam.tokens.tolist()
        self.prefixes = [
            (*self.prefixes[parent], token)
            for parent, token in zip(rows.tolist(), tokens, strict=True)
        ]
        done = [self.waiting_for[g] for g in self.beam.done]
        finished, kept = self.beam.take()
        self.results.update(zip(done, finished, strict=True))
        self.waiting_for = [self.waiting_for[g] for g in kept]
        self.tables = [self.tables[g] for g in kept]
        self.attentions = [self.attentions[g] for g in kept]
        self.prefixes = [
            self.prefixes[g * self.widest + k] for g in kept for k in range(self.widest)
        ]

    def attention(self) -> torch.Tensor:
        """Of every row, with zeros beyond the end of a source."""
        rows = [self.attentions[r // self.widest](p) for r, p in enumerate(self.prefixes)]
        width = max(map(len, rows)) + 1
        padded = [[*row, *[0.0] * (width - len(row))] for row in rows]
        return torch.tensor(padded, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(15))
def test_equals_the_reference_search(seed: int) -> None:
    """Six sentences a seed: own options, own steps, and neighbours that come and go."""
    draw = random.Random(seed)
    widest = draw.randint(1, 5)
    vocabulary = draw.randint(3, 12)
    sentences = []
    for number in range(6):
        sharpness, impossible = draw.choice([0.5, 2, 4]), draw.choice([0, 0, 0.4])
        table = Table(1000 * seed + number, vocabulary, sharpness, impossible)
        sentences.append((number, table, *random_request(draw, widest, vocabulary)))

    walk = Walk(widest)
    waiting = list(sentences)
    while waiting or walk.waiting_for:
        arriving = draw.randint(0 if walk.waiting_for else 1, 3)
        walk.admit(waiting[:arriving])
        waiting = waiting[arriving:]
        if walk.waiting_for:
            walk.step()

    for number, table, request, limit in sentences:
        expected = reference_search(table, request, limit, EOS, attention(request))
        found = walk.results[number]
        assert [h.tokens for h in found] == [h.tokens for h in expected]
        assert [h.score for h in found] == pytest.approx([h.score for h in expected])
        assert [len(h.token_scores) for h in found] == [len(h.tokens) + 1 for h in found]
        log_probs = [sum(h.token_scores) for h in found]
        assert log_probs == pytest.approx([h.log_prob for h in expected])
    assert walk.beam.num_sentences == 0


def test_a_finished_hypothesis_gives_its_place_to_the_next_best() -> None:
    beam = Beam(2, BOS, EOS)
    beam.extend([TWO], [5])
    log_probs = torch.tensor([[-9, -9, -0.9, -1, -2.0]] * 2, dtype=torch.float64)
    beam.advance(Given(log_probs))
    assert beam.tokens.tolist() == [3, 4]
    assert not beam.done


def test_an_end_outside_the_best_k_is_not_banked() -> None:
    beam = Beam(2, BOS, EOS)
    beam.extend([TWO], [0])
    beam.extend([TWO], [5])
    log_probs = torch.tensor([[-9, -9, -3, -1, -2.0]] * 4, dtype=torch.float64)
    beam.advance(Given(log_probs))
    finished, remaining = beam.take()  # at its limit the first one had to end, however unlikely
    assert finished == [[FinishedHypothesis((), -3.0, (-3.0,))]]
    assert remaining == [1]
    assert beam.tokens.tolist() == [3, 4]


def test_greedy_search_is_a_beam_of_one() -> None:
    table = Table(seed=7, vocabulary=8, sharpness=1, impossible=0)
    walk = Walk(1)
    walk.admit([(0, table, GREEDY, 20)])
    while walk.waiting_for:
        walk.step()
    tokens: tuple[int, ...] = ()
    while (best := max(range(8), key=table(tokens).__getitem__)) != EOS:
        tokens = (*tokens, best)
    assert walk.results[0][0].tokens == tokens


def test_what_a_model_computes_nonsense_for_ends_at_once() -> None:
    beam = Beam(2, BOS, EOS)
    beam.extend([TWO, TWO], [3, 3])
    log_probs = torch.tensor([[math.nan] * 6] * 2 + [[-1.0, -2, -9, -3, -4, -5]] * 2)
    beam.advance(Given(log_probs))
    assert beam.take() == ([[]], [1])
    assert beam.tokens.tolist() == [0, 1]


def test_keep_drops_sentences_that_still_run() -> None:
    beam = Beam(1, BOS, EOS)
    beam.extend([GREEDY] * 3, [90, 4, 4])
    logits = torch.tensor([[0, 0, 0, 9.0, 0], [0, 0, 0, 0, 9.0], [9.0, 0, 0, 0, 0]])
    beam.advance(Given(logits))
    beam.keep([2, 1])
    assert beam.tokens.tolist() == [0, 4]


def test_a_step_reads_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors on the device "meta" have no values: who reads one, or mixes in one of the host, is
    told so by torch. That is where a GPU would have to be waited for."""
    reads = 0

    def guess(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        nonlocal reads
        reads += 1
        assert all(tensor.is_meta for tensor in tensors)
        return tuple(torch.zeros(tensor.shape, dtype=tensor.dtype) for tensor in tensors)

    monkeypatch.setattr(device, "on_host", guess)
    options = DecodingOptions(beam_size=3, n_best=2)
    kinds = [Request((5,), options), Request((5,), options, prefix=(3, 4))]
    kinds.append(Request((5,), options, required=(((6,),), ((7, 8),))))
    beam = Beam(3, bos_id=1, eos_id=EOS)
    beam.extend([*kinds, *kinds], list(range(4, 10)))
    steps = 0
    while beam.num_sentences:
        logits = torch.empty(beam.num_sentences * 3, 20, device="meta")
        beam.advance(LogProbs(logits))
        beam.take()
        steps += 1
    assert steps == reads == 10


def test_a_wider_beam_than_the_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="2 places"):
        Beam(2, BOS, EOS).extend([Request((5,), DecodingOptions(beam_size=3))], [5])


@pytest.mark.parametrize(
    ("length", "alpha", "normalisation", "expected"),
    [
        pytest.param(1, 0.6, "paper", 1, id="one-token"),
        pytest.param(7, 1.0, "paper", 2, id="wu-et-al"),
        pytest.param(7, 1.0, "average", 7, id="the-length"),
        pytest.param(9, 0.5, "average", 3, id="a-power-of-the-length"),
    ],
)
def test_length_penalty(
    length: int, alpha: float, normalisation: LengthNormalisation, expected: float
) -> None:
    options = DecodingOptions(length_penalty=alpha, length_normalisation=normalisation)
    penalty = length_penalty(length, *exponent_and_offset(options))
    assert penalty == pytest.approx(expected)
    offset = {"paper": 5, "average": 0}[options.length_normalisation]
    assert penalty == ((offset + length) / (offset + 1)) ** alpha  # to the bit, as Python has it


NONE = -math.inf


@pytest.mark.parametrize(
    ("finished", "best_running", "step", "n_best", "exponent", "early", "expected"),
    [
        pytest.param([], -1.0, 3, 1, 0.6, True, False, id="nothing-banked"),
        pytest.param([-1.0, -2.0], -0.1, 3, 1, 0.6, True, True, id="beam-full"),
        pytest.param([-1.0], -0.1, 3, 1, 0.0, True, False, id="running-may-beat-the-best"),
        pytest.param([-1.0], -1.5, 3, 1, 0.0, True, True, id="running-can-only-fall"),
        pytest.param([-1.0], -1.5, 3, 1, 1.0, True, False, id="running-may-win-by-growing"),
        pytest.param([-1.0], -2.5, 3, 1, 1.0, True, True, id="not-even-by-growing"),
        pytest.param([-1.0], -9.0, 3, 2, 0.0, True, False, id="n-best-not-yet-complete"),
        pytest.param([], NONE, 8, 1, 0.6, True, True, id="past-the-limit"),
        pytest.param([-1.0], NONE, 3, 1, 0.6, True, True, id="nothing-runs-any-more"),
        pytest.param(
            [-1.0, -2.0], -0.1, 3, 1, 0.6, False, False, id="full-but-running-is-better-now"
        ),
        pytest.param(
            [-1.0, -2.0], -2.5, 1, 2, 1.0, False, True, id="full-and-running-is-worse-now"
        ),
    ],
)
def test_stopping_rules(
    finished: list[float],
    best_running: float,
    step: int,
    n_best: int,
    exponent: float,
    early: bool,
    expected: bool,
) -> None:
    """max_length 6, so that lp of the longest hypothesis is 2 ^ exponent."""
    options = DecodingOptions(
        beam_size=2, n_best=n_best, length_penalty=exponent, early_stopping=early
    )
    sentence = np.array([new_sentence(Request((5,), options), 6, 0)], SENTENCE)
    sentence["step"] = step
    sentence["num_kept"] = sentence["num_finished"] = len(finished)
    banked = np.zeros(2, FINISHED)
    banked["score"][: len(finished)] = finished
    assert stopped(sentence[0], banked, best_running) is expected


def test_what_is_required_is_in_every_translation() -> None:
    """However unlikely, and in any order; a phrase of four tokens, or the one of two."""
    required = (((3, 4, 5, 6), (7, 7)), ((9,),))
    options = DecodingOptions(beam_size=4, n_best=4)
    walk = Walk(4)
    tables = [Table(seed, 12, 3, 0) for seed in range(10)]
    walk.admit([(n, t, Request((5,), options, (), required), 20) for n, t in enumerate(tables)])
    while walk.waiting_for:
        walk.step()
    for number in range(10):
        for hypothesis in walk.results[number]:
            text = " ".join(map(str, hypothesis.tokens))
            assert ("3 4 5 6" in text or "7 7" in text) and "9" in text


def test_what_hypotheses_lack_decides_whose_turn_it_is() -> None:
    a, b, c, d = (NextCandidate(-float(i), 0, i) for i in range(1, 5))
    assert allocate({d: 0, a: 2, b: 2, c: 0}) == [c, a, d, b]
    assert allocate({}) == []


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        pytest.param((), 4, id="nothing-yet"),
        pytest.param((3,), 3, id="begun"),
        pytest.param((3, 3), 3, id="begun-again"),
        pytest.param((3, 9), 4, id="broken-off"),
        pytest.param((3, 4), 4, id="the-shorter-way-is-as-near"),
        pytest.param((3, 4, 5), 3, id="the-longer-way-is-nearer"),
        pytest.param((3, 4, 5, 3), 2, id="said-in-the-longer-way"),
        pytest.param((3, 6, 8), 1, id="said-in-the-shorter-way"),
        pytest.param((3, 6, 8, 8), 0, id="all-said"),
    ],
)
def test_tokens_that_are_still_needed(tokens: tuple[int, ...], expected: int) -> None:
    progress = Progress((((3, 4, 5, 3), (3, 6)), ((8, 8),)))
    assert progress.after(tokens).needed == expected
