"""A server as the process of a command.

SIGHUP loads models again that have changed, SIGTERM or Ctrl-C drains, and a second one stops at
once. Signals are heeded from before the loading of models on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

from tformer.model.hardware.address_space import check_address_space
from tformer.server.lifecycle import Server, ServerOptions
from tformer.server.systemd import ServiceManager
from tformer.server.tuning import keep_what_is_loaded, prepare_threads, run_loop

logger = logging.getLogger(__name__)


def run(options: ServerOptions, announce: Callable[[Sequence[str]], None] | None = None) -> None:
    """Serve until a signal says to stop.

    Args:
        options: settings of the server.
        announce: told commands that reach the server, once it serves; None for nobody.

    Raises:
        TformerError: the server cannot start.
    """
    check_address_space(source.directory for source in options.models)
    prepare_threads()
    run_loop(_run(options, announce or (lambda commands: None)))


STOPPING = (signal.SIGTERM, signal.SIGINT)
"""Signals that stop a server."""


class _Signals:
    """Signals of a server, from before it has been started to its end."""

    def __init__(self, manager: ServiceManager) -> None:
        """Heed them from now on."""
        self._manager = manager
        self.stop = asyncio.Event()
        """Set by the first that says so."""
        self._server: Server | None = None
        self._reloads: set[asyncio.Task[None]] = set()
        self._reload_wanted = False
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        for number in STOPPING:
            loop.add_signal_handler(number, self._stop)

    def begin(self, server: Server) -> None:
        """The server has been started; do what was asked for meanwhile."""
        self._server = server
        if self._reload_wanted:
            self._reload()

    def end(self) -> None:
        """Heed them no longer: all is done, and one more must not make another status of it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, *STOPPING):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def _reload(self) -> None:
        if self._server is None:
            self._reload_wanted = True
        elif not self.stop.is_set():
            task = asyncio.get_running_loop().create_task(self._reloaded(self._server))
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)

    async def _reloaded(self, server: Server) -> None:
        self._manager.reloading()
        try:
            await server.reload()
        finally:
            self._manager.ready(f"serving at {server.address}")

    def _stop(self) -> None:
        if not self.stop.is_set():
            self.stop.set()
            return
        logger.warning("stopped at once, by a second signal")
        if self._server:
            self._server.leave_socket()
        # Threads that compute or cut a text are not waited for.
        os._exit(0)


async def _run(options: ServerOptions, announce: Callable[[Sequence[str]], None]) -> None:
    manager = ServiceManager()
    signals = _Signals(manager)
    stopped = asyncio.create_task(signals.stop.wait())
    starting = asyncio.create_task(Server.start(options))
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        logger.info("stopped while loading")
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        signals.end()
        return
    server = starting.result()
    keep_what_is_loaded()
    manager.ready(f"serving at {server.address}")
    signals.begin(server)
    announce(server.commands)
    await stopped
    manager.stopping()
    await server.drain(options.grace)
    signals.end()
