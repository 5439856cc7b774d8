"""Effect of one client, or a stranger, on a server and on everybody else.

    python benchmarks/hostile_server.py memory     # after 2,000 refused calls of 4 MB
    python benchmarks/hostile_server.py health     # probes under each of many inputs
    python benchmarks/hostile_server.py greedy     # calls of one client beside a stream of another
    python benchmarks/hostile_server.py signals    # SIGTERM and SIGHUP at 50 moments
    python benchmarks/hostile_server.py streams    # 20,000 that say nothing, 20,000 cancelled
    python benchmarks/hostile_server.py refused    # the same where only 4,096 are accepted

Each prints JSON, and ends with status 1 where a bound is passed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from served import OWN_CONNECTION, Served, served

from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access.tokens import hash_token

LINE = "Two children play with a brown dog in front of the old church."

PARAGRAPH = " ".join([LINE] * 20)


def processor() -> str:
    """The name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def code_of(call: Callable[[], Any]) -> str:
    """Status code of a call."""
    try:
        call()
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def quantile(seconds: Sequence[float], share: float) -> float:
    """The smallest of the values below which that share of them is."""
    return sorted(seconds)[int(share * (len(seconds) - 1))]


def request(*contents: str, **fields: Any) -> pb.TranslateTextRequest:
    """Texts to translate from English to German."""
    return pb.TranslateTextRequest(
        contents=contents, source_language_code="en", target_language_code="de", **fields
    )


class Probes:
    """Seconds of calls that a thread makes one after the other."""

    def __init__(self, call: Callable[[], Any], pause: float = 0.02) -> None:
        """Begin."""
        self.seconds: list[float] = []
        self.codes: Counter[str] = Counter()
        self._call = call
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            started = time.monotonic()
            self.codes[code_of(self._call)] += 1
            self.seconds.append(time.monotonic() - started)
            time.sleep(self._pause)

    def end(self) -> list[float]:
        """End, with the seconds of every call."""
        self._over.set()
        self._thread.join()
        return self.seconds


# --- memory --------------------------------------------------------------------------------------


def memory(number: int = 2000) -> tuple[dict[str, Any], bool]:
    """Resident memory after refused calls of 4 MB each, without a token and with a wrong option."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder, "tokens.toml")
        tokens.write_text(f'[tokens.a]\nsha256 = "{hash_token("secret")}"\n')
        with served("--tokens", str(tokens)) as server, server.channel() as channel:
            stub = TranslationServiceStub(channel)
            known = (("authorization", "Bearer secret"),)
            code_of(lambda: stub.TranslateText(request(LINE), metadata=known))
            start = server.resident_mb
            large, wrong = request("a" * 4_100_000), request("a" * 4_100_000, mime_type="a/b")
            codes: Counter[str] = Counter()
            for _ in range(number // 4):
                # Who guesses on waits for the answers; a connection may do so a few times.
                with server.channel() as fresh:
                    guess = partial(TranslationServiceStub(fresh).TranslateText, large)
                    for _ in range(3):
                        codes[code_of(guess)] += 1
                codes[code_of(lambda: stub.TranslateText(wrong, metadata=known))] += 1
            end = server.resident_mb
    found = {"codes": dict(codes), "resident_mb": [round(start), round(end)]}
    return found, end <= start + 60


# --- health --------------------------------------------------------------------------------------


def inputs() -> Iterator[tuple[str, pb.TranslateTextRequest]]:
    """Requests that are large or odd, most of which are accepted."""
    draw = random.Random(1)

    def word() -> str:
        return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9)))

    size = 290_000
    for name, text in {
        "one word": "a" * size,
        "spaces": " " * size,
        "digits": "7" * size,
        "words without a stop": " ".join(word() for _ in range(size // 7)),
        "CJK": "語" * size,
        "emoji": "👩‍👩‍👧‍👦" * (size // 7),
        "combining marks": "a" + "\u0301\u0316" * (size // 2),
        "zero width": "\u200b" * size,
        "brackets": "([" * (size // 2),
        "abbreviations": "e.g. i.e. " * (size // 10),
        "sentences": "A b. " * (size // 5),
        "4 MB": "A dog. " * 570_000,
    }.items():
        yield name, request(text)
    yield "10,000 empty texts", request(*[""] * 10_000)
    yield "20,000 empty texts", request(*[""] * 20_000)
    yield "2,000,000 empty texts", request(*[""] * 2_000_000)
    yield "10,000 words", request(*["Hi"] * 10_000)
    yield "deep page", request("<div>" * 50_000, mime_type="text/html")
    yield "many tags", request("<i>a</i>" * 30_000, mime_type="text/html")
    yield "many angles", request("<" * size, mime_type="text/html")
    yield "many paragraphs", request("<p>A dog.</p>" * 5_000, mime_type="text/html")
    terms = [pb.GlossaryEntry(source_term=f"{word()} {word()}", target_term=word())
             for _ in range(10_000)]  # fmt: skip
    config = pb.GlossaryConfig(entries=terms)
    yield "10,000 terms", request(LINE, glossary_config=config)
    named = pb.GlossaryConfig(glossary="large")
    yield "glossary of 100,000 terms", request(LINE, glossary_config=named)
    both = pb.GlossaryConfig(glossary="large", entries=terms[:1])
    yield "glossary of 100,000 terms and one more", request(LINE, glossary_config=both)
    options = pb.DecodingOptions(required_terms=[word() for _ in range(100)])
    yield "100 required terms", request(LINE, options=options)
    yield "long prefix", request(LINE, target_prefixes=["Ein Hund " * 1000])


def health(seconds: float = 8.0) -> tuple[dict[str, Any], bool]:
    """Seconds of health probes while a client sends one input again and again."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "large.csv")
        draw = random.Random(2)
        rows = (f"w{draw.randrange(10**9)} w{number},x{number}" for number in range(100_000))
        file.write_text("en,de\n" + "\n".join(rows))
        with served("--glossary", f"large={file}") as server:
            for name, message in inputs():
                found[name] = _health_under(server, message, seconds)
                print(name, found[name], file=sys.stderr)
    return found, all(each["p99_seconds"] <= 0.5 for each in found.values())


def _health_under(server: Served, message: pb.TranslateTextRequest, limit: float) -> dict[str, Any]:
    with server.channel() as own, server.channel() as other:
        check = health_pb2_grpc.HealthStub(own).Check
        probes = Probes(lambda: check(health_pb2.HealthCheckRequest(), timeout=60))
        time.sleep(0.2)
        stub = TranslationServiceStub(other)
        deadline = time.monotonic() + limit / 2
        codes: Counter[str] = Counter()
        while time.monotonic() < deadline:
            codes[code_of(lambda: stub.TranslateText(message, timeout=limit))] += 1
        time.sleep(0.2)
        times = probes.end()
    return {
        "codes": dict(codes),
        "p99_seconds": round(quantile(times, 0.99), 3),
        "max_seconds": round(max(times), 3),
        "probes": len(times),
    }


# --- a greedy client -----------------------------------------------------------------------------


def greedy(seconds: float = 30.0) -> tuple[dict[str, Any], bool]:
    """Seconds of one client's calls, alone and beside one stream of another's paragraphs."""
    with served() as server, server.channel() as own, server.channel() as other:
        stub = TranslationServiceStub(own)

        def call() -> None:
            stub.TranslateText(request(LINE), timeout=60)

        for _ in range(20):
            call()
        quiet = Probes(call)
        time.sleep(seconds)
        alone = quiet.end()

        over = threading.Event()

        def paragraphs() -> Iterator[pb.StreamTranslateTextRequest]:
            config = pb.StreamConfig(source_language_code="en", target_language_code="de")
            yield pb.StreamTranslateTextRequest(config=config)
            number = 0
            while not over.is_set():
                number += 1
                item = pb.StreamItem(content=f"{number}. {PARAGRAPH}")
                yield pb.StreamTranslateTextRequest(item=item)

        answers = TranslationServiceStub(other).StreamTranslateText(paragraphs())
        reading = threading.Thread(target=lambda: code_of(lambda: list(answers)))
        reading.start()
        time.sleep(3)
        beside = Probes(call)
        time.sleep(seconds)
        busy = beside.end()
        over.set()
        answers.cancel()
        reading.join()
    ratio = quantile(busy, 0.99) / quantile(alone, 0.99)
    found = {
        "alone_ms": {f"p{p}": round(1000 * quantile(alone, p / 100), 1) for p in (50, 95, 99)},
        "beside_ms": {f"p{p}": round(1000 * quantile(busy, p / 100), 1) for p in (50, 95, 99)},
        "codes": dict(beside.codes),
        "p99_ratio": round(ratio, 2),
    }
    return found, ratio <= 3 and set(beside.codes) == {"OK"}


# --- signals -------------------------------------------------------------------------------------

STARTING = "ended while Python was starting"


def signals(moments: int = 50) -> tuple[dict[str, Any], bool]:
    """SIGTERM, and SIGHUP before it, at moments of start, service and drain.

    Right is: it ends with status 0, and a call that was accepted before SIGTERM is answered. Before
    its first line in the log, when Python itself is starting, the signal may end it as any program.
    The moments are spread over the time that a start takes, and half a second of service.
    """
    endings: Counter[str] = Counter()
    wrong: list[str] = []
    started = time.monotonic()
    with served():
        start = time.monotonic() - started
    for number in range(moments):
        kind = ("SIGTERM", "SIGHUP")[number % 2]
        after = 0.02 + (start + 0.5) * number / moments
        found = _one_moment(kind, after)
        endings[found] += 1
        if not found.endswith("0") and found != STARTING:
            wrong.append(f"{kind} after {after:.2f} s: {found}")
    found = {"start_seconds": round(start, 2), "endings": dict(endings), "wrong": wrong}
    return found, not wrong


def _one_moment(kind: str, after: float) -> str:
    with served(wait=False) as server:
        process = server.process
        time.sleep(after)
        call: Any = None
        serving = any(line["message"] == "serving" for line in server.lines())
        if serving:
            server.wait()
            channel = server.channel()
            stub = TranslationServiceStub(channel)
            code_of(lambda: stub.ListModels(pb.ListModelsRequest(), timeout=10))
            call = stub.TranslateText.future(request(*[LINE] * 20), timeout=60)
            time.sleep(0.05)
        if kind == "SIGHUP":
            process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
            if process.poll() is not None:
                return f"ended by SIGHUP: {process.returncode}" if server.lines() else STARTING
        process.send_signal(signal.SIGTERM)
        answered = code_of(call.result) if call else "no call"
        process.wait(60)
        if process.returncode == -signal.SIGTERM and not server.lines():
            return STARTING
        return f"{answered}, status {process.returncode}"


# --- streams -------------------------------------------------------------------------------------


def streams(number: int = 20_000) -> tuple[dict[str, Any], bool]:
    """Memory, and calls of another client, under streams that say nothing or are cancelled.

    The bound of calls is raised so that all are accepted. They are cancelled four times: first
    those that say nothing, then three times those with a text each. Heaps of threads keep some
    memory, so a leak is what the last time adds to the most that there was after the others.
    """
    found, last, others = _streams(number, "--max-calls", str(4 * number))
    ended = [part["ended_before_they_were_cancelled"] for part in found["parts"]]
    kept = not any("CANCELLED" in each for each in ended) and last <= max(others) + 30
    return found, kept and set(found["calls_of_another"]) == {"OK"}


def refused(number: int = 20_000) -> tuple[dict[str, Any], bool]:
    """The same with the bound of calls that a server has by itself: the others are refused."""
    found, last, others = _streams(number)
    ended = [part["ended_before_they_were_cancelled"] for part in found["parts"]]
    kept = all(set(each) <= {"RESOURCE_EXHAUSTED"} for each in ended) and last <= max(others) + 30
    return found, kept and set(found["calls_of_another"]) <= {"OK", "RESOURCE_EXHAUSTED"}


def _streams(number: int, *arguments: str) -> tuple[dict[str, Any], float, list[float]]:
    """Findings; the memory at the end, and that after each time before, in megabytes."""
    with (
        served(*arguments, "--no-access-log") as server,
        server.channel() as own,
    ):
        stub = TranslationServiceStub(own)
        codes: Counter[str] = Counter()
        parts: list[dict[str, Any]] = []

        def ask(calls: int = 100) -> list[float]:
            times = []
            for _ in range(calls):
                started = time.monotonic()
                codes[code_of(lambda: stub.TranslateText(request(LINE), timeout=60))] += 1
                times.append(time.monotonic() - started)
            return times

        alone = ask()
        start = server.resident_mb
        for name in ("silent", "with a text", "second time", "third time"):
            ended, times, under = asyncio.run(_open_streams(server, number, name != "silent", ask))
            _settle(server)
            after = server.resident_mb
            parts.append({
                "streams": name, "ended_before_they_were_cancelled": dict(ended),
                "unary_ms": _spread(times), "resident_mb": [round(under), round(after)],
            })  # fmt: skip
        if server.process.poll() is not None:
            codes["the server has ended"] += 1
    found = {
        "unary_alone_ms": _spread(alone), "calls_of_another": dict(codes),
        "resident_mb_before": round(start), "parts": parts,
    }  # fmt: skip
    *others, last = (part["resident_mb"][1] for part in parts)
    return found, last, others


def _settle(server: Served, seconds: float = 12.0, most: float = 120.0) -> None:
    """Until the server has done nothing for some seconds, in which it gives back memory."""
    deadline, busy, quiet_since = time.monotonic() + most, server.cpu_seconds, time.monotonic()
    while time.monotonic() < min(deadline, quiet_since + seconds):
        time.sleep(1)
        if (now := server.cpu_seconds) > busy + 0.3:
            quiet_since = time.monotonic()
        busy = now


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": round(1000 * quantile(seconds, p / 100), 1) for p in (50, 99)}


async def _open_streams(
    server: Served, number: int, say: bool, meanwhile: Callable[[], list[float]]
) -> tuple[Counter[str], list[float], float]:
    """Open streams, at most 1,000 a connection, and cancel them.

    Returns:
        How streams had ended that had by themselves, what ``meanwhile`` measured while all were
        open, and the memory of the server then, in megabytes.
    """
    config = pb.StreamConfig(source_language_code="en", target_language_code="de")
    first = [pb.StreamTranslateTextRequest(config=config)]
    if say:
        first.append(pb.StreamTranslateTextRequest(item=pb.StreamItem(content=LINE)))
    channels, calls = [], []
    for begin in range(0, number, 1000):
        channel = grpc.aio.insecure_channel(server.address, OWN_CONNECTION)
        channels.append(channel)
        stub = TranslationServiceStub(channel)
        opened = [stub.StreamTranslateText() for _ in range(min(1000, number - begin))]
        for call in opened:
            with suppress(grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
                for message in first:
                    await call.write(message)
        calls += opened
    await asyncio.sleep(1)
    times = await asyncio.to_thread(meanwhile)
    over = [call for call in calls if call.done()]
    ended = Counter([(await call.code()).name for call in over])
    resident = server.resident_mb
    for call in calls:
        call.cancel()
    for channel in channels:
        await channel.close()
    return ended, times, resident


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one thing and print it; 1 where a bound is passed."""
    parts = {each.__name__: each for each in (memory, health, greedy, signals, streams, refused)}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=parts)
    parser.add_argument("--number", type=float, help="Calls, seconds or moments of the part.")
    chosen = parser.parse_args(arguments)
    number = [] if chosen.number is None else [chosen.number]
    if chosen.part in ("memory", "signals", "streams", "refused"):
        number = [int(each) for each in number]
    found, kept = parts[chosen.part](*number)  # type: ignore[operator]
    print(json.dumps({"processor": processor(), **found, "within_bounds": kept}, indent=2))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
