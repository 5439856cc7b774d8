"""A warm `echo hello | tformer translate -t de` against a cold one.

    python benchmarks/daemon.py

Starts a daemon in a folder of its own, lets the command run without and with it in turns, and
prints the medians and how they compare. Exit status 1 if warm takes more than a fifth of cold, or
says something else.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from statistics import median
from tempfile import TemporaryDirectory

TFORMER = (sys.executable, "-m", "tformer.cli")
SHARE = 0.2


def run(environment: dict[str, str], model: str) -> tuple[float, str]:
    """Seconds that the command takes, and what it says."""
    started = time.perf_counter()
    done = subprocess.run(
        [*TFORMER, "translate", "-m", model, "-t", "de"],
        input="hello\n", capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return time.perf_counter() - started, done.stdout


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="en-de")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        warm = os.environ | {"XDG_RUNTIME_DIR": folder, "TFORMER_DAEMON": "1"}
        cold = warm | {"TFORMER_DAEMON": "0"}
        daemon = [*TFORMER, "daemon"]
        subprocess.run([*daemon, "start", "-m", arguments.model], check=True, env=warm)
        try:
            rounds = [
                (run(cold, arguments.model), run(warm, arguments.model))
                for _ in range(arguments.rounds)
            ]
        finally:
            subprocess.run([*daemon, "stop"], check=True, env=warm)
    cold_seconds, warm_seconds = (median(r[i][0] for r in rounds) for i in (0, 1))
    ratio = median(after / before for (before, _), (after, _) in rounds)
    print(f"cold {cold_seconds:.2f} s, warm {warm_seconds:.2f} s, warm / cold {ratio:.3f}")
    same = len({text for pair in rounds for _, text in pair}) == 1
    return 0 if ratio <= SHARE and same else 1


if __name__ == "__main__":
    sys.exit(main())
