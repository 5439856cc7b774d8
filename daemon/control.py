"""The warm daemon: a server that keeps a model loaded for the commands of one user.

It listens on a unix socket in a folder that only this user can enter. A command that finds it there
with the model it needs saves the time that loading takes. Beside it the pre-fork server
(`tformer.daemon.prefork`) runs the commands that are delegated to it, which saves them the time
that loading a program takes.

Importing this module costs neither torch nor gRPC: a command that finds no socket goes on at once.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from tformer.daemon.files import (
    folder,
    is_own_socket,
    is_passed_by,
    log_path,
    socket_path,
    starter_path,
)
from tformer.model.checkpoint.layout import find_model
from tformer.model.errors import ServerError, TformerError
from tformer.model.files import lock

if TYPE_CHECKING:
    from tformer.protos.v1 import translation_pb2 as pb
    from tformer.server.client import Client

START_SECONDS = 120.0
"""A model that is not loaded after this time will not be."""

STOP_SECONDS = 60.0
"""More than the time in which a server finishes what it has accepted."""


def process_id() -> int | None:
    """The process that listens; None if there is none.

    The system is asked, since a file with a number in it outlives its process.
    """
    path = socket_path()
    if not is_own_socket(path):
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return None
        return peer_of(connection).process


class Peer(NamedTuple):
    """Process at the other end of a unix socket, as the kernel reports it."""

    process: int
    user: int
    group: int


def peer_of(connection: socket.socket) -> Peer:
    """Ask the kernel for the peer's credentials."""
    form = struct.Struct("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size)
    return Peer(*form.unpack(credentials))


def start(model: str, *, device: str, beam_size: int) -> int:
    """Start the daemon and wait until it answers; its process id.

    Raises:
        ModelError: there is no such model.
        ServerError: one is running already, or it does not come up.
    """
    directory = find_model(model).resolve()
    with _locked_folder():
        if pid := process_id():
            raise ServerError(f"a daemon is running, process {pid}; tformer daemon stop ends it")
        command = [sys.executable, "-m", "tformer.cli", "serve"]
        command += ["--listen", f"unix:{socket_path()}", "--model", f"{directory}={directory}"]
        command += ["--device", device, "--beam-size", str(beam_size)]
        with log_path().open("wb") as log:
            process = _start_alone(command, log)
            starter = _start_alone(
                [sys.executable, "-P", "-m", "tformer.cli.prefork", str(process.pid)], log
            )
        _await_start(process, starter)
    return process.pid


def _start_alone(command: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
    )


def stop() -> int | None:
    """Let the daemon finish what it has, and end it; the process that ended, None if none ran.

    Raises:
        ServerError: it does not end.
    """
    pid = process_id()
    if pid is None:
        return None
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while process_id() == pid:
        if time.monotonic() > deadline:
            raise ServerError(f"the daemon, process {pid}, does not end; {log_path()} may say why")
        time.sleep(0.05)
    return pid


def loaded() -> list[pb.Model]:
    """The models that the daemon has; none if it does not answer."""
    if not is_own_socket(socket_path()):
        return []
    with _client() as client:
        return _models_of(client)


def _models_of(client: Client) -> list[pb.Model]:
    """The models behind a client; none if nobody answers."""
    try:
        return client.models()
    except TformerError:
        return []


def warm_client(model: str, *, device: str, beam_size: int, dtype: str = "auto") -> Client | None:
    """A client of the daemon, if it has this very model and can do what is asked.

    Raises:
        ModelError: there is no such model.
    """
    path = socket_path()
    if is_passed_by() or not is_own_socket(path):
        return None
    directory = find_model(model).resolve()
    if _changed(directory) > path.stat().st_mtime:
        return None
    client = _client(str(directory))
    for served in _models_of(client):
        fits = device in ("auto", served.device.partition(":")[0])
        fits = fits and dtype in ("auto", served.dtype)
        if served.name == str(directory) and fits and beam_size <= served.max_beam_size:
            return client
    client.close()
    return None


def _client(model: str = "") -> Client:
    from tformer.server.client import Client

    return Client(f"unix:{socket_path()}", model=model, patience=1.0)


def _changed(directory: Path) -> float:
    """When a file of the model was last written."""
    return max(path.stat().st_mtime for path in directory.iterdir())


@contextmanager
def _locked_folder() -> Iterator[None]:
    """Keep others from starting a daemon too."""
    with ExitStack() as closing:
        try:
            folder().mkdir(mode=0o700, parents=True, exist_ok=True)
            folder().chmod(0o700)  # refused by a folder of another user
            stream = closing.enter_context((folder() / "daemon.lock").open("w"))
        except OSError as error:
            raise ServerError(
                f"{folder()}: cannot hold the daemon ({error.strerror}); XDG_RUNTIME_DIR may name "
                "another folder"
            ) from error
        lock(stream, wait=True)
        yield


def _await_start(process: subprocess.Popen[bytes], starter: subprocess.Popen[bytes]) -> None:
    """Until the daemon answers, and the starter too; without one commands only take longer."""
    deadline = time.monotonic() + START_SECONDS
    while not loaded() or (starter.poll() is None and not is_own_socket(starter_path())):
        if process.poll() is not None:
            raise ServerError(f"the daemon did not start: {_last_words()}")
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise ServerError(f"the daemon did not answer in time; {log_path()} may say why")
        time.sleep(0.05)


def _last_words() -> str:
    lines = log_path().read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"]
    return lines[-1].removeprefix("error: ")
