"""Settings of `tformer serve` from a file and from the environment."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import typer

from tformer.cli import console
from tformer.model.errors import InputError, UsageError

PREFIX = "TFORMER_SERVE"
"""First part of the variables: TFORMER_SERVE_MAX_WAIT is --max-wait."""

_OF_ORCHESTRATORS = ("_HOST", "_PORT", "_ADDR", "_PROTO")
"""Ends of variables that Kubernetes sets for a service that is called tformer-serve."""


def read_settings(context: typer.Context, file: Path | None) -> Path | None:
    """Make the settings of a TOML file the defaults of a command.

    Raises:
        InputError: the file cannot be read, or is not TOML.
        UsageError: the command has no option of a name.
    """
    _warn_of_unknown_variables(context)
    if file is None:
        return None
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{file}: not TOML ({error})") from error
    names, flags = _names(context), _flags(context)
    settings = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in names:
            raise UsageError(f"{file}: `tformer serve` has no option --{key}")
        if isinstance(value, dict):
            raise UsageError(f"{file}: {key} must be a value, or a list, and no table")
        if isinstance(value, bool) and name not in flags:  # Python would take true for 1
            raise UsageError(f"{file}: {key} is neither true nor false: give it a value")
        settings[name] = value
    context.default_map = settings
    return file


def _names(context: typer.Context) -> set[str]:
    """Names of the options that a file may set."""
    return {str(each.name) for each in context.command.params} - {"config", "help"}


def _flags(context: typer.Context) -> set[str]:
    """Names of the options that are true or false."""
    return {str(each.name) for each in context.command.params if getattr(each, "is_flag", False)}


def _warn_of_unknown_variables(context: typer.Context) -> None:
    """Tell of variables with the prefix that are no option, as a misspelt one is."""
    known = {f"{PREFIX}_{each.name}".upper() for each in context.command.params}
    for name in sorted(os.environ):
        foreign = name.endswith(_OF_ORCHESTRATORS) or "_PORT_" in name
        if name.startswith(f"{PREFIX}_") and name not in known and not foreign:
            console.warning(f"the variable {name} is no setting of `tformer serve`")
