"""A run that begins with a model: what it takes, what it refuses, and what may differ."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import PAIRS, make_store, sample_pairs, write_recipe, write_tsv
from torch import Tensor

from tformer.model.checkpoint.layout import ModelFacts, read_config
from tformer.model.config import AlignmentHeads
from tformer.model.errors import ModelError, TrainingError
from tformer.model.network.torch_checkpoint import load_model, save_model
from tformer.model.training.launch import train
from tformer.model.training.preparing import prepare
from tformer.model.training.recipe import Recipe
from tformer.model.training.run import Run
from tformer.model.training.start import Start
from tformer.model.training.store import TokenStore
from tformer.model.vocabulary.sentencepiece import Vocabulary

CPU = torch.device("cpu")

ADAPTING = """
languages = ["en", "de"]

[training]
max_steps = 3
tokens_per_batch = 96
warmup_steps = 2
log_every = 1

[[corpus]]
path = "new.tsv"
"""
"""A recipe that says nothing of the network: the model to begin with does."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, `known`, trained for a few steps; and a store of other text in its vocabulary."""
    folder = tmp_path_factory.mktemp("start")
    write_tsv(folder / "old.tsv", sample_pairs(20))
    write_tsv(folder / "new.tsv", PAIRS)
    old = Recipe.read(write_recipe(folder, "old.tsv"), {"max_steps": 4})
    train(old, make_store(folder, old).path, folder / "old", device="cpu")
    heads = AlignmentHeads(0, (1,), reads=True)
    copy_model(folder / "old" / "model", folder / "known", alignment=heads)
    (folder / "adapting.toml").write_text(ADAPTING)
    new = read_recipe(folder)
    vocabulary = start_of(folder).vocabulary
    prepare(new, folder, folder / "data", vocabulary=vocabulary, report=lambda line: None)
    return folder


def copy_model(model: Path, to: Path, **facts: Any) -> None:
    """Write a model anew with other facts."""
    network, vocabulary, known = load_model(model, CPU, torch.float32)
    save_model(to, network.state_dict(), network.config, vocabulary, replace(known, **facts))


def start_of(folder: Path) -> Start:
    return Start.read(folder / "known")


def read_recipe(folder: Path, name: str = "adapting.toml", **changes: Any) -> Recipe:
    return Recipe.read(folder / name, changes, start_of(folder).config)


def parameters(model: Path) -> dict[str, Tensor]:
    return load_model(model, CPU, torch.float32)[0].state_dict()


# -- what is taken ------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_begins_with_the_very_parameters(
    folder: Path, tmp_path: Path, precision: str, optimizer: str
) -> None:
    """Steps of no length leave masters and average as they were, whatever the steps are made of."""
    recipe = read_recipe(
        folder,
        precision=precision,
        optimizer=optimizer,
        learning_rate=0.0,
        muon_learning_rate=0.0,
        label_smoothing=0.0,
        ema_decay=0.5,
    )
    train(recipe, folder / "data", tmp_path, device="cpu", start=start_of(folder))
    exported, known = parameters(tmp_path / "model"), parameters(folder / "known")
    assert exported.keys() == known.keys()
    assert all(torch.equal(exported[name], known[name]) for name in known)


def test_a_run_that_begins_with_a_model_knows_what_it_knows(folder: Path, tmp_path: Path) -> None:
    losses = []
    for name, start in (("known", start_of(folder)), ("nothing", None)):
        recipe = read_recipe(folder, max_steps=1, precision="float32")
        train(recipe, folder / "data", tmp_path / name, device="cpu", start=start)
        (line,) = (tmp_path / name / "log.jsonl").read_text().splitlines()
        losses.append(json.loads(line)["nll"])
    assert losses[0] < losses[1] - 0.1


def test_the_model_that_it_makes_says_where_it_comes_from(folder: Path, tmp_path: Path) -> None:
    train(read_recipe(folder), folder / "data", tmp_path / "run", start=start_of(folder))
    config, facts = read_config(tmp_path / "run" / "model")
    known_config, known = read_config(folder / "known")
    assert config == known_config
    assert (facts.name, facts.languages) == ("run", known.languages)
    assert (facts.training["from"], facts.training["step"]) == (known.name, 3)
    assert facts.alignment == known.alignment == AlignmentHeads(0, (1,), reads=True)


def test_the_store_has_the_vocabulary_of_the_model(folder: Path) -> None:
    store = TokenStore.open(folder / "data")
    assert (folder / "data" / "vocabulary.model").read_bytes() == (
        folder / "known" / "sentencepiece.model"
    ).read_bytes()
    ids = [store.pair(index)[0].tolist() for index in range(len(store))]
    assert ids == [start_of(folder).vocabulary.pieces(english) for english, _ in PAIRS]


def test_the_best_model_may_be_the_one_it_began_with(folder: Path, tmp_path: Path) -> None:
    """A run whose steps only do harm ends with the model of before."""
    write_tsv(tmp_path / "held.tsv", sample_pairs(4, seed=5))
    validation = '\n[[validation]]\nname = "held"\npath = "held.tsv"\n'
    shutil.copy(folder / "new.tsv", tmp_path)
    (tmp_path / "recipe.toml").write_text(ADAPTING + validation)
    start = start_of(folder)
    keys = {"learning_rate": 0.0, "validate_every": 1}
    recipe = Recipe.read(tmp_path / "recipe.toml", keys, start.config)
    prepare(recipe, tmp_path, tmp_path / "data", vocabulary=start.vocabulary)
    train(recipe, tmp_path / "data", tmp_path / "run", device="cpu", start=start)
    _, facts = read_config(tmp_path / "run" / "model")
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    measured = [entry for entry in map(json.loads, lines) if "validation" in entry]
    assert [entry["step"] for entry in measured] == [0, 1, 2, 3]
    assert facts.training["step"] == 0
    assert facts.training["scores"] == measured[0]["validation"]


# -- what may differ, and what may not ----------------------------------------------------


def test_dropout_and_the_longest_sequence_are_free(folder: Path, tmp_path: Path) -> None:
    text = ADAPTING + "\n[model]\ndropout = 0.3\nmax_length = 256\n"
    (tmp_path / "recipe.toml").write_text(text)
    start = start_of(folder)
    recipe = Recipe.read(tmp_path / "recipe.toml", start=start.config)
    assert recipe.model == replace(start.config, dropout=0.3, max_length=256)
    train(recipe, folder / "data", tmp_path / "run", device="cpu", start=start)
    assert read_config(tmp_path / "run" / "model")[0] == recipe.model


def test_a_recipe_that_agrees_in_full_is_taken(folder: Path) -> None:
    start = start_of(folder).config
    assert Recipe.read(folder / "recipe.toml", start=start).model == start


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "[model]\nd_ff = 16",
            "model.d_ff is 16, but the model to begin with has 32, and can",
        ),
        ('[model]\npreset = "small"', "model.d_model is 256, but the model to begin with has 16"),
        ('[model]\nnorm = "post"', "model.norm is 'post', but the model to begin with has 'pre'"),
        ("[vocabulary]\nsize = 500", "vocabulary.size is 500, but the model to begin with has 340"),
        ('[model]\npreset = "tiny"', "model.preset must be one of base, big, small, not 'tiny'"),
    ],
)
def test_a_recipe_of_another_shape_is_one_line(
    folder: Path, tmp_path: Path, section: str, message: str
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"{ADAPTING}\n{section}\n")
    with pytest.raises(TrainingError) as caught:
        Recipe.read(path, start=start_of(folder).config)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_language_that_the_model_does_not_know(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(ADAPTING.replace('"de"', '"fr"'))
    start = start_of(folder)
    recipe = Recipe.read(tmp_path / "recipe.toml", start=start.config)
    with pytest.raises(TrainingError, match="knows the languages en, de, but the recipe's are en,"):
        start.check(recipe)


def test_the_columns_may_be_the_other_way_round(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(ADAPTING.replace('"en", "de"', '"de", "en"'))
    write_tsv(tmp_path / "new.tsv", [(german, english) for english, german in PAIRS])
    start = start_of(folder)
    recipe = Recipe.read(tmp_path / "recipe.toml", {"max_steps": 1}, start.config)
    prepare(recipe, tmp_path, tmp_path / "data", vocabulary=start.vocabulary)
    train(recipe, tmp_path / "data", tmp_path / "run", device="cpu", start=start)
    assert read_config(tmp_path / "run" / "model")[1].languages == ("en", "de")


def test_a_store_with_another_vocabulary_is_one_line(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    Vocabulary.train(
        [side for pair in PAIRS for side in pair],
        tmp_path / "data" / "vocabulary.model",
        languages=("en", "de"),
        size=340,
    )
    with pytest.raises(TrainingError, match=r"has another vocabulary than .*known; run 'tformer "):
        train(read_recipe(folder), tmp_path / "data", tmp_path / "run", start=start_of(folder))


def test_models_of_other_programs_are_refused(folder: Path, tmp_path: Path) -> None:
    network, vocabulary, facts = load_model(folder / "known", CPU, torch.float32)
    config = replace(network.config, positions="concatenated")
    save_model(tmp_path / "imported", network.state_dict(), config, vocabulary, facts)
    with pytest.raises(TrainingError, match="was imported from another program"):
        Start.read(tmp_path / "imported")


def test_a_model_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        Start.read(tmp_path)
    start = start_of(folder)
    missing = Start(tmp_path, start.config, ModelFacts("m", ("en", "de")), start.vocabulary)
    with pytest.raises(ModelError, match=r"config\.json: cannot be read"):
        train(read_recipe(folder), folder / "data", tmp_path / "run", start=missing)
    with pytest.raises(TrainingError, match=r"model\.safetensors: cannot be read"):
        _ = missing.fingerprint


# -- going on -----------------------------------------------------------------------------


def test_a_run_only_goes_on_from_the_model_it_began_with(folder: Path, tmp_path: Path) -> None:
    start, recipe = start_of(folder), read_recipe(folder)
    train(recipe, folder / "data", tmp_path / "run", device="cpu", start=start)
    saved = Run(tmp_path / "run").load()
    longer = read_recipe(folder, max_steps=4)

    copy_model(tmp_path / "run" / "model", tmp_path / "other")
    for wrong in (Start.read(tmp_path / "other"), None):
        with pytest.raises(TrainingError, match="the run began with another model; give that one"):
            train(longer, folder / "data", tmp_path / "run", device="cpu", start=wrong)

    shutil.copytree(folder / "known", tmp_path / "moved")  # the same model at another place
    moved = Start.read(tmp_path / "moved")
    outcome = train(longer, folder / "data", tmp_path / "run", device="cpu", start=moved)
    assert outcome.counters.step == 4
    assert saved is not None and saved["counters"]["step"] == 3


def test_a_run_from_nothing_takes_no_model_later(folder: Path, tmp_path: Path) -> None:
    recipe = read_recipe(folder, max_steps=1)
    train(recipe, folder / "data", tmp_path, device="cpu")
    with pytest.raises(TrainingError, match="the run began with none; leave --from out"):
        train(recipe, folder / "data", tmp_path, device="cpu", start=start_of(folder))


# -- a share of the start -----------------------------------------------------------------


def test_the_result_lies_between_the_start_and_the_run(folder: Path, tmp_path: Path) -> None:
    """The steps are the same; only what becomes of them is another mean of both."""
    for share in (0.0, 0.25):
        recipe = read_recipe(folder, start_share=share, learning_rate=0.01, precision="float32")
        run = tmp_path / str(share)
        train(recipe, folder / "data", run, device="cpu", start=start_of(folder))
    whole, mixed = (Run(tmp_path / name).load() for name in ("0.0", "0.25"))
    assert whole is not None and mixed is not None
    for name, known in parameters(folder / "known").items():
        own = whole["parameters"]["average"][name]
        assert torch.equal(own, mixed["parameters"]["average"][name])
        between = (0.75 * own + 0.25 * known).half().float()  # exported in float16
        exported = parameters(tmp_path / "0.25" / "model")[name]
        torch.testing.assert_close(exported, between, rtol=1e-3, atol=1e-6)
        assert known.dim() == 1 or not torch.equal(exported, known)


def test_a_share_of_nothing_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="start_share is of no use without a model to begin"):
        train(read_recipe(folder, start_share=0.5), folder / "data", tmp_path, device="cpu")
    with pytest.raises(TrainingError, match=r"start_share must be in \[0, 1\), not 1"):
        read_recipe(folder, start_share=1.0)
