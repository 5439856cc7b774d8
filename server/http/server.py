"""Listening for HTTP in the event loop of the gRPC server."""

from __future__ import annotations

import asyncio
import logging
import socket
import warnings
from dataclasses import dataclass, replace

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, web
from aiohttp.http_exceptions import HttpProcessingError

from tformer.model.errors import ServerError
from tformer.server.access.address import Address
from tformer.server.access.sockets import reserved
from tformer.server.access.tls import TlsFiles
from tformer.server.glossaries.catalog import Glossaries
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend
from tformer.server.http.calls import HttpCalls
from tformer.server.http.deepl import DeepL
from tformer.server.http.deepl_documents import DeepLDocuments
from tformer.server.http.deepl_glossaries import DeepLGlossaries
from tformer.server.http.glossary_store import GlossaryStore
from tformer.server.http.google import GoogleV2
from tformer.server.http.grpc_web import GrpcWeb
from tformer.server.http.health import Probes
from tformer.server.http.kept_files import KeptFiles
from tformer.server.http.libretranslate import LibreTranslate
from tformer.server.http.libretranslate_files import LibreTranslateFiles
from tformer.server.http.openai import OpenAI
from tformer.server.http.options import HttpOptions
from tformer.server.http.own import OwnApi
from tformer.server.http.page import page_routes
from tformer.server.http.policy import PROTECTION, SERVER, Policy
from tformer.server.http.tls import FollowingContext
from tformer.server.limits import Limits
from tformer.server.models import Models
from tformer.server.observability.metrics import Metrics
from tformer.server.rpc.calls import Calls
from tformer.server.rpc.service import TranslationService

logger = logging.getLogger(__name__)

IDLE = 60.0
"""Seconds that a connection may stay without a request, or with half of the head of one."""

LINGERING = 2.0
"""Seconds for which the rest of a refused body is still read, so that the refusal is."""

HANDSHAKE = 10.0
"""Seconds for a handshake of TLS."""

BACKLOG = 1024

AT_LEAST = 0.05
"""Seconds for connections to end; to aiohttp 0 is for ever."""


@dataclass(frozen=True)
class Shared:
    """Parts of the gRPC server that HTTP uses."""

    service: TranslationService
    models: Models
    glossaries: Glossaries
    calls: Calls
    metrics: Metrics
    limits: Limits
    tls: TlsFiles | None
    max_bytes: int
    needs_key: bool
    open_metrics: bool


class HttpServer:
    """The HTTP side of a server."""

    def __init__(self, options: HttpOptions, shared: Shared) -> None:
        """Nothing listens yet."""
        self._options = options
        self._shared = shared
        self._backend = Backend(
            shared.service,
            shared.models,
            HttpCalls(shared.calls),
            shared.max_bytes,
            shared.needs_key,
        )
        self._runner = web.AppRunner(
            self._application(),
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=AT_LEAST,
        )
        self._socket: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self.address = options.listen
        """Listening address, with the port that the system chose."""

    def bind(self) -> Address:
        """Take the address; connections are refused until `start`.

        Raises:
            ServerError: it is taken, or none of this machine.
        """
        listen = self._options.listen
        try:
            self._socket = reserved(listen)
        except OSError as error:
            raise ServerError(f"cannot listen at {listen} for HTTP ({error.strerror})") from error
        self.address = replace(listen, port=self._socket.getsockname()[1])
        return self.address

    async def start(self) -> None:
        """Begin to answer at the address that was taken."""
        assert self._socket
        _ignore_damage()
        tls = self._shared.tls
        context = (
            FollowingContext(tls, self._shared.metrics.handshakes.inc).context if tls else None
        )
        await self._runner.setup()
        self._listener = await asyncio.get_running_loop().create_server(
            self._connection,
            sock=self._socket,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE if context else None,
        )

    async def close(self, grace: float) -> None:
        """Let answers reach their clients for ``grace`` seconds, and end all connections."""
        if self._listener:
            self._listener.close()
        elif self._socket:
            self._socket.close()
        if self._runner.server:
            await self._runner.server.shutdown(max(grace, AT_LEAST))
        await self._runner.cleanup()

    def _connection(self) -> asyncio.Protocol:
        """Protocol of a new connection; one beyond the bound is closed at once."""
        server = self._runner.server
        assert server
        if len(server.connections) >= self._shared.limits.max_connections:
            return _Refusing()
        return _HttpConnection(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=IDLE,
            lingering_time=LINGERING,
        )

    def _application(self) -> web.Application:
        policy = Policy(self._options)
        application = web.Application(middlewares=[policy.middleware])
        application.on_response_prepare.append(policy.protect)
        probes = Probes(
            self._backend,
            self._shared.metrics,
            self._shared.calls.draining,
            open_metrics=self._shared.open_metrics,
        )
        store, files = GlossaryStore(self._shared.glossaries), KeptFiles()
        documents = DeepLDocuments(self._backend, store, files)
        application.on_cleanup.append(documents.close)
        for api in (
            probes,
            LibreTranslate(self._backend),
            LibreTranslateFiles(self._backend, files),
            OwnApi(self._backend),
            GrpcWeb(self._backend),
            DeepL(self._backend, store),
            DeepLGlossaries(self._backend, store),
            documents,
            GoogleV2(self._backend),
            OpenAI(self._backend),
        ):
            application.add_routes(api.routes())
        if self._options.page:
            application.add_routes(page_routes())
        return application


class _HttpConnection(web.RequestHandler):
    """A connection whose errors say nothing of what was sent."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer to what is no request, or to a defect."""
        if status >= 500:
            logger.error("a request has failed", exc_info=exc)
        told = "a defect of the server" if status >= 500 else "the request cannot be read"
        response = json_answer({"error": told}, status, {**PROTECTION, "Server": SERVER})
        response.force_close()
        return response


def _ignore_damage() -> None:
    """Let the library not tell of what is damaged in requests: anybody can send that, and often."""
    logging.getLogger("aiohttp.server").addFilter(_is_no_damage)
    warnings.filterwarnings("ignore", category=BadContentDispositionHeader)
    warnings.filterwarnings("ignore", category=BadContentDispositionParam)


def _is_no_damage(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, web.RequestPayloadError | HttpProcessingError)


class _Refusing(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
