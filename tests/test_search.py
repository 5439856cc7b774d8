"""The vectorised beam search against the reference, and its rules one by one."""

from __future__ import annotations

import math
import random

import pytest
import torch
from reference_search import reference_search

from tformer.model import search
from tformer.model.options import DecodingOptions
from tformer.model.scores import LogProbs
from tformer.model.search import Beam, FinishedHypothesis, SearchState, length_penalty, stopped

BOS, EOS = 1, 2


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


def random_options(draw: random.Random, widest: int) -> tuple[DecodingOptions, int]:
    """Options, and the length limit that goes with them."""
    beam_size = draw.randint(1, widest)
    limit = draw.randint(1, 9)
    options = DecodingOptions(
        beam_size=beam_size,
        n_best=draw.randint(1, beam_size),
        length_penalty=draw.choice([0, 0.6, 1, 2.5]),
        length_normalisation=draw.choice(["paper", "average"]),
        early_stopping=draw.random() < 0.5,
        min_length=draw.choice([0, 0, draw.randint(0, limit)]),
    )
    return options, limit


class Walk:
    """Runs a beam over tables, following the rows it returns as a cache would."""

    def __init__(self, widest: int) -> None:
        self.beam = Beam(widest, BOS, EOS, dtype=torch.float64)
        self.widest = widest
        self.waiting_for: list[int] = []
        self.tables: list[Table] = []
        self.prefixes: list[tuple[int, ...]] = []  # of every row
        self.results: dict[int, list[FinishedHypothesis]] = {}

    def admit(self, admitted: list[tuple[int, Table, DecodingOptions, int]]) -> None:
        self.beam.extend([a[2] for a in admitted], [a[3] for a in admitted])
        for number, table, _, _ in admitted:
            self.waiting_for.append(number)
            self.tables.append(table)
            self.prefixes += [()] * self.widest

    def step(self) -> None:
        last = [prefix[-1] if prefix else BOS for prefix in self.prefixes]
        assert self.beam.tokens.tolist() == last
        log_probs = [self.tables[r // self.widest](p) for r, p in enumerate(self.prefixes)]
        rows = self.beam.advance(Given(torch.tensor(log_probs, dtype=torch.float64)))
        tokens = self.beam.tokens.tolist()
        self.prefixes = [
            (*self.prefixes[parent], token)
            for parent, token in zip(rows.tolist(), tokens, strict=True)
        ]
        done = [self.waiting_for[g] for g in self.beam.done.nonzero()[:, 0].tolist()]
        finished, kept = self.beam.take()
        self.results.update(zip(done, finished, strict=True))
        self.waiting_for = [self.waiting_for[g] for g in kept]
        self.tables = [self.tables[g] for g in kept]
        self.prefixes = [
            self.prefixes[g * self.widest + k] for g in kept for k in range(self.widest)
        ]


@pytest.mark.parametrize("seed", range(60))
def test_equals_the_reference_search(seed: int) -> None:
    """Six sentences a seed: own options, own steps, and neighbours that come and go."""
    draw = random.Random(seed)
    widest = draw.randint(1, 5)
    vocabulary = draw.randint(3, 12)
    sentences = []
    for number in range(6):
        sharpness, impossible = draw.choice([0.5, 2, 4]), draw.choice([0, 0, 0.4])
        table = Table(1000 * seed + number, vocabulary, sharpness, impossible)
        sentences.append((number, table, *random_options(draw, widest)))

    walk = Walk(widest)
    waiting = list(sentences)
    while waiting or walk.waiting_for:
        arriving = draw.randint(0 if walk.waiting_for else 1, 3)
        walk.admit(waiting[:arriving])
        waiting = waiting[arriving:]
        if walk.waiting_for:
            walk.step()

    for number, table, options, limit in sentences:
        expected = reference_search(table, options, limit, EOS)
        found = walk.results[number]
        assert [h.tokens for h in found] == [tokens for tokens, _ in expected]
        assert [h.score for h in found] == pytest.approx([score for _, score in expected])
    assert walk.beam.num_sentences == 0


def test_a_finished_hypothesis_gives_its_place_to_the_next_best() -> None:
    beam = Beam(2, BOS, EOS, dtype=torch.float64)
    beam.extend([DecodingOptions(beam_size=2)], [5])
    log_probs = torch.tensor([[-9, -9, -0.9, -1, -2.0]] * 2, dtype=torch.float64)
    beam.advance(Given(log_probs))
    assert beam.tokens.tolist() == [3, 4]
    assert not beam.done.any()


def test_an_end_outside_the_best_k_is_not_banked() -> None:
    beam = Beam(2, BOS, EOS, dtype=torch.float64)
    beam.extend([DecodingOptions(beam_size=2)], [0])
    beam.extend([DecodingOptions(beam_size=2)], [5])
    log_probs = torch.tensor([[-9, -9, -3, -1, -2.0]] * 4, dtype=torch.float64)
    beam.advance(Given(log_probs))
    finished, remaining = beam.take()  # at its limit the first one had to end, however unlikely
    assert finished == [[FinishedHypothesis((), -3.0)]]
    assert remaining == [1]
    assert beam.tokens.tolist() == [3, 4]


def test_greedy_search_is_a_beam_of_one() -> None:
    table = Table(seed=7, vocabulary=8, sharpness=1, impossible=0)
    walk = Walk(1)
    walk.admit([(0, table, DecodingOptions(beam_size=1), 20)])
    while walk.waiting_for:
        walk.step()
    tokens: tuple[int, ...] = ()
    while (best := max(range(8), key=table(tokens).__getitem__)) != EOS:
        tokens = (*tokens, best)
    assert walk.results[0][0].tokens == tokens


def test_a_model_that_computes_nonsense_ends_at_the_limit() -> None:
    beam = Beam(2, BOS, EOS)
    beam.extend([DecodingOptions(beam_size=2)], [3])
    for _ in range(4):
        assert not beam.done.any()
        beam.advance(Given(torch.full((2, 6), math.nan)))
    finished, _ = beam.take()
    assert finished == [[]]


def test_keep_drops_sentences_that_still_run() -> None:
    beam = Beam(1, BOS, EOS)
    greedy = DecodingOptions(beam_size=1)
    beam.extend([greedy] * 3, [90, 4, 4])
    logits = torch.tensor([[0, 0, 0, 9.0, 0], [0, 0, 0, 0, 9.0], [9.0, 0, 0, 0, 0]])
    beam.advance(Given(logits))
    beam.keep([2, 1])
    assert beam.tokens.tolist() == [0, 4]


def test_a_step_reads_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors on the device "meta" have no values: who reads one, or mixes in one of the host, is
    told so by torch. That is where a GPU would have to be waited for."""
    reads = 0

    def every_third_is_done(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        nonlocal reads
        reads += 1
        assert all(tensor.is_meta for tensor in tensors)
        copies = tuple(torch.zeros(tensor.shape, dtype=tensor.dtype) for tensor in tensors)
        copies[0][::3] = True
        return copies

    monkeypatch.setattr(search, "on_host", every_third_is_done)
    beam = Beam(3, bos_id=1, eos_id=EOS, device="meta")
    beam.extend([DecodingOptions(beam_size=3, n_best=2)] * 7, list(range(4, 11)))
    left = []
    while beam.num_sentences:
        assert beam.tokens.is_meta
        logits = torch.empty(beam.num_sentences * 3, 20, device="meta")
        assert beam.advance(LogProbs(logits)).is_meta
        left.append(len(beam.take()[0]))
        beam.extend([], [])
    assert left == [3, 2, 1, 1]
    assert reads == 4


def test_a_wider_beam_than_the_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="2 places"):
        Beam(2, BOS, EOS).extend([DecodingOptions(beam_size=3)], [5])


def test_length_penalty_is_that_of_wu_et_al_or_a_power_of_the_length() -> None:
    exponent = torch.tensor([0.6, 1.0, 1.0, 0.5], dtype=torch.float64)
    offset = torch.tensor([5, 5, 0, 0])
    found = length_penalty(torch.tensor([1, 7, 7, 9]), exponent, offset)
    assert found.tolist() == pytest.approx([1, 2, 7, 3])


NONE = -math.inf


@pytest.mark.parametrize(
    ("bank_scores", "best_running", "step", "n_best", "exponent", "early", "expected"),
    [
        pytest.param([NONE, NONE], -1.0, 3, 1, 0.6, True, False, id="nothing-banked"),
        pytest.param([-1.0, -2.0], -0.1, 3, 1, 0.6, True, True, id="beam-full"),
        pytest.param([-1.0, NONE], -0.1, 3, 1, 0.0, True, False, id="running-may-beat-the-best"),
        pytest.param([-1.0, NONE], -1.5, 3, 1, 0.0, True, True, id="running-can-only-fall"),
        pytest.param([-1.0, NONE], -1.5, 3, 1, 1.0, True, False, id="running-may-win-by-growing"),
        pytest.param([-1.0, NONE], -2.5, 3, 1, 1.0, True, True, id="not-even-by-growing"),
        pytest.param([-1.0, NONE], -9.0, 3, 2, 0.0, True, False, id="n-best-not-yet-complete"),
        pytest.param([NONE, NONE], NONE, 8, 1, 0.6, True, True, id="past-the-limit"),
        pytest.param([-1.0, NONE], NONE, 3, 1, 0.6, True, True, id="nothing-runs-any-more"),
        pytest.param(
            [-1.0, -2.0], -0.1, 3, 1, 0.6, False, False, id="full-but-running-is-better-now"
        ),
        pytest.param(
            [-1.0, -2.0], -2.5, 1, 2, 1.0, False, True, id="full-and-running-is-worse-now"
        ),
    ],
)
def test_stopping_rules(
    bank_scores: list[float],
    best_running: float,
    step: int,
    n_best: int,
    exponent: float,
    early: bool,
    expected: bool,
) -> None:
    """max_length 6, so that lp of the longest hypothesis is 2 ^ exponent."""
    tokens = torch.zeros(1, 2, 7, dtype=torch.int64)
    state = SearchState(
        step=torch.tensor([step]),
        tokens=tokens,
        log_probs=torch.tensor([[best_running, NONE]]),
        bank_tokens=tokens,
        bank_lengths=tokens[:, :, 0],
        bank_scores=torch.tensor([bank_scores]),
        num_banked=torch.tensor([sum(score > NONE for score in bank_scores)]),
        beam_size=torch.tensor([2]),
        n_best=torch.tensor([n_best]),
        exponent=torch.tensor([exponent]),
        offset=torch.tensor([5]),
        stops_early=torch.tensor([early]),
        min_length=torch.tensor([0]),
        max_length=torch.tensor([6]),
    )
    assert stopped(state).tolist() == [expected]
