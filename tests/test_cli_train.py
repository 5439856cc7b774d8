"""`tformer train`: starting, interrupting, going on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_translator import Tformer
from tiny_training import PAIRS, make_store, sample_pairs, write_recipe, write_tsv

from tformer.cli.exits import ExitStatus
from tformer.cli.train import read_settings
from tformer.model.errors import UsageError
from tformer.model.training.recipe import Recipe


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[Path, Path, Path]:
    """RECIPE, DATA and RUN of a run of three steps."""
    write_tsv(tmp_path / "a.tsv", sample_pairs(20))
    write_tsv(tmp_path / "held.tsv", PAIRS[:2])
    training = "max_steps = 3\nlog_every = 1"
    recipe = write_recipe(tmp_path, "a.tsv", validation="held.tsv", training=training)
    make_store(tmp_path, Recipe.read(recipe))
    return recipe, tmp_path / "store", tmp_path / "run"


def test_the_last_line_says_where_the_model_is(
    tformer: Tformer, arguments: tuple[Path, Path, Path]
) -> None:
    result = tformer("train", *arguments, "--device", "cpu")
    assert (result.status, result.out) == (ExitStatus.SUCCESS, "")
    lines = result.err.splitlines()
    assert [line.split("  ")[0] for line in lines[:3]] == ["step 1/3", "step 2/3", "step 3/3"]
    assert lines[-2].startswith("held-out.en-de.BLEU ")
    model = arguments[2] / "model"
    assert lines[-1] == f"note: finished at step 3; the model is in {model}"

    described = json.loads(tformer("info", model, "--json").out)
    assert described["languages"] == ["en", "de"]
    assert described["training"]["step"] == 3


def test_settings_replace_those_of_the_recipe(
    tformer: Tformer, arguments: tuple[Path, Path, Path]
) -> None:
    settings = ("--set", "max_steps=2", "--set", "optimizer=muon", "--set", "precision=float32")
    result = tformer("train", *arguments, *settings)
    assert result.status == ExitStatus.SUCCESS
    assert "finished at step 2" in result.err


@pytest.mark.parametrize(
    ("setting", "status", "message"),
    [
        ("max_steps", ExitStatus.USAGE, "--set needs KEY=VALUE, not 'max_steps'"),
        ("steps=3", ExitStatus.TRAINING, "unknown key training.steps"),
        ("max_steps=many", ExitStatus.TRAINING, "max_steps must be a whole number, not 'many'"),
    ],
)
def test_a_wrong_setting_is_one_line(
    tformer: Tformer,
    arguments: tuple[Path, Path, Path],
    setting: str,
    status: ExitStatus,
    message: str,
) -> None:
    result = tformer("train", *arguments, "--set", setting)
    assert result.status == status
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("max_steps=1_000", 1000),
        ("learning_rate = 2e-3", 2e-3),
        ("compile=true", True),
        ("optimizer=muon", "muon"),
        ('optimizer="muon"', "muon"),
        ("schedule=inverse-sqrt", "inverse-sqrt"),
    ],
)
def test_settings_have_the_types_of_toml(text: str, value: Any) -> None:
    (read,) = read_settings([text]).values()
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize("text", ["", "=3", "max_steps"])
def test_a_setting_needs_a_key_and_a_value(text: str) -> None:
    with pytest.raises(UsageError, match="--set needs KEY=VALUE"):
        read_settings([text])


def test_a_missing_store_is_one_line(tformer: Tformer, arguments: tuple[Path, Path, Path]) -> None:
    recipe, data, run = arguments
    result = tformer("train", recipe, data / "none", run)
    assert result.status == ExitStatus.TRAINING
    assert "none: not a readable token store" in result.err
    assert "make it with 'tformer prepare'" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "reason", "status"),
    [
        pytest.param(signal.SIGINT, "interrupted", ExitStatus.INTERRUPTED, id="ctrl-c"),
        pytest.param(signal.SIGTERM, "terminated", ExitStatus.TERMINATED, id="sigterm"),
    ],
)
def test_a_signal_saves_and_the_same_command_goes_on(
    tformer: Tformer,
    arguments: tuple[Path, Path, Path],
    number: signal.Signals,
    reason: str,
    status: ExitStatus,
) -> None:
    command = ["train", *map(str, arguments), "--device", "cpu", "--set", "max_steps=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tformer.cli", *command],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("step 1/100,000  loss ")
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == status
    ending = said.splitlines()[-1]
    assert ending.startswith(f"note: {reason} at step ")
    assert ending.endswith("; saved: the same command goes on")

    step = int(ending.split()[4].rstrip(";").replace(",", ""))
    result = tformer("train", *arguments, "--set", f"max_steps={step + 1}")
    assert result.status == ExitStatus.SUCCESS
    assert result.err.splitlines()[0].startswith(f"step {step + 1:,}/{step + 1:,}  loss ")


def test_a_run_may_begin_with_a_model(tformer: Tformer, arguments: tuple[Path, Path, Path]) -> None:
    """Of another run here, and said by every call; its first line measures what it begins with."""
    recipe, data, run = arguments
    assert tformer("train", recipe, data, run).status == ExitStatus.SUCCESS
    more = (recipe, data, run.parent / "more", "--from", run / "model")
    begun = tformer("train", *more, "--set", "max_steps=1")
    assert begun.status == ExitStatus.SUCCESS
    assert begun.err.startswith("held-out.en-de.BLEU ")
    assert "the model is in" in begun.err.splitlines()[-1]
    gone_on = tformer("train", *more)
    assert gone_on.err.startswith("step 2/3  loss ")

    forgotten = tformer("train", *more[:3])
    assert forgotten.status == ExitStatus.TRAINING
    assert "the run began with another model; give that one by --from" in forgotten.err
    assert forgotten.err.count("\n") == 1
