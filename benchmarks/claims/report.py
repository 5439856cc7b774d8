"""Table, JSON and plot of a claim."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tformer.model.benchmark.machine import hardware

RESULTS = Path(__file__).parent / "results"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of records with the same keys."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([_shown(row[n]) for n in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def publish(name: str, rows: Sequence[Mapping[str, Any]], verdict: str, **facts: Any) -> None:
    """Print the table and what holds, and write both as ``results/NAME.json``."""
    print(table(rows), verdict, sep="\n\n")
    versions = {"torch": torch.__version__, "numpy": np.__version__}
    record = {"machine": hardware(), **versions, **facts, "verdict": verdict, "rows": list(rows)}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def plot(name: str, draw: Callable[[Any], None], x: str, y: str) -> None:
    """Write ``results/NAME.svg``, if matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print("no plot: pip install 'tformer[png]'", file=sys.stderr)
        return
    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = name
    figure, axes = pyplot.subplots(figsize=(5, 3.2))
    draw(axes)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
