"""Measure how long a first translation takes where nothing is compiled, and the next ones.

    python benchmarks/start.py --level avx2

At each level a folder for compiled code is made, in which `tformer translate` of this checkout
translates a letter once without any code and then with all of it, in turns with the other levels.
With ``--installed`` a wheel is built and unpacked, as pip does, which is timed, and so are a first
and the next calls of what is in it. The table has the median, lowest and highest seconds of a call
from its start to its end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tformer.model.benchmark.figures import Spread
from tformer.model.benchmark.machine import hardware
from tformer.model.benchmark.report import ReportTable
from tformer.model.hardware.cpu import VARIABLE, level

ROOT = Path(__file__).resolve().parent.parent
LETTER = ROOT / "examples" / "letter.en.txt"
NOT_SOURCES = (".*", "build", "*.egg-info", "__pycache__", "node_modules")

CALL = (sys.executable, "-m", "tformer.cli", "translate", "-s", "en", "-t", "de", str(LETTER))

HEADER = ["Level", "nothing compiled", "all compiled"]
INSTALLED = ["building a wheel", "installed, first call", "installed, next calls"]

BUILD = "import sys; from setuptools import build_meta as b; b.build_wheel(sys.argv[1])"


def main() -> None:
    """Measure all levels in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--level", action="append", help="repeatable; else the processor's own")
    parser.add_argument("--rounds", type=int, default=3, help="first calls of each level")
    parser.add_argument("--next", type=int, default=5, help="calls after each first one")
    parser.add_argument("--installed", action="store_true", help="time an installed package, too")
    arguments = parser.parse_args()
    names = arguments.level or [level().name]
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            with tempfile.TemporaryDirectory(prefix="tformer-start-") as folder:
                calls = _calls(name, {"NUMBA_CACHE_DIR": folder}, arguments.next)
            print(f"{name}: {calls[0][0]:.1f} s", file=sys.stderr, flush=True)
            _add(found[name], calls)
    if arguments.installed:
        for name in names:
            found[name] += _installed(name, arguments.next)
    rows = [[name, *map(_told, found[name])] for name in names]
    here = hardware()
    title = f"Seconds of a first call and of the next ones, {here['cores']} cores of {here['cpu']}"
    header = HEADER + INSTALLED * arguments.installed
    print(ReportTable(title, header, rows).markdown())


def _add(found: list[list[float]], calls: list[list[float]]) -> None:
    """Put the calls of a round to those of earlier ones."""
    if not found:
        found += [[] for _ in calls]
    for before, new in zip(found, calls, strict=True):
        before += new


def _calls(name: str, environment: dict[str, str], following: int) -> list[list[float]]:
    """Time a first call and those that follow."""
    first = _seconds(CALL, {VARIABLE: name, **environment})
    return [[first], [_seconds(CALL, {VARIABLE: name, **environment}) for _ in range(following)]]


def _installed(name: str, following: int) -> list[list[float]]:
    """Time building a wheel for a level, and calls of the package that is in it."""
    with tempfile.TemporaryDirectory(prefix="tformer-start-") as place:
        built, package, empty = (Path(place) / part for part in ("wheel", "package", "empty"))
        source = Path(place) / "source"
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCES))
        for folder in (built, empty):
            folder.mkdir()
        command = (sys.executable, "-c", BUILD, str(built))
        seconds = _seconds(command, {"TFORMER_BUILD_LEVELS": name}, source)
        shutil.unpack_archive(next(built.glob("*.whl")), package, "zip")
        environment = {"PYTHONPATH": str(package), "NUMBA_CACHE_DIR": str(empty)}
        return [[seconds], *_calls(name, environment, following)]


def _seconds(
    command: Sequence[str], environment: dict[str, str], folder: Path | None = None
) -> float:
    """Time a process from its start to its end."""
    started = time.perf_counter()
    subprocess.run(
        command, env={**os.environ, **environment}, cwd=folder, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    return time.perf_counter() - started


def _told(seconds: list[float]) -> str:
    found = Spread.of(seconds)
    return f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


if __name__ == "__main__":
    main()
