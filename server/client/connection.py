"""Channel, stub and retries of a client."""

from __future__ import annotations

import socket
from types import ModuleType
from typing import Any, ClassVar

import grpc

from tformer.model.errors import ServerError
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.client.exchange import Exchange, RequestOptions
from tformer.server.client.identity import Identity
from tformer.server.client.retries import Retries

IN_FLIGHT = 256
"""Texts that have been sent and whose translations have not been taken, at most."""

PATIENCE = 30.0
"""Seconds without any answer after which a server is given up."""

_CHANNEL_OPTIONS = [
    # Answers are bounded by what was asked.
    ("grpc.max_receive_message_length", -1),
    # Our own back-off says when to try again; a channel that waits longer would thwart it.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
]


_ROUND_ROBIN = ("grpc.service_config", '{"loadBalancingConfig":[{"round_robin":{}}]}')


class Connection:
    """Base of both clients."""

    _library: ClassVar[ModuleType] = grpc
    """Module that makes the channel: grpc or grpc.aio."""

    def __init__(
        self,
        address: str,
        *,
        identity: Identity | None = None,
        model: str = "",
        patience: float = PATIENCE,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        """A client; nothing is sent before it is used.

        Args:
            address: HOST:PORT or unix:PATH. Of several servers: dns:///NAME:PORT, which has all
                addresses of the name, or HOST:PORT,HOST:PORT. Streams then take turns between the
                servers, and one whose server is lost goes on with another.
            identity: who it is; None is nobody, over plain text.
            model: name of the model; "" lets the server choose.
            patience: seconds without an answer after which the server is given up.
            in_flight: texts that may be sent ahead of the translation that is taken next.

        Raises:
            InputError: a certificate cannot be read.
            ServerError: none of several hosts has an address.
        """
        self.address = address
        self._model = model
        self._patience = patience
        self._in_flight = in_flight
        identity = identity or Identity()
        self._metadata = identity.metadata()
        self._channel = self._dial(identity.credentials())
        self._stub: Any = TranslationServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def _dial(self, credentials: grpc.ChannelCredentials | None) -> Any:
        target, options = balanced(self.address)
        if credentials is None:
            return self._library.insecure_channel(target, options)
        return self._library.secure_channel(target, credentials, options)

    def _retries(self) -> Retries:
        return Retries(self.address, self._patience)

    def _exchange(self, order: RequestOptions) -> Exchange:
        return Exchange(order, self._retries(), self._in_flight)


def balanced(address: str) -> tuple[str, list[tuple[str, Any]]]:
    """Target and options of a channel; several servers are used in turns (gRPC's round_robin).

    Raises:
        ServerError: none of several hosts has an address.
    """
    if "," not in address:
        is_name = address.startswith("dns:")
        return address, [*_CHANNEL_OPTIONS, *([_ROUND_ROBIN] if is_name else [])]
    servers = [server.strip() for server in address.split(",") if server.strip()]
    found = list(dict.fromkeys(place for server in servers for place in _places(server)))
    if not found:
        raise ServerError(f"{address}: none of these hosts has an address: check their names")
    # Certificates are made out to names, which a list of addresses does not have.
    name = servers[0].rpartition(":")[0]
    return f"ipv4:{','.join(found)}", [
        *_CHANNEL_OPTIONS,
        _ROUND_ROBIN,
        ("grpc.default_authority", name),
    ]


def _places(server: str) -> list[str]:
    """IPv4 addresses, each with its port, of HOST:PORT; none if nobody knows the host."""
    host, _, port = server.rpartition(":")
    try:
        known = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return [":".join(map(str, address[:2])) for *_, address in known]
