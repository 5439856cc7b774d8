"""A progress bar on stderr, if somebody looks at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tformer.cli.talk import is_terminal


@contextmanager
def progress_bar(
    description: str, total: int | None, *, data_on_stdout: bool
) -> Iterator[Callable[[int], None]]:
    """Show progress while the context lasts; what it gives is called with each step's size.

    Nothing is shown unless stderr is a terminal, nor where data on the same terminal would mix
    with the bar.
    """
    if not is_terminal(sys.stderr) or (data_on_stdout and is_terminal(sys.stdout)):
        yield lambda size: None
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

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda size: progress.advance(task, size)
