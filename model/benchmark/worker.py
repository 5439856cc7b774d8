"""The process that one system runs in: `python -m tformer.model.benchmark.worker`.

It reads a message a line from stdin and answers with a line on stdout, both JSON, until stdin ends:

    {"do": "export", "system", "model", "folder"}         write the model as the system reads it
    {"do": "load", "system", "model", "folder",
     "device", "settings"}                                -> {"seconds", "versions"}
    {"do": "translate", "lines", "source", "target",
     "batch", "beam_size", "settings"}                    -> {"seconds", "cpu_seconds", "latencies",
                                                              "translations"}
    {"do": "decode", "sources", "length",
     "batch", "beam_size", "settings"}                    -> {..., "tokens"}

``settings`` are what the system can be tuned by; those that concern loading load the model anew,
outside of what is timed. What cannot be done is answered by ``{"error": "one line"}``. Whatever
libraries print goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tformer.model.benchmark.figures import System
from tformer.model.benchmark.runners import Runner, SystemOptions, runner_of
from tformer.model.benchmark.systems import export
from tformer.model.errors import TformerError

Answer = dict[str, Any]

T = TypeVar("T")


class WorkerState:
    """State of a worker process between two messages."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """A process that has loaded nothing."""
        self._clock = clock
        self._runner: Runner | None = None

    def answer(self, message: dict[str, Any]) -> Answer:
        """Do what a message says; every failure is an answer too."""
        deeds = {
            "export": self._export,
            "load": self._load,
            "translate": self._translate,
            "decode": self._decode,
        }
        try:
            return deeds[message["do"]](message)
        except TformerError as error:
            return {"error": str(error)}
        except Exception as error:
            # Another program's failure: its class tells as much as its words.
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}

    def _export(self, message: dict[str, Any]) -> Answer:
        export(System.parse(message["system"]), Path(message["model"]), Path(message["folder"]))
        return {}

    def _load(self, message: dict[str, Any]) -> Answer:
        """Seconds of importing what the system needs and of loading the model, together."""
        started = self._clock()
        system = System.parse(message["system"])
        runner = runner_of(
            system, Path(message["model"]), Path(message["folder"]), message["device"]
        )
        runner.prepare(message["settings"])
        self._runner = runner
        return {"seconds": self._clock() - started, "versions": runner.versions()}

    def _translate(self, message: dict[str, Any]) -> Answer:
        call = SystemOptions.of(message)
        runner = self._prepared(call)
        route = (message["source"], message["target"])
        timed = self._timed(
            lambda lines: runner.translate(lines, route, call), message["lines"], call.batch
        )
        translations = [line for answer in timed.pop("answers") for line in answer]
        return {**timed, "translations": translations}

    def _decode(self, message: dict[str, Any]) -> Answer:
        call = SystemOptions.of(message)
        runner, length = self._prepared(call), message["length"]
        timed = self._timed(
            lambda sources: runner.decode(sources, length, call), message["sources"], call.batch
        )
        tokens = sum(timed.pop("answers"))
        return {**timed, "tokens": tokens}

    def _prepared(self, call: SystemOptions) -> Runner:
        if self._runner is None:
            raise TformerError("nothing has been loaded")
        self._runner.prepare(call.settings)
        return self._runner

    def _timed(
        self, work: Callable[[Sequence[Any]], T], items: Sequence[Any], batch: int | None
    ) -> Answer:
        """Let ``work`` have the items batch by batch, as somebody who waits for each answer."""
        size = batch or len(items)
        answers, latencies = [], []
        cpu_started, started = time.process_time(), self._clock()
        for start in range(0, len(items), size):
            begun = self._clock()
            answers.append(work(items[start : start + size]))
            latencies.append(self._clock() - begun)
        return {
            "answers": answers,
            "seconds": self._clock() - started,
            "cpu_seconds": time.process_time() - cpu_started,
            "latencies": latencies,
        }


def main() -> None:
    """Answer until stdin ends."""
    # Libraries print to stdout, which belongs to the answers: it becomes stderr for all others.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    worker = WorkerState()
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
