"""Calibration: the settings with which a system is fastest, and a memory of them.

Settings are tried on a part of a cell's sentences, in a process that is ended before others are
measured, so that it leaves no trace in the memory that is reported. What was found holds for the
machine, the model's sizes and the versions of the packages, and is remembered with these.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tformer.model.benchmark.figures import Cell, System
from tformer.model.benchmark.machine import hardware
from tformer.model.benchmark.runners import Settings
from tformer.model.benchmark.systems import candidates
from tformer.model.benchmark.task import Task, sentences_of
from tformer.model.files import replacing

MOST = 96
"""Sentences, at most, on which settings are tried."""

QUICK = 0.5
"""Seconds under which a trial is repeated, lest chance decide."""

FILE = "benchmark-settings.json"
"""Name of the file that remembers settings, in the folder of files that can be made again."""

_FORMAT = 1

Ask = Callable[[Settings, int], float]
"""Seconds that a system takes for so many sentences of a cell with some settings."""


class SettingsMemory:
    """Settings that were found on this machine, in a file that may be deleted at any time."""

    def __init__(self, file: Path | None, facts: Mapping[str, Any], *, anew: bool = False) -> None:
        """Memory of a file.

        Args:
            file: where; None remembers nothing.
            facts: what settings depend on besides the machine, such as the model's sizes.
            anew: forget what was found for these facts, once that is found again.
        """
        self._file, self._facts = file, facts
        self._known: dict[str, Settings] = {} if anew else _read(file)

    def of(self, system: System, cell: Cell) -> Settings | None:
        """Return the settings that were found before; None if there are none."""
        return self._known.get(self._key(system, cell))

    def add(self, system: System, cell: Cell, settings: Settings) -> None:
        """Remember; a file that cannot be written is no reason to stop."""
        self._known[self._key(system, cell)] = settings
        if self._file is None:
            return
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            known = {"format": _FORMAT, "settings": _read(self._file) | self._known}
            with replacing(self._file) as stream:
                stream.write(json.dumps(known, indent=1).encode() + b"\n")

    def _key(self, system: System, cell: Cell) -> str:
        machine = hardware()
        facts = {
            **self._facts,
            **{name: machine[name] for name in ("cpu", "level", "flags")},
            "system": str(system),
            "version": _version(system.program),
            "cell": [cell.batch, cell.beam_size],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def _read(file: Path | None) -> dict[str, Settings]:
    """Read a file; nothing if it is not there or was damaged."""
    try:
        found = json.loads(file.read_bytes()) if file else {}
        if found.get("format") != _FORMAT:
            return {}
        return {
            str(key): {str(name): int(value) for name, value in settings.items()}
            for key, settings in found["settings"].items()
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _version(program: str) -> str:
    try:
        return version(program)
    except PackageNotFoundError:
        return ""


def fastest(system: System, cell: Cell, task: Task, cores: int, ask: Ask) -> Settings:
    """Try a system's settings on a part of a cell's sentences, and tell the fastest."""
    choices = candidates(system, cell, cores)
    if len(choices) == 1:
        return choices[0]
    ask(choices[0], min(task.size, 4))  # warm up
    sentences = min(sentences_of(task, cell), cell.batch or MOST)
    sentences = min(max(sentences, 8), MOST, task.size)
    times = [_seconds(ask, settings, sentences) for settings in choices]
    return choices[times.index(min(times))]


def _seconds(ask: Ask, settings: Settings, sentences: int) -> float:
    """Time a trial; the shorter of two if they are quick."""
    first = ask(settings, sentences)
    return first if first > QUICK else min(first, ask(settings, sentences))


def tried_alike(cell: Cell) -> Cell:
    """The cell whose trials are those of this one: batches differ only if a trial fills them."""
    return Cell(None, cell.beam_size) if (cell.batch or MOST) >= MOST else cell
