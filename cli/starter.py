"""The process that runs commands for others: it has loaded the command line, and forks.

    python -m tformer.cli.starter DAEMON

DAEMON is the number of the daemon's process, with which this one ends. It listens at
`daemon_files.starter_path()`, and takes calls of its own user; see `handing_over`. What it forks is
told who called, and so ends when the caller does.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TextIO, cast

from tformer.cli import main as program
from tformer.cli.commands import command
from tformer.cli.handing_over import ENDED, GO, NEWS, READY, Call, circumstances

NEEDED = ("tformer.server.client", "tformer.server.daemon")
"""Modules that a warm call imports besides those of its command."""

PATIENCE = 10.0
"""Seconds in which a caller must have sent its call."""


class Starter:
    """Forks for every call, and tells the callers how it ended."""

    def __init__(self, path: Path, daemon: int) -> None:
        """Listen at a path; ``daemon`` is a descriptor of the process to end with."""
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._selector = selectors.DefaultSelector()
        self._watch(self._listener.fileno(), self._accept)
        self._watch(daemon, partial(self._close, daemon))
        self._forked: socket.socket | None = None

    def serve(self) -> socket.socket | None:
        """Answer calls until the daemon has ended, and then None.

        In a process that was forked for one it returns too: the connection to the caller.
        """
        while watched := self._selector.get_map():
            for key, _ in self._selector.select():
                if key.fileobj in watched:  # what came before may have ended the watch
                    key.data()
                if self._forked:
                    return self._forked
        return None

    def _watch(self, descriptor: int, react: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, react)

    def _accept(self) -> None:
        from tformer.server.daemon import peer_of

        caller, _ = self._listener.accept()
        if peer_of(caller).user != os.getuid():
            caller.close()
            return
        try:
            process = os.fork()
        except OSError:  # no room for it: the caller runs the command
            caller.close()
            return
        if process:
            ended = os.pidfd_open(process)
            self._watch(ended, partial(self._tell, caller, process, ended))
        else:
            self._selector.close()
            self._listener.close()
            self._forked = caller

    def _tell(self, caller: socket.socket, process: int, ended: int) -> None:
        """A process that was forked has ended."""
        self._selector.unregister(ended)
        os.close(ended)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        with caller, suppress(OSError):  # nobody waits
            caller.sendall(NEWS.pack(ENDED, status if status >= 0 else 128 - status))

    def _close(self, daemon: int) -> None:
        """Take no more calls; those that were taken are told of."""
        self._selector.unregister(daemon)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)


def main() -> None:
    """Serve; and in the processes that are forked, be what was called."""
    own = circumstances()
    if caller := _load().serve():
        caller.settimeout(PATIENCE)
        call = Call.receive(caller)
        if call.circumstances == own and (files := _files_of(caller)):
            _become(call, files)
            _go_with(caller)
            program.main()


def _files_of(caller: socket.socket) -> list[int]:
    """What the caller wants the command to have open; nothing if it has given up meanwhile."""
    caller.sendall(NEWS.pack(READY, os.getpid()))
    go, files, _, _ = socket.recv_fds(caller, len(GO), 4)
    return files if go == GO else []


def _load() -> Starter:
    """Do once what every command would do, and listen."""
    from tformer.server import daemon_files
    from tformer.server.address import only_for_the_user

    _read_arguments_once()
    for name in NEEDED:
        import_module(name)
    gc.freeze()
    path = daemon_files.starter_path()
    path.unlink(missing_ok=True)
    with only_for_the_user():
        return Starter(path, os.pidfd_open(int(sys.argv[1])))


def _read_arguments_once() -> None:
    """Let Typer load what it reads arguments with."""
    every = command("translate")
    with every.make_context("tformer", ["translate"]) as context:
        every.commands["translate"].make_context("translate", [], parent=context)


def _become(call: Call, files: list[int]) -> None:
    """Take over what a command was called with: its standard streams, its folder, and the rest."""
    *streams, folder = files
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.fchdir(folder)
    for file in files:
        os.close(file)
    os.umask(call.mask)
    os.environ.clear()
    os.environ.update(call.environment)
    sys.argv[1:] = call.arguments
    sys.stdin, sys.stdout, sys.stderr = map(_anew, (sys.stdin, sys.stdout, sys.stderr))
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _anew(stream: TextIO) -> TextIO:
    """A standard stream that knows what its descriptor has become."""
    buffering = 1 if stream is sys.stderr else -1
    return cast(
        TextIO,
        open(
            stream.fileno(),
            stream.mode,
            buffering,
            encoding=stream.encoding,
            errors=stream.errors,
            closefd=False,
        ),
    )


def _go_with(caller: socket.socket) -> None:
    """End as if terminated when the caller does, of whom nothing more is expected."""
    caller.settimeout(None)

    def wait() -> None:
        caller.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
