"""The int8 network against the plain one, whose products are given the same rounded numbers."""

from __future__ import annotations

import copy
import math
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from int8_storage import stored
from tiny import wide_transformer
from torch import Tensor, nn

from tformer.model.config import AlignmentHeads, TransformerConfig
from tformer.model.engine.engine import Engine
from tformer.model.errors import ModelError
from tformer.model.network.eager import Eager
from tformer.model.network.int8 import topk
from tformer.model.network.int8.gemm import partial_product, product_plain
from tformer.model.network.int8.kv_cache import Cache
from tformer.model.network.int8.network import ENCODED_TOGETHER, Int8
from tformer.model.network.int8.packing import (
    LIMIT,
    QUANTISED_TOGETHER,
    Projection,
    filled,
    quantised,
)
from tformer.model.network.int8.scorer import Int8Reader
from tformer.model.network.int8.simd.tiles import BLOCK, PANEL
from tformer.model.network.int8.simd.vectors import LOWEST
from tformer.model.network.shortlist import Shortlist
from tformer.model.network.transformer import Transformer
from tformer.model.network.variants import build
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.torch_scorer import PlainReader
from tformer.model.search.request import Pair, Request

EOS = 2


def shaped(**changes: object) -> Transformer:
    """A small random network of any shape, with biases that matter."""
    torch.manual_seed(3)
    shape = {
        "vocab_size": 150,
        "d_model": 64,
        "num_heads": 4,
        "d_ff": 100,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "norm": "pre",
        "max_length": 100,
    }
    transformer = build(TransformerConfig(**{**shape, **changes}))
    with torch.no_grad():
        for name, parameter in transformer.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    return transformer.eval()


# -- products -----------------------------------------------------------------------------


def rounded_weight(weight: Tensor) -> Tensor:
    scale = weight.abs().amax(1, keepdim=True) / 127
    return (weight / scale.clamp(min=1e-30)).round() * scale


def rounded_rows(states: Tensor) -> Tensor:
    scale = states.abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
    return (states / scale).round() * scale


def in_rows(values: np.ndarray) -> np.ndarray:
    """Rows of numbers as products read them."""
    return stored(np.pad(values, ((0, 0), (0, filled(values.shape[1]) - values.shape[1]))))


@pytest.mark.parametrize("width", [64, 100])
def test_a_matrix_in_int8_is_laid_out_as_one_that_is_quantised(width: int) -> None:
    draw = np.random.default_rng(2)
    weight = draw.normal(size=(150, width)).astype(np.float32)
    scale = np.abs(weight).max(1) / np.float32(127)
    whole = np.rint(weight / scale[:, None]).astype(np.int8)
    ours = quantised(Projection(whole, None, scale), Projection(whole.T.copy().T, None, scale))
    theirs = quantised(Projection(weight), Projection(weight))
    for found, wanted in zip(ours, theirs, strict=True):
        assert (found == wanted).all()


@pytest.mark.parametrize("multiply", [partial_product, product_plain], ids=["chosen", "plain"])
@pytest.mark.parametrize("rows", [1, 3, 4, 9])
@pytest.mark.parametrize(("width", "out"), [(64, 64), (100, 70), (8, 200)])
def test_a_product_is_the_exact_sum_of_products(
    multiply: object, rows: int, width: int, out: int
) -> None:
    draw = np.random.default_rng(rows)
    weight = draw.integers(-127, 128, (out, width))
    weight[0] = LIMIT
    weight[1] = -LIMIT
    weight[:, 0] = 127  # so that every scale is one
    linear = quantised(Projection(weight.astype(np.float32)))
    values = draw.integers(-LIMIT, LIMIT + 1, (rows + 2, width))
    values[0] = -LIMIT
    outputs = np.full((rows + 1) * filled(out), -1, np.float32)
    factors = (2.0 ** np.arange(rows)).astype(np.float32)
    multiply(in_rows(values), factors, rows, linear, outputs, 0, filled(out))
    expected = values[:rows] @ weight.T
    found = outputs[: rows * filled(out)].reshape(rows, -1)
    assert (found[:, :out] == expected * factors[:, None]).all()
    assert (found[:, out:] == 0).all()
    assert (outputs[rows * filled(out) :] == -1).all(), "nothing is written beyond the last row"


def test_a_product_is_scaled_and_biased() -> None:
    draw = np.random.default_rng(5)
    weight, bias = draw.normal(size=(70, 100)), draw.normal(size=70)
    linear = quantised(Projection(weight, bias))
    values = draw.integers(-LIMIT, LIMIT + 1, (6, 100))
    activations = in_rows(values)
    factors = draw.random(6, np.float32)
    found, plain = np.empty(6 * filled(70), np.float32), np.empty(6 * filled(70), np.float32)
    partial_product(activations, factors, 6, linear, found, 0, filled(70))
    product_plain(activations, factors, 6, linear, plain, 0, filled(70))
    np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-5)
    real = values * factors[:, None]
    expected = real @ rounded_weight(torch.from_numpy(weight)).numpy().T + bias
    np.testing.assert_allclose(found.reshape(6, -1)[:, :70], expected, rtol=1e-4, atol=1e-3)


def test_weights_have_a_scale_an_output_and_a_panel_a_projection() -> None:
    first, second = torch.randn(10, 20), torch.randn(70, 20) * 100
    linear = quantised(Projection(first.numpy(), np.ones(10)), Projection(second.numpy()))
    assert linear.weight.shape == (3 * PANEL // BLOCK, PANEL // 4, BLOCK, 4)
    found = linear.weight.transpose(0, 2, 1, 3).reshape(3 * PANEL, -1) * linear.scale[:, None]
    torch.testing.assert_close(torch.from_numpy(found[:10, :20]).float(), rounded_weight(first))
    torch.testing.assert_close(
        torch.from_numpy(found[PANEL : PANEL + 70, :20]).float(), rounded_weight(second)
    )
    assert linear.bias[:11].tolist() == [1.0] * 10 + [0.0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_many_rows_are_quantised_as_few_are(dtype: type) -> None:
    draw = np.random.default_rng(5)
    out = 2 * QUANTISED_TOGETHER + 70
    weight, bias = draw.normal(size=(out, 30)).astype(dtype), draw.normal(size=out).astype(dtype)
    bias[3] = -math.inf  # what may never be said
    linear = quantised(Projection(weight, bias))
    for row in (0, 3, QUANTISED_TOGETHER - 1, QUANTISED_TOGETHER, out - 1):
        alone = quantised(Projection(weight[row : row + 1], bias[row : row + 1]))
        block, place = divmod(row, BLOCK)
        assert (linear.weight[block, :, place] == alone.weight[0, :, 0]).all()
        for name in ("start", "scale", "bias"):
            assert getattr(linear, name)[row] == getattr(alone, name)[0]
    assert linear.bias[3] == LOWEST
    for part in linear[1:]:
        assert not part[out:].any()


@pytest.mark.parametrize("damage", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(damage: float) -> None:
    transformer = shaped()
    with torch.no_grad():
        transformer.decoder[0].feed_forward.inner.weight[3, 3] = damage
    with pytest.raises(ModelError, match="damaged"):
        Int8(transformer)


# -- the network --------------------------------------------------------------------------


def rounding(transformer: Transformer) -> Transformer:
    """The plain network with int8's rounding before every product, in float64."""
    reference = copy.deepcopy(transformer).double()
    for module in reference.modules():
        if isinstance(module, nn.Linear):
            module.weight.data = rounded_weight(module.weight.data)
            module.register_forward_pre_hook(lambda _, inputs: (rounded_rows(inputs[0]),))
    output = rounded_weight(reference.output_weight.data)

    def project(states: Tensor) -> Tensor:
        return nn.functional.linear(rounded_rows(states), output, reference.logits_bias)

    reference.project = project
    return reference


SHAPES = {
    "pre": {},
    "post": {"norm": "post"},
    "gelu": {"activation": "gelu"},
    "silu": {"activation": "silu"},
    "narrow": {"d_model": 24, "num_heads": 3, "d_ff": 40, "vocab_size": 20},
    "marian": {"logits_bias": True, "positions": "concatenated", "norm": "post"},
    "two vocabularies": {"target_vocab_size": 90, "scale_embedding": False},
    "bergamot": {"look_back": "ssru", "positions": "tensor2tensor", "norm": "post"},
    "mbart": {
        "positions": "learned",
        "embedding_norm": True,
        "own_output": True,
        "activation": "gelu_tanh",
    },
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_it_computes_what_the_plain_network_does_with_the_same_rounding(shape: dict) -> None:
    transformer = shaped(**shape)
    network, reference = Int8(transformer), Eager(rounding(transformer))
    draw = random.Random(1)
    vocab_size = transformer.config.vocab_size
    sources = [[draw.randrange(3, vocab_size) for _ in range(n)] for n in (1, 7, 40)]
    ours, theirs = network.start(2), reference.start(2)
    with torch.inference_mode():
        for batch in (sources[:2], sources[2:]):  # the last sentence comes a few steps later
            ours.admit(batch)
            theirs.admit(batch)
            rows = 2 * (2 if len(batch) == 2 else 3)
            for _ in range(5):
                tokens = np.array([draw.randrange(3, 20) for _ in range(rows)])
                found, expected = ours.step(tokens), theirs.step(tokens)
                # A number on the edge between two may be rounded to the other one.
                torch.testing.assert_close(
                    found.all().double(), expected.all(), atol=0.05, rtol=0.02
                )
                order = [r ^ draw.randrange(2) for r in range(rows)]
                ours.select(np.array(order))
                theirs.select(np.array(order))
        ours.select(np.array([4, 4, 1, 0]), [2, 0])
        theirs.select(np.array([4, 4, 1, 0]), [2, 0])
        tokens = np.array([5, 6, 7, 8])
        torch.testing.assert_close(
            ours.step(tokens).all().double(), theirs.step(tokens).all(), atol=0.05, rtol=0.02
        )


def test_the_best_tokens_are_those_of_all() -> None:
    network = Int8(shaped(vocab_size=1000))
    decoding = network.start(4)
    decoding.admit([[5, 6, 7], [8, 9, 10, 11]])
    scores = decoding.step(np.array([1, 4, 5, 6, 7, 8, 9, 10]))
    whole = scores.all()
    torch.testing.assert_close(whole.exp().sum(1), torch.ones(8))
    for width in (1, 9, 50):
        log_probs, tokens = map(torch.from_numpy, scores.best(width))
        torch.testing.assert_close(log_probs, whole.topk(width).values)
        torch.testing.assert_close(whole.gather(1, tokens), log_probs)
        assert all(len(set(row)) == width for row in tokens.tolist())
    scores.best(9, [77, 5])
    for token in (EOS, 77, 5, 78):  # of the last one it was not told
        torch.testing.assert_close(torch.from_numpy(scores.of(token)), whole[:, token])


def test_of_a_large_vocabulary_logits_are_computed_in_parts() -> None:
    transformer = shaped(vocab_size=topk.WHOLE + 3 * topk.PART + 77)
    network = Int8(transformer)
    ours, theirs = network.start(2), Eager(rounding(transformer)).start(2)
    rows = 2 * topk.PART_TOGETHER + 2  # in three lots
    sources = [[5, 6, 7, EOS]] * (rows // 2)
    tokens = np.arange(rows) * 500 + 1
    for decoding in (ours, theirs):
        decoding.admit(sources)
    scores, expected = ours.step(tokens), theirs.step(tokens).all()
    named = [transformer.config.vocab_size - 1, topk.WHOLE // 2]
    log_probs, found = map(torch.from_numpy, scores.best(9, named))
    asked = [scores.of(token) for token in (EOS, *named)]
    whole = scores.all()
    torch.testing.assert_close(whole.double(), expected, atol=0.05, rtol=0.02)
    torch.testing.assert_close(whole.exp().sum(1), torch.ones(rows))
    torch.testing.assert_close(log_probs, whole.topk(9).values)
    torch.testing.assert_close(whole.gather(1, found), log_probs)
    for token, mine in zip((EOS, *named), asked, strict=True):
        torch.testing.assert_close(torch.from_numpy(mine), whole[:, token])


# -- with a shortlist ---------------------------------------------------------------------


def listed_network() -> tuple[Int8, Int8, Shortlist]:
    """One without a shortlist, one with, and the list: each token of a source asks for 20."""
    transformer = shaped(vocab_size=1000)
    draw = np.random.default_rng(4)
    tokens = draw.integers(0, 1000, 20_000).astype(np.uint32)
    offsets = np.arange(0, 20_001, 20, dtype=np.uint64)
    shortlist = Shortlist(10, offsets, tokens, joint=True)
    return Int8(transformer), Int8(transformer, shortlist), shortlist


def test_a_sentence_says_what_its_shortlist_has() -> None:
    plain, listed, shortlist = listed_network()
    sources = [[50, 60, 70, EOS], [500, EOS]]
    decodings = plain.start(2), listed.start(2)
    for decoding in decodings:
        decoding.admit(sources)
    steps = [[1, 1, 1, 1], [3, 4, 5, 6]]
    for tokens in steps:
        whole, scores = (decoding.step(np.array(tokens)) for decoding in decodings)
        masked = torch.full((4, 1000), -torch.inf)
        for r in range(4):
            allowed = shortlist.allowed(sources[r // 2])
            masked[r, allowed] = whole.all()[r, allowed]
        expected = masked.log_softmax(1)
        log_probs, found = map(torch.from_numpy, scores.best(5, [60]))
        torch.testing.assert_close(log_probs, expected.topk(5).values)
        torch.testing.assert_close(expected.gather(1, found), log_probs)
        ours = scores.all()
        assert (ours[expected == -torch.inf] < -1e29).all()
        possible = expected > -torch.inf
        torch.testing.assert_close(ours[possible], expected[possible])
        assert scores.of(60)[2] < -1e29 < scores.of(60)[0]
    order = np.array([3, 2])
    for decoding in decodings:
        decoding.select(order, [1])
    allowed = set(shortlist.allowed(sources[1]).tolist())
    assert set(decodings[1].step(np.array([7, 8])).best(5)[1].flat) <= allowed


@pytest.mark.parametrize("beam_size", [1, 3])
def test_shortlists_of_neighbours_change_nothing_and_demands_are_sayable(beam_size: int) -> None:
    _, listed, shortlist = listed_network()
    draw = random.Random(beam_size)
    options = DecodingOptions(beam_size=beam_size, n_best=beam_size, max_length=20)
    requests = [
        Request((*(draw.randrange(3, 999) for _ in range(draw.randint(1, 12))), EOS), options)
        for _ in range(12)
    ]
    requests += [replace(requests[0], prefix=(990, 991)), replace(requests[1], prefix=(992,))]
    if beam_size > 1:
        requests.append(replace(requests[2], required=(((993, 994),),)))
    expected = [answers(Engine(listed, beam_size=beam_size), [r])[0] for r in requests]
    assert answers(Engine(listed, beam_size=beam_size), requests) == expected
    steps = answers(Engine(StepByStep(listed), beam_size=beam_size), requests[:12])
    assert steps == expected[:12]
    for request, hypotheses in zip(requests, expected, strict=True):
        allowed = {*shortlist.allowed(request.source, request.demanded).tolist()}
        assert all(set(hypothesis.tokens) <= allowed for hypothesis in hypotheses)
    assert expected[12][0].tokens[:2] == (990, 991)
    assert beam_size == 1 or {993, 994} <= set(expected[14][0].tokens)


# -- in the engine ------------------------------------------------------------------------


def answers(engine: Engine, requests: list[Request]) -> list[tuple]:
    numbers = [engine.submit(request) for request in requests]
    found = {}
    while engine.busy:
        found.update((answer.number, answer.hypotheses) for answer in engine.step())
    return [found[number] for number in numbers]


@pytest.mark.parametrize("beam_size", [1, 3, 4])
def test_neighbours_do_not_change_a_bit(beam_size: int) -> None:
    draw = random.Random(beam_size)
    network = Int8(wide_transformer(torch.float32))
    options = DecodingOptions(beam_size=beam_size, n_best=beam_size, max_length=40)
    requests = [
        Request((*(draw.randrange(3, 500) for _ in range(draw.randint(1, 90))), EOS), options)
        for _ in range(20)
    ]
    assert sum(len(request.source) for request in requests) > ENCODED_TOGETHER
    expected = [answers(Engine(network, beam_size=beam_size), [r])[0] for r in requests]
    for budget in (16384, 900):
        engine = Engine(network, beam_size=beam_size, max_tokens=budget)
        order = draw.sample(range(len(requests)), len(requests))
        found = answers(engine, [requests[index] for index in order])
        assert found == [expected[index] for index in order]


class StepByStep:
    """A network that is never asked to begin within a sentence."""

    def __init__(self, network: Int8) -> None:
        self._network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def start(self, beam_size: int) -> SimpleNamespace:
        decoding = self._network.start(beam_size)
        return SimpleNamespace(admit=decoding.admit, step=decoding.step, select=decoding.select)


@pytest.mark.parametrize("beam_size", [1, 2, 4])
def test_steps_taken_together_are_those_taken_one_by_one(beam_size: int) -> None:
    """Over blocks of positions, with sentences that come meanwhile and ends that do not count."""
    network = Int8(shaped())
    draw = random.Random(beam_size)
    requests = []
    for _ in range(12):
        options = DecodingOptions(
            beam_size=draw.randint(1, beam_size),
            min_length=draw.choice([0, 5, 40]),
            max_length=draw.choice([40, 70]),
            early_stopping=draw.random() < 0.5,
            length_normalisation=draw.choice(["paper", "average"]),
        )
        options = replace(options, n_best=options.beam_size)
        tokens = (draw.randrange(3, 100) for _ in range(draw.randint(1, 40)))
        requests.append(Request((*tokens, EOS), options))

    def translated(network: Any) -> tuple[list[tuple], int]:
        engine = Engine(network, beam_size=beam_size)
        found, numbers, steps = {}, [], 0
        while len(found) < len(requests):
            numbers += [engine.submit(r) for r in requests[len(numbers) : len(numbers) + 1]]
            found.update((answer.number, answer.hypotheses) for answer in engine.step())
            steps += 1
        return [found[number] for number in numbers], steps

    together, few = translated(network)
    one_by_one, many = translated(StepByStep(network))
    assert together == one_by_one
    assert few < many / 2


TERM = ((40, 41), (42,))


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize(
    ("changes", "required"),
    [
        ({}, ()),
        ({"beam_size": 1}, ()),
        ({"min_length": 6, "no_repeat_ngram_size": 2, "repetition_penalty": 1.2}, ()),
        ({}, (TERM,)),
        ({"sampling": True, "seed": 4}, ()),
        ({"prefix_bias": 0.8}, ()),
    ],
)
def test_a_prefix_that_is_read_at_once_is_followed_as_one_said_step_by_step(
    norm: str, changes: dict, required: tuple
) -> None:
    network = Int8(shaped(norm=norm))
    options = DecodingOptions(**{"beam_size": 3, "max_length": 40, **changes})
    options = replace(options, n_best=options.beam_size)
    draw = random.Random(5)

    def tokens(most: int) -> tuple[int, ...]:
        return tuple(draw.randrange(3, 150) for _ in range(draw.randint(0, most)))

    requests = [
        Request((*tokens(60), EOS), options, tokens(most), required)
        for most in [0, 1, 3, 12, 35] * 3
    ]
    requests.append(Request((5, EOS), options, tuple(range(3, 43))))  # up to the limit
    at_once = answers(Engine(network, beam_size=3, max_tokens=600), requests)
    step_by_step = answers(Engine(StepByStep(network), beam_size=3, max_tokens=600), requests)
    for request, ours, theirs in zip(requests, at_once, step_by_step, strict=True):
        assert [h.tokens for h in ours] == [h.tokens for h in theirs]
        assert [h.score for h in ours] == pytest.approx([h.score for h in theirs], abs=1e-5)
        for one, other in zip(ours, theirs, strict=True):
            assert one.token_scores == pytest.approx(other.token_scores, abs=1e-5)
        if not options.prefix_bias:
            assert all(h.tokens[: len(request.prefix)] == request.prefix for h in ours)


def test_a_source_that_was_read_before_is_translated_as_one_that_was_not() -> None:
    network = Int8(wide_transformer(torch.float32))
    options = DecodingOptions(beam_size=3, max_length=20)
    draw = random.Random(2)
    sources = [(*(draw.randrange(3, 500) for _ in range(n)), EOS) for n in (1, 9, 30, 33)]
    engine = Engine(network, beam_size=3)
    numbers = [engine.submit(Request(source, options)) for source in sources]
    found = {}
    while engine.busy:
        found.update((answer.number, answer) for answer in engine.step())
    cross = [found[number].encoder_states for number in numbers]
    again = [
        Request(source, options, (7, 8), encoder_states=one if number % 2 else None)
        for number, (source, one) in enumerate(zip(sources, cross, strict=True))
    ]
    anew = [Request(source, options, (7, 8)) for source in sources]
    before = [one.copy() for one in cross]
    assert answers(Engine(network, beam_size=3), again) == answers(
        Engine(network, beam_size=3), anew
    )
    assert all((a == b).all() for a, b in zip(before, cross, strict=True))


@torch.inference_mode()
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("heads", [None, AlignmentHeads(1, (0, 2), True)], ids=["default", "read"])
def test_it_attends_as_the_plain_network_does_with_the_same_rounding(
    shape: dict, heads: AlignmentHeads | None
) -> None:
    transformer = shaped(**shape)
    heads = heads or AlignmentHeads.default(transformer.config)
    draw = random.Random(7)
    pairs = [
        Pair(*([draw.randrange(3, 20) for _ in range(draw.randint(1, 40))] for _ in range(2)))
        for _ in range(9)
    ]
    pairs.append(Pair(pairs[0].source, []))
    found = Int8Reader(Int8(transformer), heads).attend(pairs)
    expected = PlainReader(rounding(transformer), heads).attend(pairs)
    for pair, ours, theirs in zip(pairs, found, expected, strict=True):
        assert ours.shape == (len(pair.target), len(pair.source))
        np.testing.assert_allclose(ours, theirs, atol=0.02)
        np.testing.assert_allclose(ours.sum(1), 1, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_it_finds_targets_as_likely_as_the_plain_network_with_the_same_rounding(
    shape: dict,
) -> None:
    transformer = shaped(**shape)
    draw = random.Random(8)
    heads = AlignmentHeads.default(transformer.config)
    pairs = [
        Pair(*([draw.randrange(3, 20) for _ in range(draw.randint(1, 40))] for _ in range(2)))
        for _ in range(9)
    ]
    pairs.append(Pair(pairs[0].source, []))
    found = Int8Reader(Int8(transformer), heads).log_probs(pairs)
    expected = PlainReader(rounding(transformer), heads).log_probs(pairs)
    for pair, ours, theirs in zip(pairs, found, expected, strict=True):
        assert ours.shape == (len(pair.target) + 1,)
        np.testing.assert_allclose(ours, theirs, atol=0.05, rtol=0.02)


def test_what_was_found_is_as_likely_to_a_reader_as_to_the_search() -> None:
    network = Int8(wide_transformer(torch.float32))
    draw = random.Random(3)
    sources = [(*(draw.randrange(3, 500) for _ in range(n)), EOS) for n in (1, 9, 30, 33)]
    options = DecodingOptions(beam_size=3, max_length=20)
    found = answers(Engine(network, beam_size=3), [Request(source, options) for source in sources])
    pairs = [Pair(source, best.tokens) for source, (best, *_) in zip(sources, found, strict=True)]
    for (best, *_), read in zip(found, Int8Reader(network).log_probs(pairs), strict=True):
        np.testing.assert_allclose(read, best.token_scores, atol=1e-4)


def test_what_is_read_has_the_same_bits_in_any_company_and_of_a_source_read_before() -> None:
    network = Int8(wide_transformer(torch.float32))
    draw = random.Random(9)
    pairs = [
        Pair(*([draw.randrange(3, 500) for _ in range(draw.randint(1, 60))] for _ in range(2)))
        for _ in range(30)
    ]
    assert sum(len(pair.target) for pair in pairs) > ENCODED_TOGETHER
    heads = AlignmentHeads(0, (1,), reads=True)
    together = Int8Reader(network, heads).attend(pairs)
    log_probs = Int8Reader(network, heads).log_probs(pairs)
    decoding = network.start(4)
    decoding.admit([pair.source for pair in pairs])
    for number, (pair, attention) in enumerate(zip(pairs, together, strict=True)):
        reader = Int8Reader(network, heads)
        assert (reader.attend([pair])[0] == attention).all()
        assert (reader.log_probs([pair])[0] == log_probs[number]).all()
        read = Pair(pair.source, pair.target, decoding.encoder_states(number))
        assert (reader.attend([read])[0] == attention).all()
        assert (reader.log_probs([read])[0] == log_probs[number]).all()


def test_memory_is_given_back() -> None:
    network = Int8(wide_transformer(torch.float32))
    engine = Engine(network, beam_size=4)
    options = DecodingOptions(max_length=70, min_length=70)
    assert len(answers(engine, [Request((*([5] * 60), EOS), options)] * 30)) == 30
    cache = engine._decoding._cache
    assert cache.num_sentences == 0
    assert cache._positions == cache._cross == []
    assert cache.past.ancestors.nbytes == 0


@pytest.mark.parametrize("beam_size", [1, 3])
def test_sentences_that_come_and_go_have_room_for_every_step(beam_size: int) -> None:
    """And keep their memory: as many steps are taken together as there is room for, at most."""
    cache, draw, living = Cache(shaped().config, beam_size), random.Random(beam_size), []
    for number in range(400):
        if draw.random() < 0.1 or not living:
            lengths = [draw.randint(1, 70) for _ in range(draw.randint(1, 3))]
            living += [[length, 0, number] for length in lengths]
            cache.admit(lengths)
            for index in range(len(living) - len(lengths), len(living)):
                cache.positions(index)[..., 0, :, 0] = number
        most = draw.choice([1, 1, 1, 7])
        cache.make_step(most)
        sentences = cache.past.sentences
        room = int((sentences["capacity"] - sentences["steps"]).min())
        assert room > 0
        assert cache.past.ancestors.shape[1] >= sentences["capacity"].max()
        taken = draw.randint(1, min(room, most))
        for sentence in living:
            sentence[1] += taken
        for _ in range(taken):
            cache.advance()
        rows, kept = np.arange(len(living) * beam_size), None
        if draw.random() < 0.2:
            kept = [index for index in range(len(living)) if draw.random() < 0.8]
            rows = rows.reshape(-1, beam_size)[kept].reshape(-1)
            living = [living[index] for index in kept]
        cache.select(rows, kept)
        sentences, ancestors = cache.past
        assert ancestors.shape[0] == len(living) * beam_size
        assert ancestors.flags.c_contiguous
        lengths_and_steps = zip(sentences["source_length"], sentences["steps"], strict=True)
        assert [[*pair] for pair in lengths_and_steps] == [each[:2] for each in living]
        for index, (_, _, mark) in enumerate(living):
            positions = cache.positions(index)
            assert (positions[..., 0, :, 0] == mark).all()
            assert sentences["positions"][index] == positions.ctypes.data
            assert sentences["capacity"][index] == positions.shape[3]
            assert sentences["cross"][index] == cache.encoder_states(index).ctypes.data
