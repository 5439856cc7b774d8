"""The token store: what goes in comes out, and it is complete or not there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_training import PAIRS, make_store, sample_pairs, write_recipe, write_tsv

from tformer.model.errors import InputError, OutputError, TrainingError
from tformer.model.training.preparing import prepare
from tformer.model.training.recipe import CorpusSettings, Recipe
from tformer.model.training.store import TokenStore


def pairs_of(store: TokenStore) -> list[tuple[str, str]]:
    decode = store.vocabulary.decode
    pairs = [store.pair(index) for index in range(len(store))]
    return [(decode(first.tolist()), decode(second.tolist())) for first, second in pairs]


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    write_tsv(tmp_path / "b.tsv", [("½  漢字", "\u0000😀 u\u0308")])
    store = make_store(tmp_path, Recipe.read(write_recipe(tmp_path, "a.tsv", "b.tsv")))
    assert pairs_of(store) == [*PAIRS, ("½ 漢字", "😀 ü")]
    assert store.corpora.tolist() == [0] * len(PAIRS) + [1]
    assert store.languages == ("en", "de")
    for index, (first, second) in enumerate(pairs_of(store)):
        pieces = [store.vocabulary.pieces(first), store.vocabulary.pieces(second)]
        assert store.lengths[index].tolist() == [len(side) for side in pieces]
        assert store.pair(index)[0].tolist() == pieces[0]


def test_globs_and_paired_files_are_one_corpus_each(tmp_path: Path) -> None:
    write_tsv(tmp_path / "part-1.tsv", PAIRS[:2])
    write_tsv(tmp_path / "part-2.tsv", PAIRS[2:4])
    for suffix, side in (("en", 0), ("de", 1)):
        lines = (pair[side] + "\n" for pair in PAIRS[4:])
        (tmp_path / f"x.{suffix}").write_text("".join(lines), encoding="utf-8")
    recipe = Recipe.read(write_recipe(tmp_path, "part-*.tsv"))
    recipe = replace(recipe, corpora=(*recipe.corpora, CorpusSettings("x.en", "x.de")))
    store = make_store(tmp_path, recipe)
    assert pairs_of(store) == PAIRS
    assert store.corpora.tolist() == [0] * 4 + [1] * 6
    assert store.sources == ("part-*.tsv", "x.en")


def test_a_repeat_is_kept_at_its_first_place(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", [*PAIRS, PAIRS[0], (" " + PAIRS[1][0], PAIRS[1][1])])
    write_tsv(tmp_path / "b.tsv", [PAIRS[2], ("new", PAIRS[2][1])])
    store = make_store(tmp_path, Recipe.read(write_recipe(tmp_path, "a.tsv", "b.tsv")))
    assert pairs_of(store) == [*PAIRS, ("new", PAIRS[2][1])]


def test_no_sentence_of_a_validation_set_is_trained_on(tmp_path: Path) -> None:
    write_tsv(tmp_path / "held.tsv", [PAIRS[3], ("u\u0308ber  it", "x")])
    leaks = [(PAIRS[3][0], "another side"), ("another side", PAIRS[3][1]), ("über it", "y")]
    write_tsv(tmp_path / "a.tsv", [*PAIRS, *leaks])
    recipe = write_recipe(tmp_path, "a.tsv", validation="held.tsv")
    store = make_store(tmp_path, Recipe.read(recipe))
    assert pairs_of(store) == [pair for pair in PAIRS if pair != PAIRS[3]]
    assert store.validation_sets() == {"held-out": [PAIRS[3], ("über it", "x")]}


def test_a_large_validation_set_is_thinned_evenly_but_held_out_as_a_whole(tmp_path: Path) -> None:
    pairs = sample_pairs(450)
    write_tsv(tmp_path / "held.tsv", [*pairs, ("\x01", "nothing is left of one side")])
    write_tsv(tmp_path / "a.tsv", [*PAIRS, *pairs])
    recipe = write_recipe(tmp_path, "a.tsv", validation="held.tsv")
    store = make_store(tmp_path, Recipe.read(recipe))
    assert pairs_of(store) == PAIRS
    assert store.validation_sets()["held-out"] == pairs[:400:2]


def test_pairs_that_are_too_long_or_empty_are_left_out(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", [*PAIRS, ("9" * 61, "b"), ("9" * 60, "b"), ("\x01", "b")])
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv", training="max_length = 63"))
    store = make_store(tmp_path, recipe)
    assert pairs_of(store) == [*PAIRS, ("9" * 60, "b")]  # 60 digits, ▁, tag and end


def test_the_same_corpora_make_the_same_store(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", sample_pairs(50))
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv"))
    for name, threads in (("one", 1), ("two", 2)):
        prepare(recipe, tmp_path, tmp_path / name, threads=threads, report=lambda line: None)
    stores = [TokenStore.open(tmp_path / name) for name in ("one", "two")]
    assert stores[0].fingerprint == stores[1].fingerprint
    assert np.array_equal(stores[0].tokens, stores[1].tokens)


def test_a_vocabulary_over_65536_pieces_needs_wider_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tformer.model.vocabulary.sentencepiece import Vocabulary

    write_tsv(tmp_path / "a.tsv", PAIRS)
    size = Vocabulary.__len__
    monkeypatch.setattr(Vocabulary, "__len__", lambda self: size(self) + (1 << 16))
    store = make_store(tmp_path, Recipe.read(write_recipe(tmp_path, "a.tsv")))
    assert store.tokens.dtype == np.uint32
    assert pairs_of(store) == PAIRS


def test_progress_is_reported(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", [*PAIRS, PAIRS[0]])
    said: list[str] = []
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv"))
    prepare(recipe, tmp_path, tmp_path / "store", report=said.append)
    assert said == ["learning a vocabulary of 340 pieces", "a.tsv: 10 of 11 pairs kept"]


# -- failures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [("no tab\n", r"bad\.tsv:1: expected"), ("", r"bad\.tsv: the file is empty")],
    ids=["bad-line", "empty-file"],
)
def test_a_bad_corpus_leaves_nothing_behind(tmp_path: Path, line: str, message: str) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    (tmp_path / "bad.tsv").write_text(line)
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv", "bad.tsv"))
    with pytest.raises(InputError, match=message):
        prepare(recipe, tmp_path, tmp_path / "store", report=lambda line: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tsv", "bad.tsv", "recipe.toml"]


def test_nothing_left_to_train_on(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv", validation="a.tsv"))
    with pytest.raises(InputError, match="no pair is left"):
        prepare(recipe, tmp_path, tmp_path / "store", report=lambda line: None)
    assert not (tmp_path / "store").exists()


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv"))
    with pytest.raises(TrainingError, match="exists already"):
        prepare(recipe, tmp_path, tmp_path / "a.tsv")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tformer.model.errors import OutputError
from tformer.model.training.recipe import Recipe
from tformer.model.training.preparing import prepare

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
recipe = Recipe.read(folder / "recipe.toml")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing past the limit is an OSError then
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    prepare(recipe, folder, folder / "store", report=lambda line: None)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [0, 1_000, 20_000], ids=["nothing", "vocabulary", "tokens"])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path: Path, limit: int) -> None:
    write_tsv(tmp_path / "a.tsv", sample_pairs(1500))
    write_recipe(tmp_path, "a.tsv")
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"{tmp_path / 'store'}: cannot be written (File too large)\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tsv", "recipe.toml"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv"))
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        prepare(recipe, tmp_path, tmp_path / "locked" / "store")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", PAIRS)
    recipe = Recipe.read(write_recipe(tmp_path, "a.tsv"))
    with pytest.raises(OutputError, match="cannot be written"):
        prepare(recipe, tmp_path, path / "store")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    return make_store(tmp_path, Recipe.read(write_recipe(tmp_path, "a.tsv"))).path


@pytest.mark.parametrize(
    "name",
    ["store.json", "vocabulary.model", "tokens.bin", "offsets.bin", "lengths.bin", "corpora.bin"],
)
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_a_damaged_store_is_refused(made: Path, name: str, damage: str) -> None:
    path = made / name
    size = {"truncated": path.stat().st_size // 2 & ~7, "empty": 0}.get(damage)
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(TrainingError, match="prepare"):
        TokenStore.open(made)


def test_a_store_json_of_something_else_is_refused(made: Path) -> None:
    for text in ("[]", '{"pairs": 3}', json.dumps("store")):
        (made / "store.json").write_text(text)
        with pytest.raises(TrainingError, match="not a readable token store"):
            TokenStore.open(made)


def test_a_store_may_move(made: Path, tmp_path: Path) -> None:
    shutil.move(made, tmp_path / "elsewhere")
    assert pairs_of(TokenStore.open(tmp_path / "elsewhere")) == PAIRS


def test_a_foreign_recipe_is_refused(made: Path) -> None:
    store, recipe = TokenStore.open(made), Recipe.read(made.parent / "recipe.toml")
    store.check(recipe)
    store.check(replace(recipe, corpora=(CorpusSettings("a.tsv", weight=7),)))
    for other, message in (
        (replace(recipe, languages=("de", "en")), "other languages"),
        (replace(recipe, corpora=(CorpusSettings("b.tsv"),)), "other corpora"),
        (replace(recipe, model=replace(recipe.model, vocab_size=400)), "other vocabulary size"),
    ):
        with pytest.raises(TrainingError, match=message):
            store.check(other)
