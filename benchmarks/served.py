"""A `tformer serve` of its own for a measurement: started, asked, watched, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

OWN_CONNECTION = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


@dataclass
class Served:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    log: Path
    address: str = ""

    def channel(self) -> grpc.Channel:
        """A connection of its own."""
        return grpc.insecure_channel(self.address, OWN_CONNECTION)

    @property
    def resident_mb(self) -> float:
        """Memory that it has now, in megabytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
        return 0.0

    @property
    def cpu_seconds(self) -> float:
        """Time of the processor that it has used."""
        found = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(found[11]) + int(found[12])) / os.sysconf("SC_CLK_TCK")

    def lines(self) -> list[dict[str, object]]:
        """Lines of the log, without what is no JSON."""
        text = self.log.read_text("utf-8", "replace").splitlines()
        return [json.loads(line) for line in text if line.startswith("{") and line.endswith("}")]

    def wait(self, seconds: float = 120) -> None:
        """Until it serves.

        Raises:
            RuntimeError: it does not.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.lines():
                if line["message"] == "serving":
                    self.address = str(line["address"])
                    return
            time.sleep(0.02)
        raise RuntimeError(f"the server does not start: {self.log.read_text()[-500:]}")


@contextmanager
def served(*arguments: str, wait: bool = True) -> Iterator[Served]:
    """A server with these arguments, at a port that the system chooses."""
    command = [sys.executable, "-m", "tformer.cli", "serve", "--listen", "127.0.0.1:0", *arguments]
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        server = Served(process, Path(log.name))
        try:
            if wait:
                server.wait()
            yield server
        finally:
            process.kill()
            process.wait()
