"""Answers: JSON, and streams of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

JSON = "application/json"
EVENTS = "text/event-stream"


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A value as JSON, in UTF-8."""
    return json_text(json.dumps(value, ensure_ascii=False), status, headers)


def json_text(
    text: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """JSON that has been written, in UTF-8."""
    body = text.encode("utf-8", "replace")
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)


class BegunAnswer(Protocol):
    """An answer whose status has been sent."""

    async def fail(self, body: bytes) -> web.StreamResponse:
        """End the answer; ``body`` is what a refusal in the place of it would have said."""


class EventStream:
    """An answer of server-sent events (WHATWG HTML, section 9.2), each a line of JSON."""

    def __init__(self, response: web.StreamResponse) -> None:
        """Use `begin`."""
        self._response = response

    @classmethod
    async def begin(cls, request: web.BaseRequest, headers: Mapping[str, str]) -> EventStream:
        """Send status and headers."""
        response = web.StreamResponse(headers=headers)
        response.content_type = EVENTS
        await response.prepare(request)
        return cls(response)

    async def send(self, data: str, event: str = "") -> None:
        """Send an event; JSON has no line breaks that would end it."""
        name = f"event: {event}\n" if event else ""
        await self._response.write(f"{name}data: {data}\n\n".encode("utf-8", "replace"))

    async def end(self) -> web.StreamResponse:
        """End the answer."""
        await self._response.write_eof()
        return self._response

    async def fail(self, body: bytes) -> web.StreamResponse:
        """End the answer with an event that tells of an error."""
        await self.send(body.decode(), "error")
        return await self.end()
