"""Authentication, logging, metrics and errors around every call.

Every method of the service is wrapped once, here: the caller is let in, the message read, errors
become status, and when the call has ended it is counted and logged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tformer.server.access.strangers import Strangers
from tformer.server.access.tokens import Authenticator, Caller
from tformer.server.limits import Limits
from tformer.server.observability.logs import note
from tformer.server.observability.metrics import Metrics
from tformer.server.observability.telemetry import UNSEEN, is_followed, span
from tformer.server.places import Places
from tformer.server.status import DETAILS_KEY, NotAllowed, NoToken, ShuttingDown, code_of, status_of

logger = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"

TRANSIT = 0.1
"""Seconds by which a deadline may be over for the client and not for the server, whose clock for it
starts when the call arrives: a call that is given up so near its end was not cancelled by hand."""

_SAFE_ID = re.compile(r"[\x21-\x7e]{1,128}")

Context = Any  # grpc.aio.ServicerContext, whose types say less than they should
Metadata = dict[str, str | bytes]


@dataclass
class Call:
    """One call, and what is noted about it."""

    id: str
    method: str
    client: str
    """Key of its share of the queue: the name of the token, or else the connection."""
    caller: Caller | None
    message_bytes: int = 0
    """Bytes of the message of a unary call of gRPC, which stay until it is answered."""
    has_place: bool = False
    """True if it counts among those under way of its client; a refused one does not."""
    patient: bool = False
    """True if what was let in may wait for its turn as long as the client does, as what comes in
    parts may: how much of it waits is bounded."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Further fields for the log."""


Authoriser = Callable[[Caller | None], None]
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

    def __init__(self, gate: Authenticator, metrics: Metrics, limits: Limits | None = None) -> None:
        """No calls yet."""
        self.draining = asyncio.Event()
        """Set when no new work is taken."""
        self.idle = asyncio.Event()
        """Set when no call is under way."""
        self.idle.set()
        self._active = 0
        self._places = Places(limits or Limits())
        self._strangers = Strangers()
        self._doors: dict[str, Authoriser] = {}
        self._gate = gate
        self._metrics = metrics

    def handlers(
        self, service: ServiceDescriptor, servicer: object, *, door: Authoriser | None = None
    ) -> grpc.GenericRpcHandler:
        """gRPC handlers for a service; its method TranslateText is ``servicer.translate_text``.

        ``door`` tells who may come in; None lets everybody in whom the gate knows.
        """
        self.open(service.full_name, door)
        return grpc.method_handlers_generic_handler(
            service.full_name,
            {
                method.name: self._handler(method, getattr(servicer, snake_case(method.name)))
                for method in service.methods
            },
        )

    def open(self, service: str, door: Authoriser | None = None) -> None:
        """Let callers into the methods of a service, which is given by its full name."""
        self._doors[service] = door or _everybody

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
            with CallContext(self, method, context) as visit:
                self.admit(visit.call, visit.metadata)
                visit.call.message_bytes = len(message)
                return await behaviour(read(message), visit.call)
            return await visit.refuse(len(message))

        return unary

    def _stream(
        self,
        method: str,
        read: Callable[[bytes], Message],
        behaviour: Callable[[AsyncIterator[Message], Call], AsyncGenerator[Message, None]],
    ) -> Callable[[AsyncIterator[bytes], Context], Awaitable[None]]:
        async def stream(messages: AsyncIterator[bytes], context: Context) -> None:
            with CallContext(self, method, context) as visit:
                self.admit(visit.call, visit.metadata)
                requests = (read(message) async for message in messages)
                async with aclosing(behaviour(requests, visit.call)) as responses:
                    async for response in responses:
                        await context.write(response)
                return
            await visit.refuse()

        return stream

    def admit(self, call: Call, metadata: Metadata) -> None:
        """Let the caller in, before any work is done; nothing is awaited before this."""
        call.caller = self._gate.admit(_authorization(metadata))
        self._doors[call.method.rpartition(".")[0]](call.caller)
        if call.caller:
            call.client = call.caller.name
            call.caller.take_call()
        if self.draining.is_set():
            raise ShuttingDown("the server is shutting down")
        self._places.take(call.client)
        call.has_place = True

    async def hold_back(self, call: Call, message_bytes: int) -> None:
        """Let who guesses tokens wait for the answer."""
        await self._strangers.hold_back(call.client, message_bytes)

    def enter(self) -> None:
        """A call has begun."""
        self._active += 1
        self.idle.clear()

    def leave(self, call: Call, code: grpc.StatusCode, seconds: float) -> None:
        """A call has ended, after so many seconds."""
        self._active -= 1
        if not self._active:
            self.idle.set()
        if call.has_place:
            self._places.leave(call.client)
        self._metrics.note_call(call.method, code.name, seconds)
        if code is grpc.StatusCode.UNAUTHENTICATED:
            if (more := self._strangers.facts_to_log()) is None:
                return
            call.notes |= more
        facts = {
            "request_id": call.id,
            "method": call.method,
            "client": call.client,
            "code": code.name,
            "seconds": round(seconds, 6),
            **call.notes,
        }
        note(logger, "call", facts)


class CallContext:
    """A call from its arrival to its end; errors become the status that `refuse` sends.

    A class and no generator, since every call passes here. It keeps no exception: the traceback of
    one refers to the frame of the call, which refers to its message and to this, and such a cycle
    would keep the message until a search for garbage.
    """

    def __init__(self, calls: Calls, method: str, context: Context) -> None:
        self.metadata: Metadata = dict(context.invocation_metadata() or ())
        self.call = Call(_request_id(self.metadata), method, context.peer(), None)
        self._calls = calls
        self._context = context
        self._refusal: _Refusal | None = None
        self._started = time.monotonic()
        followed = is_followed(self.metadata)
        self._following = span(method, self.metadata) if followed else nullcontext(UNSEEN)

    def __enter__(self) -> CallContext:
        self._calls.enter()
        self._span = self._following.__enter__()
        self.call.notes |= self._span.notes
        # At the end of the answer: sent before it, it would be a message of its own.
        self._context.set_trailing_metadata(((REQUEST_ID, self.call.id),))
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        code = self._code(error)
        self._calls.leave(self.call, code, time.monotonic() - self._started)
        self._span.end(code, self.call.id)
        self._following.__exit__(None, None, None)
        return self._refusal is not None

    def _code(self, error: BaseException | None) -> grpc.StatusCode:
        """Status code of the call; notes an error that the caller is to be told."""
        if error is None:
            return grpc.StatusCode.OK
        if not isinstance(error, Exception):  # cancelled
            return _why_cancelled(self._context)
        self._refusal = _Refusal.of(error)
        code = self._refusal.code
        if code is grpc.StatusCode.INTERNAL:
            facts = {"request_id": self.call.id}
            logger.error("a call has failed", exc_info=error, extra=facts)
        return code

    async def refuse(self, message_bytes: int = 0) -> Any:
        """Tell the caller why it has failed; in the place of an answer."""
        assert self._refusal
        if self._refusal.code is grpc.StatusCode.UNAUTHENTICATED:
            await self._calls.hold_back(self.call, message_bytes)
        self._refusal.tell(self._context, self.call.id)


class _Refusal(NamedTuple):
    """Reason why a call has failed, without references of the error."""

    code: grpc.StatusCode
    message: str
    details: bytes
    """A serialised google.rpc.Status."""

    @classmethod
    def of(cls, error: BaseException) -> _Refusal:
        """Reason of an error."""
        status = status_of(error)
        return cls(code_of(error), status.message, status.SerializeToString())

    def tell(self, context: Context, request_id: str = "") -> None:
        """Make it the end of a call.

        `context.abort` would raise an error that the context keeps, and with it, by its traceback,
        the frame that has the message.
        """
        trailing: list[tuple[str, str | bytes]] = [(DETAILS_KEY, self.details)]
        if request_id:
            trailing.append((REQUEST_ID, request_id))
        context.set_code(self.code)
        context.set_details(self.message)
        context.set_trailing_metadata(tuple(trailing))


class TokenNeeded(grpc.aio.ServerInterceptor):
    """Asks for a token also where a method is not ours, as reflection is not."""

    def __init__(self, service: Any, gate: Authenticator, metrics: Metrics) -> None:
        """Guard the methods of a service, given by its descriptor."""
        self._prefix = f"/{service.full_name}/"
        self._service = service.full_name
        self._names = {f"{self._prefix}{each.name}": each.full_name for each in service.methods}
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
            refusal = _Refusal.of(error)
            # A stranger may invent names of methods; they count under that of the service.
            name = self._names.get(method, self._service)
            self._metrics.calls.labels(name, "UNAUTHENTICATED").inc()
        else:
            return await continuation(handler_call_details)

        async def refuse(messages: AsyncIterator[bytes], context: Context) -> None:
            refusal.tell(context)

        return grpc.stream_stream_rpc_method_handler(refuse)


def _why_cancelled(context: Context) -> grpc.StatusCode:
    remaining = context.time_remaining()
    late = remaining is not None and remaining <= TRANSIT
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED


def _authorization(metadata: Metadata) -> str:
    """The bearer token, which Google's clients also send as a key."""
    if key := metadata.get("x-goog-api-key"):
        return f"Bearer {key!s}"
    return str(metadata.get("authorization", ""))


def _request_id(metadata: Metadata) -> str:
    """That of the caller if it is fit for a log, or a new one."""
    given = str(metadata.get(REQUEST_ID, ""))
    return given if _SAFE_ID.fullmatch(given) else os.urandom(16).hex()


def snake_case(name: str) -> str:
    """Name of the function that answers a method."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
