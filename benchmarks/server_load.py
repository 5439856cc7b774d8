"""Load a server as many clients do, and compare it with the offline engine.

    python benchmarks/server_load.py newstest2014.en

Each of 64 clients has a connection of its own and sends one line at a time, the next when the last
is answered. The same lines go to

    offline              `Translator.translate`, all lines at hand: the engine without a server
    continuous           `tformer serve`, a call of TranslateText for every line
    continuous, streams  the same server, where every client keeps one StreamTranslateText open
    static windows       a server that collects requests a while and then translates them together
    one at a time        a server that translates one request after the other

one after the other in every round, with the same model, beam, arithmetic and threads; each is a
process that lives from the first round to the last. Servers share the cores with the clients, which
are those of grpc.aio, in the process of this benchmark; they are connected before the clock starts.
Every translation must be the one made offline, or the benchmark fails. Medians over the rounds go
to RESULTS/server_load.md and .json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import grpc

from tformer.model.errors import TformerError, UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server import tuning

CONTESTANTS = Path(__file__).with_name("server_contestants.py")
SERVERS = ("continuous", "static windows", "one at a time")
STREAMS = "continuous, streams"
"""The name of the load by streams, which goes to the continuous server too."""
RESULTS = Path(__file__).with_name("results")
SLOW_SHARE = 8
"""A server that takes one at a time gets a part of the lines, one in so many."""


Clocks = tuple[float, float, float]
"""Seconds: of the wall clock, of the cores for a server, and of the cores for its clients."""


@dataclass(frozen=True)
class Round:
    """Result of one contestant in one round."""

    seconds: float
    cpu_seconds: float
    """CPU seconds of its process; those of the clients come on top."""
    target_tokens: int
    lines: int
    client_cpu_seconds: float = 0.0
    latencies: tuple[float, ...] = ()
    """Seconds, of every request."""

    @property
    def tokens_per_second(self) -> float:
        """Target tokens in a second of the wall clock."""
        return self.target_tokens / self.seconds

    @property
    def tokens_per_cpu_second(self) -> float:
        """Target tokens for a second of a core that its process took, the clients' not counted."""
        return self.target_tokens / self.cpu_seconds


@dataclass(frozen=True)
class Row:
    """Medians over the rounds of a contestant."""

    name: str
    ratio: float
    """Ratio of its tokens per second to those of the offline engine in the same round."""
    tokens_per_second: float
    cpu_ratio: float
    """Ratio of its tokens per CPU second of its own process to those of the offline engine."""
    cpu_ms_per_line: float
    client_cpu_ms_per_line: float
    latency_ms: tuple[float, float, float] | None
    """p50, p95, p99 over all requests of all rounds."""
    requests: int


class Contestant:
    """A process to be measured."""

    def __init__(self, mode: str, setup: dict[str, Any], lines: Sequence[str]) -> None:
        self.mode = mode
        self.lines = lines
        self._log = TemporaryFile("w+")  # noqa: SIM115 (closed by `end`)
        self._process = subprocess.Popen(
            [sys.executable, CONTESTANTS, mode, json.dumps(setup)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self._greeting = self._read()

    def _read(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            sys.stderr.write(self._log.read())
            raise SystemExit(f"error: the contestant {self.mode!r} has ended early")
        return line.strip()

    def end(self) -> None:
        """Let it end."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)
        self._log.close()

    def translate(self) -> tuple[Round, list[str]]:
        """A round of the offline one, and its translations."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        result = json.loads(self._read())
        texts = result.pop("texts")
        return Round(**result), texts

    def load(self, load: Load, clients: int) -> Round:
        """A round of a server."""
        before, after = asyncio.run(load.run(self._greeting, clients, self._clocks))
        seconds, cpu, own_cpu = (b - a for a, b in zip(before, after, strict=True))
        return Round(
            seconds=seconds,
            cpu_seconds=cpu,
            target_tokens=load.target_tokens,
            lines=len(self.lines),
            client_cpu_seconds=own_cpu,
            latencies=tuple(load.latencies),
        )

    def _clocks(self) -> Clocks:
        return time.perf_counter(), cpu_seconds(self._process.pid), time.process_time()


class Load:
    """Clients that take lines from one list until it is empty, and make a call for each."""

    def __init__(self, lines: Sequence[str], source: str, target: str) -> None:
        self._lines = list(enumerate(lines))[::-1]
        self._source = source
        self._target = target
        self.translations = [""] * len(lines)
        self.latencies: list[float] = []
        self.target_tokens = 0

    async def run(
        self, address: str, clients: int, clocks: Callable[[], Clocks]
    ) -> tuple[Clocks, Clocks]:
        """Send every line; what the clocks say when all have connected, and at the end."""
        options = [("grpc.use_local_subchannel_pool", 1)]  # or all would share a connection
        channels = [grpc.aio.insecure_channel(address, options) for _ in range(clients)]
        async with AsyncExitStack() as stack:
            for channel in channels:
                await stack.enter_async_context(channel)
                await channel.channel_ready()
            before = clocks()
            async with asyncio.TaskGroup() as tasks:
                for channel in channels:
                    stub = TranslationServiceStub(channel)  # type: ignore[no-untyped-call]
                    tasks.create_task(self._converse(stub))
            return before, clocks()

    async def _converse(self, stub: Any) -> None:
        while self._lines:
            number, line = self._lines.pop()
            started = time.perf_counter()
            request = pb.TranslateTextRequest(
                contents=[line],
                source_language_code=self._source,
                target_language_code=self._target,
            )
            response = await stub.TranslateText(request)
            self._take(number, response.translations[0], started)

    def _take(self, number: int, translation: pb.Translation, started: float) -> None:
        self.latencies.append(time.perf_counter() - started)
        self.translations[number] = translation.translated_text
        self.target_tokens += translation.usage.target_tokens


class StreamLoad(Load):
    """Each client has one stream, and sends the next line when the last is answered."""

    async def _converse(self, stub: Any) -> None:
        call = stub.StreamTranslateText()
        config = pb.StreamConfig(
            source_language_code=self._source, target_language_code=self._target
        )
        await call.write(pb.StreamTranslateTextRequest(config=config))
        while self._lines:
            number, line = self._lines.pop()
            started = time.perf_counter()
            item = pb.StreamItem(content=line)
            await call.write(pb.StreamTranslateTextRequest(item=item))
            self._take(number, (await call.read()).translation, started)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


def cpu_seconds(process: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def contestants(arguments: argparse.Namespace) -> Iterator[list[Contestant]]:
    """The processes, the offline one first."""
    lines = arguments.texts.read_text("utf-8").splitlines()[: arguments.lines]
    settings = {"device": arguments.device, "dtype": arguments.dtype, "threads": arguments.threads}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        texts = Path(folder) / "texts"
        texts.write_text("\n".join(lines) + "\n", "utf-8")
        setup = {
            "model": arguments.model,
            "texts": str(texts),
            "source": arguments.source,
            "target": arguments.target,
            "settings": settings,
        }
        found = []
        for mode in ("offline", *arguments.servers):
            share = SLOW_SHARE if mode == "one at a time" else 1
            found.append(Contestant(mode, setup, lines[: max(1, len(lines) // share)]))
            stack.callback(found[-1].end)
        yield found


def measure(arguments: argparse.Namespace) -> dict[str, list[Round]]:
    """Rounds of all contestants; the first of each warms up and does not count."""
    with contestants(arguments) as (offline, *servers):
        # The clients are to be cheap, and have no garbage of this module's to look through.
        tuning.prepare_threads()
        tuning.keep_what_is_loaded()
        rounds: dict[str, list[Round]] = {}
        for number in range(arguments.rounds + 1):
            found, expected = offline.translate()
            rounds.setdefault(offline.mode, []).append(found)
            for name, kind, server in loads(servers):
                load = kind(server.lines, arguments.source, arguments.target)
                rounds.setdefault(name, []).append(server.load(load, arguments.clients))
                if load.translations != expected[: len(server.lines)]:
                    raise SystemExit(f"error: {name} does not translate as offline does")
            talk(number, rounds)
    return {name: found[1:] for name, found in rounds.items()}


def loads(servers: Sequence[Contestant]) -> Iterator[tuple[str, type[Load], Contestant]]:
    """Loads that every server is put under, by name."""
    for server in servers:
        yield server.mode, Load, server
        if server.mode == "continuous":
            yield STREAMS, StreamLoad, server


def talk(number: int, rounds: dict[str, list[Round]]) -> None:
    """Tell how a round went."""
    speeds = ", ".join(f"{name} {r[-1].tokens_per_second:.0f}" for name, r in rounds.items())
    print(f"round {number}{'' if number else ' (warming up)'}: {speeds} tokens/s", file=sys.stderr)


def summary(rounds: dict[str, list[Round]]) -> list[Row]:
    """A row for each contestant."""
    offline = rounds["offline"]
    rows = []
    for name, found in rounds.items():
        pairs = list(zip(found, offline, strict=True))
        row = Row(
            name=name,
            ratio=median(r.tokens_per_second / o.tokens_per_second for r, o in pairs),
            tokens_per_second=median(r.tokens_per_second for r in found),
            cpu_ratio=median(r.tokens_per_cpu_second / o.tokens_per_cpu_second for r, o in pairs),
            cpu_ms_per_line=median(1000 * r.cpu_seconds / r.lines for r in found),
            client_cpu_ms_per_line=median(1000 * r.client_cpu_seconds / r.lines for r in found),
            latency_ms=percentiles([s for r in found for s in r.latencies]),
            requests=sum(len(r.latencies) for r in found),
        )
        rows.append(row)
    return rows


def percentiles(latencies: list[float]) -> tuple[float, float, float] | None:
    """p50, p95 and p99 in milliseconds."""
    if len(latencies) < 2:
        return None
    cuts = quantiles(latencies, n=100, method="inclusive")
    return 1000 * cuts[49], 1000 * cuts[94], 1000 * cuts[98]


def as_markdown(rows: list[Row], facts: dict[str, Any]) -> str:
    """The table and how it was made."""
    lines = [
        "| | of offline | tokens/s | p50 ms | p95 ms | p99 ms | server CPU ms/line "
        "| clients CPU ms/line | tokens per CPU second, of offline |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        p50, p95, p99 = (f"{ms:,.0f}" for ms in row.latency_ms) if row.latency_ms else "---"
        lines.append(
            f"| {row.name} | {row.ratio:.3f} | {row.tokens_per_second:,.0f} | "
            f"{p50} | {p95} | {p99} | {row.cpu_ms_per_line:.2f} | "
            f"{row.client_cpu_ms_per_line:.2f} | {row.cpu_ratio:.3f} |"
        )
    made = ", ".join(f"{name} {value}" for name, value in facts.items())
    return "\n".join(
        [
            "# A server under load",
            "",
            "Target tokens per second of the offline engine, and of servers to which clients send "
            "one line at a time. Medians over interleaved rounds; a ratio is taken within a round. "
            "Servers share the cores with the clients, whose part counts in the first ratio; the "
            "last column is what the server's process alone makes of a second of a core.",
            "",
            *lines,
            "",
            f"Made by `python benchmarks/server_load.py` with {made}.",
            "",
        ]
    )


def processor() -> str:
    """Name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def facts(arguments: argparse.Namespace) -> dict[str, Any]:
    """Conditions of the measurement."""
    return {
        "text": arguments.texts.name,
        "lines": arguments.lines,
        "clients": arguments.clients,
        "rounds": arguments.rounds,
        "model": Path(arguments.model).name,
        "dtype": arguments.dtype,
        "threads": arguments.threads or "auto",
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "torch": version("torch"),
        "grpcio": version("grpcio"),
    }


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", type=Path, help="a sentence a line")
    parser.add_argument("--model", default="en-de", help="name or directory")
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--lines", type=int, default=1024, help="so many of the text")
    parser.add_argument("--rounds", type=int, default=5, help="that count; one more warms up")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--servers", nargs="*", default=SERVERS, choices=SERVERS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    """Measure and write."""
    arguments = read_arguments()
    if not arguments.texts.is_file():
        raise UsageError(f"{arguments.texts}: no such file; name a text, a sentence a line")
    rows = summary(measure(arguments))
    found = facts(arguments)
    arguments.results.mkdir(parents=True, exist_ok=True)
    table = as_markdown(rows, found)
    (arguments.results / "server_load.md").write_text(table, "utf-8")
    result = {"facts": found, "rows": [asdict(row) for row in rows]}
    (arguments.results / "server_load.json").write_text(json.dumps(result, indent=1) + "\n")
    print(table)


if __name__ == "__main__":
    try:
        main()
    except TformerError as error:
        raise SystemExit(f"error: {error}") from None
