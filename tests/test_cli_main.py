"""The program as a whole: help at once, version, exit statuses."""

import subprocess
import sys
from importlib.metadata import version

import pytest
from fake_translator import Tformer

from tformer.cli.commands import COMMANDS
from tformer.cli.exits import ExitStatus, lacks_memory, status_of
from tformer.model import errors

HEAVY = {"torch", "numpy", "sacrebleu", "sentencepiece", "py3langid", "sentencex", "rich.progress"}


def imported_by(*arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    program = (
        "import sys; from tformer.cli.main import run; status = run(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_what_needs_no_model_imports_nothing_heavy(argument: str) -> None:
    assert not HEAVY & imported_by(argument)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_no_other_and_no_format_of_documents(name: str) -> None:
    others = {module for other, module in COMMANDS.items() if other != name}
    assert COMMANDS[name] in (imported := imported_by(name, "--help"))
    assert not imported & (others | HEAVY | {"tformer.documents.formats.markdown", "grpc"})


def test_version(tformer: Tformer) -> None:
    assert tformer("--version") == (0, f"tformer {version('tformer')}\n", "")


def test_help_lists_the_commands_and_every_exit_status(tformer: Tformer) -> None:
    result = tformer("--help")
    assert result.status == 0
    for command in ("translate", "evaluate", "info"):
        assert command in result.out
    for status in ExitStatus:
        assert f" {status.value} " in " ".join(result.out.split())


def test_without_a_command_the_help_is_shown(tformer: Tformer) -> None:
    result = tformer()
    assert (result.status, result.err) == (ExitStatus.USAGE, "")
    assert "Usage: tformer" in result.out


def test_an_unknown_command_is_one_line(tformer: Tformer) -> None:
    result = tformer("translat")
    assert result.status == ExitStatus.USAGE
    assert result.err.startswith("error: No such command 'translat'")
    assert result.err.count("\n") == 1


def test_shell_completion_is_offered(tformer: Tformer) -> None:
    assert "--install-completion" in tformer("--help").out


def test_every_error_has_a_status_of_its_own() -> None:
    kinds = errors.TformerError.__subclasses__()
    statuses = {status_of(kind("message")) for kind in kinds}
    assert len(statuses) == len(kinds)
    assert ExitStatus.FAILURE not in statuses


def test_a_special_error_has_the_status_of_its_parent() -> None:
    class Special(errors.ModelError):
        pass

    assert status_of(Special("message")) == ExitStatus.MODEL


@pytest.mark.skipif(sys.platform != "linux", reason="limits addresses as Linux does")
def test_a_server_with_too_few_addresses_says_so_in_one_line() -> None:
    command = [sys.executable, "-m", "tformer.cli", "serve", "--listen", "127.0.0.1:0"]
    limited = ["sh", "-c", f'ulimit -v {800 << 10} && exec "$@"', "sh", *command]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=60)
    assert done.returncode == ExitStatus.DEVICE
    (line,) = done.stderr.splitlines()
    assert "800 MiB of addresses (ulimit -v)" in line


def test_lack_of_memory_is_told_from_other_errors() -> None:
    caused = RuntimeError("cannot load")
    caused.__cause__ = OSError(12, "Cannot allocate memory")
    for error in (MemoryError(), caused, RuntimeError("can't start new thread")):
        assert lacks_memory(error)
    for other in (OSError(2, "No such file"), RuntimeError("defect"), KeyError(12)):
        assert not lacks_memory(other)
