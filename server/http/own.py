"""Our own contract in JSON, by protobuf's mapping, and streams as server-sent events.

Paths begin with /v1/translate, since /v1/models is that of another API. Errors are those of
Google's APIs: ``{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": ...}}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message

from tformer.model.errors import UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.http.answers import json_answer, json_text
from tformer.server.http.backend import Backend
from tformer.server.http.bodies import json_value, read_body
from tformer.server.http.calls import HttpFailure, Visit
from tformer.server.http.routes import OWN_ROUTES, STREAM_PATH, OwnRoute
from tformer.server.rpc.messages import MAX_CONTENTS
from tformer.server.status import code_from
from tformer.server.utf8 import sendable

SERVICE = pb.DESCRIPTOR.services_by_name["TranslationService"]


READ_AT_ONCE = 16 << 10
"""Bytes of a body that is read in the event loop: some ten milliseconds at most."""

Result = TypeVar("Result")

DESCRIPTION = Path(__file__).parent / "openapi.json"


class OwnApi:
    """Handlers of the API."""

    def __init__(self, backend: Backend) -> None:
        """Translate with a backend."""
        self._backend = backend

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""
        service = self._backend.service
        behaviours: dict[str, Callable[..., Awaitable[Message]]] = {
            "TranslateText": service.translate_text,
            "TranslateDocument": service.translate_document,
            "DetectLanguage": service.detect_language,
            "ListSupportedLanguages": service.list_supported_languages,
            "ListModels": service.list_models,
            "GetModel": service.get_model,
            "ListGlossaries": service.list_glossaries,
            "GetGlossary": service.get_glossary,
            "GetUsage": service.get_usage,
        }
        stream = self._backend.calls.handler("Own.StreamTranslateText", self._stream, refuse)
        return [
            *(self._route(route, behaviours[route.method]) for route in OWN_ROUTES),
            web.post(STREAM_PATH, stream),
            *(web.get(path, self._describe) for path in ("/openapi.json", "/spec")),
        ]

    def _route(self, route: OwnRoute, behaviour: Callable[..., Awaitable[Message]]) -> web.RouteDef:
        create = message_class(route.method)

        async def work(visit: Visit) -> web.Response:
            call = visit.admit(bearer_token(visit.request))
            values = {
                name: visit.request.query[name]
                for name in route.query
                if name in visit.request.query
            }
            message = create(**values, **visit.request.match_info)
            if route.verb == "POST":
                body = await read_body(visit.request, self._backend.max_bytes)
                await _aside(body, _read_into, body, message)
            return json_text(message_json(await behaviour(message, call)))

        handler = self._backend.calls.handler(f"Own.{route.method}", work, refuse)
        return web.route(route.verb, route.path, handler)

    async def _describe(self, request: web.Request) -> web.Response:
        """Answer with the description in OpenAPI."""
        return json_text(DESCRIPTION.read_text("utf-8"))

    async def _stream(self, visit: Visit) -> web.StreamResponse:
        """Answer each item by an event, as soon as it or those before it are ready."""
        call = visit.admit(bearer_token(visit.request))
        body = await read_body(visit.request, self._backend.max_bytes)
        messages = await _aside(body, _read_stream, body)
        responses = self._backend.service.stream_translate_text(_each(messages), call)
        async with aclosing(responses) as coming:
            first = await anext(coming, None)
            events = await visit.begin_stream()
            if first is not None:
                await events.send(message_json(first))
            async for response in coming:
                await events.send(message_json(response))
        return await events.end()


def message_class(method: str) -> Callable[..., Message]:
    """The message that a method of the service takes."""
    return getattr(pb, SERVICE.methods_by_name[method].input_type.name)


def bearer_token(request: web.BaseRequest) -> str | None:
    """The token of an `authorization` header, as gRPC has it."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def parse_message(value: Any, message: Message) -> None:
    """Read JSON into a message.

    Raises:
        UsageError: a field is unknown or has another type.
    """
    if not isinstance(value, dict):
        raise UsageError("the body must be a JSON object")
    try:
        json_format.ParseDict(value, message)
    except (json_format.ParseError, UnicodeError) as error:
        raise UsageError(sendable(str(error))) from None
    except (ArithmeticError, TypeError, ValueError) as error:  # of numbers that no field can hold
        raise UsageError(f"a value has no place in its field: {error}") from None


def message_json(message: Message) -> str:
    """A message as JSON in one line; fields that are not set are left out."""
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)


def refuse(failure: HttpFailure) -> web.Response:
    """Tell of a failure as Google's APIs do."""
    error = {
        "code": failure.status,
        "status": code_from(failure.details).name,
        "message": failure.message,
        "details": json_format.MessageToDict(failure.details).get("details", []),
    }
    return json_answer({"error": error}, failure.status)


async def _aside(body: bytes, read: Callable[..., Result], *arguments: Any) -> Result:
    """Read a body, a large one in a thread: JSON of many small values takes seconds."""
    if len(body) <= READ_AT_ONCE:
        return read(*arguments)
    return await asyncio.to_thread(read, *arguments)


def _read_into(body: bytes, message: Message) -> None:
    parse_message(json_value(body), message)


def _read_stream(body: bytes) -> list[pb.StreamTranslateTextRequest]:
    return _stream_messages(json_value(body))


def _stream_messages(value: Any) -> list[pb.StreamTranslateTextRequest]:
    """The messages of a stream: an object of ``config`` and ``items``.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, dict) or value.keys() - {"config", "items"}:
        raise UsageError("the body must be a JSON object of config and items")
    items = value.get("items", [])
    if not isinstance(items, list) or len(items) > MAX_CONTENTS:
        raise UsageError(f"items must be a list of at most {MAX_CONTENTS:,}")
    first = pb.StreamTranslateTextRequest(config=pb.StreamConfig())
    parse_message(value.get("config", {}), first.config)
    messages = [first]
    for item in items:
        message = pb.StreamTranslateTextRequest(item=pb.StreamItem())
        parse_message(item, message.item)
        messages.append(message)
    return messages


async def _each(
    messages: list[pb.StreamTranslateTextRequest],
) -> AsyncIterator[pb.StreamTranslateTextRequest]:
    for message in messages:
        yield message
