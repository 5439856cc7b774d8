"""Cost of a million source words: CPU seconds, energy and money."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MILLION = 1_000_000

POWERCAP = Path("/sys/class/powercap")
"""Folder of the counters of RAPL (Linux, Intel and AMD)."""


@dataclass(frozen=True)
class EnergyCounter:
    """Counter of energy that only grows, but for its overflow."""

    name: str
    read: Callable[[], float]
    """Joules since some time."""
    overflow: float = 0.0
    """Joules at which it begins anew; 0 for never."""

    def between(self, before: float, after: float) -> float:
        """Joules between two readings."""
        return after - before + (self.overflow if after < before else 0.0)


@dataclass(frozen=True)
class TranslationCost:
    """Means that a translation took."""

    words: int
    """Words of the source, as white space separates them."""
    cores: int
    seconds: float
    """Wall time."""
    cpu_seconds: float
    """CPU time of the process, all threads, user and system."""
    joules: dict[str, float]
    """Energy of the whole machine by counter; empty where none can be read."""

    def record(self, price: float | None) -> dict[str, Any]:
        """Figures per million source words.

        Args:
            price: of a core for an hour, in any currency; None leaves money out.
        """
        share = MILLION / max(1, self.words)
        core_hours = self.seconds * self.cores / 3600
        return {
            "words": self.words,
            "cores": self.cores,
            "seconds": round(self.seconds, 3),
            "words_per_second": round(self.words / max(self.seconds, 1e-9), 1),
            "cpu_seconds_per_million_words": round(self.cpu_seconds * share, 1),
            "core_hours_per_million_words": round(core_hours * share, 4),
            "joules_per_million_words": {
                name: round(joules * share, 1) for name, joules in self.joules.items()
            },
            "money_per_million_words": None if price is None
            else round(core_hours * share * price, 6),
        }  # fmt: skip


def measure(
    translate: Callable[[Sequence[str]], Iterator[Any]],
    lines: Sequence[str],
    cores: int,
    counters: Sequence[EnergyCounter],
    *,
    seconds: float,
) -> TranslationCost:
    """Translate lines, again and again until some seconds have passed.

    Args:
        translate: lines to their translations; should be warm.
        lines: of the source.
        cores: that the translator uses.
        counters: of energy.
        seconds: after which no further round begins.
    """
    before = [counter.read() for counter in counters]
    begun, cpu = time.perf_counter(), time.process_time()
    rounds = 0
    while not rounds or time.perf_counter() - begun < seconds:
        for _ in translate(lines):
            pass
        rounds += 1
    taken, used = time.perf_counter() - begun, time.process_time() - cpu
    joules = {
        counter.name: counter.between(first, counter.read())
        for counter, first in zip(counters, before, strict=True)
    }
    words = rounds * sum(len(line.split()) for line in lines)
    return TranslationCost(words, cores, taken, used, joules)


def energy_counters(powercap: Path = POWERCAP) -> list[EnergyCounter]:
    """Counters of this machine that can be read: RAPL of each processor, NVML of each GPU."""
    return [*_rapl(powercap), *_nvml()]


def _rapl(powercap: Path) -> Iterator[EnergyCounter]:
    for folder in sorted(powercap.glob("*-rapl:[0-9]*")):
        if folder.name.count(":") != 1:  # a part of a processor, which is in its sum
            continue
        with suppress(OSError, ValueError):
            most = int((folder / "max_energy_range_uj").read_text()) / 1e6
            name = f"{(folder / 'name').read_text().strip()} (RAPL)"
            counter = EnergyCounter(name, _reader(folder / "energy_uj"), most)
            counter.read()
            yield counter


def _reader(file: Path) -> Callable[[], float]:
    return lambda: int(file.read_text()) / 1e6


def _nvml() -> Iterator[EnergyCounter]:
    try:
        import pynvml

        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            counter = EnergyCounter(f"GPU {index} (NVML)", _gpu_reader(pynvml, handle))
            counter.read()
            yield counter
    except Exception:  # no library, no driver, or a GPU that does not tell
        return


def _gpu_reader(nvml: Any, handle: Any) -> Callable[[], float]:
    return lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
