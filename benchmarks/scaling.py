"""Measure 1, 2 and 4 server processes of one core each, and the loss of one of two.

    python benchmarks/scaling.py newstest2014.en            1, 2, 4 servers
    python benchmarks/scaling.py newstest2014.en --lose     kill one of two under 64 streams

Clients are 64 streams of `AsyncClient`, in one process, which share a channel that spreads them
over the servers (round_robin). CPU time is that of each process, from /proc. One server is asked
for every text once more, which it answers from its cache: that is the cost of a text without its
translation. Bytes are those of the loopback device, so nothing else may use it. With --lose every
translation is compared with that of a run before, text by text.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from tformer.model.benchmark.machine import hardware
from tformer.model.options import DecodingOptions
from tformer.server.client import AsyncClient

STREAMS = 64
CACHE = 100_000_000
"""Characters that a server keeps, more than there are."""
CONNECTING = 1.0
"""Seconds after the first answer in which the connections to the other servers are made."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """Answers of all streams."""

    answers: list[tuple[float, float]] = field(default_factory=list)
    """Time of an answer, and seconds since the one before of its stream."""
    texts: dict[int, str] = field(default_factory=dict)
    twice: int = 0
    begun: float = 0.0
    """Time at which all servers were connected, so that streams are spread over all."""


@contextmanager
def servers(count: int, cache: int = 0) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start servers of one core each; their addresses."""
    ports = []
    for _ in range(count):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    command = [sys.executable, "-m", "tformer.cli", "serve", "--threads", "1", "--beam-size", "1",
               "--cache", str(cache)]  # fmt: skip
    running = [
        subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for port in ports
    ]
    try:
        for port in ports:
            _wait_for(port)
        yield ",".join(f"127.0.0.1:{port}" for port in ports), running
    finally:
        for server in running:
            server.kill()
            server.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"no server at port {port}")


async def load(address: str, lines: Sequence[str], found: Load) -> None:
    """Send each line once, over all streams."""
    async with AsyncClient(address, in_flight=4, patience=60) as client:
        await client.glossaries()
        await asyncio.sleep(CONNECTING)
        found.begun = time.monotonic()
        shares = [list(range(stream, len(lines), STREAMS)) for stream in range(STREAMS)]
        await asyncio.gather(*(_stream(client, share, lines, found) for share in shares if share))


async def _stream(
    client: AsyncClient, share: Sequence[int], lines: Sequence[str], found: Load
) -> None:
    last = time.monotonic()
    numbers = iter(share)
    options = DecodingOptions(beam_size=1)
    texts = [lines[number] for number in share]
    async for translation in client.translate(texts, source="en", target="de", options=options):
        now = time.monotonic()
        found.answers.append((now, now - last))
        number, last = next(numbers), now
        found.twice += number in found.texts
        found.texts[number] = translation.text


def cpu_seconds(process: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def loopback_bytes() -> int:
    """Bytes that the loopback device has sent, headers included."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    (line,) = (line for line in lines if line.strip().startswith("lo:"))
    return int(line.split()[9])


def measured(
    address: str, running: Sequence[subprocess.Popen[bytes]], lines: Sequence[str]
) -> dict[str, object]:
    """A record of a run over all lines."""
    before = [cpu_seconds(server.pid) for server in running]
    found, own, sent = Load(), time.process_time(), loopback_bytes()
    asyncio.run(load(address, lines, found))
    seconds, own = time.monotonic() - found.begun, time.process_time() - own
    spent = [cpu_seconds(s.pid) - b for s, b in zip(running, before, strict=True)]
    count = len(found.texts)
    return {
        "texts": count,
        "texts per second": round(count / seconds, 1),
        "server CPU ms per text": round(1000 * sum(spent) / count, 3),
        "client CPU ms per text": round(1000 * own / count, 3),
        "bytes per text": round((loopback_bytes() - sent) / count),
        "shares of server CPU": [round(one / sum(spent), 3) for one in spent],
    }


def scale(lines: Sequence[str], counts: Sequence[int]) -> None:
    """Print a record for each number of servers."""
    for count in counts:
        with servers(count, CACHE) as (address, running):
            asyncio.run(load(address, [f"{line} again" for line in lines[: 8 * STREAMS]], Load()))
            record = {"servers": count, **measured(address, running, lines)}
            if count == 1:  # others would have to get the same texts again
                record["from the cache"] = measured(address, running, lines)
            print(json.dumps(record), flush=True)


def lose(lines: Sequence[str]) -> dict[str, object]:
    """Kill one of two servers when half of the texts are answered."""
    alone, found = Load(), Load()
    with servers(2) as (address, running):
        asyncio.run(load(address, lines, alone))

        async def killing() -> float:
            task = asyncio.ensure_future(load(address, lines, found))
            while len(found.texts) < len(lines) // 2:
                await asyncio.sleep(0.005)
            os.kill(running[0].pid, signal.SIGKILL)
            killed = time.monotonic()
            await task
            return killed

        killed = asyncio.run(killing())
    over = [(at, wait) for at, wait in found.answers if at >= killed and at - wait < killed]
    waits = [wait for _, wait in over]
    calm = [wait for at, wait in found.answers if at < killed]
    return {
        "texts": len(lines),
        "lost": len(set(range(len(lines))) - set(found.texts)),
        "twice": found.twice,
        "different": sum(found.texts.get(i) != text for i, text in alone.texts.items()),
        "p50 / p99 seconds between answers of a stream before": _percentiles(calm),
        "p50 / p99 / most seconds between answers around the loss": [
            *_percentiles(waits),
            round(max(waits), 3),
        ],
        "p50 / p99 seconds between answers afterwards": _percentiles(
            [wait for at, wait in found.answers if at - wait >= killed]
        ),
        "seconds from the loss until every stream goes on": round(
            max(at for at, _ in over) - killed, 3
        ),
    }


def _percentiles(waits: Sequence[float]) -> list[float]:
    found = quantiles(waits, n=100, method="inclusive")
    return [round(found[49], 3), round(found[98], 3)]


def main() -> None:
    """Print a line of JSON for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--lose", action="store_true")
    parser.add_argument("--lines", type=int, default=3000)
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    lines = arguments.text.read_text().splitlines()[: arguments.lines]
    print(json.dumps({"hardware": hardware()}))
    if arguments.lose:
        print(json.dumps(lose(lines)))
    else:
        scale(lines, arguments.servers)


if __name__ == "__main__":
    main()
