"""The loop: a function of its step, whatever interrupts it."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_training import PAIRS, make_store, sample_pairs, write_recipe, write_tsv
from torch import Tensor

from tformer.model.errors import TrainingError
from tformer.model.training.launch import train
from tformer.model.training.recipe import Recipe
from tformer.model.training.run import Run
from tformer.model.training.start import Start
from tformer.model.training.store import TokenStore
from tformer.model.training.trainer import Trainer, TrainingOutcome

STEPS = 16
SETTINGS = {
    "max_steps": STEPS,
    "accumulate": 2,
    "log_every": 1,
    "checkpoint_every": 5,
    "validate_every": 7,
    "ema_decay": 0.9,
    "optimizer": "muon",
    "muon_learning_rate": 0.02,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with dropout and a store of some eight steps an epoch, with a validation set."""
    folder = tmp_path_factory.mktemp("training")
    write_tsv(folder / "corpus.tsv", sample_pairs(30))
    write_tsv(folder / "held.tsv", PAIRS[:2])
    recipe = write_recipe(folder, "corpus.tsv:1.5", validation="held.tsv")
    make_store(folder, Recipe.read(recipe))
    return folder


@pytest.fixture
def store(folder: Path) -> TokenStore:
    return TokenStore.open(folder / "store")


def recipe(folder: Path, **changes: Any) -> Recipe:
    return Recipe.read(folder / "recipe.toml", {**SETTINGS, **changes})


def known_model(folder: Path) -> Start:
    """A model of the fixture's recipe after one step of training."""
    run = folder / "known"
    if not run.exists():
        parsed = recipe(folder, max_steps=1, seed=3)
        train(parsed, folder / "store", run, device="cpu")
    return Start.read(run / "model")


def log(run: Path) -> list[dict[str, Any]]:
    """What a run logged, without what depends on the clock."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [{k: v for k, v in entry.items() if k != "tokens_per_second"} for entry in entries]


def assert_same(ours: Any, theirs: Any) -> None:
    """Equality of nested values, bit for bit in tensors."""
    assert type(ours) is type(theirs)
    if isinstance(ours, Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, list):
        for pair in zip(ours, theirs, strict=True):
            assert_same(*pair)
    else:
        assert ours == theirs


def assert_same_runs(one: Path, other: Path) -> None:
    assert log(one) == log(other)
    assert_same(Run(one).load(), Run(other).load())


# -- interruptions ------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from tformer.model import files
from tformer.model.training import run
from tformer.model.training.launch import train
from tformer.model.training.recipe import Recipe
from tformer.model.training.start import Start

folder, target, settings, when, count, start = sys.argv[1:]
calls = 0

def die(*arguments):
    global calls
    calls += 1
    if calls == int(count):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)

place, name = {"logging": (run.Run, "log"), "saving": (files.os, "fsync")}[when]
original = getattr(place, name)
setattr(place, name, die)
recipe = Recipe.read(Path(folder, "recipe.toml"), eval(settings))
start = Start.read(start) if start else None
train(recipe, Path(folder, "store"), Path(target), device="cpu", start=start)
"""


@pytest.mark.parametrize(
    "begins", ["from-nothing", pytest.param("from-a-model", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("precision", "when", "count"),
    [
        pytest.param(
            "float32", "logging", 3, id="before-the-first-checkpoint", marks=pytest.mark.slow
        ),
        pytest.param("float32", "logging", 9, id="between-checkpoints"),
        pytest.param("bfloat16", "logging", 14, id="bfloat16", marks=pytest.mark.slow),
        pytest.param("bfloat16", "saving", 2, id="while-saving"),
    ],
)
def test_a_killed_run_goes_on_bit_for_bit(
    folder: Path, tmp_path: Path, precision: str, when: str, count: int, begins: str
) -> None:
    settings = {**SETTINGS, "precision": precision}
    start = known_model(folder) if begins == "from-a-model" else None
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            KILLED,
            folder,
            tmp_path / "killed",
            repr(settings),
            when,
            str(count),
            start.path if start else "",
        ],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    parsed = recipe(folder, precision=precision)
    for name in ("killed", "whole"):
        outcome = train(parsed, folder / "store", tmp_path / name, device="cpu", start=start)
        assert (outcome.reason, outcome.counters.step) == ("finished", STEPS)
    steps = [entry["step"] for entry in log(tmp_path / "whole") if "loss" in entry]
    assert steps == list(range(1, STEPS + 1))
    measured = [entry["step"] for entry in log(tmp_path / "whole") if "validation" in entry]
    assert measured == [*([0] if start else []), 7, 14, STEPS]
    assert_same_runs(tmp_path / "killed", tmp_path / "whole")


def new_trainer(
    folder: Path, run: Path, scores: Iterator[float] | None = None, **changes: Any
) -> Trainer:
    """A trainer whose validation only says what it is told, and which exports nothing."""
    return Trainer(
        recipe(folder, **changes),
        TokenStore.open(folder / "store"),
        Run(run),
        device=torch.device("cpu"),
        validate=lambda parameters: {"mean": next(scores) if scores else 1.0},
        export=lambda parameters, progress: None,
    )


def interrupt_after(trainer: Trainer, step: int, number: signal.Signals) -> TrainingOutcome:
    """Train, and get a signal just before that step is computed, which is the last then."""
    original = trainer.masters.step

    def interrupted(current: int) -> float:
        if current == step - 1:
            os.kill(os.getpid(), number)
        return original(current)

    trainer.masters.step = interrupted  # type: ignore[method-assign]
    return trainer.train()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_ctrl_c_saves_and_the_run_goes_on_bit_for_bit(
    folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    handler = signal.getsignal(number)
    changes = {"log_every": 4}  # so that the interruption falls into a report
    outcome = interrupt_after(new_trainer(folder, tmp_path / "cut", **changes), 6, number)
    reason = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert (outcome.reason, outcome.counters.step) == (reason, 6)
    assert signal.getsignal(number) == handler
    assert new_trainer(folder, tmp_path / "cut", **changes).train().reason == "finished"
    assert new_trainer(folder, tmp_path / "whole", **changes).train().reason == "finished"
    assert_same_runs(tmp_path / "cut", tmp_path / "whole")


def test_a_finished_run_stays_as_it_is(folder: Path, tmp_path: Path) -> None:
    new_trainer(folder, tmp_path).train()
    before = log(tmp_path), Run(tmp_path).load()
    assert new_trainer(folder, tmp_path).train().reason == "finished"
    assert log(tmp_path) == before[0]
    assert_same(Run(tmp_path).load(), before[1])


def test_a_checkpoint_without_a_report_is_read(folder: Path, tmp_path: Path) -> None:
    interrupt_after(new_trainer(folder, tmp_path), 5, signal.SIGINT)
    state = Run(tmp_path).load()
    assert state is not None
    del state["window"]  # as it was before reports were saved
    Run(tmp_path).save(state)
    assert new_trainer(folder, tmp_path).train().counters.step == STEPS


# -- what a step is -----------------------------------------------------------------------


def test_decay_weights_take_over_when_the_learning_rate_falls(tmp_path: Path) -> None:
    pairs = sample_pairs(40)
    write_tsv(tmp_path / "early.tsv", pairs[:20])
    write_tsv(tmp_path / "late.tsv", pairs[20:])
    path = write_recipe(tmp_path, "early.tsv:1\ndecay_weight = 0", "late.tsv:0\ndecay_weight = 1")
    store = make_store(tmp_path, Recipe.read(path))
    changes = {"schedule": "trapezoid", "decay_steps": 3}

    seen = []
    for name, stops in (("whole", [8]), ("resumed", [6, 8])):
        steps: list[set[int]] = []
        for stop in stops:
            trainer = new_trainer(tmp_path, tmp_path / name, max_steps=8, **changes)
            while trainer.counters.step < stop:
                examples = np.concatenate(trainer._next_batches())
                steps.append(set(store.corpora[examples // 2].tolist()))
                trainer.counters.step += 1
            trainer._save()
        seen.append(steps)
    assert seen[0] == seen[1] == [{0}] * 5 + [{1}] * 3


def test_dropout_acts_and_depends_on_the_seed_only(folder: Path, tmp_path: Path) -> None:
    losses = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(3)  # whatever others draw
        new_trainer(folder, tmp_path / name, seed=seed, max_steps=2).train()
        losses.append([entry["loss"] for entry in log(tmp_path / name) if "loss" in entry])
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.slow
def test_a_compiled_network_computes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captured whole, and run by a backend that needs no compiler."""
    write_tsv(tmp_path / "corpus.tsv", sample_pairs(30))
    path = write_recipe(tmp_path, "corpus.tsv")
    path.write_text(path.read_text().replace("dropout = 0.1", "dropout = 0.0"))
    make_store(tmp_path, Recipe.read(path))
    captured = partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", captured)
    for name, compiled in (("compiled", True), ("plain", False)):
        settings = {**SETTINGS, "compile": compiled, "max_steps": 3, "precision": "float32"}
        train(Recipe.read(path, settings), tmp_path / "store", tmp_path / name, device="cpu")
    pairs = zip(log(tmp_path / "compiled"), log(tmp_path / "plain"), strict=True)
    assert all(ours == pytest.approx(theirs, rel=1e-4) for ours, theirs in pairs)


def test_the_loss_falls(folder: Path, tmp_path: Path) -> None:
    new_trainer(folder, tmp_path, max_steps=30).train()
    losses = [entry["nll"] for entry in log(tmp_path) if "nll" in entry]
    assert sum(losses[-5:]) < 0.85 * sum(losses[:5])


def loopback_only() -> dict[str, str]:
    """Environment in which processes meet on this machine and nowhere else."""
    names = {name for _, name in socket.if_nameindex()}
    loopback = next(name for name in ("lo", "lo0") if name in names)
    return {**os.environ, "GLOO_SOCKET_IFNAME": loopback, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_two_nodes_are_one_process_with_twice_the_micro_batches(tmp_path: Path) -> None:
    write_tsv(tmp_path / "corpus.tsv", sample_pairs(30))
    keys = {**SETTINGS, "precision": "float32", "max_steps": 8}
    path = write_recipe(tmp_path, "corpus.tsv")
    path.write_text(path.read_text().replace("dropout = 0.1", "dropout = 0.0"))
    make_store(tmp_path, Recipe.read(path))
    nodes = start_nodes(tmp_path, "two", {**keys, "accumulate": 1})
    assert [node.wait(timeout=200) for node in nodes] == [0, 0]
    train(Recipe.read(path, {**keys, "accumulate": 2}), tmp_path / "store", tmp_path / "one")
    for ours, theirs in zip(log(tmp_path / "two"), log(tmp_path / "one"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    two, one = Run(tmp_path / "two").load(), Run(tmp_path / "one").load()
    assert two is not None and one is not None
    for name, master in one["parameters"]["masters"].items():
        if name.endswith("key.bias"):
            continue  # moves all scores of a query alike: its gradient is noise, which Adam scales
        # Muon rounds to bfloat16, which turns the last bits of a sum into the eighth.
        torch.testing.assert_close(two["parameters"]["masters"][name], master, rtol=0.01, atol=2e-3)
    assert (tmp_path / "two" / "model" / "config.json").is_file()


@pytest.mark.slow
def test_two_nodes_are_one_machine_and_a_lost_node_changes_nothing(tmp_path: Path) -> None:
    """Two launchers that meet on loopback; one node is killed, and the job started again."""
    write_tsv(tmp_path / "corpus.tsv", sample_pairs(30))
    path = write_recipe(tmp_path, "corpus.tsv")
    make_store(tmp_path, Recipe.read(path))
    keys = {**SETTINGS, "max_steps": 8, "checkpoint_every": 1, "all_reduce": "bfloat16"}
    done = start_nodes(tmp_path, "whole", keys)
    assert [node.wait(timeout=200) for node in done] == [0, 0]
    lost, other = start_nodes(tmp_path, "lost", keys)
    deadline = time.monotonic() + 200
    while len(log_lines(tmp_path / "lost")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    for node in (lost, other):
        for process in [node.pid, *children(node.pid)]:
            os.kill(process, signal.SIGKILL)
        node.wait()
    again = start_nodes(tmp_path, "lost", keys)
    assert [node.wait(timeout=200) for node in again] == [0, 0]
    whole, gone_on = Run(tmp_path / "whole").load(), Run(tmp_path / "lost").load()
    assert whole is not None and gone_on is not None
    for name, master in whole["parameters"]["masters"].items():
        assert torch.equal(gone_on["parameters"]["masters"][name], master), name
    assert log(tmp_path / "lost") == log(tmp_path / "whole")


def start_nodes(folder: Path, run: str, keys: dict[str, object]) -> list[subprocess.Popen[bytes]]:
    """Two launchers of one process each, as on two machines."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = [f"--set={key}={value}" for key, value in keys.items()]
    launcher = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-id={run}",
                f"--rdzv-endpoint=127.0.0.1:{port}", "--local-addr=127.0.0.1"]  # fmt: skip
    command = ["-m", "tformer.cli", "train", "recipe.toml", "store", run, "--device=cpu"]
    return [
        subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *launcher, *command, *settings],
            cwd=folder, env=loopback_only(), start_new_session=True,
        )
        for _ in range(2)
    ]  # fmt: skip


def children(parent: int) -> list[int]:
    """Processes that a launcher has started."""
    found = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for file in found for child in file.read_text().split()]


def log_lines(run: Path) -> list[str]:
    path = run / "log.jsonl"
    return path.read_text().splitlines() if path.exists() else []


# -- stopping and failing -----------------------------------------------------------------


def test_training_stops_early_and_stays_stopped(folder: Path, tmp_path: Path) -> None:
    changes = {"patience": 2, "validate_every": 2}
    scores = iter([1.0, 3.0, 2.0, 3.0, 9.0])
    outcome = new_trainer(folder, tmp_path, scores, **changes).train()
    assert (outcome.reason, outcome.counters.step) == ("stopped early", 8)
    assert outcome.counters.best == 3.0
    again = new_trainer(folder, tmp_path, scores, **changes).train()
    assert (again.reason, again.counters.step) == ("stopped early", 8)


def test_only_what_is_better_is_exported(folder: Path, tmp_path: Path) -> None:
    trainer = new_trainer(folder, tmp_path, iter([1.0, 3.0, 2.0]), validate_every=5, max_steps=15)
    exported: list[dict[str, Any]] = []
    trainer.export = lambda parameters, progress: exported.append(progress)
    trainer.train()
    assert [(facts["step"], facts["scores"]) for facts in exported] == [
        (5, {"mean": 1.0}),
        (10, {"mean": 3.0}),
    ]


def test_a_loss_that_is_not_finite_ends_the_run(folder: Path, tmp_path: Path) -> None:
    new_trainer(folder, tmp_path, max_steps=5).train()
    saved = (tmp_path / "checkpoint.pt").read_bytes()
    trainer = new_trainer(folder, tmp_path)
    with torch.no_grad():
        trainer.network.decoder_norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="the loss is not finite at step 6; lower"):
        trainer.train()
    assert (tmp_path / "checkpoint.pt").read_bytes() == saved


def test_an_epoch_shorter_than_a_step(folder: Path, tmp_path: Path) -> None:
    trainer = new_trainer(folder, tmp_path, tokens_per_batch=1_000_000, accumulate=1000)
    with pytest.raises(TrainingError, match="fewer than one step needs; lower"):
        trainer.train()


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """No file can grow over ``free`` bytes; Python ignores the signal, so writing fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("free", [0, 5_000, 40_000])
def test_a_full_disk_leaves_the_checkpoint_before_intact(tmp_path: Path, free: int) -> None:
    run = Run(tmp_path)
    run.save({"step": 1, "tensor": torch.zeros(3)})
    with full_disk(free), pytest.raises(TrainingError, match="the checkpoint before is intact"):
        run.save({"step": 2, "tensor": torch.zeros(1_000_000)})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    state = run.load()
    assert state is not None and state["step"] == 1


def test_a_full_disk_during_training_is_one_line(folder: Path, tmp_path: Path) -> None:
    interrupt_after(new_trainer(folder, tmp_path), 3, signal.SIGINT)
    trainer = new_trainer(folder, tmp_path, max_steps=6)
    with full_disk(20_000), pytest.raises(TrainingError, match="cannot be written") as caught:
        trainer.train()
    assert str(tmp_path / "checkpoint.pt") in str(caught.value)
    state = Run(tmp_path).load()
    assert state is not None and state["counters"]["step"] == 3


def test_another_run_is_not_taken_up(folder: Path, tmp_path: Path) -> None:
    new_trainer(folder, tmp_path, max_steps=1).train()
    with pytest.raises(TrainingError, match="is of another optimizer"):
        new_trainer(folder, tmp_path, optimizer="adam")
    state = Run(tmp_path).load()
    assert state is not None
    for key, value, message in (
        ("store", "another", "was trained on another token store"),
        ("model", {**state["model"], "d_ff": 8}, r"is of another \[model\]"),
    ):
        Run(tmp_path).save({**state, key: value})
        with pytest.raises(TrainingError, match=message):
            new_trainer(folder, tmp_path)


def test_a_checkpoint_from_before_a_hyper_parameter_was_added_is_taken_up(
    folder: Path, tmp_path: Path
) -> None:
    new_trainer(folder, tmp_path, max_steps=1).train()
    state = Run(tmp_path).load()
    assert state is not None
    del state["model"]["activation"]  # as if it had always been the default
    Run(tmp_path).save(state)
    assert new_trainer(folder, tmp_path).counters.step == 1


def test_other_batches_begin_an_epoch_of_their_own(folder: Path, tmp_path: Path) -> None:
    new_trainer(folder, tmp_path, max_steps=3).train()
    trainer = new_trainer(folder, tmp_path, accumulate=1)
    assert (trainer.counters.step, trainer.counters.epoch, trainer.counters.batches) == (3, 1, 0)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"], ids=["empty", "text", "zip"])
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: cannot be read") as caught:
        Run(tmp_path).load()
    assert "\n" not in str(caught.value)


def test_pairs_longer_than_the_network_reads_are_refused(folder: Path, tmp_path: Path) -> None:
    text = (folder / "recipe.toml").read_text().replace("[model]", "[model]\nmax_length = 16")
    (tmp_path / "recipe.toml").write_text(text)
    store = TokenStore.open(folder / "store")
    with pytest.raises(TrainingError, match=r"model\.max_length is 16, but the longest batches"):
        Trainer(
            Recipe.read(tmp_path / "recipe.toml"),
            store,
            Run(tmp_path / "run"),
            device=torch.device("cpu"),
            validate=lambda parameters: {},
            export=lambda parameters, progress: None,
        )


def test_a_run_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="cannot be made"):
        Run(tmp_path / "file" / "run")


def test_a_log_line_cut_by_a_crash_is_dropped(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (1, 2, 3):
        run.log({"step": step})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"st')
    run.rewind_log(2)
    assert log(tmp_path) == [{"step": 1}, {"step": 2}]


def test_a_log_that_cannot_be_written_is_one_line_and_kept(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (1, 2, 3):
        run.log({"step": step})
    with full_disk(0):
        with pytest.raises(TrainingError, match="cannot be written"):
            run.log({"step": 4})
        with pytest.raises(TrainingError, match=r"log\.jsonl: cannot be written"):
            run.rewind_log(2)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    assert [entry["step"] for entry in log(tmp_path)] == [1, 2, 3]


def test_tensorboard_gets_the_same_figures(folder: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    interrupt_after(new_trainer(folder, tmp_path), 6, signal.SIGINT)
    new_trainer(folder, tmp_path).train()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    figures = [(event.step, event.value) for event in events.Scalars("train/loss")]
    expected = [(entry["step"], entry["loss"]) for entry in log(tmp_path) if "loss" in entry]
    assert figures == [(step, pytest.approx(loss)) for step, loss in expected]
