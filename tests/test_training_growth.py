"""Growth: a larger network that begins with what a smaller one knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_training import PAIRS, make_store, sample_pairs, write_recipe, write_tsv

from tformer.model.checkpoint.layout import read_config
from tformer.model.config import TransformerConfig
from tformer.model.errors import TrainingError
from tformer.model.network.variants import build
from tformer.model.training.growth import grow, require_growth
from tformer.model.training.launch import train
from tformer.model.training.preparing import prepare
from tformer.model.training.recipe import Recipe
from tformer.model.training.start import Start

SMALL = TransformerConfig(
    vocab_size=30,
    d_model=16,
    num_heads=2,
    d_ff=24,
    num_encoder_layers=2,
    num_decoder_layers=1,
    norm="pre",
    dropout=0.0,
)


@settings(deadline=None, max_examples=20)
@given(
    encoder=st.integers(0, 3),
    decoder=st.integers(0, 2),
    inner=st.integers(0, 40),
    seed=st.integers(0, 100),
)
def test_a_grown_network_computes_what_the_small_one_does(
    encoder: int, decoder: int, inner: int, seed: int
) -> None:
    torch.manual_seed(seed)
    larger = replace(
        SMALL,
        num_encoder_layers=SMALL.num_encoder_layers + encoder,
        num_decoder_layers=SMALL.num_decoder_layers + decoder,
        d_ff=SMALL.d_ff + inner,
    )
    require_growth(SMALL, larger)
    small, large = build(SMALL).eval(), build(larger).eval()
    for parameter in small.parameters():  # biases and gains, too, are other than at the start
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    large.load_state_dict(grow(small.state_dict(), large.state_dict()))
    source, target = torch.randint(3, 30, (3, 7)), torch.randint(3, 30, (3, 5))
    lengths = torch.tensor([7, 4, 1])
    with torch.no_grad():
        torch.testing.assert_close(
            large(source, lengths, target), small(source, lengths, target), rtol=1e-4, atol=1e-5
        )


def test_all_that_is_new_learns() -> None:
    """After two steps of gradient descent no new weight is what it was, and no two units alike."""
    torch.manual_seed(1)
    larger = replace(SMALL, num_encoder_layers=3, num_decoder_layers=2, d_ff=40)
    large = build(larger)
    large.load_state_dict(grow(build(SMALL).state_dict(), large.state_dict()))
    before = {name: parameter.detach().clone() for name, parameter in large.named_parameters()}
    source, target = torch.randint(3, 30, (8, 7)), torch.randint(3, 30, (8, 5))
    optimizer = torch.optim.SGD(large.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        logits = large(source, None, target)
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), target[:, 1:].flatten()
        )
        loss.backward()
        optimizer.step()
    for name, parameter in large.named_parameters():
        if "key.bias" not in name:  # adds the same to all scores of a query: no gradient
            assert not torch.equal(parameter, before[name]), name
    outer = large.get_parameter("encoder.0.feed_forward.outer.weight")[:, SMALL.d_ff :]
    assert len({tuple(column) for column in outer.T.tolist()}) == larger.d_ff - SMALL.d_ff


@pytest.mark.parametrize(
    ("before", "changes", "message"),
    [
        ({}, {"d_ff": 8}, "model.d_ff is 8, but the model to begin with has 24, and can only grow"),
        ({}, {"num_encoder_layers": 1}, "model.num_encoder_layers is 1, but the model to begin"),
        ({"norm": "post"}, {"d_ff": 48}, "model.d_ff is more than .* only a Transformer with pre"),
        (
            {"architecture": "recurrent"},
            {"num_decoder_layers": 2},
            "model.num_decoder_layers is more than .* only a Transformer",
        ),
    ],
)
def test_what_cannot_grow_is_one_line(
    before: dict[str, object], changes: dict[str, object], message: str
) -> None:
    start = replace(SMALL, **before)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=message):
        require_growth(start, replace(start, **changes))  # type: ignore[arg-type]


def test_a_run_may_grow_the_model_that_it_begins_with(tmp_path: Path) -> None:
    """A first step of no length has the loss that the smaller network has; then it goes on."""
    write_tsv(tmp_path / "old.tsv", sample_pairs(20))
    write_tsv(tmp_path / "new.tsv", PAIRS)
    old = Recipe.read(write_recipe(tmp_path, "old.tsv"), {"max_steps": 4})
    train(old, make_store(tmp_path, old).path, tmp_path / "old", device="cpu")
    start = Start.read(tmp_path / "old" / "model")
    losses = []
    for name, section in (("same", "\n[model]\ndropout = 0.0\n"), ("grown", _grown(start.config))):
        (tmp_path / f"{name}.toml").write_text(ADAPTING + section)
        recipe = Recipe.read(tmp_path / f"{name}.toml", start=start.config)
        prepare(recipe, tmp_path, tmp_path / f"{name}-data", vocabulary=start.vocabulary)
        train(recipe, tmp_path / f"{name}-data", tmp_path / name, device="cpu", start=start)
        lines = (tmp_path / name / "log.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["nll"] for line in lines])
        assert read_config(tmp_path / name / "model")[0] == recipe.model
    assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-5)
    longer = Recipe.read(tmp_path / "grown.toml", {"max_steps": 5}, start.config)
    outcome = train(longer, tmp_path / "grown-data", tmp_path / "grown", device="cpu", start=start)
    assert outcome.counters.step == 5


def _grown(config: TransformerConfig) -> str:
    return (
        f"\n[model]\ndropout = 0.0\nd_ff = {config.d_ff + 8}\n"
        f"num_encoder_layers = {config.num_encoder_layers + 1}\n"
    )


ADAPTING = """
languages = ["en", "de"]

[training]
max_steps = 3
tokens_per_batch = 96
warmup_steps = 2
log_every = 1
precision = "float32"

[[corpus]]
path = "new.tsv"
"""
