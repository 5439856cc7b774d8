"""Chat completions as OpenAI's API has them, for translation and nothing else.

The target language is read from the prompt: a system message, or the beginning of the last message
of the user, has to ask for a translation into a language that is served. A model called NAME/TARGET
translates the last message whatever it says.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tformer.model.errors import UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend
from tformer.server.http.bodies import json_value, read_body
from tformer.server.http.calls import HttpFailure, Visit
from tformer.server.http.own import bearer_token
from tformer.server.http.prompts import Prompt, read_prompt
from tformer.server.rpc.calls import Call
from tformer.server.rpc.messages import MAX_CONTENTS, total
from tformer.server.status import TextFailed

KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


@dataclass(frozen=True)
class _Chat:
    """A request, read."""

    prompt: Prompt
    model: str
    """As the client named it."""
    served: str
    """Name of a model, or "" for any that has the languages."""
    stream: bool
    wrapper: str
    """Property of the JSON object that the translation comes in; "" for the bare translation."""
    usage: bool
    """True if a stream ends with a count of tokens."""
    id: str
    created: int


class OpenAI:
    """Handlers of the API."""

    def __init__(self, backend: Backend) -> None:
        """Translate with a backend."""
        self._backend = backend

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""
        handler = self._backend.calls.handler
        return [
            web.post("/v1/chat/completions", handler("OpenAI.Complete", self._complete, _refuse)),
            web.get("/v1/models", handler("OpenAI.Models", self._models, _refuse)),
            web.get("/v1/models/{name:.+}", handler("OpenAI.Model", self._model, _refuse)),
        ]

    async def _models(self, visit: Visit) -> web.Response:
        visit.admit(bearer_token(visit.request))
        listed = [_model(name) for name in self._names()]
        return json_answer({"object": "list", "data": listed})

    async def _model(self, visit: Visit) -> web.Response:
        visit.admit(bearer_token(visit.request))
        name = visit.request.match_info["name"]
        self._backend.models.find(name.partition("/")[0])
        return json_answer(_model(name))

    def _names(self) -> list[str]:
        """Models, and models with a target language."""
        return [
            name
            for model in self._backend.models
            for name in (
                model.name,
                *(f"{model.name}/{code}" for code in model.translator.target_languages),
            )
        ]

    async def _complete(self, visit: Visit) -> web.StreamResponse:
        call = visit.admit(bearer_token(visit.request))
        chat = self._chat(json_value(await read_body(visit.request, self._backend.max_bytes)))
        parts = self._translated(chat, call)
        if chat.wrapper:
            parts = _wrapped(parts, chat.wrapper)
        if chat.stream:
            return await self._stream(chat, parts, visit)
        text, usage = await _whole(parts)
        return json_answer(_completion(chat, text, usage))

    def _chat(self, given: Any) -> _Chat:
        """Read a request.

        Raises:
            UsageError: it asks for something other than a translation.
            UnknownModel: it names a model, and a target, that is not there.
        """
        if not isinstance(given, dict):
            raise UsageError("the body must be a JSON object")
        for name in ("tools", "functions", "audio"):
            if given.get(name):
                raise UsageError(
                    f"{name} is not supported: this server translates and nothing else"
                )
        if given.get("n") not in (None, 1):
            raise UsageError("n must be 1")
        model = given.get("model") or ""
        if not isinstance(model, str):
            raise UsageError("model must be a text")
        name, _, target = model.partition("/")
        served = name if name in {each.name for each in self._backend.models} else ""
        if target and served:
            self._backend.models.find(served, "", target)
        options = given.get("stream_options")
        return _Chat(
            read_prompt(given.get("messages"), self._backend, target if served else ""),
            model or next(iter(self._backend.models)).name,
            served,
            stream=bool(given.get("stream")),
            wrapper=_wrapper(given.get("response_format")),
            usage=isinstance(options, dict) and bool(options.get("include_usage")),
            id=f"chatcmpl-{uuid.uuid4().hex}",
            created=int(time.time()),
        )

    async def _translated(self, chat: _Chat, call: Call) -> AsyncIterator[tuple[str, pb.Usage]]:
        """The translation line by line, as the lines become ready, with their line breaks."""
        lines = chat.prompt.text.splitlines(keepends=True)
        if len(lines) > MAX_CONTENTS:
            raise UsageError(f"{len(lines):,} lines are too many: send {MAX_CONTENTS:,} or fewer")
        ends = [line[len(line.rstrip("\r\n")) :] for line in lines]
        responses = self._backend.service.stream_translate_text(_requests(chat, lines), call)
        async with aclosing(responses) as coming:
            async for response in coming:
                if response.translation.HasField("error"):
                    raise TextFailed(response.translation.error)
                text = response.translation.translated_text + ends[int(response.id)]
                yield text, response.translation.usage

    async def _stream(
        self, chat: _Chat, parts: AsyncIterator[tuple[str, pb.Usage]], visit: Visit
    ) -> web.StreamResponse:
        events, usages = None, []
        async for text, usage in parts:
            if events is None:
                events = await visit.begin_stream()
                await events.send(_chunk(chat, {"role": "assistant", "content": ""}))
            usages.append(usage)
            await events.send(_chunk(chat, {"content": text}))
        events = events or await visit.begin_stream()
        await events.send(_chunk(chat, {}, "stop"))
        if chat.usage:
            await events.send(_dump(_base(chat, True) | {"choices": [], **_usage(total(usages))}))
        await events.send("[DONE]")
        return await events.end()


async def _whole(parts: AsyncIterator[tuple[str, pb.Usage]]) -> tuple[str, pb.Usage]:
    texts, usages = [], []
    async for text, usage in parts:
        texts.append(text)
        usages.append(usage)
    return "".join(texts), total(usages)


async def _wrapped(
    parts: AsyncIterator[tuple[str, pb.Usage]], name: str
) -> AsyncIterator[tuple[str, pb.Usage]]:
    """The whole translation as the property of a JSON object."""
    text, usage = await _whole(parts)
    yield _dump({name: text}), usage


def _wrapper(response_format: Any) -> str:
    """The one property of the JSON object that is asked for; "" where text is.

    Raises:
        UsageError: another form is asked for.
    """
    if response_format is None or response_format == {"type": "text"}:
        return ""
    try:
        properties = response_format["json_schema"]["schema"]["properties"]
        ((name, kind),) = properties.items()
        if kind["type"] == "string":
            return str(name)
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise UsageError(
        "response_format must be text, or a json_schema of one property that is a string: this "
        "server translates and nothing else"
    )


async def _requests(chat: _Chat, lines: list[str]) -> AsyncIterator[pb.StreamTranslateTextRequest]:
    config = pb.StreamConfig(
        source_language_code=chat.prompt.source,
        target_language_code=chat.prompt.target,
        model=chat.served,
    )
    yield pb.StreamTranslateTextRequest(config=config)
    for number, line in enumerate(lines):
        item = pb.StreamItem(id=str(number), content=line.rstrip("\r\n"))
        yield pb.StreamTranslateTextRequest(item=item)


def _base(chat: _Chat, in_parts: bool) -> dict[str, Any]:
    kind = "chat.completion.chunk" if in_parts else "chat.completion"
    return {"id": chat.id, "object": kind, "created": chat.created, "model": chat.model}


def _completion(chat: _Chat, text: str, usage: pb.Usage) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return _base(chat, False) | {"choices": [choice], **_usage(usage)}


def _chunk(chat: _Chat, delta: dict[str, str], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    return _dump(_base(chat, True) | {"choices": [choice]})


def _usage(usage: pb.Usage) -> dict[str, Any]:
    source, target = usage.source_tokens, usage.target_tokens
    counts = {"prompt_tokens": source, "completion_tokens": target}
    return {"usage": counts | {"total_tokens": source + target}}


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "tformer"}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _refuse(failure: HttpFailure) -> web.Response:
    kind = KINDS.get(
        failure.status, "server_error" if failure.status >= 500 else "invalid_request_error"
    )
    error = {"message": failure.message, "type": kind, "param": None, "code": None}
    return json_answer({"error": error}, failure.status)
