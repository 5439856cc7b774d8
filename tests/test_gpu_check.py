"""The check for machines with a GPU, tried where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "gpu_check.py"
WITHOUT = ("--without-tests", "--without-peers")


@pytest.mark.slow
def test_a_dry_run_checks_measures_and_writes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--device", "cpu", "--results", tmp_path, *WITHOUT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.glob("gpu-*.json")
    record = json.loads(written.read_text("utf-8"))
    assert [check["passed"] for check in record["checks"]] == [True] * 5
    assert {speed["network"] for speed in record["speeds"]} == {"graphed", "eager"}
    assert all(speed["tokens_per_second"] > 0 < speed["of_floor"] for speed in record["speeds"])
    assert record["text"]["together_tokens_per_second"] > 0
    table = written.with_suffix(".md").read_text("utf-8")
    assert table.strip() == done.stdout.strip()
    assert "| graphed | 8 |" in table


def test_without_a_gpu_it_says_so() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "choose the device cpu" in done.stderr
