"""Sockets that are taken before anybody listens, and the file of one, removed only by its owner.

gRPC removes what is in its way, and when it ends whatever then has the name of its socket. So it
binds a name of its own beside, which is then moved into place.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tformer.model.errors import ServerError
from tformer.server.access.address import Address

LONGEST_PATH = 100
"""Bytes; Linux takes 107."""


def reserved(listen: Address) -> socket.socket:
    """A socket at HOST:PORT whose port nobody else gets; connections are refused until it listens.

    Raises:
        OSError: the port is taken, or the host is none of this machine.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except UnicodeError as error:  # longer than a name can be
        raise OSError(errno.EADDRNOTAVAIL, "no name of a host") from error
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
    except BaseException:
        found.close()
        raise
    return found


class UnixSocket:
    """The place of a socket in the file system."""

    def __init__(self, path: Path) -> None:
        """Nothing is there yet that is ours."""
        self._path = path
        self._identity: tuple[int, int] | None = None

    @contextmanager
    def binding(self) -> Iterator[Path]:
        """Path to bind to meanwhile; what was bound is then moved into its place, for its user
        alone.

        Raises:
            ServerError: the path cannot be used, or a server listens there.
        """
        check_socket(self._path)
        interim = self._path.parent / f".{secrets.token_hex(3)}"
        with _locked(self._path.parent):
            if listens(self._path):
                raise ServerError(f"cannot listen at unix:{self._path}: a server does already")
            with only_for_the_user():
                yield interim
            interim.rename(self._path)
            self._identity = _identity(self._path)

    def remove(self) -> None:
        """Remove the socket, unless another has taken its place."""
        with suppress(OSError):
            if self._identity and _identity(self._path) == self._identity:
                self._path.unlink()


def check_socket(path: Path) -> None:
    """See that a socket may be made at ``path``: one that is there is replaced, nothing else.

    Raises:
        ServerError: something else is there, there is no such folder, or the path is too long.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ServerError(f"{path}: is too long for a socket: at most {LONGEST_PATH} bytes")
    if not path.parent.is_dir():
        raise ServerError(f"{path.parent}: no such folder for a socket")
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise ServerError(f"{path}: is there, and is no socket")


def listens(path: Path) -> bool:
    """Tell whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:  # too busy to answer, or not for us
            return True
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let nobody else look for a socket and make one meanwhile."""
    import fcntl  # only Unix has it

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def only_for_the_user() -> Iterator[None]:
    """Let no one else use what is created meanwhile."""
    umask = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(umask)


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
