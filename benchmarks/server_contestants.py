"""The processes that `server_load.py` compares: one that translates offline, and servers.

    python benchmarks/server_contestants.py MODE OPTIONS

A server prints its address and serves until its stdin is closed. The offline one prints "ready",
and for every line on its stdin translates the texts once and prints a line of JSON about it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tformer.model.engine import scheduler
from tformer.model.engine.jobs import Job
from tformer.model.engine.scheduler import EngineThread
from tformer.model.passes.draft import Sentence
from tformer.model.pipeline.translator import Translator
from tformer.server import tuning
from tformer.server.access.address import Address
from tformer.server.lifecycle import Server, ServerOptions
from tformer.server.observability import logs
from tformer.server.sources import ModelSource, Settings

WINDOW_SECONDS = 0.05
"""Seconds that a static batch waits for others from its first sentence on."""

WINDOW_SENTENCES = 64
"""A static batch that has so many does not wait any longer."""


class BatchThread(EngineThread[Sentence]):
    """Gives its engine nothing before all that it was given is done: no continuous batching."""

    jobs = 1
    seconds = 0.0

    def __init__(self, *arguments: Any) -> None:
        """As an EngineThread."""
        super().__init__(*arguments)
        self._since: float | None = None

    def _take(self) -> list[Sentence]:
        scheduler = self._scheduler
        if self._work.busy or not scheduler.next_entry(self.queue):
            return []
        self._since = self._since or time.monotonic()
        if len(self.queue) < self.jobs and time.monotonic() - self._since < self.seconds:
            self.awake.wait(0.001)
            return []
        self._since = None
        lot: list[Sentence] = []
        jobs: set[Job[Sentence]] = set()
        while (entry := scheduler.next_entry(self.queue)) and len(jobs | {entry.job}) <= self.jobs:
            jobs.add(entry.job)
            lot += self._enter(scheduler.pop(self.queue))
        return lot


class StaticThread(BatchThread):
    """A window is open for a while, then its requests are translated together, to the last.

    Every engine has a window of its own, of its part of the sentences.
    """

    jobs = WINDOW_SENTENCES // 2
    seconds = WINDOW_SECONDS


THREADS = {"one at a time": BatchThread, "static windows": StaticThread}
"""For those that are not as `tformer serve` is."""


@dataclass(frozen=True)
class Setup:
    """Settings that all contestants have in common."""

    model: str
    texts: Path
    source: str
    target: str
    settings: Settings


def serve(mode: str, setup: Setup) -> None:
    """Serve until stdin is closed."""
    if thread := THREADS.get(mode):
        scheduler.EngineThread = thread  # type: ignore[misc]
    tuning.prepare_threads()
    with logs.logging_to_stderr():
        tuning.run_loop(_serve(setup))


async def _serve(setup: Setup) -> None:
    options = ServerOptions(
        (ModelSource.parse(setup.model),), listen=Address("127.0.0.1", 0), settings=setup.settings
    )
    server = await Server.start(options)
    tuning.keep_what_is_loaded()
    print(server.address, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.drain(5)


def translate(setup: Setup) -> None:
    """Translate the texts once for every line that comes in."""
    settings = setup.settings
    translator = Translator.load(
        setup.model, device=settings.device, dtype=settings.dtype, threads=settings.threads
    )
    texts = setup.texts.read_text("utf-8").splitlines()
    once = partial(translator.translate, source=setup.source, target=setup.target)
    list(once(texts[:8]))
    print("ready", flush=True)
    for _ in sys.stdin:
        started, cpu = time.perf_counter(), time.process_time()
        found = list(once(texts))
        result = {
            "seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu,
            "target_tokens": sum(translation.target_tokens for translation in found),
            "lines": len(found),
            "texts": [translation.text for translation in found],
        }
        print(json.dumps(result), flush=True)


def main() -> None:
    """Be one of them."""
    mode, given = sys.argv[1], json.loads(sys.argv[2])
    settings = Settings(**given.pop("settings"))
    setup = Setup(texts=Path(given.pop("texts")), settings=settings, **given)
    if mode == "offline":
        translate(setup)
    else:
        serve(mode, setup)


if __name__ == "__main__":
    main()
