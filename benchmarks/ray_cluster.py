"""Measure `tformer translate --column --ray` on a local cluster of two nodes of one core.

    python benchmarks/ray_cluster.py sentences.en...           throughput
    python benchmarks/ray_cluster.py sentences.en... --lose    one node is removed in mid-job

The same table goes through one process with two engines. A job of `--blocks` blocks of rows and one
of `--few` are timed, since the start of Ray and of its actors takes the same time in both: rows per
second are those by which the jobs differ. Outputs are compared row by row. All is greedy, and every
row has its number at its end, so that none is a duplicate.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tformer.dataset.files.blocks import BLOCK_ROWS
from tformer.model.benchmark.machine import hardware

COMMAND = [
    sys.executable, "-m", "tformer.cli", "translate", "-s", "en", "-t", "de", "--beam-size", "1",
    "--column", "text",
]  # fmt: skip
ENVIRONMENT = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}


@contextmanager
def cluster() -> Iterator[tuple[Any, Any]]:
    """A cluster of two nodes of one core, and the one that may be removed."""
    from ray.cluster_utils import Cluster

    quick = {
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 3,
        "worker_niceness": 0,
    }
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        other = nodes.add_node(num_cpus=1)
        nodes.wait_for_nodes()
        yield nodes, other
    finally:
        nodes.shutdown()


def write_table(path: Path, lines: Sequence[str], rows: int) -> None:
    """Write rows that all differ, in an order that is drawn."""
    order = list(lines)
    random.Random(1).shuffle(order)
    texts = [f"{order[i % len(order)]} {i}" for i in range(rows)]
    pq.write_table(pa.table({"id": range(rows), "text": texts}), path, compression="zstd")


def translate(source: Path, output: Path, *options: str) -> float:
    """Seconds that the command takes."""
    begun = time.perf_counter()
    call = [*COMMAND, str(source), "-o", str(output), *options]
    done = subprocess.run(call, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - begun


def compare(one: Path, many: Path, rows: int) -> dict[str, object]:
    """A record of the rows of two outputs."""
    table, other = pq.read_table(one), pq.read_table(many)
    return {
        "every row once": other["id"].to_pylist() == list(range(rows)),
        "same schema": other.schema.equals(table.schema, check_metadata=True),
        "rows that differ": sum(
            a != b
            for a, b in zip(table["text_de"].to_pylist(), other["text_de"].to_pylist(), strict=True)
        ),
        "same bytes of the file": one.read_bytes() == many.read_bytes(),
    }


def throughput(folder: Path, lines: Sequence[str], few: int, blocks: int) -> dict[str, object]:
    """Rows per second in both ways."""
    seconds: dict[str, list[float]] = {"one process": [], "ray": []}
    for count in (few, blocks):
        source = folder / f"{count}.parquet"
        write_table(source, lines, count * BLOCK_ROWS)
        seconds["one process"].append(translate(source, folder / f"{count}.one.parquet"))
        with cluster() as (nodes, _):
            ray = ["--ray", nodes.address]
            seconds["ray"].append(translate(source, folder / f"{count}.many.parquet", *ray))
    rows = (blocks - few) * BLOCK_ROWS
    rates = {way: rows / (more - less) for way, (less, more) in seconds.items()}
    return {
        "rows": [few * BLOCK_ROWS, blocks * BLOCK_ROWS],
        "seconds": {way: [round(one, 1) for one in both] for way, both in seconds.items()},
        "rows per second": {way: round(rate, 1) for way, rate in rates.items()},
        "ray / one process": round(rates["ray"] / rates["one process"], 3),
        **compare(
            folder / f"{blocks}.one.parquet", folder / f"{blocks}.many.parquet", blocks * BLOCK_ROWS
        ),
    }


def lose(folder: Path, lines: Sequence[str], blocks: int) -> dict[str, object]:
    """Remove a node when a quarter of the blocks is done."""
    source, rows = folder / "lost.parquet", blocks * BLOCK_ROWS
    write_table(source, lines, rows)
    output = folder / "lost.many.parquet"
    done: list[int] = []

    def remove(nodes: Any, node: Any) -> None:
        while len(list(folder.glob(f".{output.name}.tformer-blocks/*.z"))) < max(1, blocks // 4):
            time.sleep(0.1)
        done.append(len(list(folder.glob(f".{output.name}.tformer-blocks/*.z"))))
        nodes.remove_node(node, allow_graceful=False)

    with cluster() as (nodes, other):
        remover = threading.Thread(target=remove, args=(nodes, other), daemon=True)
        remover.start()
        seconds = translate(source, output, "--ray", nodes.address)
    translate(source, folder / "lost.one.parquet")
    return {
        "rows": rows,
        "blocks done when the node was removed": f"{done[0]} of {blocks}",
        "seconds": round(seconds, 1),
        **compare(folder / "lost.one.parquet", output, rows),
    }


def main() -> None:
    """Print a line of JSON for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--few", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--lose", action="store_true")
    arguments = parser.parse_args()
    found = [line for path in arguments.texts for line in path.read_text().splitlines()]
    lines = [line for line in dict.fromkeys(found) if line.strip()]
    print(json.dumps({"hardware": hardware()}), flush=True)
    with TemporaryDirectory() as name:
        if arguments.lose:
            print(json.dumps(lose(Path(name), lines, arguments.blocks)))
        else:
            print(json.dumps(throughput(Path(name), lines, arguments.few, arguments.blocks)))


if __name__ == "__main__":
    main()
