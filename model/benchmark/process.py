"""A system in a process of its own, which answers one message after another.

A message and its answer are one line of JSON each, over the pipes of stdin and stdout: see
`tformer.model.benchmark.worker`. Between two messages the process sleeps on its pipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tformer.model.benchmark.machine import peak_memory
from tformer.model.errors import DeviceError

WORKER = (sys.executable, "-m", "tformer.model.benchmark.worker")

PATIENCE = 5.0
"""Seconds that a process gets to end by itself."""


class SystemFailure(DeviceError):
    """A system cannot be measured: it is not installed, refuses the model, or died."""


class Process:
    """One process that waits for messages; a context that ends it."""

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        """Start it."""
        # A number of threads in the environment would bind systems that have no say of their own.
        environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and wait for its answer.

        Raises:
            SystemFailure: when the process says that it cannot, or has ended.
        """
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise SystemFailure(f"its process ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if error := answer.get("error"):
            raise SystemFailure(error)
        return answer

    def peak_memory(self) -> int | None:
        """The most bytes it has held; None if the operating system does not tell."""
        return peak_memory(self._process.pid)

    def close(self) -> None:
        """Let it end, and end it if it does not."""
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
