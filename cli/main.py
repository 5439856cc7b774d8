"""The program `tformer`, and what becomes of every error."""

import errno
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from tformer.cli import console, outputs
from tformer.cli.commands import COMMANDS, command
from tformer.cli.early import heed_signals
from tformer.cli.exits import ExitStatus, PipeClosed, lacks_memory, status_of
from tformer.model.errors import TformerError

NO_MEMORY = (
    "there is not enough memory: this machine, a container or `ulimit -v` gives no more; "
    "allow more, or use fewer --threads or a smaller model"
)


def main() -> NoReturn:
    """Be the program, to its end."""
    if not heed_signals(sys.argv[1:]):
        signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The program and all of its error handling; returns the exit status."""
    try:
        return program(arguments)
    except TformerError as error:
        return _fail(str(error), status_of(error))
    except TyperException as error:
        return _refuse(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED
    except PipeClosed:
        outputs.abandon_stdout()
        return ExitStatus.PIPE_CLOSED
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return _fail(f"nothing more can be written: {error.strerror}", ExitStatus.OUTPUT)
        if lacks_memory(error):
            return _fail(NO_MEMORY, ExitStatus.DEVICE)
        raise


def program(arguments: Sequence[str]) -> int:
    """The program without error handling."""
    called = arguments[0] if arguments and arguments[0] in COMMANDS else None
    if "--ray" in arguments:
        from tformer.cli.ray_address import with_ray_address

        arguments = with_ray_address(arguments)
    status = command(called)(args=list(arguments), prog_name="tformer", standalone_mode=False)
    sys.stdout.flush()
    return status or ExitStatus.SUCCESS


def _refuse(message: str) -> ExitStatus:
    """A call that Typer could not read; without a message it has printed the help instead."""
    if message:
        console.error(f"{message.rstrip('.')}; tformer --help tells more")
    return ExitStatus.USAGE


def _fail(message: str, status: ExitStatus) -> ExitStatus:
    if status == ExitStatus.OUTPUT:
        outputs.abandon_stdout()
    console.error(message)
    return status


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Let the unfinished output file be cleared away."""
    sys.exit(ExitStatus.TERMINATED)
