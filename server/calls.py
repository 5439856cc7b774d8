"""What all calls share: who calls, in what words, with what result.

Every method of the service is wrapped once, here: the caller is let in, the message read, errors
become status, and when the call has ended it is counted and logged.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tformer.server.access import Caller, Gate
from tformer.server.metrics import Metrics
from tformer.server.status import (
    DETAILS_KEY,
    NotAllowed,
    NoToken,
    ShuttingDown,
    code_of,
    status_of,
)
from tformer.server.telemetry import span

logger = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"

_SAFE_ID = re.compile(r"[\x21-\x7e]{1,128}")

Context = Any  # grpc.aio.ServicerContext, whose types say less than they should


@dataclass
class Call:
    """One call, and what is noted about it."""

    id: str
    method: str
    client: str
    """Whose share of the queue it takes: the name of the token, or else the connection."""
    caller: Caller | None
    notes: dict[str, Any] = field(default_factory=dict)
    """What the log is to say besides."""


Door = Callable[[Caller | None], None]
"""Refuses a caller, or does nothing; None is a caller who needed no token."""


def _everybody(caller: Caller | None) -> None:
    """Refuse nobody."""


def only_administrators(caller: Caller | None) -> None:
    """Refuse who is no administrator.

    Raises:
        NoToken: nobody has a token here.
        NotAllowed: the caller's is that of a user.
    """
    if caller is None:
        raise NoToken("this server has no tokens, and so no administrators")
    if not caller.admin:
        raise NotAllowed(f"{caller.name} is no administrator")


class Calls:
    """Wraps the methods of a service, and knows how many calls are under way."""

    def __init__(self, gate: Gate, metrics: Metrics) -> None:
        """No calls yet."""
        self.draining = asyncio.Event()
        """Set when no new work is taken."""
        self.idle = asyncio.Event()
        """Set when no call is under way."""
        self.idle.set()
        self._active = 0
        self._doors: dict[str, Door] = {}
        self._gate = gate
        self._metrics = metrics

    def handlers(
        self, service: ServiceDescriptor, servicer: object, *, door: Door | None = None
    ) -> grpc.GenericRpcHandler:
        """gRPC handlers for a service; its method TranslateText is ``servicer.translate_text``.

        ``door`` tells who may come in; None lets everybody in whom the gate knows.
        """
        self._doors[service.full_name] = door or _everybody
        return grpc.method_handlers_generic_handler(
            service.full_name,
            {
                method.name: self._handler(method, getattr(servicer, _snake_case(method.name)))
                for method in service.methods
            },
        )

    def _handler(
        self, method: MethodDescriptor, behaviour: Callable[..., Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        read = GetMessageClass(method.input_type).FromString
        write = GetMessageClass(method.output_type).SerializeToString
        # Messages are read here and not by gRPC, which calls text that is not UTF-8 a defect.
        if method.client_streaming:
            stream = self._stream(method.full_name, read, behaviour)
            return grpc.stream_stream_rpc_method_handler(stream, None, write)
        unary = self._unary(method.full_name, read, behaviour)
        return grpc.unary_unary_rpc_method_handler(unary, None, write)

    def _unary(
        self,
        method: str,
        read: Callable[[bytes], Message],
        behaviour: Callable[[Message, Call], Awaitable[Message]],
    ) -> Callable[[bytes, Context], Awaitable[Message]]:
        async def unary(message: bytes, context: Context) -> Message:
            async with self._call(method, context) as call:
                return await behaviour(read(message), call)

        return unary

    def _stream(
        self,
        method: str,
        read: Callable[[bytes], Message],
        behaviour: Callable[[AsyncIterator[Message], Call], AsyncGenerator[Message, None]],
    ) -> Callable[[AsyncIterator[bytes], Context], Awaitable[None]]:
        async def stream(messages: AsyncIterator[bytes], context: Context) -> None:
            async with self._call(method, context) as call:
                requests = (read(message) async for message in messages)
                async with aclosing(behaviour(requests, call)) as responses:
                    async for response in responses:
                        await context.write(response)

        return stream

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncIterator[Call]:
        """From the arrival of a call to its end."""
        metadata = dict(context.invocation_metadata() or ())
        call = Call(_request_id(metadata), method, context.peer(), None)
        code = grpc.StatusCode.OK
        failure: Exception | None = None
        started = time.monotonic()
        self._enter()
        with span(method, metadata) as spanned:
            call.notes |= spanned.notes
            try:
                # Nothing is awaited before this: a call is refused, or will be finished.
                self._admit(call, str(metadata.get("authorization", "")))
                # At the end of the answer: sent before it, it would be a message of its own.
                context.set_trailing_metadata(((REQUEST_ID, call.id),))
                yield call
            except asyncio.CancelledError:
                code = _why_cancelled(context)
                raise
            except Exception as error:
                failure = error
                code = code_of(error)
                if code is grpc.StatusCode.INTERNAL:
                    logger.exception("a call has failed", extra={"request_id": call.id})
            finally:
                self._leave()
                self._note(call, code, time.monotonic() - started)
                spanned.end(code, call.id)
        if failure is not None:
            await _abort(context, failure, call.id)

    def _admit(self, call: Call, authorization: str) -> None:
        """Let the caller in, before any work is done."""
        call.caller = self._gate.admit(authorization)
        self._doors[call.method.rpartition(".")[0]](call.caller)
        if call.caller:
            call.client = call.caller.name
            if call.caller.calls:
                call.caller.calls.take(1, "calls")
        if self.draining.is_set():
            raise ShuttingDown("the server is shutting down")

    def _enter(self) -> None:
        self._active += 1
        self.idle.clear()

    def _leave(self) -> None:
        self._active -= 1
        if not self._active:
            self.idle.set()

    def _note(self, call: Call, code: grpc.StatusCode, seconds: float) -> None:
        self._metrics.calls.labels(call.method, code.name).inc()
        self._metrics.call_seconds.labels(call.method).observe(seconds)
        logger.info(
            "call",
            extra={
                "request_id": call.id,
                "method": call.method,
                "client": call.client,
                "code": code.name,
                "seconds": round(seconds, 6),
                **call.notes,
            },
        )


class TokenNeeded(grpc.aio.ServerInterceptor):
    """Asks for a token also where a method is not ours, as reflection is not."""

    def __init__(self, prefix: str, gate: Gate, metrics: Metrics) -> None:
        """Guard the methods whose full names, as /package.Service/Method, begin with ``prefix``."""
        self._prefix = prefix
        self._gate = gate
        self._metrics = metrics

    async def intercept_service(
        self, continuation: Callable[..., Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Let the call through, or give it a handler that refuses."""
        method = handler_call_details.method
        if not method.startswith(self._prefix):
            return await continuation(handler_call_details)
        metadata = dict(handler_call_details.invocation_metadata or ())
        try:
            self._gate.admit(str(metadata.get("authorization", "")))
        except NoToken as error:
            refusal = error
            self._metrics.calls.labels(method.strip("/").replace("/", "."), "UNAUTHENTICATED").inc()
        else:
            return await continuation(handler_call_details)

        async def refuse(messages: AsyncIterator[bytes], context: Context) -> None:
            await _abort(context, refusal)

        return grpc.stream_stream_rpc_method_handler(refuse)


async def _abort(context: Context, error: BaseException, request_id: str = "") -> None:
    status = status_of(error)
    trailing: list[tuple[str, str | bytes]] = [(DETAILS_KEY, status.SerializeToString())]
    if request_id:
        trailing.append((REQUEST_ID, request_id))
    await context.abort(code_of(error), status.message, tuple(trailing))


def _why_cancelled(context: Context) -> grpc.StatusCode:
    remaining = context.time_remaining()
    late = remaining is not None and remaining <= 0
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED


def _request_id(metadata: dict[str, str | bytes]) -> str:
    """That of the caller if it is fit for a log, or a new one."""
    given = str(metadata.get(REQUEST_ID, ""))
    return given if _SAFE_ID.fullmatch(given) else uuid.uuid4().hex


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
