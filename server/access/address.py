"""Listening addresses: HOST:PORT or unix:PATH."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from tformer.model.errors import UsageError

DEFAULT = "127.0.0.1:50051"


@dataclass(frozen=True)
class Address:
    """A place to listen at or to call."""

    host: str = ""
    port: int = 0
    """0 lets the system choose."""
    path: Path | None = None
    """Path of a unix socket; host and port then mean nothing."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read HOST:PORT, [IPV6]:PORT or unix:PATH.

        Raises:
            UsageError: it is none of these.
        """
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path:
                raise UsageError("the address unix: needs a path, as in unix:/run/tformer.sock")
            return cls(path=Path(path))
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise UsageError(f"{text!r} is no address: write HOST:PORT or unix:PATH")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """True if only this machine can reach it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
