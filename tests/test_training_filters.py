"""Filters and augmentation: what they leave out and add, and that the recipe decides it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_translator import Tformer
from hypothesis import given
from hypothesis import strategies as st
from tiny_training import PAIRS, make_store, write_recipe, write_tsv

from tformer.model.errors import TrainingError
from tformer.model.training.augmentation import Example, augmented
from tformer.model.training.batches import plan_epoch
from tformer.model.training.filters import Filtered, Filters
from tformer.model.training.recipe import Recipe
from tformer.model.training.settings import FILTERS, AugmentationSettings
from tformer.model.training.store import DIRECTIONS, TokenStore

Pair = tuple[str, str]

FRENCH = "Le petit chien noir court sur la plage avec son maître."
BAD: dict[str, Pair] = {
    "language": (FRENCH, "Der kleine schwarze Hund läuft mit seinem Herrn am Strand."),
    "length": ("Yes.", "Ja, aber nur wenn das Wetter am Wochenende wirklich besser wird."),
    "numbers": ("The bridge was built in 1987.", "Die Brücke wurde 1978 gebaut."),
    "near-duplicates": ("where is the railway station ?", "WO IST DER BAHNHOF"),
}


def kept(names: tuple[str, ...], pairs: list[Pair]) -> tuple[list[Pair], Filtered]:
    left = Filtered(wanted=3)
    return list(Filters(("en", "de")).apply(names, iter(pairs), left)), left


def test_sound_pairs_pass_every_filter() -> None:
    assert kept(FILTERS, PAIRS)[0] == PAIRS


@pytest.mark.parametrize("name", BAD)
def test_a_filter_leaves_out_what_it_is_for_and_nothing_else(name: str) -> None:
    pairs = [*PAIRS, BAD[name]]
    passed, left = kept((name,), pairs)
    assert (passed, left.examples) == (PAIRS, {name: [BAD[name]]})
    others = tuple(other for other in FILTERS if other != name)
    assert kept(others, pairs)[0] == pairs


def test_rows_that_are_one_off_are_left_out() -> None:
    english = [f"{name} came to Hamburg in {year}." for name, year in YEARS]
    german = [f"{name} kam {year} nach Hamburg." for name, year in YEARS]
    good = list(zip(english, german, strict=True))
    assert kept(("shifted",), good)[0] == good
    texts = ["The weather was fine.", "Nobody knew why.", *english[:1], "It rained."]
    wrong = ["Niemand wusste warum.", *german[:1], "Es regnete dann.", "Ende."]
    passed, left = kept(("shifted",), list(zip(texts, wrong, strict=True)))
    assert left.counts["shifted"] == 2
    assert all("Hamburg" not in first + second for first, second in passed)


YEARS = (("Anna Seidel", 1931), ("Boris Kalkan", 1954), ("Clara Osei", 1987))


def test_numbers_may_be_written_otherwise() -> None:
    same = [
        ("It costs 1,299.50 euros.", "Es kostet 1.299,50 Euro."),
        ("Three of 12 came.", "3 von zwölf kamen."),
    ]
    assert kept(("numbers",), same)[0] == same


def test_near_duplicates_are_found_across_corpora_and_counted(
    tformer: Tformer, tmp_path: Path
) -> None:
    write_tsv(tmp_path / "a.tsv", [*PAIRS, BAD["length"]])
    write_tsv(tmp_path / "b.tsv", [BAD["near-duplicates"], BAD["numbers"]])
    write_tsv(tmp_path / "c.tsv", [BAD["numbers"]])
    recipe = write_recipe(tmp_path, "a.tsv", "b.tsv", "c.tsv")
    text = recipe.read_text().replace('path = "c.tsv"', 'path = "c.tsv"\nfilter = []')
    recipe.write_text(text.replace("languages", f"filter = {list(FILTERS)}\nlanguages", 1))
    result = tformer("prepare", recipe, tmp_path / "store", "--show-filtered", 1)
    assert result.status == 0, result.err
    assert "note: a.tsv: 10 of 11 pairs kept, left out for length 1" in result.err
    assert "b.tsv: 0 of 2 pairs kept, left out for near-duplicates 1, numbers 1" in result.err
    assert "c.tsv: 1 of 1 pairs kept\n" in result.err
    assert "\t".join(("numbers", "b.tsv", *BAD["numbers"])) in result.out.splitlines()
    assert len(TokenStore.open(tmp_path / "store")) == 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('filter = ["lenght"]', "filter must be of language, length"),
        ('filter = "length"', "filter must be a list of names"),
        ("[augmentation]\ntypos = 2", r"augmentation.typos must be from 0 to 1"),
        ("[augmentation]\nnoise = 0.1", "unknown key augmentation.noise"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(LANGUAGES + text + '\n[[corpus]]\npath = "c.tsv"\n')
    with pytest.raises(TrainingError, match=message):
        Recipe.read(path)


LANGUAGES = 'languages = ["en", "de"]\n'


# -- directions ---------------------------------------------------------------------------


def test_a_corpus_is_learnt_in_its_direction_only(tmp_path: Path) -> None:
    for name, part in zip(DIRECTIONS, (PAIRS[:3], PAIRS[3:6], PAIRS[6:]), strict=True):
        write_tsv(tmp_path / f"{name}.tsv", part)
    recipe = write_recipe(tmp_path, *(f"{name}.tsv" for name in DIRECTIONS))
    text = recipe.read_text()
    for name in DIRECTIONS:
        text = text.replace(f'"{name}.tsv"', f'"{name}.tsv"\ndirection = "{name}"')
    recipe.write_text(text)
    store = make_store(tmp_path, Recipe.read(recipe))
    seen = np.concatenate(plan_epoch(store, (1, 1, 1), 400, 1, 0))
    expected = {2 * i + d for i in range(10) for d in (0, 1) if i < 3 or (i < 6) == (d == 0)}
    assert sorted(seen.tolist()) == sorted(expected)


def test_a_store_without_directions_is_learnt_both_ways(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    store = make_store(tmp_path, Recipe.read(write_recipe(tmp_path, "a.tsv")))
    (store.path / "directions.bin").unlink()
    assert not TokenStore.open(store.path).directions.any()


# -- augmentation -------------------------------------------------------------------------


def test_copies_are_added_as_the_recipe_says(tmp_path: Path) -> None:
    example = Example("See https://a.de/x?y=1 or mail me@b.org: 40 pieces.", "Sie me@b.org, 40")
    everything = AugmentationSettings(*[1.0] * 5)
    added = list(augmented(example, everything, seed=1))
    assert Example("me@b.org 40", "me@b.org 40") in added
    assert Example(example.first.upper(), example.second.upper()) in added
    assert Example(example.first.lower(), example.second, "forward") in added
    assert Example(example.first, example.second.lower(), "backward") in added
    assert not list(augmented(example, AugmentationSettings(), seed=1))
    write_tsv(tmp_path / "a.tsv", PAIRS)
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv"))
    recipe = replace(recipe, augmentation=AugmentationSettings(lowercase=1.0))
    store = make_store(tmp_path, recipe)
    assert store.directions.tolist() == [0] * 10 + [1, 2] * 10


@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(DIRECTIONS), st.integers(0, 9))
def test_noise_is_on_sources_only(first: str, second: str, direction: str, seed: int) -> None:
    example = Example(first, second, direction)
    settings = AugmentationSettings(lowercase=1.0, typos=1.0)
    for copy in augmented(example, settings, seed):
        assert copy.direction != "both"
        assert direction in ("both", copy.direction)
        target = 1 if copy.direction == "forward" else 0
        assert copy[target] == example[target]
        assert copy[1 - target] != example[1 - target]


def test_shares_are_probabilities() -> None:
    settings = AugmentationSettings(capitals=0.25)
    examples = [Example(f"word {i}", "wort") for i in range(4000)]
    count = sum(len(list(augmented(example, settings, 1))) for example in examples)
    assert count == pytest.approx(1000, abs=170)  # six standard deviations
