"""Requests of HTTP as calls: authenticated, counted, logged and refused as those of gRPC are."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import grpc
from aiohttp import web
from google.rpc.status_pb2 import Status

from tformer.server.http.answers import BegunAnswer, EventStream
from tformer.server.rpc.calls import REQUEST_ID, Call, CallContext, Calls
from tformer.server.status import DETAILS_KEY, code_of, retry_delay

Result = TypeVar("Result")
Begun = TypeVar("Begun", bound=BegunAnswer)

PREFIX = "http"
"""First part of the names of methods in log and metrics, as in http.DeepL.Translate."""

Code = grpc.StatusCode

_STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.DEADLINE_EXCEEDED: 408,
    Code.FAILED_PRECONDITION: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNAVAILABLE: 503,
}

TOO_LARGE = 413

_PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True)
class HttpFailure:
    """Reason why a request is refused."""

    status: int
    """Status code of HTTP."""
    message: str
    details: Status
    retry_after: float | None = None
    """Seconds after which the client should come again; None where again would not help."""
    has_key: bool = False
    """True if the caller has shown a key, good or not."""

    @classmethod
    def of(cls, details: Status) -> HttpFailure:
        """The failure that a google.rpc.Status tells of."""
        code = next((code for code in Code if code.value[0] == details.code), Code.UNKNOWN)
        seconds = retry_delay(details)
        status = _STATUS.get(code, 500)
        if code is Code.RESOURCE_EXHAUSTED and seconds is None:
            status = TOO_LARGE
        return cls(status, details.message, details, seconds)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        if self.retry_after is None:
            return {}
        return {"Retry-After": str(math.ceil(self.retry_after))}


class HttpContext:
    """A request with the interface of `grpc.aio.ServicerContext` that `CallContext` uses."""

    def __init__(self, request: web.BaseRequest) -> None:
        """The context of a request that has just come."""
        self._request = request
        self.trailing: Mapping[str, str | bytes] = {}

    def invocation_metadata(self) -> list[tuple[str, str]]:
        """Headers, without those that authenticate."""
        headers = ((name.lower(), value) for name, value in self._request.headers.items())
        return [(name, value) for name, value in headers if name not in _PRIVATE]

    def peer(self) -> str:
        """Address of the client, as gRPC writes it."""
        return peer_of(self._request)

    def time_remaining(self) -> None:
        """No deadline: HTTP has none."""

    def set_trailing_metadata(self, pairs: tuple[tuple[str, str | bytes], ...]) -> None:
        """Keep what ends the answer."""
        self.trailing = dict(pairs)

    def set_code(self, code: grpc.StatusCode) -> None:
        """Ignore the code, which the details have."""

    def set_details(self, details: str) -> None:
        """Ignore the message, which the details have."""

    @property
    def failure(self) -> HttpFailure:
        """Reason of the refusal."""
        return HttpFailure.of(Status.FromString(self.trailing[DETAILS_KEY]))


def peer_of(request: web.BaseRequest) -> str:
    """Address of the client, as gRPC writes it."""
    found: Any = request.transport and request.transport.get_extra_info("peername")
    if not isinstance(found, tuple):
        return "unix:"
    host, port = found[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


class Visit:
    """A request that is being answered."""

    def __init__(self, request: web.Request, calls: Calls, call: Call) -> None:
        self.request = request
        self.call = call
        self.stream: BegunAnswer | None = None
        """Set once the answer has begun."""
        self.has_key = False
        """True once the caller has shown a key, good or not."""
        self._calls = calls

    def admit(self, key: str | None) -> Call:
        """Let a caller in by the token that it calls its key.

        Raises:
            NoToken: a token is needed, and this is none.
            Overloaded: its quota is used up, or too many calls are under way.
            ShuttingDown: the server takes no new work.
        """
        self.has_key = bool(key)
        self._calls.admit(self.call, {"authorization": f"Bearer {key}" if key else ""})
        return self.call

    async def begin_stream(self) -> EventStream:
        """Begin an answer of server-sent events."""
        return await self.begin(EventStream.begin)

    async def begin(
        self, begin: Callable[[web.BaseRequest, Mapping[str, str]], Awaitable[Begun]]
    ) -> Begun:
        """Begin an answer of several parts, by a function of the request and headers."""
        self.stream = answer = await begin(self.request, {REQUEST_ID: self.call.id})
        return answer


Work = Callable[[Visit], Awaitable[web.StreamResponse]]
Refuse = Callable[[HttpFailure], web.Response]


class HttpCalls:
    """Answers requests as calls."""

    def __init__(self, calls: Calls) -> None:
        """Share the limits and the count of the calls of gRPC."""
        self._calls = calls

    async def run(self, call: Call, work: Callable[[], Awaitable[Result]]) -> Result:
        """Work that goes on after its request, as a call of its own in log and metrics.

        Raises:
            Exception: the work has failed.
        """
        self._calls.enter()
        started, code = time.monotonic(), Code.CANCELLED
        try:
            result = await work()
            code = Code.OK
            return result
        except Exception as error:
            code = code_of(error)
            raise
        finally:
            self._calls.leave(call, code, time.monotonic() - started)

    def handler(
        self, method: str, work: Work, refuse: Refuse
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Handler for a route.

        Args:
            method: API and method for log and metrics, as in DeepL.Translate.
            work: answers a request.
            refuse: answers one that has failed.
        """
        full_name = f"{PREFIX}.{method}"
        self._calls.open(full_name.rpartition(".")[0])

        async def handle(request: web.Request) -> web.StreamResponse:
            response = None
            context = HttpContext(request)
            with CallContext(self._calls, full_name, context) as current:
                visit = Visit(request, self._calls, current.call)
                response = await work(visit)
            if response is None:
                await current.refuse(request.content_length or 0)
                response = await _refused(context.failure, visit, refuse)
            if not response.prepared:
                response.headers[REQUEST_ID] = current.call.id
            return response

        return handle


async def _refused(failure: HttpFailure, visit: Visit, refuse: Refuse) -> web.StreamResponse:
    """The answer to a request that has failed, or the end of one that had begun."""
    response = refuse(replace(failure, has_key=visit.has_key))
    response.headers.update(failure.headers)
    if visit.stream is None:
        return response
    body = response.body
    assert isinstance(body, bytes)
    return await visit.stream.fail(body)
