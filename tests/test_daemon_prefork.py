"""Commands that are handed over to the starter, a real process, and those that are not."""

from __future__ import annotations

import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from serving import make_model

from tformer.cli.exits import ExitStatus
from tformer.daemon import delegate, files
from tformer.daemon.delegate import ROOMS, SIZE, circumstances, newest_source

REPOSITORY = Path(__file__).parent.parent

TFORMER = [sys.executable, "-X", "importtime", "-m", "tformer.cli"]
"""Python tells on stderr what the process that was called imports, and not what was forked does."""


@dataclass
class Result:
    """What became of a command."""

    status: int
    out: bytes
    err: bytes
    """What the command said itself."""
    handed_over: bool


@dataclass
class Place:
    """A starter, what it ends with, and how to call commands that find it."""

    starter: subprocess.Popen[bytes]
    daemon: subprocess.Popen[bytes]
    environment: dict[str, str]
    folder: Path
    calls: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "tformer" / "starter.socket"

    def begin(
        self, *arguments: object, stdin_from: int = subprocess.PIPE, **options: Any
    ) -> subprocess.Popen[bytes]:
        call = subprocess.Popen(
            [*TFORMER, *map(str, arguments)],
            stdin=stdin_from,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **{"env": self.environment, **options},
        )
        self.calls.append(call)
        return call

    def __call__(self, *arguments: object, stdin: bytes = b"", **options: Any) -> Result:
        call = self.begin(*arguments, **options)
        out, err = call.communicate(stdin if call.stdin else None, timeout=60)
        return result(call.returncode, out, err)

    def forked(self) -> list[int]:
        """The processes that run commands now."""
        process = self.starter.pid
        found = Path(f"/proc/{process}/task/{process}/children").read_text()
        return [int(number) for number in found.split()]


def result(status: int, out: bytes, err: bytes) -> Result:
    lines = err.splitlines(keepends=True)
    imports = [line for line in lines if line.startswith(b"import time:")]
    own = b"".join(line for line in lines if not line.startswith(b"import time:"))
    return Result(status, out, own, not any(b"typer" in line for line in imports))


@contextmanager
def starter_in(folder: Path) -> Iterator[Place]:
    """A starter that ends with a process that sleeps, and no daemon for it to talk with."""
    (folder / "tformer").mkdir(mode=0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "TFORMER_DAEMON": "1"}
    daemon = subprocess.Popen(["sleep", "600"])
    command = [sys.executable, "-P", "-m", "tformer.cli.prefork", str(daemon.pid)]
    starter = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    place = Place(starter, daemon, environment, folder)
    try:
        until(lambda: files.is_own_socket(place.socket))
        yield place
    finally:
        for process in (*place.calls, daemon, starter):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with starter_in(tmp_path_factory.mktemp("run")) as place:
        yield place


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


def pass_by(place: Place) -> dict[str, str]:
    return {**place.environment, "TFORMER_DAEMON": "0"}


# --- as if it ran here ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], ExitStatus.SUCCESS),
        (["missing.txt"], ExitStatus.INPUT),
        ([b"\xff.txt"], ExitStatus.INPUT),
        (["--beam-size", "many"], ExitStatus.USAGE),
        (["-m", "no-such-model"], ExitStatus.MODEL),
    ],
    ids=["help", "missing file", "name that is not UTF-8", "wrong call", "missing model"],
)
def test_a_command_does_what_it_does_without(
    shared: Place, arguments: list[str | bytes], status: ExitStatus
) -> None:
    given = [os.fsdecode(argument) for argument in arguments]
    warm = shared("translate", *given, stdin=b"a\n")
    cold = shared("translate", *given, stdin=b"a\n", env=pass_by(shared))
    assert (warm.handed_over, cold.handed_over) == (True, False)
    assert warm.status == status
    assert (warm.status, warm.out, warm.err) == (cold.status, cold.out, cold.err)


def test_files_are_those_of_the_caller(shared: Place, model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("A dog.\n\n...\n")
    made = []
    for name, environment in (("warm", shared.environment), ("cold", pass_by(shared))):
        arguments = ["-m", model, "-t", "de", "--device", "cpu", "in.txt", "-o", name]
        done = shared("translate", *arguments, cwd=tmp_path, env=environment, umask=0o077)
        assert (done.status, done.handed_over) == (0, name == "warm"), done.err
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1] and made[0].endswith(b"\n\n...\n")


def test_the_environment_is_that_of_the_caller(shared: Place) -> None:
    narrow = shared("translate", "--help", env={**shared.environment, "COLUMNS": "50"})
    assert narrow.handed_over
    assert max(len(line) for line in narrow.out.decode().splitlines()) == 50


# --- signals and ends ----------------------------------------------------------------------------


def begin_and_wait(place: Place, model: Path) -> subprocess.Popen[bytes]:
    """A command that has been handed over, has answered, and waits for more to translate."""
    call = place.begin("translate", "-m", model, "-t", "de", "--device", "cpu")
    assert call.stdin and call.stdout
    call.stdin.write(b"...\n")
    call.stdin.flush()
    assert call.stdout.readline() == b"...\n"
    assert len(place.forked()) == 1
    return call


@pytest.fixture
def waiting(shared: Place, model: Path) -> subprocess.Popen[bytes]:
    return begin_and_wait(shared, model)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, ExitStatus.INTERRUPTED), (signal.SIGTERM, ExitStatus.TERMINATED)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_signal_ends_the_command(
    shared: Place, waiting: subprocess.Popen[bytes], number: int, status: ExitStatus
) -> None:
    waiting.send_signal(number)
    out, err = waiting.communicate(timeout=30)
    assert result(waiting.returncode, out, err) == Result(status, b"", b"", True)
    assert shared.forked() == []


def test_a_caller_that_is_killed_takes_the_command_along(
    shared: Place, waiting: subprocess.Popen[bytes]
) -> None:
    waiting.kill()
    until(lambda: not shared.forked())


def test_a_command_that_is_killed_ends_as_in_a_shell(
    shared: Place, waiting: subprocess.Popen[bytes]
) -> None:
    (process,) = shared.forked()
    os.kill(process, signal.SIGKILL)
    waiting.communicate(timeout=30)
    assert waiting.returncode == 128 + signal.SIGKILL


def test_a_reader_that_goes_away_ends_the_command(
    shared: Place, waiting: subprocess.Popen[bytes]
) -> None:
    assert waiting.stdin and waiting.stdout
    waiting.stdout.close()
    waiting.stdin.write(b"...\n")
    waiting.stdin.close()
    waiting.stdin = None
    assert waiting.wait(timeout=30) == ExitStatus.PIPE_CLOSED


def test_it_ends_with_the_daemon_and_what_runs_is_finished(tmp_path: Path, model: Path) -> None:
    with starter_in(tmp_path) as place:
        call = begin_and_wait(place, model)
        place.daemon.kill()
        place.daemon.wait()
        until(lambda: not place.socket.exists())
        out, err = call.communicate(b"!!!\n", timeout=30)
        assert result(call.returncode, out, err) == Result(0, b"!!!\n", b"", True)
        assert place.starter.wait(timeout=30) == 0


def test_without_it_commands_run_by_themselves(tmp_path: Path) -> None:
    with starter_in(tmp_path) as place:
        place.starter.kill()
        place.starter.wait()
        assert place.socket.exists()
        done = place("translate", "--help")
        assert (done.status, done.handed_over) == (0, False)


def test_one_that_is_lost_while_a_command_runs_is_told_of(tmp_path: Path, model: Path) -> None:
    with starter_in(tmp_path) as place:
        call = begin_and_wait(place, model)
        place.starter.kill()
        place.starter.wait()
        out, err = call.communicate(b"!!!\n", timeout=30)
        done = result(call.returncode, out, err)
        assert (done.status, done.out, done.handed_over) == (ExitStatus.SERVER, b"!!!\n", True)
        assert done.err.startswith(b"error: the daemon's starter was lost")


def test_one_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with starter_in(tmp_path) as place:
        place.starter.send_signal(signal.SIGSTOP)
        done = place("translate", "missing.txt")
        assert (done.status, done.handed_over) == (ExitStatus.INPUT, False)
        assert done.err.count(b"missing.txt") == 1
        place.starter.send_signal(signal.SIGCONT)
        assert place("translate", "--help").handed_over


@pytest.mark.parametrize(
    "sent", [b"", b"abc", SIZE.pack(10) + b"{}", SIZE.pack(2) + b"{}"], ids=repr
)
def test_nonsense_does_not_harm_it(shared: Place, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(shared.socket))
        caller.sendall(sent)
    assert shared("translate", "--help").handed_over


def test_callers_do_not_wait_for_one_that_says_nothing(shared: Place) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(shared.socket))
        assert shared("translate", "--help").handed_over
    until(lambda: not shared.forked())


# --- not handed over -----------------------------------------------------------------------------


def test_only_the_user_can_reach_it(shared: Place) -> None:
    assert stat.S_IMODE(shared.socket.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "options",
    [
        {"preexec_fn": lambda: os.nice(1)},
        {"env_change": {"PYTHONHASHSEED": "7"}},
        {"env_change": {"LC_ALL": "C"}},
        {"env_change": {"TFORMER_DAEMON": "0"}},
        {"preexec_fn": lambda: os.close(0)},
    ],
    ids=["niceness", "Python's settings", "locale", "passed by", "no stdin"],
)
def test_a_caller_that_differs_runs_its_command(shared: Place, options: dict[str, Any]) -> None:
    environment = {**shared.environment, **options.get("env_change", {})}
    others = {name: value for name, value in options.items() if name != "env_change"}
    done = shared("translate", "--help", env=environment, **others)
    assert (done.status, done.handed_over) == (0, False)


def test_a_program_that_was_changed_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")]
    assert newest_source() == max(path.stat().st_mtime_ns for path in sources)
    before = circumstances()
    monkeypatch.setattr(delegate, "newest_source", lambda: newest_source() + 1)
    assert circumstances() != before


def test_what_is_typed_is_read_here(shared: Place) -> None:
    controller, terminal = pty.openpty()
    try:
        done = shared("translate", "missing.txt", stdin_from=terminal)
    finally:
        os.close(controller)
        os.close(terminal)
    assert (done.status, done.handed_over) == (ExitStatus.INPUT, False)


def test_other_commands_run_by_themselves(shared: Place) -> None:
    assert not shared("--version").handed_over
