"""The commands of the program, of which only the one that is called is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any

import typer

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "translate": "tformer.cli.translate",
        "evaluate": "tformer.cli.evaluate",
        "calibrate": "tformer.cli.calibrate",
        "bench": "tformer.cli.bench",
        "info": "tformer.cli.info",
        "attention": "tformer.cli.attention",
        "prepare": "tformer.cli.prepare",
        "train": "tformer.cli.train",
        "synthesize": "tformer.cli.synthesize",
        "shortlist": "tformer.cli.shortlist",
        "memory": "tformer.cli.memory",
        "convert": "tformer.cli.convert",
        "models": "tformer.cli.models",
        "serve": "tformer.cli.serve",
        "health": "tformer.cli.health",
        "token": "tformer.cli.token",
        "daemon": "tformer.cli.daemon",
    }
)
"""Module of each command: a function, or a group of functions, that is called like the command."""

SETTINGS: Mapping[str, dict[str, str]] = MappingProxyType(
    {"serve": {"auto_envvar_prefix": "TFORMER_SERVE"}}
)
"""Settings of commands in the sense of Click: what begins the variables of their options."""


def application(only: str | None = None) -> typer.Typer:
    """The program with all of its commands, or with one of them."""
    app = typer.Typer(
        name="tformer",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(tformer)
    for name in COMMANDS if only is None else [only]:
        command = getattr(import_module(COMMANDS[name]), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(context_settings=SETTINGS.get(name))(command)
    return app


@cache
def command(only: str | None = None) -> Any:
    """The Click command of the program, with one of its commands or with all."""
    return typer.main.get_command(application(only))


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tformer {version('tformer')}")
        raise typer.Exit


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
