"""Arrow's library, which is an extra."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tformer.model.errors import InputError, UsageError

INSTALL = "pip install 'tformer[data]'"


def arrow(what: str) -> Any:
    """The library.

    Args:
        what: file or format that needs it, for the message.

    Raises:
        UsageError: it is not installed.
    """
    # Arrow's own pool keeps what was freed: 40 MiB more for a table of any size.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        import pyarrow
    except ImportError as error:
        raise UsageError(f"{what}: needs pyarrow: {INSTALL}") from error
    return pyarrow


@contextmanager
def blaming_file(path: Path) -> Iterator[None]:
    """Say of a malformed file which it was, in one line."""
    pa = arrow(str(path))
    try:
        yield
    except pa.ArrowNotImplementedError as error:
        raise InputError(f"{path}: cannot be translated: {first_line(error)}") from error
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """First line of a message, which may be long."""
    text = getattr(error, "strerror", None) or str(error)
    return next(iter(text.splitlines()), type(error).__name__)[:200]
