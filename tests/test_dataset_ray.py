"""A dataset over the nodes of a Ray cluster, one of which is lost on the way."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_translator import Tformer
from serving import make_model

from tformer.cli.exits import ExitStatus
from tformer.cli.ray_address import with_ray_address

ROWS, SHARDS = 720, 12
WORDS = ["a", "dog", "runs", "on", "the", "beach", "where", "is", "railway", "station"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--ray"], ["--ray=local"]),
        (["--ray", "data.parquet"], ["--ray=local", "data.parquet"]),
        (["--ray", "-o", "x"], ["--ray=local", "-o", "x"]),
        (["--ray", "10.0.0.1:6379", "x"], ["--ray", "10.0.0.1:6379", "x"]),
        (["--ray=auto", "x"], ["--ray=auto", "x"]),
    ],
)
def test_the_address_of_a_cluster_may_be_left_out(given: list[str], meant: list[str]) -> None:
    assert with_ray_address(given) == meant


def test_without_ray_a_line_says_what_to_install(
    tformer: Tformer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    result = tformer("translate", tmp_path / "a.jsonl", "--column", "text", "-t", "de",
                     "-o", tmp_path / "b.jsonl", "--ray")  # fmt: skip
    assert result.status == ExitStatus.USAGE
    assert result.err == "error: --ray: needs Ray: pip install 'tformer[ray]'\n"


def call(source: Path, output: Path, model: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "tformer.cli", "translate", str(source), "--column", "text",
        "-s", "en", "-t", "de", "-m", str(model), "-o", str(output), "--beam-size", "1",
        "--max-length", "20", *options,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_node_is_lost_and_every_row_is_there_once(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    model = make_model(tmp_path / "tiny")
    source, one, many = (tmp_path / name for name in ("in", "one", "many"))
    source.mkdir()
    for shard in range(SHARDS):
        rows = (json.dumps({"id": i, "text": text_of(i)}) for i in range(shard, ROWS, SHARDS))
        (source / f"{shard:02}.jsonl").write_text("\n".join(rows) + "\n")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    # Ray notices a lost node in seconds, not in half a minute, and works though others do, too.
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 3,
             "worker_niceness": 0}  # fmt: skip
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        lost = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        job = subprocess.Popen(
            call(source, many, model, "--ray", cluster.address), env=environment,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        done: list[int] = []
        remover = threading.Thread(target=remove_in_mid_job, args=(cluster, lost, many, done))
        remover.start()
        said = job.communicate(timeout=240)[1]
        remover.join()
        assert job.returncode == 0, said
        assert 3 <= done[0] < SHARDS, "the node was lost in mid-job"
    finally:
        cluster.shutdown()
    assert f"rows: {ROWS:,};" in said
    subprocess.run(call(source, one, model), env=environment, check=True, timeout=120)
    seen = []
    for file in sorted(one.glob("*.jsonl")):
        assert (many / file.name).read_bytes() == file.read_bytes()
        seen += [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(row["id"] for row in seen) == list(range(ROWS))
    assert all("text_de" in row for row in seen)


def text_of(i: int) -> str:
    return " ".join(WORDS[(i + j * i) % 10] for j in range(9)) + f" {i}"


def remove_in_mid_job(cluster: object, node: object, output: Path, done: list[int]) -> None:
    """Take a node away, without a farewell, when the first blocks are done; and note how many."""
    deadline = time.monotonic() + 200
    while (found := len(list(output.glob(".*.tformer-blocks/*.z")))) < 3:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    done.append(found)
    cluster.remove_node(node, allow_graceful=False)  # type: ignore[attr-defined]
