"""Client of the pre-fork server: delegates a command to a process with warm imports.

The pre-fork server (`tformer.daemon.prefork`), which lives as long as the daemon, forks: the new
process gets the files, the folder, the environment and the arguments of this one, and runs the
command as it would be run here. This process passes signals on, and exits with its status.

Imports next to nothing, since every command imports this module.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tformer.daemon import files
from tformer.model.errors import ServerError

SIZE = struct.Struct("!I")
"""Header of a call: the length of its JSON in bytes."""

NEWS = struct.Struct("!ci")
"""Message of the pre-fork server about a command."""

READY, ENDED = b"r", b"e"
"""Kinds of news: that it is about to begin, with the number of its process, and its exit status."""

GO = b"g"
"""Answer of the caller to the first, with its files, if it has not given up."""

PATIENCE = 2.0
"""Seconds until a starter that says nothing is given up."""

ROOMS = ("cli", "daemon", "dataset", "documents", "model", "protos", "server")

# What Python and libraries read as they start.
_READ_EARLY = ("PYTHON", "LC_", "LANG", "GRPC_", "NUMBA_")


class DelegatedCommand(NamedTuple):
    """Arguments, environment and umask of a command; files are sent apart."""

    arguments: list[str]
    environment: dict[str, str]
    mask: int
    """Umask: permissions that new files do not get."""
    circumstances: str

    @classmethod
    def here(cls, arguments: Sequence[str]) -> DelegatedCommand:
        """As this process would run it."""
        mask = os.umask(0)
        os.umask(mask)
        return cls(list(arguments), dict(os.environ), mask, circumstances())

    def send(self, connection: socket.socket) -> None:
        """Send it."""
        body = json.dumps(self._asdict()).encode()
        connection.sendall(SIZE.pack(len(body)) + body)

    @classmethod
    def receive(cls, connection: socket.socket) -> DelegatedCommand:
        """Receive one.

        Raises:
            OSError: not all of it was.
        """
        size = _received(connection, SIZE.size)
        body = size and _received(connection, SIZE.unpack(size)[0])
        if not body:
            raise ConnectionError("the call was not sent to its end")
        return cls(**json.loads(body))


def circumstances() -> str:
    """Fingerprint of process properties that a forked process cannot take over from another.

    That is the program itself, where it sees the files of the machine, what it may do and use, and
    the settings that are read once at the start. Commands are handed over among equals only.
    """
    import resource  # not on every system, as the daemon is not

    limits = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    return repr(
        (
            (sys.prefix, sys.version),
            newest_source(),
            os.readlink("/proc/self/ns/mnt"),
            os.stat("/").st_ino,
            (os.getresuid(), os.getresgid(), sorted(os.getgroups())),
            os.nice(0),
            [resource.getrlimit(getattr(resource, name)) for name in limits],
            sorted(pair for pair in os.environ.items() if pair[0].startswith(_READ_EARLY)),
        )
    )


def newest_source() -> int:
    """When a module of this program was last written, in nanoseconds since 1970."""
    root = Path(__file__).parents[1]
    return max(found for room in ROOMS for found in _written(f"{root}/{room}"))


def _written(folder: str) -> Iterator[int]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield entry.stat().st_mtime_ns
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _written(entry.path)


def hand_over(arguments: Sequence[str]) -> int | None:
    """Have a command run by the starter; its exit status, or None if it has to be run here.

    What is typed at a terminal goes to whoever is in its foreground, which no process of the
    starter's can be, so a command that reads there is run here.

    Raises:
        ServerError: the starter died while the command ran.
    """
    path = files.starter_path()
    if arguments[:1] != ["translate"] or files.is_passed_by() or _is_for_here():
        return None
    if not files.is_own_socket(path):
        return None
    with socket.socket(socket.AF_UNIX) as starter:
        process = _agree(starter, path, arguments)
        return None if process is None else _accompany(process, starter)


def _is_for_here() -> bool:
    return os.isatty(0) or None in (sys.stdin, sys.stdout, sys.stderr)


def _agree(starter: socket.socket, path: Path, arguments: Sequence[str]) -> int | None:
    """The process that runs the command from now on; None if there is none."""
    starter.settimeout(PATIENCE)
    try:
        starter.connect(str(path))
        DelegatedCommand.here(arguments).send(starter)
        process = _news(starter, READY)
        if process is not None:
            _send_files(starter)
    except OSError:
        return None
    starter.settimeout(None)
    return process


def _send_files(starter: socket.socket) -> None:
    """Say go, and give the standard streams and the folder.

    Not earlier: what reads a pipe would wait for a starter that holds the pipe and does nothing.
    """
    here = os.open(".", os.O_PATH | os.O_DIRECTORY)
    try:
        socket.send_fds(starter, [GO], [0, 1, 2, here])
    finally:
        os.close(here)


def _accompany(process: int, starter: socket.socket) -> int:
    """Pass signals on until the command has ended; its exit status."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    status = _news(starter, ENDED)
    if status is None:
        raise ServerError(
            f"the daemon's starter was lost, and with it what process {process} ends with"
        )
    return status


def _news(starter: socket.socket, kind: bytes) -> int | None:
    """Receive the next message, if it is of this kind."""
    received = _received(starter, NEWS.size)
    told, number = NEWS.unpack(received) if received else (b"", 0)
    return number if told == kind else None


def _received(connection: socket.socket, size: int) -> bytes | None:
    """So many bytes; None if there are fewer."""
    parts = []
    while size and (part := connection.recv(size)):
        parts.append(part)
        size -= len(part)
    return None if size else b"".join(parts)
