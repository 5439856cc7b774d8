"""The claims of benchmarks/claims that train networks, small."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import functions
import heads
import long_range
import positions
import pytest
import recurrent
import report
import torch
import toy
from tiny_training import VOCABULARY_SIZE, sample_pairs

from tformer.model.engine.engine import Engine
from tformer.model.network.eager import Eager
from tformer.model.search.request import Request
from tformer.model.training.validation import GREEDY


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No plots, and files elsewhere; threads as they were."""
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    return tmp_path


def verdict(folder: Path, name: str) -> str:
    found: str = json.loads((folder / f"{name}.json").read_text("utf-8"))["verdict"]
    assert (folder / f"{name}.svg").stat().st_size > 1000
    return found


def test_a_sentence_is_translated_by_its_grammar() -> None:
    for seed in range(20):
        source, target = toy.sentence(random.Random(seed), 2)
        assert len(target) == len(source) + 2 * 3  # an article a noun and an ending a verb
        words = [token for token in target if token >= toy.FIRST]
        assert sorted(word - 1 for word in words) == sorted(source)


def test_exact_sentences_are_those_that_greedy_search_finds() -> None:
    network = toy.trained(0, 30, d_model=32, num_heads=2, d_ff=32)
    torch.manual_seed(1)
    batch = toy.test_batches(1, 1)[0]
    engine = Engine(Eager(network.eval()), beam_size=1)
    numbers = [
        engine.submit(Request(source[:length].tolist(), GREEDY))
        for source, length in zip(batch.source, batch.lengths, strict=True)
    ]
    said = {}
    while engine.busy:
        said |= {found.number: found.hypotheses[0].tokens for found in engine.step()}
    wanted = [[t for t in row if t > toy.EOS] for row in batch.labels.tolist()]
    found = [list(said[number]) for number in numbers]
    right = sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted)
    assert toy.quality(network, [batch]).exact == pytest.approx(right)


def test_additive_attention_costs_more_and_all_functions_learn(results: Path) -> None:
    functions.main(steps=1, seeds=(0,), rounds=1)
    found = json.loads((results / "functions-cost.json").read_text("utf-8"))
    assert found["larger"] > 10
    assert "additive" in verdict(results, "functions-quality")


def test_heads_and_positions_are_compared(results: Path) -> None:
    heads.main(steps=2, seeds=(0, 1), heads=(1, 4))
    assert "heads are best" in verdict(results, "heads")
    positions.main(steps=2, seeds=(0,), lengths=(2, 3))
    assert "Within the lengths of training" in verdict(results, "positions")


def test_without_positions_order_is_not_known() -> None:
    network = positions.network_of("none", 0).eval()
    batch = toy.test_batches(1, 1)[0]
    with torch.inference_mode():
        states = network.encode(batch.source, None).states
        turned = network.encode(batch.source.flip(1), None).states
    torch.testing.assert_close(turned, states.flip(1), rtol=1e-4, atol=1e-5)


def test_far_clues_reach_a_recurrent_network_less(results: Path) -> None:
    far, near = (
        [long_range.reach(long_range.new_network(name), n) for name in long_range.NETWORKS]
        for n in (64, 1)
    )
    assert far[1] < 1e-3 < far[0]
    assert near[1] > 1e-2
    long_range.main(seconds=0.05, copying=0.05, distances=(1, 12, 32))
    assert "at n = 12" in verdict(results, "long-range")


def test_speed_and_quality_of_both_networks_are_measured(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [recurrent.parameters(recurrent.network_of(name)) for name in recurrent.SHAPES]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.15)
    monkeypatch.setattr(recurrent, "BASE", replace(recurrent.BASE, d_model=16, vocab_size=50))
    recurrent.speed(lengths=(4, 8), tokens=32, most_threads=1)
    assert "times as fast" in verdict(results, "recurrent-speed")
    tiny = replace(recurrent.BASE, d_model=16, d_ff=16, vocab_size=VOCABULARY_SIZE)
    recurrent.quality(sample_pairs(40), seconds=0.2, every=0.1, held_out=4, config=tiny)
    assert "BLEU" in verdict(results, "recurrent-quality")
