"""Where a server listens: HOST:PORT or unix:PATH."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tformer.model.errors import ServerError, UsageError

DEFAULT = "127.0.0.1:50051"


@dataclass(frozen=True)
class Address:
    """A place to listen at or to call."""

    host: str = ""
    port: int = 0
    """0 lets the system choose."""
    path: Path | None = None
    """Of a unix socket; host and port then mean nothing."""

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
        """Whether only this machine can reach it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@contextmanager
def only_for_the_user() -> Iterator[None]:
    """Let no one else use what is created meanwhile."""
    umask = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(umask)


def check_socket(path: Path) -> None:
    """See that a socket may be made at ``path``: one that is there is replaced, nothing else.

    Raises:
        ServerError: something else is there, or there is no such folder.
    """
    if not path.parent.is_dir():
        raise ServerError(f"{path.parent}: no such folder for a socket")
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise ServerError(f"{path}: is there, and is no socket")
