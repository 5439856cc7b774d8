"""Scaled dot-product, dot-product and additive attention: by hand, and from recipe to text."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from fake_translator import Tformer
from tiny_training import PAIRS, make_store, write_recipe, write_tsv
from torch import Tensor

from tformer.cli.exits import ExitStatus
from tformer.model.config import AttentionFunction, TransformerConfig
from tformer.model.network.attention import AdditiveAttention, attention_function
from tformer.model.training.recipe import Recipe

OTHERS: tuple[AttentionFunction, ...] = ("dot_product", "additive")


def by_hand(name: str, query: Tensor, key: Tensor, vector: Tensor | None) -> list[float]:
    """Weights of one query (D,) on keys (S, D), a number at a time."""
    scores = []
    for each in key.tolist():
        pairs = list(zip(query.tolist(), each, strict=True))
        if vector is None:
            product = sum(a * b for a, b in pairs)
            scores.append(product / math.sqrt(len(each)) if name.startswith("scaled") else product)
        else:
            hidden = [math.tanh(a + b) for a, b in pairs]
            scores.append(sum(v * h for v, h in zip(vector.tolist(), hidden, strict=True)))
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("name", ["scaled_dot_product", *OTHERS])
def test_weights_are_those_of_the_formula(name: AttentionFunction) -> None:
    config = TransformerConfig(vocab_size=9, d_model=12, num_heads=2, attention=name)
    function = attention_function(config).double()
    query, key, value = (torch.randn(1, 2, n, 6, dtype=torch.float64) for n in (3, 5, 5))
    mask = torch.zeros(5, dtype=torch.float64)
    mask[4] = -math.inf
    record: list[Tensor] = []
    context = function(query, key, value, mask[None], record)
    for head in range(2):
        vector = function.vector[head] if isinstance(function, AdditiveAttention) else None
        for row in range(3):
            wanted = [*by_hand(name, query[0, head, row], key[0, head, :4], vector), 0.0]
            assert record[0][0, head, row].tolist() == pytest.approx(wanted)
    torch.testing.assert_close(context, record[0] @ value)
    with torch.inference_mode():  # the other way through the function
        torch.testing.assert_close(function(query, key, value, mask[None]), context)


@pytest.mark.parametrize(
    "model",
    [*(f'attention = "{name}"' for name in OTHERS), 'architecture = "recurrent"'],
)
def test_a_recipe_names_the_function(model: str, tformer: Tformer, tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    write_tsv(tmp_path / "b.tsv", [("A dog.", "Ein Hund.")])
    training = "max_steps = 2\nlog_every = 1"
    recipe = write_recipe(tmp_path, "a.tsv", validation="b.tsv", model=model, training=training)
    make_store(tmp_path, Recipe.read(recipe))
    run = tmp_path / "run"
    trained = tformer("train", recipe, tmp_path / "store", run, "--device", "cpu")
    assert trained.status == ExitStatus.SUCCESS, trained.err
    translate = ("translate", "-m", run / "model", "-s", "en", "-t", "de", "--device", "cpu")
    text = b"A dog runs.\n"
    assert tformer(*translate, stdin=text).status == ExitStatus.SUCCESS
    shown = tformer("attention", "A dog.", "-m", run / "model", "-s", "en", "--json")
    weights = json.loads(shown.out)["attention"]
    assert len(weights["cross"]) == 1
    assert len(weights["decoder"]) == (0 if "recurrent" in model else 1)
    refused = tformer(*translate, "--dtype", "int8", stdin=text)
    assert refused.status == ExitStatus.MODEL
    assert refused.err.count("\n") == 1
    assert "int8 does not compute" in refused.err
