"""From start to stop.

    server = await Server.start(options)
    print(server.address)
    await server.drain(30)

`tformer.server.process.run` does this for the command line, as signals tell it to.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tformer.model.errors import ServerError, UsageError
from tformer.protos.v1 import admin_pb2, translation_pb2
from tformer.server.access import address as addresses
from tformer.server.access.address import Address
from tformer.server.access.sockets import UnixSocket, reserved
from tformer.server.access.tls import Certificates, TlsFiles
from tformer.server.access.tokens import Authenticator
from tformer.server.admission import Admission
from tformer.server.glossaries.catalog import Glossaries
from tformer.server.heap import Heap
from tformer.server.http.options import HttpOptions
from tformer.server.limits import DAY, Limits, check_range
from tformer.server.models import Models
from tformer.server.observability.metrics import Exporter, Metrics
from tformer.server.reach import commands_for
from tformer.server.rpc.admin import AdminService
from tformer.server.rpc.calls import Calls, TokenNeeded, only_administrators
from tformer.server.rpc.google import GOOGLE_SERVICE, GoogleTranslationService
from tformer.server.rpc.health import HealthService
from tformer.server.rpc.reflection import reflection_handler
from tformer.server.rpc.service import TranslationService
from tformer.server.sources import GlossarySource, ModelSource, Settings
from tformer.server.storage import Storage
from tformer.server.translation_cache import TranslationCache

if TYPE_CHECKING:
    from tformer.server.http.server import HttpServer

logger = logging.getLogger(__name__)

SERVICE = translation_pb2.DESCRIPTOR.services_by_name["TranslationService"]
ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]

SERVING = health_pb2.HealthCheckResponse.SERVING

LEAST_QUEUE = 256
"""Tokens; a server that accepts fewer could not take the texts that it is for."""

LAST_WORDS = 1.0
"""Seconds for answers to reach their clients after the last call has ended."""


@dataclass(frozen=True)
class ServerOptions:
    """Everything that a server can be told.

    Raises:
        UsageError: others could reach the server, and nothing protects what they send.
    """

    models: tuple[ModelSource, ...]
    """The default first."""
    listen: Address = field(default_factory=lambda: Address.parse(addresses.DEFAULT))
    settings: Settings = field(default_factory=Settings)
    glossaries: tuple[GlossarySource, ...] = ()
    queue_tokens: int = 100_000
    """Tokens of source text that are accepted and not yet answered, at most."""
    cache_characters: int = 0
    """Characters of texts and translations that are kept, at most."""
    max_message_bytes: int = 4 << 20
    limits: Limits = field(default_factory=Limits)
    http: HttpOptions | None = None
    """HTTP beside gRPC; None for none."""
    storage: Storage = field(default_factory=Storage)
    """Memory for documents; a server has it for itself."""
    grace: float = 30.0
    """Seconds that accepted work has after SIGTERM."""
    metrics: Address | None = None
    """Address of the Prometheus endpoint; None for none."""
    tokens: Path | None = None
    """File of bearer tokens; None lets everybody in."""
    tls: TlsFiles | None = None
    insecure: bool = False
    """Listen beyond this machine without TLS."""
    open_metrics: bool = False
    """Show metrics beyond this machine."""
    open_reflection: bool = False
    """Let reflection be asked without a token."""
    open_admin: bool = False
    """Let everybody who may translate use the AdminService too."""
    log_text: bool = False
    """Log every text and its translation."""

    def __post_init__(self) -> None:
        """Refuse to be open to the world by oversight, and numbers that make no sense."""
        check_range("queue_tokens", self.queue_tokens, LEAST_QUEUE, 2**31 - 1)
        check_range("cache", self.cache_characters, 0, 2**40)
        check_range("max_message", self.max_message_bytes, 1024, 2**31 - 1)
        check_range("grace", self.grace, 0, DAY)
        check_range("max_document", self.storage.document_bytes, 1024, 1 << 28)
        check_range("document_memory", self.storage.total_bytes, self.storage.document_bytes, 2**40)
        if self.metrics and self.metrics.path is not None:
            raise UsageError(f"metrics are shown at HOST:PORT alone, not at {self.metrics}")
        if self.metrics and not (self.metrics.is_local or self.open_metrics):
            raise UsageError(
                f"metrics at {self.metrics} can be read from other machines, and nothing protects "
                "them: give --open-metrics if everybody may"
            )
        for address in (self.listen, self.http and self.http.listen):
            if address and not (address.is_local or self.tls or self.insecure):
                raise UsageError(
                    f"{address} can be reached from other machines and has no TLS: give "
                    "--tls-certificate and --tls-key, or --insecure if something else protects it"
                )


class Server:
    """A server that runs."""

    def __init__(self, options: ServerOptions) -> None:
        """Use `start`."""
        self._options = options
        self.admission = Admission(options.queue_tokens)
        self._metrics = Metrics(lambda: self.admission.tokens)
        self._models = Models(options.models, options.settings, self._metrics.watch)
        self._glossaries = Glossaries(options.glossaries)
        self._gate = Authenticator(options.tokens)
        self._metrics.follow(
            lambda: [
                (each.name, each.usage.calls, each.usage.tokens) for each in self._gate.callers
            ]
        )
        self._calls = Calls(self._gate, self._metrics, options.limits)
        self.service = TranslationService(
            self._models,
            self.admission,
            self._metrics,
            self._calls.draining,
            max_wait=options.settings.max_wait,
            cache=TranslationCache(options.cache_characters),
            glossaries=self._glossaries,
            storage=replace(options.storage),
            log_text=options.log_text,
        )
        self._health = HealthService()
        self._heap = Heap()
        self._grpc = self._build()
        self._http = self._open_http(options.http) if options.http else None
        self._exporter: Exporter | None = None
        self._socket = UnixSocket(options.listen.path) if options.listen.path else None
        self._reserved: socket.socket | None = None
        self._credentials: grpc.ServerCredentials | None = None
        self.address = options.listen
        """Listening address, with the port that the system chose."""

    @classmethod
    async def start(cls, options: ServerOptions) -> Server:
        """Load the models and begin to answer.

        Raises:
            TformerError: a model cannot be loaded, a file not be read, an address not be used.
        """
        server = cls(options)
        try:
            await server._start()
        except BaseException:
            await server._close(0)
            raise
        return server

    @property
    def http_address(self) -> Address | None:
        """Address of HTTP, with the port that the system chose."""
        return self._http.address if self._http else None

    @property
    def metrics_port(self) -> int | None:
        """Port of the Prometheus endpoint."""
        return self._exporter.port if self._exporter else None

    @property
    def commands(self) -> list[str]:
        """Commands that reach the server from this machine."""
        target = next(iter(self._models)).translator.target_languages[-1]
        options = self._options
        tls, tokens = bool(options.tls), bool(options.tokens)
        return commands_for(self.address, self.http_address, target, tls=tls, tokens=tokens)

    async def reload(self) -> list[str]:
        """Load again what has changed: models and glossaries; the names of what was replaced."""
        looked_at = [*await self._models.reload(), *await self._glossaries.reload()]
        replaced = [each.name for each in looked_at if each.replaced]
        logger.info("models and glossaries were looked at again", extra={"replaced": replaced})
        return replaced

    async def drain(self, grace: float) -> None:
        """Finish what was accepted, in at most ``grace`` seconds, refuse what is new, and stop."""
        deadline = time.monotonic() + grace
        logger.info("draining", extra={"queue_tokens": self.admission.tokens})
        await self._health.enter_graceful_shutdown()
        self._calls.draining.set()
        try:
            async with asyncio.timeout(grace):
                await self._calls.idle.wait()
        except TimeoutError:
            logger.warning("calls were cut off", extra={"after_seconds": grace})
        await self._close(min(LAST_WORDS, max(0.0, deadline - time.monotonic())))
        logger.info("stopped")

    async def _close(self, grace: float) -> None:
        self._heap.close()
        http = [self._http.close(grace)] if self._http else []
        await asyncio.gather(self._grpc.stop(grace), *http)
        await self._models.close(0)
        self.service.close()
        if self._reserved:
            self._reserved.close()
        if self._exporter:
            await asyncio.to_thread(self._exporter.close)
        self.leave_socket()

    def leave_socket(self) -> None:
        """Remove the unix socket, if there is one that is still ours."""
        if self._socket:
            self._socket.remove()

    async def _start(self) -> None:
        # Addresses first: one that is taken is found before the time that loading a model takes.
        self._take_address()
        if self._http:
            self._http.bind()
        if self._options.metrics:
            self._exporter = self._metrics.serve(self._options.metrics)
        await self._glossaries.load()
        await self._models.load()
        self._listen()
        await self._grpc.start()
        if self._http:
            await self._http.start()
        self._heap.watch()
        for name in ("", SERVICE.full_name):
            await self._health.set(name, SERVING)
        for model in self._models:
            await self._health.set(f"{SERVICE.full_name}/{model.name}", SERVING)
        logger.info(
            "serving",
            extra={
                "address": str(self.address),
                "http": str(self.http_address) if self._http else None,
                "models": [model.name for model in self._models],
                "memory_mib": {model.name: model.memory_mib for model in self._models},
                "glossaries": [glossary.name for glossary in self._glossaries],
                "metrics_port": self.metrics_port,
            },
        )

    def _build(self) -> grpc.aio.Server:
        admin = AdminService(self._models, self._glossaries)
        google = GoogleTranslationService(self.service, self._models)
        door = None if self._options.open_admin else only_administrators
        logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_departure)
        server = grpc.aio.server(interceptors=self._guards(), options=self._channel_options())
        server.add_generic_rpc_handlers(
            (
                self._calls.handlers(SERVICE, self.service),
                self._calls.handlers(ADMIN, admin, door=door),
                self._calls.handlers(GOOGLE_SERVICE, google),
                self._health.handler(),
                reflection_handler((SERVICE.full_name, ADMIN.full_name, health.SERVICE_NAME)),
            )
        )
        return server

    def _open_http(self, chosen: HttpOptions) -> HttpServer:
        """The HTTP side, with all that gRPC has.

        Raises:
            UsageError: its library is not installed.
        """
        try:
            from tformer.server.http.server import HttpServer, Shared
        except ImportError as error:
            raise UsageError("HTTP needs another package: pip install 'tformer[http]'") from error
        options = self._options
        shared = Shared(
            self.service,
            self._models,
            self._glossaries,
            self._calls,
            self._metrics,
            options.limits,
            options.tls,
            options.max_message_bytes,
            needs_key=not self._gate.is_open,
            open_metrics=options.open_metrics or (chosen.listen.is_local and self._gate.is_open),
        )
        return HttpServer(chosen, shared)

    def _guards(self) -> list[grpc.aio.ServerInterceptor]:
        guards: list[grpc.aio.ServerInterceptor] = []
        if not (self._options.open_reflection or self._gate.is_open):
            guards.append(TokenNeeded(REFLECTION, self._gate, self._metrics))
        return guards

    def _channel_options(self) -> list[tuple[str, int]]:
        size = self._options.max_message_bytes
        return [
            ("grpc.max_receive_message_length", size),
            # An answer can be longer than what was asked for; it is bounded by the decoding limits.
            ("grpc.max_send_message_length", -1),
            # A second server on the same port is a mistake, not a way to share the load.
            ("grpc.so_reuseport", 0),
            # Notice clients that have vanished, and let others see that they have not.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            # Clients behind a NAT ask so that idle connections stay, without any call.
            ("grpc.keepalive_permit_without_calls", 1),
            *self._options.limits.channel_options,
            ("grpc.server_handshake_timeout_ms", 10_000),
        ]

    def _take_address(self) -> None:
        """Let nobody else have the address, at which connections are refused until models are
        loaded. A unix socket is there, and who calls it waits: it tells which process loads.
        """
        options = self._options
        if options.tls:
            certificates = Certificates(options.tls, self._metrics.handshakes.inc)
            self._credentials = certificates.credentials()
        try:
            if self._socket:
                with self._socket.binding() as path:
                    self._add_port(f"unix:{path}")
            else:
                self._reserved = reserved(options.listen)
                port = self._reserved.getsockname()[1]
                self.address = replace(options.listen, port=port)
        except (RuntimeError, OSError) as error:
            raise _not_listening(options.listen, error) from error

    def _listen(self) -> None:
        """Take connections at the address that was taken."""
        if not self._reserved:
            return
        self._reserved.close()
        try:
            self._add_port(str(self.address))
        except RuntimeError as error:
            raise _not_listening(self.address, error) from error

    def _add_port(self, address: str) -> None:
        if self._credentials:
            self._grpc.add_secure_port(address, self._credentials)
        else:
            self._grpc.add_insecure_port(address)


def _is_no_departure(record: logging.LogRecord) -> bool:
    """Leave out that a client went away while it was answered: its call is logged as cancelled."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "ExecuteBatchError"


def _not_listening(address: Address, error: Exception) -> ServerError:
    reason = getattr(error, "strerror", None) or "is it in use?"
    return ServerError(f"cannot listen at {address}: {reason}")
