"""The program `tformer`: its commands, and what becomes of every error."""

import errno
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from tformer.cli import lines, talk
from tformer.cli.attention import attention
from tformer.cli.bench import bench
from tformer.cli.convert import convert
from tformer.cli.daemon import daemon
from tformer.cli.evaluate import evaluate
from tformer.cli.exits import ExitStatus, PipeClosed, status_of
from tformer.cli.info import info
from tformer.cli.prepare import prepare
from tformer.cli.serve import serve
from tformer.cli.token import token
from tformer.cli.train import train
from tformer.cli.translate import translate
from tformer.model.errors import TformerError

app = typer.Typer(
    name="tformer",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(translate)
app.command()(evaluate)
app.command()(bench)
app.command()(info)
app.command()(attention)
app.command()(prepare)
app.command()(train)
app.add_typer(convert, name="convert")
app.command()(serve)
app.command()(token)
app.add_typer(daemon)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tformer {version('tformer')}")
        raise typer.Exit


@app.callback()
def tformer(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Translate text with a Transformer, on your own machine.

    Exit status: 0 done; 2 wrong call; 3 input cannot be read; 4 output cannot be written; 5
    model missing or damaged; 6 device not available; 7 training failed; 8 server cannot start
    or answer; 9 translated with warnings, under --strict; 10 every file is up to date; 130
    Ctrl-C; 141 the reader of the output went away; 143 terminated; 1 a defect of tformer.
    """


def main() -> NoReturn:
    """The entry point of the installed command."""
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
        lines.abandon_stdout()
        return ExitStatus.PIPE_CLOSED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fail(f"nothing more can be written: {error.strerror}", ExitStatus.OUTPUT)


def program(arguments: Sequence[str]) -> int:
    """The program without error handling."""
    status = app(args=list(arguments), prog_name="tformer", standalone_mode=False)
    sys.stdout.flush()
    return status or ExitStatus.SUCCESS


def _refuse(message: str) -> ExitStatus:
    """A call that Typer could not read; without a message it has printed the help instead."""
    if message:
        talk.error(f"{message.rstrip('.')}; tformer --help tells more")
    return ExitStatus.USAGE


def _fail(message: str, status: ExitStatus) -> ExitStatus:
    if status == ExitStatus.OUTPUT:
        lines.abandon_stdout()
    talk.error(message)
    return status


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Let the unfinished output file be cleared away."""
    sys.exit(ExitStatus.TERMINATED)
