"""Messages to the user on stderr, one line at a time; stdout is for data."""

import contextlib
import sys
from dataclasses import dataclass

MOST_WARNINGS = 20
"""Warnings of a call that are said one by one."""


def error(message: str) -> None:
    """Say why the command ends."""
    _say("error", message)


def warning(message: str) -> None:
    """Say what the user should look at, while the command goes on."""
    _say("warning", message)


def note(message: str) -> None:
    """Say what was decided for the user."""
    _say("note", message)


@dataclass
class Warnings:
    """Warnings of which there may be thousands: the first are said, the others counted."""

    count: int = 0

    def add(self, message: str) -> None:
        """Say it, or count it."""
        self.count += 1
        if self.count <= MOST_WARNINGS:
            warning(message)

    def report(self) -> None:
        """Say how much was not said."""
        if self.count > MOST_WARNINGS:
            warning(f"{self.count - MOST_WARNINGS} more warnings were not shown")


def is_terminal(stream: object) -> bool:
    """Return whether a person sits at the other end of a stream; a closed one (None) has nobody."""
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())


def _say(kind: str, message: str) -> None:
    line = " ".join(message.splitlines()).encode("utf-8", "backslashreplace").decode()
    # A closed or full stderr must not stop a translation that goes elsewhere.
    with contextlib.suppress(OSError, ValueError):
        print(f"{kind}: {line}", file=sys.stderr, flush=True)
