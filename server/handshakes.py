"""How many TLS handshakes begin, and how many of them come to nothing.

gRPC does not tell Python how a handshake ends. But it asks for the certificate when one begins
(`tformer.server.access.tls`), and channelz, its service for looking into itself, lists connections
that there are. A handshake after which no new one is listed has been refused: plain text was sent,
or a certificate is not trusted. Which handshake belongs to which connection is not known: a
connection is taken to be that of the handshake that has been under way for longest. So none is
counted that has come to something, and one that has not is counted at the latest when no new
clients have come for a while.

Connections are looked for when a call begins, ten times in the second after a handshake has begun,
and once a second as long as others may still be under way. So one that has come and gone between
two looks, without a call, is counted as if it had been refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import grpc

from tformer.server.observability.metrics import Metrics

logger = logging.getLogger(__name__)

LONGEST = 10.0
"""Seconds after which gRPC ends a handshake that gets nowhere."""

SOON = 1.0
"""Seconds in which nearly every handshake comes to an end."""

OFTEN = 0.1
"""Seconds between two looks soon after a handshake has begun."""

SELDOM = 1.0
"""Seconds between two looks later on."""

OVERLAP = 256
"""Connections before the latest that are looked for again: numbers are given to connections before
they are listed, and several may be on their way."""


class Connections:
    """The connections of one server that have not been seen before, by channelz."""

    def __init__(self) -> None:
        """Of the server of this process that was made last."""
        # Only a server with TLS needs it.
        from grpc_channelz.v1 import channelz_pb2
        from grpc_channelz.v1.channelz import ChannelzServicer

        self._request = channelz_pb2.GetServerSocketsRequest
        self._sockets = ChannelzServicer.GetServerSockets
        self._server_id = max(
            server.ref.server_id
            for server in _ask(ChannelzServicer.GetServers, channelz_pb2.GetServersRequest()).server
        )
        self._seen: set[int] = set()
        self._latest = 0

    def new(self) -> int:
        """How many there are that were not there when this was last asked."""
        request = self._request(
            server_id=self._server_id, start_socket_id=max(0, self._latest - OVERLAP)
        )
        found: set[int] = set()
        while True:
            answer = _ask(self._sockets, request)
            found |= {ref.socket_id for ref in answer.socket_ref}
            if answer.end or not answer.socket_ref:
                break
            request.start_socket_id = answer.socket_ref[-1].socket_id + 1
        number = len(found - self._seen)
        self._latest = max((self._latest, *found))
        oldest = self._latest - OVERLAP
        self._seen = {one for one in self._seen | found if one >= oldest}
        return number


def _ask(method: Callable[[Any, Any], Any], request: Any) -> Any:
    """What channelz answers in this process, without a call."""
    errors: list[str] = []
    context = SimpleNamespace(set_code=lambda code: None, set_details=errors.append)
    answer = method(request, context)
    if answer is None:
        raise RuntimeError(f"channelz does not answer: {errors}")
    return answer


class Handshakes:
    """The handshakes of one server."""

    def __init__(self, metrics: Metrics) -> None:
        """None yet; to be made where the event loop runs. What is counted is in ``metrics``."""
        self._metrics = metrics
        self._new_connections: Callable[[], int] | None = None
        self._loop = asyncio.get_running_loop()
        self._has_begun = asyncio.Event()
        # When those began of which nothing has come so far.
        self._pending: deque[float] = deque()

    def attach(self, new_connections: Callable[[], int]) -> None:
        """Be told by ``new_connections()`` how many there are that it has not told of before.

        Without it only the beginnings are counted.
        """
        self._new_connections = new_connections

    def attach_to_latest_server(self) -> None:
        """Be told so of the server of this process that was made last.

        A server does without what looks into gRPC, if that fails: the log then says so.
        """
        try:
            self.attach(Connections().new)
        except (ImportError, RuntimeError, ValueError) as error:
            logger.warning("lost handshakes are not counted", extra={"error": str(error)})

    def begun(self) -> None:
        """A handshake begins. May be called in any thread."""
        self._metrics.handshakes.inc()
        if self._new_connections is None:
            return
        self._pending.append(time.monotonic())
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._has_begun.set)

    def look(self) -> None:
        """See what has become of those that are under way."""
        now = time.monotonic()
        for _ in range(min(self._num_new(), len(self._pending))):
            self._pending.popleft()
        while self._pending and self._pending[0] < now - LONGEST - SELDOM:
            self._pending.popleft()
            self._metrics.lost_handshakes.inc()

    def _num_new(self) -> int:
        """New connections; if they can no longer be told of, nothing is looked for any more."""
        if self._new_connections is None:
            return 0
        try:
            return self._new_connections()
        except (RuntimeError, ValueError) as error:
            logger.warning("lost handshakes are not counted", extra={"error": str(error)})
            self._new_connections = None
            self._pending.clear()
            return 0

    def look_for_a_call(self) -> None:
        """Look, if the connection of a call that has just begun may be a new one."""
        if self._is_soon:
            self.look()

    @property
    def _is_soon(self) -> bool:
        """Whether the latest handshake of which nothing has come is a young one."""
        return bool(self._pending) and time.monotonic() - self._pending[-1] < SOON

    async def watch(self) -> None:
        """Look whenever there is something to see."""
        while True:
            await self._has_begun.wait()
            self._has_begun.clear()
            while self._pending:
                if self._is_soon:
                    await asyncio.sleep(OFTEN)
                else:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._has_begun.wait(), SELDOM)
                self._has_begun.clear()
                self.look()


class LookFirst(grpc.aio.ServerInterceptor):
    """Looks for the connection of every call, of any service, before it is answered."""

    def __init__(self, handshakes: Handshakes) -> None:
        """Look with ``handshakes``."""
        self._handshakes = handshakes

    async def intercept_service(
        self, continuation: Callable[..., Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Look, and go on."""
        self._handshakes.look_for_a_call()
        return await continuation(handler_call_details)
