"""Messages to systemd, which started this process as a service of Type=notify; see sd_notify(3)."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress


class ServiceManager:
    """Supervisor of this process, if there is one."""

    def __init__(self) -> None:
        """Find it in the environment; what is started from here does not have it."""
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        self._watchdog = os.environ.pop("WATCHDOG_USEC", "")
        if os.environ.pop("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            self._watchdog = ""
        self._beats: asyncio.Task[None] | None = None

    def ready(self, status: str) -> None:
        """Tell it that the service serves, and let the event loop show that it is alive."""
        self._send("READY=1", f"STATUS={status}")
        if self._address and self._watchdog.isdigit() and self._beats is None:
            seconds = int(self._watchdog) / 2e6
            self._beats = asyncio.get_running_loop().create_task(self._beat(seconds))

    def reloading(self) -> None:
        """Tell it that files are looked at again; `ready` ends that."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tell it that accepted work is finished, and nothing new begun."""
        self._send("STOPPING=1", "STATUS=draining")

    async def _beat(self, seconds: float) -> None:
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(seconds)

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):  # an abstract socket
            address = "\0" + address[1:]
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
            messages.setblocking(False)
            messages.sendto("\n".join(lines).encode(), address)
