"""Validation: given parameters translate held-out text, and the scores are those of sacreBLEU."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest
import torch
from tiny_training import PAIRS, make_store, sample_pairs, write_recipe, write_tsv

from tformer.model.evaluation.metrics import score
from tformer.model.network.transformer import Transformer
from tformer.model.training.recipe import Recipe
from tformer.model.training.store import TokenStore
from tformer.model.training.validation import Validator, translate

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    folder = tmp_path_factory.mktemp("validation")
    write_tsv(folder / "a.tsv", sample_pairs(20))
    write_tsv(folder / "held.tsv", PAIRS[:3])
    return make_store(folder, Recipe.read(write_recipe(folder, "a.tsv", validation="held.tsv")))


def network(store: TokenStore, seed: int) -> Transformer:
    torch.manual_seed(seed)
    recipe = Recipe.read(Path(store.path).parent / "recipe.toml")
    return Transformer(recipe.model).eval()


def test_scores_are_of_translations_by_the_given_parameters(store: TokenStore) -> None:
    trained = network(store, 1)
    scores = Validator(store, trained.config, CPU)(dict(trained.named_parameters()))
    expected = {}
    for name, direction in (("en-de", 0), ("de-en", 1)):
        sources = [pair[direction] for pair in PAIRS[:3]]
        translations = translate(trained, store.vocabulary, sources, name[-2:])
        figures = score(translations, [pair[1 - direction] for pair in PAIRS[:3]])
        expected[f"held-out.{name}.BLEU"] = figures.bleu.score
        expected[f"held-out.{name}.chrF"] = figures.chrf.score
    chrf = [value for name, value in expected.items() if name.endswith("chrF")]
    assert scores == pytest.approx({**expected, "mean": fmean(chrf)})
    assert max(chrf) > 0


@torch.no_grad()
def test_translations_are_greedy_and_in_order(store: TokenStore) -> None:
    trained, vocabulary = network(store, 2), store.vocabulary
    sentences = ["A dog runs on the beach.", "", "Where?", "9" * 30]
    translations = translate(trained, vocabulary, sentences, "de")
    for sentence, translation in zip(sentences, translations, strict=True):
        source = torch.tensor([vocabulary.encode(sentence, "de")])
        target = [vocabulary.bos_id]
        while len(target) < 20 and target[-1] != vocabulary.eos_id:
            logits = trained(source, None, torch.tensor([target]))[0, -1]
            target.append(int(logits.argmax()))
        # The engine ends at a limit of its own; up to there the choices are the same.
        length = min(len(translation), 8)
        assert vocabulary.decode(target)[:length] == translation[:length]


def test_a_sentence_over_the_window_is_cut(store: TokenStore) -> None:
    trained = network(store, 3)
    long = "9" * 2 * trained.config.max_length
    assert len(translate(trained, store.vocabulary, [long, "short"], "de")) == 2
