"""Channel, stub and retries of a client."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

import grpc

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
            address: HOST:PORT or unix:PATH.
            identity: who it is; None is nobody, over plain text.
            model: name of the model; "" lets the server choose.
            patience: seconds without an answer after which the server is given up.
            in_flight: texts that may be sent ahead of the translation that is taken next.

        Raises:
            InputError: a certificate cannot be read.
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
        if credentials is None:
            return self._library.insecure_channel(self.address, _CHANNEL_OPTIONS)
        return self._library.secure_channel(self.address, credentials, _CHANNEL_OPTIONS)

    def _retries(self) -> Retries:
        return Retries(self.address, self._patience)

    def _exchange(self, order: RequestOptions) -> Exchange:
        return Exchange(order, self._retries(), self._in_flight)
