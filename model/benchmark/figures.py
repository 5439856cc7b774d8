"""Measurements, and robust statistics of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, get_args

from tformer.model.errors import UsageError

Program = Literal["tformer", "ctranslate2", "transformers"]


@dataclass(frozen=True)
class System:
    """A program that translates, in one arithmetic."""

    program: Program
    dtype: str
    """By the program's own name: float32, bfloat16, int8, int8_float32 ..."""

    def __str__(self) -> str:
        return f"{self.program}:{self.dtype}"

    @classmethod
    def parse(cls, text: str) -> System:
        """Read ``program:dtype``.

        Raises:
            UsageError: when there is no such program, or no dtype.
        """
        name, _, dtype = text.partition(":")
        for program in get_args(Program):
            if name == program and dtype:
                return cls(program, dtype)
        raise UsageError(
            f"system {text!r} is unknown: name PROGRAM:DTYPE, such as tformer:int8, "
            "ctranslate2:int8 or transformers:float32"
        )


@dataclass(frozen=True)
class Cell:
    """One way to ask: how much at a time, and how wide the search is."""

    batch: int | None
    """Lines that are handed over at a time; None is all at once."""
    beam_size: int

    def __str__(self) -> str:
        return f"batch {self.batch or 'all'}, beam {self.beam_size}"


@dataclass(frozen=True)
class Measurement:
    """One system's work on one cell in one round."""

    system: System
    cell: Cell
    round: int
    sentences: int
    tokens: int
    """Target tokens, the ends of sentences included."""
    seconds: float
    cpu_seconds: float
    """CPU seconds of all threads together."""
    latencies: tuple[float, ...]
    """Seconds of every batch."""

    @property
    def tokens_per_second(self) -> float:
        """Target tokens a second."""
        return self.tokens / self.seconds


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of all values do not exceed (nearest rank).

    Args:
        values: at least one.
        percent: over 0, at most 100.
    """
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(int(rank), 1) - 1]


def ratios(
    measurements: Sequence[Measurement], cell: Cell, one: System, other: System
) -> Spread | None:
    """Ratios of the tokens per second of system ``one`` to those of ``other``, round by round.

    Two figures of one round were taken within seconds of each other, so that what slows the machine
    for a while cancels out. None when the two have no round in common.
    """
    speeds = {(m.system, m.round): m.tokens_per_second for m in measurements if m.cell == cell}
    found = [
        speed / speeds[other, number]
        for (system, number), speed in speeds.items()
        if system == one and (other, number) in speeds
    ]
    return Spread.of(found) if found else None


def latency_ratios(
    measurements: Sequence[Measurement], cell: Cell, one: System, other: System
) -> Spread | None:
    """Ratios of the median latency of ``one`` to that of ``other``, round by round."""
    medians = {
        (m.system, m.round): percentile(m.latencies, 50) for m in measurements if m.cell == cell
    }
    found = [
        medians[other, number] / latency
        for (system, number), latency in medians.items()
        if system == one and (other, number) in medians
    ]
    return Spread.of(found) if found else None


def compared(found: Measurement, before: Sequence[Measurement]) -> str:
    """A measurement in words, and how many times as fast ours is where both are measured."""
    speed = f"{found.system} {found.tokens_per_second:,.0f} tokens/s"
    parts = [f"round {found.round}, {found.cell}: {speed}"]
    for other in before:
        if (other.round, other.cell) == (found.round, found.cell):
            pair = (found, other) if found.system.program == "tformer" else (other, found)
            if [each.system.program == "tformer" for each in pair] == [True, False]:
                ratio = pair[0].tokens_per_second / pair[1].tokens_per_second
                parts.append(f"{pair[0].system} is {ratio:.2f} times as fast as {pair[1].system}")
    return "; ".join(parts)
