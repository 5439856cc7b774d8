"""A progress bar on stderr, if somebody looks at it."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tformer.cli.console import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress

_STEPS_OF_RATE = 1000
"""Translations arrive in bursts; fewer would make the rate jump."""


class Bar:
    """Called with the size of each step. This one shows nothing."""

    def __call__(self, size: float) -> None:
        """A step was taken."""

    def describe(self, text: str) -> None:
        """Say what is worked on."""

    def reach(self, size: float) -> None:
        """So much is done of all, whatever the steps said."""


class _Shown(Bar):
    def __init__(self, progress: Progress, description: str, total: float | None) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total, rate="")
        self._times: deque[float] = deque(maxlen=_STEPS_OF_RATE)

    def __call__(self, size: float) -> None:
        self._times.append(time.monotonic())
        self._progress.update(self._task, advance=size, rate=self._rate())

    def describe(self, text: str) -> None:
        self._progress.update(self._task, description=" ".join(text.split())[-40:])

    def reach(self, size: float) -> None:
        self._progress.update(self._task, completed=size)

    def _rate(self) -> str:
        seconds = self._times[-1] - self._times[0]
        return f"{(len(self._times) - 1) / seconds:,.0f}/s" if seconds else ""


@contextmanager
def progress_bar(description: str, total: float | None, *, data_on_stdout: bool) -> Iterator[Bar]:
    """Show progress while the context lasts, with steps per second and the time that is left.

    Nothing is shown unless stderr is a terminal, nor where data on the same terminal would mix
    with the bar.
    """
    if not is_terminal(sys.stderr) or (data_on_stdout and is_terminal(sys.stdout)):
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
    )
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True), transient=True) as progress:
        yield _Shown(progress, description, total)
