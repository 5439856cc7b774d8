"""The warm daemon, a real process, and when a command makes use of it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_translator import Tformer
from serving import make_model

from tformer.cli import loading
from tformer.cli.exits import ExitStatus
from tformer.daemon import control, files
from tformer.model.errors import ModelError
from tformer.server.glossaries.limits import MOST_ENTRIES


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


def call(runtime: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "TFORMER_DAEMON": "1"}
    return subprocess.run(
        [sys.executable, "-m", "tformer.cli", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def started(model: Path, runtime: Path) -> Iterator[subprocess.CompletedProcess[str]]:
    """The daemon with the model, started by the command."""
    yield call(runtime, "daemon", "start", "-m", model, "--device", "cpu", "--beam-size", "2")
    call(runtime, "daemon", "stop")


@pytest.fixture
def here(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find the daemon."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("TFORMER_DAEMON", "1")


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody load a model in this process."""

    def refuse(model: str, device: str) -> None:
        raise ModelError("loaded cold")

    monkeypatch.setattr(loading, "load_translator", refuse)


def test_it_starts_and_only_once(
    started: subprocess.CompletedProcess[str], model: Path, tformer: Tformer, here: None
) -> None:
    assert (started.returncode, started.stdout) == (0, "")
    pid = control.process_id()
    assert f"process {pid};" in started.stderr
    status = tformer("daemon", "status")
    assert status == (0, f"running: process {pid}, {model.resolve()}, cpu, {loaded_dtype()}\n", "")
    again = tformer("daemon", "start", "-m", model)
    assert again.status == ExitStatus.SERVER
    assert f"a daemon is running, process {pid}" in again.err


def loaded_dtype() -> str:
    (served,) = control.loaded()
    return served.dtype


def test_who_has_no_home_has_a_folder_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", unknown)
    assert files.folder().name == f"tformer-{os.getuid()}"


def test_a_folder_that_cannot_be_is_said(
    model: Path, tformer: Tformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    found = tformer("daemon", "start", "-m", model)
    assert found.status == ExitStatus.SERVER and "cannot hold the daemon" in found.err


@pytest.mark.usefixtures("started", "here")
def test_only_the_user_can_reach_it() -> None:
    assert stat.S_IMODE(files.folder().stat().st_mode) == 0o700
    for path in (files.socket_path(), files.starter_path()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.usefixtures("started")
def test_a_command_is_run_by_its_starter_and_says_the_same(runtime: Path, model: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "tformer.cli", "translate"]
    command += ["-m", str(model), "-t", "de", "--beam-size", "2", "--device", "cpu"]
    said = []
    for choice in ("1", "0"):
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "TFORMER_DAEMON": choice}
        done = subprocess.run(
            command, env=environment, input=b"A dog.\n\n...\n", capture_output=True, check=True
        )
        assert (b"typer" in done.stderr) is (choice == "0")
        said.append(done.stdout)
    assert said[0] == said[1] and said[0].count(b"\n") == 3


@pytest.mark.usefixtures("started", "here", "cold")
def test_a_command_with_its_model_uses_it(tformer: Tformer, model: Path) -> None:
    options = ["-m", model, "-t", "de", "--beam-size", "2"]
    result = tformer("translate", *options, stdin=b"A dog.\n\n...")
    assert (result.status, result.out.count("\n"), result.out[-5:]) == (0, 2, "\n\n...")
    assert "loaded cold" not in result.err


@pytest.mark.usefixtures("started", "here", "cold")
def test_a_command_with_terms_and_demands_uses_it(
    tformer: Tformer, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "terms.csv").write_text(f"dog,{'Hund ' * 200}\n")
    options = ["-m", model, "-s", "en", "-t", "de", "--beam-size", "2"]
    options += ["--glossary", tmp_path / "terms.csv", "--target-prefix", "Der", "--max-length", "9"]
    result = tformer("translate", *options, stdin=b"A dog.\n")
    assert result.status == 0 and result.out.startswith("Der")
    assert "the glossary term 'dog' → 'Hund Hund" in result.err


@pytest.mark.usefixtures("started", "here", "cold")
def test_a_glossary_that_is_too_large_for_it_has_the_model_loaded(
    tformer: Tformer, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "terms.csv").write_text("".join(f"a{i},b\n" for i in range(MOST_ENTRIES + 1)))
    options = ["-m", model, "-t", "de", "--beam-size", "2", "--glossary", tmp_path / "terms.csv"]
    assert "loaded cold" in tformer("translate", *options, stdin=b"a\n").err


@pytest.mark.usefixtures("started", "here", "cold")
@pytest.mark.parametrize(
    "arguments", [["--beam-size", "3"], ["--device", "cuda"]], ids=["wider beam", "other device"]
)
def test_a_command_that_asks_for_more_loads_the_model(
    tformer: Tformer, model: Path, arguments: list[str]
) -> None:
    result = tformer("translate", "-m", model, "-t", "de", *arguments, stdin=b"a\n")
    assert "loaded cold" in result.err


@pytest.mark.usefixtures("started", "here", "cold")
def test_a_command_with_another_model_or_a_newer_one_loads_it(
    tformer: Tformer, model: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(model, tmp_path / "other")
    assert "loaded cold" in tformer("translate", "-m", other, "-t", "de", stdin=b"a\n").err
    config = model / "config.json"
    before = config.stat()
    os.utime(config, (before.st_atime, files.socket_path().stat().st_mtime + 1))
    assert "loaded cold" in tformer("translate", "-m", model, "-t", "de", stdin=b"a\n").err
    os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.usefixtures("started", "here", "cold")
def test_a_command_can_pass_it_by(
    tformer: Tformer, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFORMER_DAEMON", "0")
    options = ["-m", model, "-t", "de", "--beam-size", "2"]
    assert "loaded cold" in tformer("translate", *options, stdin=b"a\n").err


@pytest.mark.slow
@pytest.mark.usefixtures("started")
def test_a_warm_call_takes_less_than_half_the_time_of_a_cold_one(
    runtime: Path, model: Path
) -> None:
    """The bound leaves room for tests beside it: `benchmarks/daemon.py` measures the ratio."""
    command = [sys.executable, "-m", "tformer.cli", "translate", "-m", str(model), "-t", "de"]

    def seconds(daemon: str) -> float:
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "TFORMER_DAEMON": daemon}
        started = time.perf_counter()
        options = [*command, "--beam-size", "2", "--device", "cpu"]
        subprocess.run(options, env=environment, input=b"hello\n", capture_output=True, check=True)
        return time.perf_counter() - started

    pairs = [(seconds("1"), seconds("0")) for _ in range(3)]
    warm, cold = (min(times) for times in zip(*pairs, strict=True))
    assert warm < cold / 2


@pytest.mark.usefixtures("started", "here")
def test_it_stops(tformer: Tformer) -> None:
    pid = control.process_id()
    assert tformer("daemon", "stop").err == f"note: the daemon has ended, process {pid}\n"
    deadline = time.monotonic() + 60  # of a machine that does much else
    while files.socket_path().exists() or files.starter_path().exists():  # it ends when it notices
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert tformer("daemon", "stop").err == "note: no daemon was running\n"
    assert tformer("daemon", "status") == (ExitStatus.SERVER, "not running\n", "")


def test_one_that_cannot_start_says_why(runtime: Path, model: Path) -> None:
    path = shutil.copytree(model, runtime / "damaged")
    (path / "model.safetensors").write_bytes(b"garbage")
    result = call(runtime, "daemon", "start", "-m", path)
    assert result.returncode == ExitStatus.SERVER
    assert result.stderr.startswith("error: the daemon did not start: ")
    assert "damaged" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.usefixtures("here", "cold")
def test_a_socket_that_nobody_answers_is_passed_by(tformer: Tformer, model: Path) -> None:
    files.folder().mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(files.socket_path()))
    try:
        assert control.process_id() is None
        options = ["-m", model, "-t", "de", "--beam-size", "2"]
        assert "loaded cold" in tformer("translate", *options, stdin=b"a\n").err
    finally:
        files.socket_path().unlink()
