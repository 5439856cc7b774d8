"""Measure how long a first translation takes where nothing is compiled, and the next ones.

    python benchmarks/start.py --level avx2

At each level a folder for compiled code is made, in which `tformer translate` translates a letter
once without any code and then with all of it, in turns with the other levels. The table has the
median, lowest and highest seconds of a call from its start to its end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tformer.model.benchmark.figures import Spread
from tformer.model.benchmark.machine import hardware
from tformer.model.benchmark.report import ReportTable
from tformer.model.hardware.cpu import VARIABLE, level

LETTER = Path(__file__).resolve().parent.parent / "examples" / "letter.en.txt"

CALL = (sys.executable, "-m", "tformer.cli", "translate", "-s", "en", "-t", "de", str(LETTER))


def main() -> None:
    """Measure all levels in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--level", action="append", help="repeatable; else the processor's own")
    parser.add_argument("--rounds", type=int, default=3, help="first calls of each level")
    parser.add_argument("--next", type=int, default=5, help="calls after each first one")
    arguments = parser.parse_args()
    names = arguments.level or [level().name]
    first: dict[str, list[float]] = {name: [] for name in names}
    later: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            with tempfile.TemporaryDirectory(prefix="tformer-start-") as folder:
                first[name].append(_seconds(name, folder))
                later[name] += [_seconds(name, folder) for _ in range(arguments.next)]
            print(f"{name}: {first[name][-1]:.1f} s", file=sys.stderr, flush=True)
    rows = [[name, _told(first[name]), _told(later[name])] for name in names]
    here = hardware()
    title = f"Seconds of a first call and of the next ones, {here['cores']} cores of {here['cpu']}"
    print(ReportTable(title, ["Level", "nothing compiled", "all compiled"], rows).markdown())


def _seconds(name: str, folder: str) -> float:
    """Time a call that finds its code in a folder."""
    environment = {**os.environ, VARIABLE: name, "NUMBA_CACHE_DIR": folder}
    started = time.perf_counter()
    subprocess.run(
        CALL, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - started


def _told(seconds: list[float]) -> str:
    found = Spread.of(seconds)
    return f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


if __name__ == "__main__":
    main()
