"""Systems side by side: export, calibrate, then round after round.

Every system gets a process of its own. Before a cell is first measured, settings are found for it
(`calibration`), unless they are remembered; so the first ratio is there long before the last cell
is calibrated. In a round every cell is measured once with every system, one right after the other;
who begins changes from round to round.
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

from tformer.model.benchmark.calibration import SettingsMemory, fastest, tried_alike
from tformer.model.benchmark.figures import Cell, Measurement, System, compared
from tformer.model.benchmark.process import Process, SystemFailure
from tformer.model.benchmark.runners import Settings
from tformer.model.benchmark.systems import candidates
from tformer.model.benchmark.task import Task, sentences_of
from tformer.model.evaluation.metrics import QualityScores
from tformer.model.hardware.cpu import num_cores

PAUSE = 0.25
"""Seconds between two measurements, in which the threads of the last one stop spinning."""

GRACE = 20.0
"""Seconds after the end of the time in which a measurement may still end."""


@dataclass(frozen=True)
class BenchmarkLimits:
    """Limits of a comparison."""

    rounds: int = 3
    """Most rounds."""
    seconds: float = 240.0
    """After so many, finding settings included, no further measurement begins, nor one that would
    end much later as far as can be foreseen; but those of the very first cell. No system takes
    more than twice its share of them."""


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
    unmeasured: list[tuple[System, Cell]] = field(default_factory=list)
    """Cells for which a system had no time left."""

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
        memory: SettingsMemory | None = None,
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
            memory: settings that were found before; None looks for all of them.
            note: gets a line whenever something is done.
            clock: seconds.
        """
        self.outcome = BenchmarkResults()
        self._model, self._task, self._cells = model, task, cells
        self._limits, self._device = limits, device
        self._cores = cores or num_cores()
        self._memory = memory or SettingsMemory(None, {})
        self._note, self._clock = note, clock
        self._systems = list(systems)
        self._loads: dict[System, dict[str, Any]] = {}
        self._processes: dict[System, Process] = {}
        self._trials: dict[System, Process] = {}
        self._spent = dict.fromkeys(systems, 0.0)
        self._paces: dict[tuple[System, int], float] = {}
        self._first_translations: dict[Cell, list[str]] = {}
        self._started = self._deadline = self._clock()

    def run(self) -> Iterator[BenchmarkResults]:
        """Measure; the outcome so far, after every round."""
        with tempfile.TemporaryDirectory(prefix="tformer-bench-") as folder, ExitStack() as stack:
            self._started = self._clock()
            self._deadline = self._started + self._limits.seconds
            for number in range(1, self._limits.rounds + 1):
                if number > 1 and self._clock() >= self._deadline:
                    break
                with ExitStack() as trials:
                    self._round(number, partial(self._prepare, Path(folder), stack, trials))
                yield self.outcome

    # -- before a cell is measured ------------------------------------------------------------

    def _prepare(
        self, folder: Path, stack: ExitStack, trials: ExitStack, system: System, cell: Cell
    ) -> None:
        """Have the system's model, settings for the cell, and a warm process."""
        if system not in self._loads:
            self._export(system, folder / str(system).replace(":", "-"))
        if (system, cell) not in self.outcome.settings:
            settings = self._calibrated(system, cell, trials)
            self.outcome.settings[system, cell] = settings
        if system not in self._processes:
            self._load(system, cell, stack)

    def _export(self, system: System, exported: Path) -> None:
        place = {"system": str(system), "model": str(self._model), "folder": str(exported)}
        self._tell(f"{system}: loading")
        with Process() as process:
            process.ask({"do": "export", **place})
        self._loads[system] = {"do": "load", **place, "device": self._device}

    def _load(self, system: System, cell: Cell, stack: ExitStack) -> None:
        load = {**self._loads[system], "settings": self.outcome.settings[system, cell]}
        if system.program == "tformer" and system not in self._trials:
            with Process() as process:  # what it has to compile does not count
                process.ask(load)
        process = stack.enter_context(Process())
        answer = process.ask(load)
        self.outcome.load_seconds[system] = answer["seconds"]
        self.outcome.versions |= answer["versions"]
        self._processes[system] = process
        self._tell(f"{system}: loaded in {answer['seconds']:.1f} s")

    def _calibrated(self, system: System, cell: Cell, trials: ExitStack) -> Settings:
        """The fastest settings for a cell: the only ones, remembered ones or those of trials."""
        alike = tried_alike(cell)
        choices = candidates(system, cell, self._cores)
        known = self._memory.of(system, alike)
        if len(choices) == 1 or known in choices:
            return choices[0] if known is None else known
        if system not in self._trials:
            self._trials[system] = trials.enter_context(Process())
            self._trials[system].ask({**self._loads[system], "settings": choices[0]})
        process = self._trials[system]

        def seconds(settings: Settings, sentences: int) -> float:
            found = float(self._ask(process, cell, settings, sentences)["seconds"])
            self._paces[system, cell.beam_size] = found / sentences
            return found

        best = fastest(system, cell, self._task, self._cores, seconds)
        self._memory.add(system, alike, best)
        self._tell(f"{system}: {cell}: {_in_words(best)}")
        return best

    def _ask(
        self, process: Process, cell: Cell, settings: Settings, sentences: int
    ) -> dict[str, Any]:
        message = self._task.message(sentences)
        call = {"batch": cell.batch, "beam_size": cell.beam_size, "settings": settings}
        return process.ask({**message, **call})

    # -- rounds -------------------------------------------------------------------------------

    def _round(self, number: int, prepare: Callable[[System, Cell], None]) -> None:
        for cell in self._cells:
            for system in self._turns(number):
                if number > 1 and self._spent[system] > self._share:
                    continue
                if not self._is_time_for(system, cell, number):
                    if number == 1:
                        self.outcome.unmeasured.append((system, cell))
                        self._tell(f"{system}: {cell}: no time left")
                    continue
                if number == 1:
                    self._trying(system, partial(prepare, system, cell))
                if system in self._systems:
                    self._trying(system, partial(self._measure, system, cell, number))
        for system, process in self._processes.items():
            if peak := process.peak_memory():
                self.outcome.peak_memory[system] = peak

    def _turns(self, number: int) -> list[System]:
        """The systems, another one first in each round."""
        start = (number - 1) % max(len(self._systems), 1)
        return self._systems[start:] + self._systems[:start]

    def _is_time_for(self, system: System, cell: Cell, number: int) -> bool:
        """Return whether a measurement may begin: in time, and to end not much later."""
        if number == 1 and cell == self._cells[0]:
            return True
        if number > 1 and (system, cell) in self.outcome.unmeasured:
            return False
        now, expected = self._clock(), self._pace(system, cell) * sentences_of(self._task, cell)
        if number == 1 and self._spent[system] + expected > self._share:
            return False
        return now < self._deadline and now + expected < self._deadline + GRACE

    def _pace(self, system: System, cell: Cell) -> float:
        """Seconds a sentence, as last seen: at this beam size, or else at the slowest one."""
        seen = {beam: pace for (each, beam), pace in self._paces.items() if each == system}
        return seen.get(cell.beam_size, max(seen.values(), default=0.0))

    @property
    def _share(self) -> float:
        return 2 * self._limits.seconds / len(self._systems)

    def _measure(self, system: System, cell: Cell, number: int) -> None:
        process, settings = self._processes[system], self.outcome.settings[system, cell]
        sentences = sentences_of(self._task, cell)
        if number == 1:  # warm up
            self._ask(process, cell, settings, min(sentences, 4))
        time.sleep(PAUSE)
        answer = self._ask(process, cell, settings, sentences)
        self._spent[system] += answer["seconds"]
        self._paces[system, cell.beam_size] = answer["seconds"] / sentences
        found = Measurement(
            system=system,
            cell=cell,
            round=number,
            sentences=sentences,
            tokens=self._task.tokens(answer),
            seconds=answer["seconds"],
            cpu_seconds=answer["cpu_seconds"],
            latencies=tuple(answer["latencies"]),
        )
        self._tell(compared(found, self.outcome.measurements))
        self.outcome.measurements.append(found)
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
            self._tell(f"{system}: left out: {failure}")

    def _tell(self, line: str) -> None:
        self._note(f"{self._clock() - self._started:.0f} s: {line}")


def _in_words(settings: Settings) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
