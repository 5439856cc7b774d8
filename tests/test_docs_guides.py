"""Every command of the guides runs, in a shell, on the files that the guide shows."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from typer.main import get_command

from tformer.cli.app import app

TESTS = Path(__file__).parent
PAGES = sorted((TESTS.parent / "docs" / "guides").glob("*.md"))
WITH_A_FAKE = [
    pytest.param(path, marks=pytest.mark.slow) if path.stem == "training" else path
    for path in PAGES
    if path.stem != "server"
]


def files_of(page: str) -> dict[str, str]:
    return dict(re.findall(r'(?ms)^```\w+ title="([^"]+)"\n(.*?)^```', page))


def commands_of(page: str) -> list[tuple[str, str]]:
    """Each command, and what it is shown to say."""
    blocks = re.findall(r"(?ms)^```console\n(.*?)^```", page)
    return [
        pair for block in blocks for pair in re.findall(r"(?m)^\$ (.*)\n((?:[^$].*\n)*)", block)
    ]


def without_time(said: str) -> str:
    """And without the number of warnings, which the model decides."""
    return re.sub(r"warnings: \d+; [\d.]+ s$", "", said, flags=re.MULTILINE)


def said(stderr: str) -> str:
    """The summary; warnings and what else is said on the way are not shown."""
    return "".join(f"{line}\n" for line in stderr.splitlines() if line.startswith("note: files:"))


def write_files(page: str, folder: Path) -> None:
    for name, text in files_of(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


@pytest.mark.parametrize("path", WITH_A_FAKE, ids=lambda path: path.stem)
def test_the_commands_of_a_guide_run(path: Path, tmp_path: Path) -> None:
    page = path.read_text("utf-8")
    program = tmp_path / "bin" / "tformer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {TESTS / "fake_translator.py"} "$@"\n')
    program.chmod(0o755)
    here = tmp_path / "here"
    write_files(page, here)
    places = os.pathsep.join(
        [str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    commands = commands_of(page)
    assert commands
    for command, shown in commands:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=here,
            env={**os.environ, "PATH": places},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert without_time(said(done.stderr)) == without_time(shown), command


# --- the server ----------------------------------------------------------------------------------

GUIDE = (TESTS.parent / "docs" / "guides" / "server.md").read_text("utf-8")


def free_ports(*ports: str) -> dict[str, str]:
    """For each port of the page one that nobody uses."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in ports]
        return {port: str(one.getsockname()[1]) for port, one in zip(ports, sockets, strict=True)}


@pytest.mark.slow
def test_the_server_of_the_guide_runs_and_is_used(tmp_path: Path) -> None:
    for program in ("openssl", "curl"):
        if not shutil.which(program):
            pytest.skip(f"needs the program {program}")
    page = GUIDE
    for port, free in free_ports("50443", "9464").items():
        page = page.replace(port, free)
    write_files(page, tmp_path)
    program = tmp_path / "bin" / "tformer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tformer.cli "$@"\n')
    program.chmod(0o755)
    places = (str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"])
    environment = {**os.environ, "PATH": os.pathsep.join(places)}
    try:
        for command, shown in commands_of(page):
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, (command, done.stderr)
            assert done.stdout == shown, command
    finally:
        stop(tmp_path / "server.pid")
    assert_watched((tmp_path / "metrics.txt").read_text())
    assert int((tmp_path / "calls.txt").read_text()) >= 4


def stop(file: Path) -> None:
    """End the server if something has gone wrong before the guide did."""
    with suppress(OSError, ValueError):
        os.kill(int(file.read_text()), signal.SIGKILL)


def assert_watched(metrics: str) -> None:
    """What the guide tells to watch is there."""
    there = set(re.findall(r"(?m)^(tformer_\w+)", metrics))
    told = set(re.findall(r"`(tformer_\w+)", GUIDE))
    assert len(told) >= 7
    for name in told:
        assert {name, f"{name}_count"} & there, name
    assert re.search(r'tformer_calls_total\{code="UNAUTHENTICATED",\S+ [1-9]', metrics)


def test_the_unit_of_the_guide_starts_the_server_that_was_tried() -> None:
    unit = files_of(GUIDE)["tformer.service"].replace("\\\n", " ")
    (started,) = re.findall(r"(?m)^ExecStart=(.*)$", unit)
    (tried,) = (command for command, _ in commands_of(GUIDE) if command.startswith("tformer serve"))
    serve = get_command(app).commands["serve"]  # type: ignore[attr-defined]

    def options(command: str) -> dict[str, object]:
        _, _, *arguments = shlex.split(command)
        with serve.make_context("serve", arguments) as context:
            return dict(context.params)

    service, first = options(started), options(tried.partition(" > ")[0])
    changed = {name for name in service if service[name] != first[name]}
    assert changed == {"listen", "tls_certificate", "tls_key", "tokens", "glossary"}
    (seconds,) = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", unit)
    assert int(seconds) > float(service["grace"])  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_guide_to_training_says_what_comes_of_it(tmp_path: Path) -> None:
    """With the shipped model and a real translator: the sentence, and scores that rise."""
    page = next(path for path in PAGES if path.stem == "training").read_text("utf-8")
    write_files(page, tmp_path)
    said = {}
    for command, _ in commands_of(page):
        done = subprocess.run(
            [
                "bash",
                "-o",
                "pipefail",
                "-c",
                f'tformer() {{ "$PYTHON" -m tformer.cli "$@"; }}; {command}',
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=True,
        )
        said[command.split("tformer ")[1].split()[0]] = done
    before, after = re.findall(r"\*([^*]+)\* The shipped model said \*([^*]+)\*", page)[0][::-1]
    assert said["translate"].stdout == f"{after}\n" != f"{before}\n"
    means = [float(mean) for mean in re.findall(r"mean ([\d.]+)", said["train"].stderr)]
    assert max(means) > means[0] + 5
