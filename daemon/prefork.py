"""Pre-fork server: a process with warm imports that forks for every command.

It listens at `files.starter_path()`, takes calls of its own user (`delegate` is the client), and
ends with the daemon. A forked process ends when its caller does. The program that it runs is given
by `tformer.cli.prefork`. Linux only.
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
from pathlib import Path
from typing import TextIO, cast

from tformer.daemon import files
from tformer.daemon.delegate import ENDED, GO, NEWS, READY, DelegatedCommand, circumstances

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
        from tformer.daemon.control import peer_of

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


def serve(daemon: int, program: Callable[[], object]) -> None:
    """Fork for every call until the daemon has ended; the forked processes run the program.

    Args:
        daemon: process id of the daemon.
        program: reads `sys.argv`. Whatever it needs should be imported by now.
    """
    own = circumstances()
    if caller := _listen(daemon).serve():
        caller.settimeout(PATIENCE)
        call = DelegatedCommand.receive(caller)
        if call.circumstances == own and (opened := _files_of(caller)):
            _become(call, opened)
            _go_with(caller)
            program()


def _files_of(caller: socket.socket) -> list[int]:
    """Receive the descriptors of the command; nothing if the caller has given up meanwhile."""
    caller.sendall(NEWS.pack(READY, os.getpid()))
    go, opened, _, _ = socket.recv_fds(caller, len(GO), 4)
    return opened if go == GO else []


def _listen(daemon: int) -> Starter:
    from tformer.server.access.sockets import only_for_the_user

    gc.freeze()
    path = files.starter_path()
    path.unlink(missing_ok=True)
    with only_for_the_user():
        return Starter(path, os.pidfd_open(daemon))


def _become(call: DelegatedCommand, opened: list[int]) -> None:
    """Take over what a command was called with: its standard streams, its folder, and the rest."""
    *streams, folder = opened
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.fchdir(folder)
    for file in opened:
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
