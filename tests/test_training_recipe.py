"""Recipes: what they say is what is trained, and nothing is silently something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tformer.model.config import PRESETS
from tformer.model.errors import TrainingError
from tformer.model.training.recipe import (
    CorpusSettings,
    Recipe,
    TrainingSettings,
    ValidationSettings,
)

REPOSITORY = Path(__file__).parent.parent

MINIMAL = 'languages = ["en", "de"]\n[[corpus]]\npath = "c.tsv"\n'


def read(folder: Path, text: str, overrides: dict[str, Any] | None = None) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return Recipe.read(path, overrides)


def test_the_default_is_the_papers(tmp_path: Path) -> None:
    recipe = read(tmp_path, MINIMAL)
    assert recipe.languages == ("en", "de")
    assert recipe.model == replace(PRESETS["base"], vocab_size=8000)
    assert recipe.corpora == (CorpusSettings("c.tsv"),)
    settings = recipe.training
    assert (settings.optimizer, settings.schedule) == ("adam", "inverse-sqrt")
    assert (settings.adam_beta1, settings.adam_beta2, settings.adam_epsilon) == (0.9, 0.98, 1e-9)
    assert (settings.label_smoothing, settings.warmup_steps) == (0.1, 4000)
    assert (settings.learning_rate, settings.clip_norm) == (None, 0)


def test_every_section_is_read(tmp_path: Path) -> None:
    text = """
        languages = ["en", "pt-BR"]
        [model]
        preset = "small"
        dropout = 0
        norm = "post"
        [vocabulary]
        size = 500
        [training]
        learning_rate = 1
        optimizer = "muon"
        compile = true
        [[corpus]]
        path = "a.en"
        target_path = "a.pt"
        weight = 0.5
        [[corpus]]
        path = "b/*.tsv.xz"
        [[validation]]
        name = "news"
        path = "news.tsv"
        limit = 7
    """
    recipe = read(tmp_path, text)
    assert recipe.model == replace(PRESETS["small"], vocab_size=500, dropout=0, norm="post")
    assert recipe.corpora == (CorpusSettings("a.en", "a.pt", 0.5), CorpusSettings("b/*.tsv.xz"))
    assert recipe.validation == (ValidationSettings("news", "news.tsv", limit=7),)
    assert recipe.training == TrainingSettings(learning_rate=1, optimizer="muon", compile=True)


def test_overrides_replace_keys_of_training(tmp_path: Path) -> None:
    text = MINIMAL + "[training]\nmax_steps = 5\nseed = 3\n"
    settings = read(tmp_path, text, {"max_steps": 9}).training
    assert (settings.max_steps, settings.seed) == (9, 3)
    with pytest.raises(TrainingError, match=r"unknown key training\.steps"):
        read(tmp_path, text, {"steps": 9})


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("[trainign]", "unknown section 'trainign'"),
        ("[training]\nlr = 1", "unknown key training.lr"),
        ("[training]\nmax_steps = 1.5", "training.max_steps must be a whole number, not 1.5"),
        ("[training]\nmax_steps = true", "training.max_steps must be a whole number"),
        ("[training]\nlearning_rate = 'x'", "training.learning_rate must be a number, not 'x'"),
        ("[training]\ncompile = 1", "training.compile must be true or false"),
        ("[training]\noptimizer = 'sgd'", "must be one of 'adam', 'muon', not 'sgd'"),
        ("[training]\nlog_every = 0", "training.log_every must be at least 1, not 0"),
        ("[training]\nlearning_rate = -1", "training.learning_rate must be at least 0"),
        ("[training]\nlearning_rate = inf", "training.learning_rate must be at least 0"),
        ("[training]\nlabel_smoothing = 1", r"training.label_smoothing must be in \[0, 1\)"),
        ("[training]\nseed = -1", "training.seed must be in"),
        ("[vocabulary]\nsize = 0", "vocabulary.size must be at least 1"),
        ("[model]\npreset = 'huge'", "model.preset must be one of base, big, small, not 'huge'"),
        ("[model]\npreset = []", "model.preset must be one of"),
        ("[model]\nlayers = 6", "unknown key model.layers"),
        ("[model]\nvocab_size = 6", "unknown key model.vocab_size"),
        ("[model]\nnum_heads = 7", "must be a multiple of num_heads"),
        ("[model]\nd_model = 'wide'", "d_model must be a whole number"),
        ("[[corpus]]", "corpus.path is missing"),
        ("[[corpus]]\npath = 'a'\nweight = -1", "corpus.weight must be at least 0, not -1"),
        ("[[corpus]]\npath = 'a'\nweight = nan", "corpus.weight must be at least 0, not nan"),
        ("[validation]\nname = 'a'", r"validation must be .* \[\[validation\]\]"),
        ("[[validation]]\nname = '../a'\npath = 'b'", "validation.name must be of letters"),
        ("[[validation]]\nname = 'a'\npath = 'b'\nlimit = 0", "limit must be at least 1"),
        ("[[validation]]\nname = 'a'\npath = 'b'\n" * 2, "two .* have the same name"),
        ("[training", "not valid TOML"),
    ],
)
def test_a_mistake_names_file_and_key(tmp_path: Path, addition: str, message: str) -> None:
    with pytest.raises(TrainingError, match=f"recipe.toml: .*{message}") as caught:
        read(tmp_path, MINIMAL + addition)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[corpus]]\npath = "a"', "languages must be a list of two codes"),
        (MINIMAL.replace('"de"', '"en"'), "languages must be a list of two codes"),
        (MINIMAL.replace('"de"', "[]"), "languages must be a list of two codes"),
        (MINIMAL.replace('"de"', '"German"'), "languages must be a list of two codes"),
        (MINIMAL.replace("[[corpus]]", "[corpus]"), r"corpus must be .* \[\[corpus\]\]"),
        ('languages = ["en", "de"]', r"at least one \[\[corpus\]\]"),
        (MINIMAL + "weight = 0", r"at least one \[\[corpus\]\] with a weight above 0"),
        ("training = 3\n" + MINIMAL, r"training must be a section, \[training\]"),
    ],
    ids=[
        "no-languages",
        "one-language",
        "no-string",
        "no-code",
        "corpus-is-a-table",
        "no-corpus",
        "no-weight",
        "training-is-a-number",
    ],
)
def test_a_recipe_without_its_parts_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        read(tmp_path, text)


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"none\.toml: cannot be read \(No such file"):
        Recipe.read(tmp_path / "none.toml")


@pytest.mark.parametrize("path", sorted((REPOSITORY / "recipes").glob("*.toml")), ids=str)
def test_the_recipes_that_ship_are_valid(path: Path) -> None:
    recipe = Recipe.read(path)
    assert recipe.corpora and recipe.validation
