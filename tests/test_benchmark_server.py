"""The benchmark of the server runs, and measures servers that translate as offline does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from serving import SENTENCES, make_model

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "server_load.py"


@pytest.mark.slow
def test_all_servers_are_measured(tmp_path: Path) -> None:
    model = make_model(tmp_path / "en-de")
    texts = tmp_path / "texts"
    texts.write_text("\n".join(SENTENCES[:3] * 8) + "\n", "utf-8")
    command = [sys.executable, BENCHMARK, texts, "--model", model, "--dtype", "float32"]
    command += ["--clients", "5", "--rounds", "2", "--results", tmp_path / "results"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "server_load.json").read_text())
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == [
        "offline", "continuous", "continuous, streams", "static windows", "one at a time"
    ]  # fmt: skip
    assert rows["offline"]["ratio"] == rows["offline"]["cpu_ratio"] == 1
    assert [row["requests"] for row in rows.values()] == [0, 48, 48, 48, 6]
    for name, row in rows.items():
        assert row["tokens_per_second"] > 0
        assert row["cpu_ms_per_line"] > 0
        if name != "offline":
            assert row["client_cpu_ms_per_line"] > 0
            p50, p95, p99 = row["latency_ms"]
            assert 0 < p50 <= p95 <= p99
        assert name in done.stdout
    assert str(tmp_path) not in (tmp_path / "results" / "server_load.md").read_text()
