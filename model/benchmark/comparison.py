"""Systems side by side: export, calibrate, then round after round.

Every system gets a process of its own. Before anything counts, settings are tried
(`systems.candidates`) for each cell on a part of its sentences, in a process that is thrown away,
so that it leaves no trace in the memory that is reported. In a round every cell is measured once
with every system, one right after the other; who begins changes from round to round.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tformer.model.benchmark.figures import Cell, Measurement, System
from tformer.model.benchmark.process import Process, SystemFailure
from tformer.model.benchmark.systems import Settings, candidates
from tformer.model.benchmark.task import Task, sentences_of
from tformer.model.evaluation.metrics import QualityScores
from tformer.model.hardware.cpu import num_cores

CALIBRATION = 96
"""Sentences, at most, on which settings are tried."""

QUICK = 1.0
"""Seconds under which a trial is repeated, lest chance decide."""

PAUSE = 0.25
"""Seconds between two measurements, in which the threads of the last one stop spinning."""


@dataclass(frozen=True)
class BenchmarkLimits:
    """When to stop."""

    rounds: int = 3
    """Most rounds."""
    seconds: float = 450.0
    """After so many, finding settings included, no further measurement begins, but of a first
    round. A system that has used up twice its share of them is left out of later rounds."""


@dataclass(frozen=True)
class Quality:
    """Quality of a system's translations of one cell."""

    system: System
    cell: Cell
    scores: QualityScores | None
    same: float | None
    """Share of translations that are those of the first system, character for character."""


@dataclass
class BenchmarkResults:
    """All that was found so far."""

    measurements: list[Measurement] = field(default_factory=list)
    settings: dict[tuple[System, Cell], Settings] = field(default_factory=dict)
    load_seconds: dict[System, float] = field(default_factory=dict)
    peak_memory: dict[System, int] = field(default_factory=dict)
    """Bytes."""
    versions: dict[str, str] = field(default_factory=dict)
    quality: list[Quality] = field(default_factory=list)
    failures: dict[System, str] = field(default_factory=dict)
    """Reason why a system was not, or not always, measured."""

    @property
    def systems(self) -> list[System]:
        """Systems with a measurement, in the order in which they were named."""
        measured = {measurement.system for measurement in self.measurements}
        return [system for system in self.load_seconds if system in measured]


class Comparison:
    """One run of several systems on one task."""

    def __init__(
        self,
        model: Path,
        task: Task,
        systems: Sequence[System],
        cells: Sequence[Cell],
        limits: BenchmarkLimits,
        *,
        device: str = "cpu",
        cores: int | None = None,
        note: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A comparison that has not begun.

        Args:
            model: a model directory of ours, which the others get in their formats.
            task: what to translate.
            systems: what to compare; the first is what others' translations are compared with.
            cells: how to translate.
            limits: when to stop.
            device: auto, cpu or cuda.
            cores: threads for each system; None is every core.
            note: gets a line whenever something is done.
            clock: seconds.
        """
        self.outcome = BenchmarkResults()
        self._model, self._task, self._cells = model, task, cells
        self._limits, self._device = limits, device
        self._cores = cores or num_cores()
        self._note, self._clock = note, clock
        self._systems = list(systems)
        self._processes: dict[System, Process] = {}
        self._spent = dict.fromkeys(systems, 0.0)
        self._first_translations: dict[Cell, list[str]] = {}

    def run(self) -> Iterator[BenchmarkResults]:
        """Measure; the outcome so far, after every round."""
        with tempfile.TemporaryDirectory(prefix="tformer-bench-") as folder, ExitStack() as stack:
            deadline = self._clock() + self._limits.seconds
            for system in list(self._systems):
                self._trying(system, partial(self._set_up, system, Path(folder), stack))
            for number in range(1, self._limits.rounds + 1):
                if number > 1 and self._clock() >= deadline:
                    break
                self._round(number, deadline)
                yield self.outcome

    # -- before the rounds --------------------------------------------------------------------

    def _set_up(self, system: System, folder: Path, stack: ExitStack) -> None:
        """Export the model, find settings, and have a warm process."""
        exported = folder / str(system).replace(":", "-")
        with Process() as process:
            place = {"system": str(system), "model": str(self._model), "folder": str(exported)}
            process.ask({"do": "export", **place})
        load = {"do": "load", **place, "device": self._device}
        for cell, settings in self._calibrated(system, load):
            self.outcome.settings[system, cell] = settings
        process = stack.enter_context(Process())
        largest = self.outcome.settings[system, self._cells[-1]]
        answer = process.ask({**load, "settings": largest})
        self.outcome.load_seconds[system] = answer["seconds"]
        self.outcome.versions |= answer["versions"]
        self._processes[system] = process
        self._note(f"{system}: loaded in {answer['seconds']:.1f} s")

    def _calibrated(self, system: System, load: dict[str, Any]) -> Iterator[tuple[Cell, Settings]]:
        """The fastest settings for every cell."""
        choices = {cell: candidates(system, cell, self._cores) for cell in self._cells}
        with Process() as process:
            process.ask({**load, "settings": choices[self._cells[0]][0]})
            for cell, settings in choices.items():
                if len(settings) == 1:
                    yield cell, settings[0]
                    continue
                self._ask(process, cell, settings[0], min(self._task.size, 4))  # warm up
                sentences = min(sentences_of(self._task, cell), cell.batch or CALIBRATION)
                sentences = min(max(sentences, 8), CALIBRATION, self._task.size)
                times = [self._seconds(process, cell, trial, sentences) for trial in settings]
                best = settings[times.index(min(times))]
                self._note(f"{system}: {cell}: {_in_words(best)}")
                yield cell, best

    def _seconds(self, process: Process, cell: Cell, settings: Settings, sentences: int) -> float:
        """Time a trial; the shorter of two if they are quick."""
        first = float(self._ask(process, cell, settings, sentences)["seconds"])
        if first > QUICK:
            return first
        return min(first, float(self._ask(process, cell, settings, sentences)["seconds"]))

    def _ask(
        self, process: Process, cell: Cell, settings: Settings, sentences: int
    ) -> dict[str, Any]:
        message = self._task.message(sentences)
        call = {"batch": cell.batch, "beam_size": cell.beam_size, "settings": settings}
        return process.ask({**message, **call})

    # -- rounds -------------------------------------------------------------------------------

    def _round(self, number: int, deadline: float) -> None:
        for cell in self._cells:
            for system in self._turns(number):
                if number > 1 and self._clock() >= deadline:
                    return
                if number == 1 or not self._has_had_its_share(system):
                    self._trying(system, partial(self._measure, system, cell, number))
            self._tell(number, cell)
        for system, process in self._processes.items():
            if peak := process.peak_memory():
                self.outcome.peak_memory[system] = peak

    def _turns(self, number: int) -> list[System]:
        """The systems, another one first in each round."""
        start = (number - 1) % max(len(self._systems), 1)
        return self._systems[start:] + self._systems[:start]

    def _has_had_its_share(self, system: System) -> bool:
        return self._spent[system] > 2 * self._limits.seconds / len(self._systems)

    def _measure(self, system: System, cell: Cell, number: int) -> None:
        process, settings = self._processes[system], self.outcome.settings[system, cell]
        sentences = sentences_of(self._task, cell)
        if number == 1:  # warm up
            self._ask(process, cell, settings, min(sentences, 4))
        time.sleep(PAUSE)
        answer = self._ask(process, cell, settings, sentences)
        self._spent[system] += answer["seconds"]
        self.outcome.measurements.append(
            Measurement(
                system=system,
                cell=cell,
                round=number,
                sentences=sentences,
                tokens=self._task.tokens(answer),
                seconds=answer["seconds"],
                cpu_seconds=answer["cpu_seconds"],
                latencies=tuple(answer["latencies"]),
            )
        )
        if number == 1:
            self._judge(system, cell, answer, sentences)

    def _judge(self, system: System, cell: Cell, answer: dict[str, Any], sentences: int) -> None:
        """Score the cell of each beam size with the most sentences."""
        alike = [each for each in reversed(self._cells) if each.beam_size == cell.beam_size]
        largest = max(alike, key=partial(sentences_of, self._task))
        if cell != largest or "translations" not in answer:
            return
        scores = self._task.scores(answer, sentences)
        first = self._first_translations.setdefault(cell, answer["translations"])
        pairs = zip(first, answer["translations"], strict=True)
        same = sum(one == other for one, other in pairs) / sentences
        self.outcome.quality.append(Quality(system, cell, scores, same))

    def _trying(self, system: System, work: Callable[[], None]) -> None:
        """Leave a system out from when it fails on."""
        try:
            work()
        except SystemFailure as failure:
            self._systems.remove(system)
            self._processes.pop(system, None)
            self.outcome.failures[system] = str(failure)
            self._note(f"{system}: left out: {failure}")

    def _tell(self, number: int, cell: Cell) -> None:
        speeds = [
            f"{m.system} {m.tokens_per_second:,.0f}"
            for m in self.outcome.measurements
            if (m.round, m.cell) == (number, cell)
        ]
        self._note(f"round {number}, {cell}: {', '.join(speeds)} tokens/s")


def _in_words(settings: Settings) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
