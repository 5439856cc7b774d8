"""Report of a comparison, as a record for programs and as tables for people.

The record is JSON: ``format``, ``task``, ``model``, ``hardware``, ``versions``, ``seconds``, then

    systems    name, load_seconds, peak_memory_mib
    cells      batch (null: all at once), beam_size, and of every system its settings, rounds,
               tokens_per_second and latency_ms {p50, p95}
    ratios     of every system of ours to every other: cell, tokens_per_second, latency
    quality    BLEU and chrF with their signatures, same_as_first
    left_out   system: why
    not_measured  "system, cell" for which there was no time

A spread is {median, low, high, count} over rounds; a ratio is that of two figures of one round.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tformer.model.benchmark.comparison import BenchmarkResults, Quality
from tformer.model.benchmark.figures import (
    Cell,
    Measurement,
    Spread,
    System,
    latency_ratios,
    percentile,
    ratios,
)
from tformer.model.errors import OutputError
from tformer.model.files import replacing

FORMAT = 1
"""Version of the record."""


@dataclass(frozen=True)
class ReportTable:
    """Text in rows and columns, the first of which names the row."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """As Markdown, with the title as a heading."""
        rule = ["---"] + ["---:"] * (len(self.header) - 1)
        lines = [f"| {' | '.join(cells)} |" for cells in (self.header, rule, *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, ""])


# -- the record -------------------------------------------------------------------------------


def record(outcome: BenchmarkResults, facts: dict[str, Any]) -> dict[str, Any]:
    """All figures under their names; ``facts`` are those about the model, task and machine."""
    cells = _cells(outcome)
    return {
        "format": FORMAT,
        **facts,
        "versions": dict(sorted(outcome.versions.items())),
        "systems": [_system(outcome, system) for system in outcome.systems],
        "cells": [_cell(outcome, cell) for cell in cells],
        "ratios": [
            found
            for one, other in _pairs(outcome)
            for cell in cells
            if (found := _ratio(outcome, cell, one, other))
        ],
        "quality": [_quality(quality) for quality in outcome.quality],
        "left_out": {str(system): reason for system, reason in outcome.failures.items()},
        "not_measured": [f"{system}, {cell}" for system, cell in outcome.unmeasured],
    }


def _cells(outcome: BenchmarkResults) -> list[Cell]:
    return list(dict.fromkeys(measurement.cell for measurement in outcome.measurements))


def _pairs(outcome: BenchmarkResults) -> list[tuple[System, System]]:
    """Ours and theirs, our fastest first."""
    ours = [system for system in outcome.systems if system.program == "tformer"]
    theirs = [system for system in outcome.systems if system.program != "tformer"]
    ours.sort(key=lambda system: -_total_speed(outcome, system))
    return [(one, other) for one in ours for other in theirs]


def _total_speed(outcome: BenchmarkResults, system: System) -> float:
    return sum(m.tokens_per_second for m in outcome.measurements if m.system == system)


def _of(outcome: BenchmarkResults, cell: Cell, system: System) -> list[Measurement]:
    return [m for m in outcome.measurements if (m.cell, m.system) == (cell, system)]


def _system(outcome: BenchmarkResults, system: System) -> dict[str, Any]:
    peak = outcome.peak_memory.get(system)
    return {
        "name": str(system),
        "load_seconds": round(outcome.load_seconds[system], 3),
        "peak_memory_mib": None if peak is None else round(peak / 2**20, 1),
    }


def _cell(outcome: BenchmarkResults, cell: Cell) -> dict[str, Any]:
    systems = {
        str(system): _figures(measurements, outcome.settings[system, cell])
        for system in outcome.systems
        if (measurements := _of(outcome, cell, system))
    }
    return {"batch": cell.batch, "beam_size": cell.beam_size, "systems": systems}


def _figures(measurements: list[Measurement], settings: dict[str, int]) -> dict[str, Any]:
    latencies = [1000 * seconds for m in measurements for seconds in m.latencies]
    return {
        "settings": settings,
        "sentences": measurements[0].sentences,
        "tokens": measurements[0].tokens,
        "tokens_per_second": _spread([m.tokens_per_second for m in measurements]),
        "tokens_per_cpu_second": _spread([m.tokens / m.cpu_seconds for m in measurements]),
        "latency_ms": {f"p{p}": round(percentile(latencies, p), 2) for p in (50, 95)},
        "rounds": [[m.round, m.tokens, round(m.seconds, 4)] for m in measurements],
    }


def _spread(values: list[float]) -> dict[str, float]:
    return _rounded(Spread.of(values))


def _rounded(spread: Spread) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(spread).items()}


def _ratio(
    outcome: BenchmarkResults, cell: Cell, one: System, other: System
) -> dict[str, Any] | None:
    speed = ratios(outcome.measurements, cell, one, other)
    latency = latency_ratios(outcome.measurements, cell, one, other)
    if speed is None or latency is None:
        return None
    return {
        "of": str(one),
        "to": str(other),
        "batch": cell.batch,
        "beam_size": cell.beam_size,
        "tokens_per_second": _rounded(speed),
        "latency": _rounded(latency),
    }


def _quality(quality: Quality) -> dict[str, Any]:
    return {
        "system": str(quality.system),
        "beam_size": quality.cell.beam_size,
        **(asdict(quality.scores) if quality.scores else {}),
        "same_as_first": quality.same,
    }


# -- the tables -------------------------------------------------------------------------------


def tables(found: dict[str, Any]) -> list[ReportTable]:
    """A record for people, ratios first; tables without a row are left out."""
    makers: tuple[Callable[[dict[str, Any]], ReportTable], ...] = (
        _ratio_table,
        _speed_table,
        _quality_table,
        _system_table,
    )
    return [table for maker in makers if (table := maker(found)).rows]


def remarks(found: dict[str, Any]) -> list[str]:
    """Conditions of the measurement, a line each."""
    hardware = found["hardware"]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    signatures = {
        entry[metric]["signature"]
        for entry in found["quality"]
        for metric in ("bleu", "chrf")
        if metric in entry
    }
    return [
        f"{found['model']}: {found['task']}",
        f"{hardware['cores']} cores of {hardware['cpu']} ({' '.join(hardware['flags'])})",
        versions,
        *(f"sacreBLEU {signature}" for signature in sorted(signatures)),
        *(f"left out: {name}: {reason}" for name, reason in found["left_out"].items()),
        *(f"no time was left for {name}" for name in found["not_measured"]),
    ]


def _ratio_table(found: dict[str, Any]) -> ReportTable:
    others = list(dict.fromkeys(entry["to"] for entry in found["ratios"]))
    entries = {(e["of"], e["batch"], e["beam_size"], e["to"]): e for e in found["ratios"]}
    rows = []
    for of, batch, beam_size in dict.fromkeys(key[:3] for key in entries):
        kinds = ["tokens_per_second"] + ["latency"] * (batch == 1)
        for kind in kinds:
            label = f"{of}, {_name(batch, beam_size)}" + (", p50" if kind == "latency" else "")
            cells = [entries.get((of, batch, beam_size, other)) for other in others]
            rows.append([label, *(_times(cell[kind]) if cell else "" for cell in cells)])
    header = ["How many times as fast as", *others]
    return ReportTable("tformer against the others: median (lowest to highest)", header, rows)


def _speed_table(found: dict[str, Any]) -> ReportTable:
    rows = [
        [
            f"{_name(cell['batch'], cell['beam_size'])}, {system}",
            _range(figures["tokens_per_second"]),
            *([f"{figures['latency_ms'][p]:,.0f}" for p in ("p50", "p95")]),
            str(figures["tokens_per_second"]["count"]),
        ]
        for cell in found["cells"]
        for system, figures in cell["systems"].items()
    ]
    header = ["Each", "target tokens/s", "ms a batch, p50", "p95", "rounds"]
    return ReportTable("Figures: median (lowest to highest)", header, rows)


def _quality_table(found: dict[str, Any]) -> ReportTable:
    rows = [
        [
            f"beam {entry['beam_size']}, {entry['system']}",
            *(f"{entry[m]['score']:.2f}" if m in entry else "" for m in ("bleu", "chrf")),
            f"{entry['same_as_first']:.1%}",
        ]
        for entry in found["quality"]
    ]
    return ReportTable("Translations", ["Each", "BLEU", "chrF", "same as the first"], rows)


def _system_table(found: dict[str, Any]) -> ReportTable:
    rows = [
        [
            system["name"],
            f"{system['load_seconds']:.2f}",
            "" if system["peak_memory_mib"] is None else f"{system['peak_memory_mib']:,.0f}",
        ]
        for system in found["systems"]
    ]
    return ReportTable("Systems", ["Each", "seconds to load", "peak memory, MiB"], rows)


def _name(batch: int | None, beam_size: int) -> str:
    return str(Cell(batch, beam_size))


def _times(spread: dict[str, float]) -> str:
    return f"{spread['median']:.2f} ({spread['low']:.2f} to {spread['high']:.2f})"


def _range(spread: dict[str, float]) -> str:
    return f"{spread['median']:,.0f} ({spread['low']:,.0f} to {spread['high']:,.0f})"


# -- files ------------------------------------------------------------------------------------


def write(found: dict[str, Any], file: Path) -> None:
    """The record as JSON in ``file``, and as Markdown in the file of that name ending in .md.

    Raises:
        OutputError: when they cannot be written.
    """
    text = "\n".join([*(f"- {line}" for line in remarks(found)), ""])
    pages = "\n".join([text, *(table.markdown() for table in tables(found))])
    _replace(file, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    _replace(file.with_suffix(".md"), pages)


def _replace(file: Path, text: str) -> None:
    """Write a whole file or none."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror or error})") from error
