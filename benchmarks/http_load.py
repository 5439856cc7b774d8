"""Throughput of clients that ask over HTTP, beside the same clients over gRPC.

    python benchmarks/http_load.py newstest2014.en --lines 600

Each of 64 clients has a connection of its own to one `tformer serve --http`, without a cache, and
sends one line at a time, the next when the last is answered: by a unary call of gRPC (grpc.aio), by
our contract in JSON, and as LibreTranslate's clients do (both aiohttp). The three follow one
another in every round; every answer must be that of gRPC. Clients and server share the cores.
Medians over the rounds go to RESULTS/http_load.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import grpc
from hostile_server import processor
from served import OWN_CONNECTION, served

from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub

RESULTS = Path(__file__).with_name("results")

Ask = Callable[[str], Awaitable[str]]
"""Translation of a line."""


async def grpc_client(stack: AsyncExitStack, address: str) -> Ask:
    """A client over gRPC, connected."""
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, OWN_CONNECTION))
    await channel.channel_ready()
    stub: Any = TranslationServiceStub(channel)  # type: ignore[no-untyped-call]

    async def ask(line: str) -> str:
        request = pb.TranslateTextRequest(
            contents=[line], source_language_code="en", target_language_code="de"
        )
        return str((await stub.TranslateText(request)).translations[0].translated_text)

    return ask


async def json_client(stack: AsyncExitStack, address: str) -> Ask:
    """A client of our contract in JSON, connected."""
    post = await _connected(stack, address)

    async def ask(line: str) -> str:
        order = {"contents": [line], "sourceLanguageCode": "en", "targetLanguageCode": "de"}
        found = await post("/v1/translate", order)
        return str(found["translations"][0]["translatedText"])

    return ask


async def libretranslate_client(stack: AsyncExitStack, address: str) -> Ask:
    """A client that asks as LibreTranslate's do, connected."""
    post = await _connected(stack, address)

    async def ask(line: str) -> str:
        return str((await post("/translate", {"q": line, "source": "en", "target": "de"}))[
            "translatedText"
        ])  # fmt: skip

    return ask


async def _connected(
    stack: AsyncExitStack, address: str
) -> Callable[[str, dict[str, Any]], Awaitable[Any]]:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
    await stack.enter_async_context(session)
    async with session.get(f"http://{address}/healthz") as reply:
        await reply.read()

    async def post(path: str, order: dict[str, Any]) -> Any:
        async with session.post(f"http://{address}{path}", json=order) as reply:
            reply.raise_for_status()
            return await reply.json()

    return post


CLIENTS = {"gRPC": grpc_client, "JSON": json_client, "LibreTranslate": libretranslate_client}


async def load(
    connect: Callable[[AsyncExitStack, str], Awaitable[Ask]],
    address: str,
    lines: Sequence[str],
    clients: int,
) -> tuple[float, list[str]]:
    """Seconds that the lines take, connecting left out, and their translations."""
    waiting = list(enumerate(lines))[::-1]
    found = [""] * len(lines)

    async def converse(ask: Ask) -> None:
        while waiting:
            number, line = waiting.pop()
            found[number] = await ask(line)

    async with AsyncExitStack() as stack:
        asking = [await connect(stack, address) for _ in range(clients)]
        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for ask in asking:
                tasks.create_task(converse(ask))
        return time.perf_counter() - started, found


def measure(
    arguments: Sequence[str], lines: Sequence[str], clients: int, rounds: int
) -> dict[str, Any]:
    """Lines per second of every kind of client, and the ratio to gRPC in the same round.

    Raises:
        SystemExit: answers differ.
    """
    seconds: dict[str, list[float]] = {name: [] for name in CLIENTS}
    with served("--http", "127.0.0.1:0", "--cache", "0", *arguments) as server:
        http = next(str(line["http"]) for line in server.lines() if line["message"] == "serving")
        asyncio.run(load(grpc_client, server.address, lines[: 4 * clients], clients))
        for _ in range(rounds):
            expected: list[str] = []
            for name, connect in CLIENTS.items():
                address = server.address if connect is grpc_client else http
                took, found = asyncio.run(load(connect, address, lines, clients))
                expected = expected or found
                if found != expected:
                    raise SystemExit(f"error: {name} has other translations than gRPC")
                seconds[name].append(took)
    ratios = {
        name: [a / b for a, b in zip(seconds["gRPC"], each, strict=True)]
        for name, each in seconds.items()
    }
    return {
        name: {
            "lines_per_second": round(len(lines) / median(each), 1),
            "ratio": round(median(ratios[name]), 3),
            "ratios": [round(ratio, 3) for ratio in ratios[name]],
        }
        for name, each in seconds.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where JSON has less than 0.85 of the throughput of gRPC."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="Lines to translate.")
    parser.add_argument("--lines", type=int, default=600)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="append", default=[], help="Argument of tformer serve.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args(arguments)
    lines = list(filter(str.strip, chosen.file.read_text("utf-8").splitlines()))[: chosen.lines]
    found = {
        "processor": processor(),
        "python": platform.python_version(),
        "aiohttp": aiohttp.__version__,
        "lines": len(lines),
        "clients": chosen.clients,
        "doors": measure(chosen.serve, lines, chosen.clients, chosen.rounds),
    }
    text = json.dumps(found, indent=2)
    print(text)
    chosen.results.mkdir(parents=True, exist_ok=True)
    (chosen.results / "http_load.json").write_text(text + "\n", "utf-8")
    return 0 if found["doors"]["JSON"]["ratio"] >= 0.85 else 1


if __name__ == "__main__":
    sys.exit(main())
