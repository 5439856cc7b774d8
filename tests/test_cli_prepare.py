"""`tformer prepare` makes a token store, or says in one line why not."""

from pathlib import Path

from fake_translator import Tformer
from tiny_training import PAIRS, write_recipe, write_tsv

from tformer.cli.exits import ExitStatus
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
