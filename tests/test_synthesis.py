"""Synthesis: complete, the same whether it was killed or not, and of use to training."""

from __future__ import annotations

import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_translator import Tformer
from tiny_training import PAIRS, write_recipe, write_tsv

from tformer.cli.exits import ExitStatus
from tformer.model.checkpoint.layout import find_model
from tformer.model.training import synthesis
from tformer.model.training.store import TokenStore

REPOSITORY = Path(__file__).parent.parent

GERMAN = [german for _, german in PAIRS]


def write_text(folder: Path, lines: list[str]) -> Path:
    path = folder / "german.txt"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def read_corpus(path: Path) -> list[tuple[str, str]]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return [(first, second) for first, second in rows]


def test_every_sound_line_becomes_a_pair_in_the_recipes_order(
    tformer: Tformer, tmp_path: Path
) -> None:
    text = write_text(tmp_path, [*GERMAN, GERMAN[0], "", "wort " * 70])
    recipe = write_recipe(tmp_path, "a.tsv")
    output = tmp_path / "back.tsv.xz"
    result = tformer("synthesize", recipe, text, "-o", output, "-s", "de")
    assert result.status == 0, result.err
    pairs = read_corpus(output)
    assert [second for _, second in pairs] == GERMAN
    assert ("Where is the train station?", GERMAN[1]) in pairs or pairs[1][0].startswith("Where")
    assert "10 pairs of 13 lines; left out 1 repeats, 2 by their length" in result.err
    assert 'direction = "forward"' in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "back.tsv.xz",
        "german.txt",
        "recipe.toml",
    ]


KILLED = """
import os, signal, sys
from tformer.cli.main import run
from tformer.model.training import synthesis
synthesis.PART = 3
write = synthesis._write
def write_and_die(path, text):
    if path.name == "000002.json":
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, text)
synthesis._write = write_and_die
run(sys.argv[1:])
"""


@pytest.mark.parametrize("settings", ["beam_size = 4\nn_best = 2", "sampling = true"])
def test_a_run_that_was_killed_makes_the_same_file(
    tformer: Tformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    monkeypatch.setattr(synthesis, "PART", 3)
    text = write_text(tmp_path, GERMAN)
    recipe = write_recipe(tmp_path, "a.tsv")
    recipe.write_text(recipe.read_text() + f"\n[synthesis]\n{settings}\n")

    def call(name: str) -> list[str]:
        return ["synthesize", str(recipe), str(text), "-s", "de", "-o", str(tmp_path / name)]

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *call("killed.tsv.xz")], env=os.environ, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(list((tmp_path / ".killed.tsv.xz.parts").glob("*.json"))) == 3  # facts and two parts
    assert not (tmp_path / "killed.tsv.xz").exists()
    for name in ("killed.tsv.xz", "whole.tsv.xz"):
        result = tformer(*call(name))
        assert result.status == 0, result.err
        assert f"{name}: " in result.err
    whole = (tmp_path / "whole.tsv.xz").read_bytes()
    assert whole == (tmp_path / "killed.tsv.xz").read_bytes()
    made = {second for _, second in read_corpus(tmp_path / "whole.tsv.xz")}
    flagged = re.search(r"(\d+) that look wrong", result.err)  # a sample may lose a number
    assert flagged and made <= set(GERMAN)
    assert len(made) == len(set(GERMAN)) - int(flagged[1]) > len(GERMAN) // 2


def test_parts_of_other_settings_are_not_used(
    tformer: Tformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, recipe = write_text(tmp_path, GERMAN[:3]), write_recipe(tmp_path, "a.tsv")
    parts = tmp_path / ".x.tsv.parts"
    parts.mkdir()
    (parts / "facts.json").write_text("{}")
    (parts / "000000.tsv").write_text("stale\tstale\n")
    (parts / "000000.json").write_text("{}")
    assert tformer("synthesize", recipe, text, "-o", tmp_path / "x.tsv", "-s", "de").status == 0
    assert "stale" not in (tmp_path / "x.tsv").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("-s", "fr"), ExitStatus.USAGE, "language must be one of the recipe's, en or de"),
        (("-s", "de", "tag"), ExitStatus.USAGE, "'<bt>' is not one piece"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    tformer: Tformer, tmp_path: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    recipe = write_recipe(tmp_path, "a.tsv")
    if "tag" in arguments:
        recipe.write_text(recipe.read_text() + '\n[synthesis]\ntag = "<bt>"\n')
    text = write_text(tmp_path, GERMAN)
    result = tformer("synthesize", recipe, text, "-o", tmp_path / "x.tsv", *arguments[:2])
    assert result.status == status
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.slow
def test_the_recipe_of_five_lines_trains_on_two_files_of_a_user(
    tformer: Tformer, tmp_path: Path
) -> None:
    """Synthesis of one text, then training on it and on pairs, from the shipped model."""
    recipe = tmp_path / "recipe.toml"
    shutil.copy(REPOSITORY / "examples" / "five-lines.toml", recipe)
    assert len(recipe.read_text().splitlines()) == 5
    write_tsv(tmp_path / "pairs.tsv", PAIRS[:6])
    text = write_text(tmp_path, GERMAN[6:])
    store, run = tmp_path / "data", tmp_path / "run"
    for arguments in (
        ("synthesize", recipe, text, "-s", "de", "-o", tmp_path / "back.tsv.xz"),
        ("prepare", recipe, store, "--from", "en-de"),
        ("train", recipe, store, run, "--from", "en-de", "--set", "max_steps=2"),
    ):
        result = tformer(*arguments)
        assert result.status == 0, result.err
    assert TokenStore.open(store).directions.tolist().count(1) >= 4
    assert find_model(run / "model")
