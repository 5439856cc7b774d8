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

    def __call__(self, size: float, count: int = 1) -> None:
        """A step was taken, in which so many things were done."""

    def skip(self, size: float) -> None:
        """So much had been done before."""

    def describe(self, text: str) -> None:
        """Say what is worked on."""

    def reach(self, size: float) -> None:
        """So much is done of all, whatever the steps said."""


class _Shown(Bar):
    def __init__(
        self, progress: Progress, description: str, total: float | None, unit: str
    ) -> None:
        self._progress = progress
        self._unit = unit
        self._done = 0
        self._task = progress.add_task(description, total=total, rate="")
        self._steps: deque[tuple[float, int]] = deque(maxlen=_STEPS_OF_RATE)

    def __call__(self, size: float, count: int = 1) -> None:
        self._done += count
        self._steps.append((time.monotonic(), self._done))
        self._progress.update(self._task, advance=size, rate=self._rate())

    def skip(self, size: float) -> None:
        self._progress.update(self._task, advance=size)

    def describe(self, text: str) -> None:
        self._progress.update(self._task, description=" ".join(text.split())[-40:])

    def reach(self, size: float) -> None:
        self._progress.update(self._task, completed=size)

    def _rate(self) -> str:
        (first, before), (last, done) = self._steps[0], self._steps[-1]
        seconds = last - first
        return f"{(done - before) / seconds:,.0f}{self._unit}/s" if seconds else ""


@contextmanager
def progress_bar(
    description: str, total: float | None, *, data_on_stdout: bool, unit: str = ""
) -> Iterator[Bar]:
    """Show progress while the context lasts, with steps per second and the time that is left.

    Args:
        description: of what goes on.
        total: size of all; None if nobody knows.
        data_on_stdout: whether stdout is used for data.
        unit: of what is counted, behind the rate.

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
        yield _Shown(progress, description, total, unit)
