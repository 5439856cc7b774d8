"""Measure `tformer translate --column` on Parquet: throughput, peak memory, kills, and the schema.

    python benchmarks/datasets.py sentences.en...                30,000 distinct rows
    python benchmarks/datasets.py sentences.en... --rows 1000000 --kills 3

The lines of the files are rows, repeated with row numbers as often as needed; all is greedy. The
same lines go through `tformer translate` as text. Peak memory is the maximum resident set of the
process. Every row of the output is checked: its number, its text, its other columns, the
translation of the line, and the schema.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tformer.model.benchmark.machine import hardware, peak_memory

COMMAND = [sys.executable, "-m", "tformer.cli", "translate", "-s", "en", "-t", "de"]


def rows_of(lines: Sequence[str], count: int) -> pa.Table:
    """A table of lines, with their numbers and other columns."""
    texts = [lines[i % len(lines)] for i in range(count)]
    return pa.table(
        {
            "id": pa.array(range(count), pa.int64()),
            "text": pa.array(texts, pa.string()),
            "length": pa.array([len(text) for text in texts], pa.int16()),
            "tags": pa.array([[str(i % 7)] if i % 3 else None for i in range(count)]),
        }
    ).replace_schema_metadata({"made by": "benchmarks/datasets.py"})


def timed(command: Sequence[str], kill_after: float | None = None) -> tuple[float, float, str]:
    """Seconds and peak memory in MiB of a process, and what it said; perhaps killed.

    One that ends before it is killed is an error: the job is too short for the kill.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    peaks = [0]
    watch = threading.Thread(target=_watch, args=(process, peaks))
    watch.start()
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(process.pid, signal.SIGKILL)  # also if it has ended, which is seen below
    assert process.stderr
    said = process.stderr.read()
    watch.join()
    if process.wait() != (0 if kill_after is None else -signal.SIGKILL):
        raise SystemExit(said)
    return time.perf_counter() - begun, max(peaks) / 2**20, said


def _watch(process: subprocess.Popen[str], peaks: list[int]) -> None:
    """Note the most bytes that a process has held, again and again until it has ended.

    `getrusage` does not tell it: what this process held when it started the other counts there.
    """
    while process.poll() is None:
        peaks.append(peak_memory(process.pid) or 0)
        time.sleep(0.02)


def translate_table(
    folder: Path, table: pa.Table, kills: Sequence[float], group: int
) -> dict[str, Any]:
    """A record of one job, whose output is checked for schema and other columns.

    Args:
        folder: for the files.
        table: rows to translate.
        kills: seconds after which runs are killed, before the one that comes to its end.
        group: rows of a row group.
    """
    source, output = folder / f"{len(table)}.parquet", folder / f"{len(table)}.de.parquet"
    pq.write_table(table, source, compression="zstd", row_group_size=group)
    call = [*COMMAND, "--beam-size", "1", "--column", "text", str(source), "-o", str(output)]
    peaks, done = [], []
    for moment in kills:
        _, peak, _ = timed([*call, "--resume"], kill_after=moment)
        peaks.append(round(peak))
        done.append(len(list(folder.glob(f".{output.name}.tformer-blocks/*.z"))))
    seconds, peak, said = timed([*call, "--resume"])
    out, before = pq.ParquetFile(output), pq.ParquetFile(source)
    new = pa.field("text_de", pa.string())
    return {
        "rows": len(table),
        "distinct": len(set(table["text"].to_pylist())),
        "killed after seconds": [round(moment, 1) for moment in kills],
        "blocks done at kills": done,
        "seconds of the last run": round(seconds, 1),
        "peak MiB": round(peak),
        "peak MiB of killed runs": peaks,
        "same schema but for text_de": out.schema_arrow.equals(
            before.schema_arrow.append(new), check_metadata=True
        ),
        "same other columns": out.read(table.column_names).equals(before.read()),
        "same compression": {codecs_of(out) == codecs_of(before) | {"text_de": "ZSTD"}} == {True},
        "said": said.strip().splitlines()[-2:],
    }


def codecs_of(file: pq.ParquetFile) -> dict[str, str]:
    """Codec of each column."""
    group = file.metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    return {column.path_in_schema: column.compression for column in columns}


def translations(folder: Path, rows: int) -> list[str]:
    """The translations of a job."""
    return pq.read_table(folder / f"{rows}.de.parquet", columns=["text_de"])["text_de"].to_pylist()


def main() -> None:
    """Print a line of JSON for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--distinct", type=int, default=30_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--latest-kill", type=float, default=60, help="seconds of a run, at most")
    parser.add_argument("--group", type=int, default=1 << 20, help="rows of a row group")
    arguments = parser.parse_args()
    found = [line for path in arguments.texts for line in path.read_text().splitlines()]
    lines = [line for line in dict.fromkeys(found) if line.strip()]
    random.Random(1).shuffle(lines)  # so that the few are as long as the many
    del lines[arguments.distinct :]
    print(json.dumps({"hardware": hardware(), "lines": len(lines)}), flush=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lines.txt").write_text("\n".join(lines) + "\n")
        call = [*COMMAND, "--beam-size", "1", str(folder / "lines.txt")]
        seconds, peak, _ = timed([*call, "-o", str(folder / "lines.de.txt")])
        print(json.dumps({"text lines": len(lines), "seconds": round(seconds, 1),
                          "lines per second": round(len(lines) / seconds),
                          "peak MiB": round(peak)}), flush=True)  # fmt: skip
        few = min(arguments.small, len(lines))
        (folder / "few.txt").write_text("\n".join(lines[:few]) + "\n")
        start, _, _ = timed([*COMMAND, "--beam-size", "1", str(folder / "few.txt"), "-o",
                             str(folder / "few.de.txt")])  # fmt: skip
        expected = (folder / "lines.de.txt").read_text().split("\n")[: len(lines)]
        chance = random.Random(arguments.rows)
        moments = [chance.uniform(5, arguments.latest_kill) for _ in range(arguments.kills)]
        start_of_table = 0.0
        for rows, kills in ((arguments.small, []), (arguments.rows, moments)):
            record = translate_table(folder, rows_of(lines, rows), kills, arguments.group)
            record["same translations as lines"] = translations(folder, rows) == [
                expected[i % len(lines)] for i in range(rows)
            ]
            if rows == few:
                start_of_table = record["seconds of the last run"]
            elif rows == len(lines) and not kills:
                # What both take to start is left out: rates are those of the lines beyond the few.
                record["throughput / that of the lines as text"] = round(
                    (seconds - start) / (record["seconds of the last run"] - start_of_table), 3
                )
            print(json.dumps(record), flush=True)
    print(json.dumps({"peak MiB here": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


if __name__ == "__main__":
    main()
