"""gRPC-Web: our contract for pages in a browser, over HTTP/1.1 or 2, by the functions of gRPC.

The protocol is that of the document PROTOCOL-WEB.md of gRPC: messages and trailers are frames of a
body, which ``application/grpc-web-text`` has in base64. A method that takes a stream takes all
messages of it in the body of the request, since a browser sends no more once it has begun to read;
its answers come as they are ready.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from aiohttp import web
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tformer.model.errors import UsageError
from tformer.server.http.backend import Backend
from tformer.server.http.bodies import read_body
from tformer.server.http.calls import HttpFailure, Visit
from tformer.server.http.own import SERVICE, bearer_token
from tformer.server.limits import DAY
from tformer.server.rpc.calls import Call, snake_case
from tformer.server.rpc.messages import MAX_CONTENTS
from tformer.server.status import DETAILS_KEY, TooSlow

BINARY = "application/grpc-web"
TEXT = "application/grpc-web-text"
KINDS = frozenset((BINARY, f"{BINARY}+proto", TEXT, f"{TEXT}+proto"))

TRAILERS = 0x80
"""Flag of the frame that ends an answer."""

UNIMPLEMENTED = {"grpc-status": "12", "grpc-message": "no such method"}

_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")

_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}

_BASE64 = re.compile(rb"[^=]+={0,2}")


class GrpcWeb:
    """Handlers of the protocol."""

    def __init__(self, backend: Backend) -> None:
        """Translate with a backend."""
        self._backend = backend

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""
        service = f"/{SERVICE.full_name}/"
        methods = [
            web.post(f"{service}{method.name}", self._handler(method)) for method in SERVICE.methods
        ]
        return [*methods, web.post(service + "{method}", _no_such_method)]

    def _handler(
        self, method: MethodDescriptor
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        behaviour = getattr(self._backend.service, snake_case(method.name))
        read = GetMessageClass(method.input_type).FromString
        answer = self._stream if method.client_streaming else self._unary

        async def work(visit: Visit) -> web.StreamResponse:
            call = visit.admit(bearer_token(visit.request))
            frames = _frames(await self._body(visit.request, method))
            deadline = asyncio.timeout(_timeout(visit.request))
            try:
                async with deadline:
                    return await answer(visit, call, behaviour, map(read, frames))
            except TimeoutError:
                if not deadline.expired():
                    raise
                raise TooSlow("the deadline is over") from None

        handle = self._backend.calls.handler(f"GrpcWeb.{method.name}", work, _refusal)

        async def checked(request: web.Request) -> web.StreamResponse:
            if request.content_type not in KINDS:
                raise web.HTTPUnsupportedMediaType(text=f"the content type must be {BINARY}")
            response = await handle(request)
            if isinstance(response, web.Response):  # a refusal, which knows of no request
                response.content_type = request.content_type
                assert isinstance(response.body, bytes)
                response.body = _encoded(request, response.body)
            return response

        return checked

    async def _body(self, request: web.Request, method: MethodDescriptor) -> bytes:
        most = self._backend.max_bytes
        if method.name.endswith("Document"):
            most += self._backend.service.documents.storage.document_bytes
        if not _is_text(request):
            return await read_body(request, most)
        body = await read_body(request, most * 4 // 3 + 4)
        try:
            parts = _BASE64.findall(body)
            return b"".join(base64.b64decode(part, validate=True) for part in parts)
        except binascii.Error:
            raise UsageError("the body is not in base64") from None

    async def _unary(
        self,
        visit: Visit,
        call: Call,
        behaviour: Callable[[Message, Call], Awaitable[Message]],
        messages: Iterator[Message],
    ) -> web.StreamResponse:
        message = next(messages, None)
        if message is None or next(messages, None) is not None:
            raise UsageError("the body must have one message")
        response = await behaviour(message, call)
        answers = await visit.begin(WebAnswers.begin)
        await answers.send(response)
        return await answers.end()

    async def _stream(
        self,
        visit: Visit,
        call: Call,
        behaviour: Callable[[AsyncIterator[Message], Call], AsyncGenerator[Message, None]],
        messages: Iterator[Message],
    ) -> web.StreamResponse:
        async with aclosing(behaviour(_each(messages), call)) as responses:
            first = await anext(responses, None)
            answers = await visit.begin(WebAnswers.begin)
            if first is not None:
                await answers.send(first)
            async for response in responses:
                await answers.send(response)
        return await answers.end()


class WebAnswers:
    """An answer of frames that has begun."""

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Use `begin`."""
        self._request = request
        self._response = response

    @classmethod
    async def begin(cls, request: web.BaseRequest, headers: Mapping[str, str]) -> WebAnswers:
        """Send status and headers."""
        response = web.StreamResponse(headers=headers)
        response.content_type = request.content_type
        await response.prepare(request)
        return cls(request, response)

    async def send(self, message: Message) -> None:
        """Send a message."""
        await self._write(_frame(0, message.SerializeToString()))

    async def end(self) -> web.StreamResponse:
        """End the answer well."""
        return await self.fail(_trailers({"grpc-status": "0"}))

    async def fail(self, body: bytes) -> web.StreamResponse:
        """End the answer with the frame that a refusal has."""
        await self._write(body)
        await self._response.write_eof()
        return self._response

    async def _write(self, frame: bytes) -> None:
        await self._response.write(_encoded(self._request, frame))


def _refusal(failure: HttpFailure) -> web.Response:
    """Tell of a failure in the last frame, as an answer that has begun does."""
    details = base64.b64encode(failure.details.SerializeToString()).decode().rstrip("=")
    fields = {
        "grpc-status": str(failure.details.code),
        "grpc-message": quote(failure.message, safe=" !#$&'()*+,/:;<=>?@[]^`{|}"),
        DETAILS_KEY: details,
    }
    return web.Response(body=_trailers(fields))


async def _no_such_method(request: web.Request) -> web.Response:
    """Answer as gRPC does, without a name that a stranger chose in the metrics."""
    return web.Response(content_type=BINARY, headers=UNIMPLEMENTED)


def _trailers(fields: Mapping[str, Any]) -> bytes:
    text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return _frame(TRAILERS, text.encode("ascii"))


def _frame(flags: int, data: bytes) -> bytes:
    return struct.pack(">BI", flags, len(data)) + data


def _encoded(request: web.BaseRequest, frame: bytes) -> bytes:
    return base64.b64encode(frame) if _is_text(request) else frame


def _is_text(request: web.BaseRequest) -> bool:
    return request.content_type.startswith(TEXT)


def _frames(body: bytes) -> list[bytes]:
    """The messages of a body.

    Raises:
        UsageError: it is damaged, compressed, or has too many of them.
    """
    found: list[bytes] = []
    start = 0
    while start < len(body):
        if len(body) - start < 5:
            raise UsageError("the body ends within a frame")
        flags, length = struct.unpack_from(">BI", body, start)
        if flags:
            raise UsageError("a frame is compressed, or no message")
        start += 5 + length
        if start > len(body):
            raise UsageError("the body ends within a frame")
        found.append(body[start - length : start])
        if len(found) > MAX_CONTENTS + 1:
            raise UsageError(f"a body may have {MAX_CONTENTS + 1:,} messages")
    return found


def _timeout(request: web.BaseRequest) -> float | None:
    """Seconds that the client waits; None is as long as it takes.

    Raises:
        UsageError: the header says something else.
    """
    text = request.headers.get("grpc-timeout")
    if text is None:
        return None
    if not (found := _TIMEOUT.fullmatch(text)):
        raise UsageError("grpc-timeout must be at most eight digits and a unit")
    return min(int(found[1]) * _SECONDS[found[2]], DAY)


async def _each(messages: Iterator[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message
