"""A system in a process of its own, which answers one message after another.

A message and its answer are one line of JSON each, over the pipes of stdin and stdout: see
`tformer.model.benchmark.worker`. Between two messages the process sleeps on its pipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tformer.model.benchmark.machine import peak_memory
from tformer.model.errors import DeviceError
from tformer.model.hardware.cpu import VARIABLE

WORKER = (sys.executable, "-m", "tformer.model.benchmark.worker")

PATIENCE = 5.0
"""Seconds that a process gets to end by itself."""

_AVX2 = ("AVX2", "AVX2", "AVX2", "avx2")
_AVX512 = ("AVX512", "AVX512_CORE", "AVX512", "avx512")
OTHERS = {"avx2": _AVX2, "avx_vnni": ("AVX2", "AVX2_VNNI", "AVX2_E1", "avx2"), "avx512": _AVX512}
"""By level of `hardware.cpu`, the same instructions in the words of `OTHERS_VARIABLES`."""

OTHERS_VARIABLES = (
    "CT2_FORCE_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY",
)  # fmt: skip
"""Environment variables by which CTranslate2, the libraries of products that it and torch use, and
torch are held to fewer instructions; each alone leaves the others what the processor has."""


_OURS = {"OMP_NUM_THREADS", "MKL_CBWR"}
"""Variables that are this process's own: a number of threads would bind systems that have no say of
their own, and our wish for one order of sums (`network.linear`) slows down others."""


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Environment of a system: as it is held to a level of processors, so are all."""
    environment = {name: value for name, value in ours.items() if name not in _OURS}
    values = OTHERS.get(ours.get(VARIABLE, ""), ())
    return dict(zip(OTHERS_VARIABLES, values, strict=False)) | environment


class SystemFailure(DeviceError):
    """A system cannot be measured: it is not installed, refuses the model, or died."""


class Process:
    """One process that waits for messages; a context that ends it."""

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        """Start it."""
        environment = _environment(os.environ)
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
