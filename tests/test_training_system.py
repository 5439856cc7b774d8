"""From text to translations: prepare, train and translate a task that is known exactly."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from tiny_training import make_store, write_tsv

from tformer.model.network.torch_checkpoint import load_model
from tformer.model.training.launch import train
from tformer.model.training.recipe import Recipe
from tformer.model.training.validation import translate

RECIPE = """
languages = ["en", "de"]

[model]
preset = "small"
d_model = 64
num_heads = 4
d_ff = 128
num_encoder_layers = 2
num_decoder_layers = 1
dropout = 0.0

[vocabulary]
size = 273

[training]
max_steps = 600
tokens_per_batch = 2048
optimizer = "muon"
learning_rate = 0.005
muon_learning_rate = 0.02
schedule = "trapezoid"
warmup_steps = 20
decay_steps = 300
clip_norm = 1.0
ema_decay = 0.95
validate_every = 600
log_every = 100
precision = "float32"

[[corpus]]
path = "digits.tsv"

[[validation]]
name = "held-out"
path = "held-out.tsv"
"""


def reversed_digits(count: int, seed: int) -> list[tuple[str, str]]:
    """Distinct strings of two to eight digits, and the same from right to left."""
    draw = random.Random(seed)
    strings = {"".join(draw.choices("0123456789", k=draw.randint(2, 8))) for _ in range(count)}
    return [(text, text[::-1]) for text in sorted(strings)]


@pytest.mark.slow
def test_a_network_learns_to_reverse_digits(tmp_path: Path) -> None:
    pairs = reversed_digits(6000, seed=1)
    random.Random(2).shuffle(pairs)
    write_tsv(tmp_path / "held-out.tsv", pairs[:200])
    write_tsv(tmp_path / "digits.tsv", pairs[200:])
    (tmp_path / "recipe.toml").write_text(RECIPE)
    recipe = Recipe.read(tmp_path / "recipe.toml")
    store = make_store(tmp_path, recipe)
    outcome = train(recipe, store.path, tmp_path / "run", device="cpu")
    assert outcome.counters.best > 95  # chrF

    cpu = torch.device("cpu")
    network, vocabulary, _ = load_model(tmp_path / "run" / "model", cpu, torch.float32)
    for direction, target_language in enumerate(("de", "en")):
        sources = [pair[direction] for pair in pairs[:200]]
        references = [pair[1 - direction] for pair in pairs[:200]]
        translations = translate(network, vocabulary, sources, target_language)
        right = sum(map(str.__eq__, translations, references))
        assert right >= 0.97 * len(references)
