"""`tformer prepare` makes a token store, or says in one line why not."""

from pathlib import Path

import pytest
from fake_translator import Tformer
from tiny_training import PAIRS, write_recipe, write_tsv

from tformer.cli.exits import ExitStatus
from tformer.model.checkpoint.layout import find_model
from tformer.model.training.store import TokenStore


def test_corpora_are_found_beside_the_recipe(tformer: Tformer, tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    recipe = write_recipe(tmp_path, "a.tsv")
    result = tformer("prepare", recipe, tmp_path / "store", "--threads", 2)
    assert (result.status, result.out) == (ExitStatus.SUCCESS, "")
    assert result.err.splitlines() == [
        "note: learning a vocabulary of 340 pieces",
        "note: a.tsv: 10 of 10 pairs kept",
        f"note: the token store is in {tmp_path / 'store'}",
    ]
    assert len(TokenStore.open(tmp_path / "store")) == 10


def test_corpora_may_be_elsewhere(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir()
    write_tsv(tmp_path / "corpora" / "a.tsv", PAIRS)
    recipe = write_recipe(tmp_path, "a.tsv")
    arguments = (recipe, tmp_path / "store", "--corpora", tmp_path / "corpora")
    assert tformer("prepare", *arguments).status == ExitStatus.SUCCESS
    result = tformer("prepare", *arguments)
    assert result.status == ExitStatus.TRAINING
    assert result.err == (
        f"error: {tmp_path / 'store'}: exists already; choose another place or remove it\n"
    )


def test_a_bad_line_is_one_line(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("no tab\n")
    result = tformer("prepare", write_recipe(tmp_path, "a.tsv"), tmp_path / "store")
    assert result.status == ExitStatus.INPUT
    assert result.err.splitlines()[-1].startswith(f"error: {tmp_path / 'a.tsv'}:1: expected")
    assert not (tmp_path / "store").exists()


def test_a_bad_recipe_is_one_line(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[corpus")
    result = tformer("prepare", tmp_path / "recipe.toml", tmp_path / "store")
    assert result.status == ExitStatus.TRAINING
    assert result.err.startswith(f"error: {tmp_path / 'recipe.toml'}: not valid TOML")
    assert result.err.count("\n") == 1


def tmx(*units: dict[str, str]) -> str:
    """A translation memory; a unit is text by language."""
    body = "".join(
        "<tu>"
        + "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in unit.items())
        + "</tu>"
        for unit in units
    )
    return f'<tmx version="1.4"><header srclang="en"/><body>{body}</body></tmx>'


def test_a_translation_memory_is_the_same_as_its_pairs(tformer: Tformer, tmp_path: Path) -> None:
    """Whatever comes first in a unit, whichever region is named, and whatever else it holds."""
    write_tsv(tmp_path / "a.tsv", [(english.replace("dog", "<b>"), g) for english, g in PAIRS])
    units = [{"de-AT": german, "fr": "x", "en": english} for english, german in PAIRS]
    units[0]["en"] = units[0]["en"].replace("dog", "&lt;b&gt;")
    text = tmx(*units, {"en": "only English", "fr": "x"}, {"fr": "x", "de": "nur Deutsch"})
    (tmp_path / "a.TMX").write_text(text, encoding="utf-8")
    stores = []
    for name in ("a.tsv", "a.TMX"):
        result = tformer("prepare", write_recipe(tmp_path, name), tmp_path / f"store-{name}")
        assert result.status == ExitStatus.SUCCESS, result.err
        stores.append(TokenStore.open(tmp_path / f"store-{name}"))
    assert len(stores[0]) == len(PAIRS)
    assert stores[0].fingerprint == stores[1].fingerprint


def test_a_translation_memory_may_be_held_out(tformer: Tformer, tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    held = [{"en": english, "de": german} for english, german in PAIRS[:3]]
    (tmp_path / "held.tmx").write_text(tmx(*held), encoding="utf-8")
    recipe = write_recipe(tmp_path, "a.tsv", validation="held.tmx")
    assert tformer("prepare", recipe, tmp_path / "store").status == ExitStatus.SUCCESS
    store = TokenStore.open(tmp_path / "store")
    assert store.validation_sets() == {"held-out": PAIRS[:3]}
    assert len(store) == len(PAIRS) - 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (tmx({"en": "a", "fr": "b"}), "no unit is in both en and de"),
        (tmx(), "no unit is in both en and de"),
        ("<tmx><body>", "not well-formed XML"),
    ],
    ids=["other-languages", "empty", "cut"],
)
def test_a_translation_memory_of_no_use_is_one_line(
    tformer: Tformer, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "a.tmx").write_text(text)
    result = tformer("prepare", write_recipe(tmp_path, "a.tmx"), tmp_path / "store")
    assert result.status == ExitStatus.INPUT
    assert str(tmp_path / "a.tmx") in result.err.splitlines()[-1]
    assert message in result.err
    assert not (tmp_path / "store").exists()


def test_the_vocabulary_may_be_that_of_a_model(tformer: Tformer, tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('languages = ["en", "de"]\n[[corpus]]\npath = "a.tsv"\n')
    result = tformer("prepare", recipe, tmp_path / "store", "--from", "en-de")
    shipped = find_model("en-de")
    assert result.err.splitlines() == [
        f"note: taking the vocabulary of {shipped}",
        "note: a.tsv: 10 of 10 pairs kept",
        f"note: the token store is in {tmp_path / 'store'}",
    ]
    vocabulary = (tmp_path / "store" / "vocabulary.model").read_bytes()
    assert vocabulary == (shipped / "sentencepiece.model").read_bytes()


def test_a_recipe_and_a_model_that_disagree_are_one_line(tformer: Tformer, tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    recipe = write_recipe(tmp_path, "a.tsv")
    result = tformer("prepare", recipe, tmp_path / "store", "--from", "en-de")
    assert result.status == ExitStatus.TRAINING
    assert result.err == (
        f"error: {recipe}: vocabulary.size is 340, but the model to begin with has 8000; "
        "leave it out\n"
    )
    recipe.write_text('languages = ["en", "ja"]\n[[corpus]]\npath = "a.tsv"\n')
    result = tformer("prepare", recipe, tmp_path / "store", "--from", "en-de")
    assert result.status == ExitStatus.TRAINING
    assert "knows the languages en, de, but the recipe's are en, ja" in result.err
    assert result.err.count("\n") == 1
    result = tformer("prepare", recipe, tmp_path / "store", "--from", "de-fr")
    assert result.status == ExitStatus.MODEL
    assert result.err.startswith("error: de-fr: no such model")
