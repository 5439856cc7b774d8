"""The API of Google Cloud Translation, version 2 (REST)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tformer.model.errors import UsageError
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend, TextJob, language_name
from tformer.server.http.bodies import Parameters
from tformer.server.http.calls import HttpFailure, Visit
from tformer.server.http.own import bearer_token
from tformer.server.rpc.messages import MAX_CONTENTS
from tformer.server.status import code_from

PREFIX = "/language/translate/v2"

REASONS = {400: "invalid", 401: "required", 403: "forbidden", 429: "rateLimitExceeded"}


class GoogleV2:
    """Handlers of the API."""

    def __init__(self, backend: Backend) -> None:
        """Translate with a backend."""
        self._backend = backend

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers; all take GET and POST."""
        works = {
            "": ("Translate", self._translate),
            "/detect": ("Detect", self._detect),
            "/languages": ("Languages", self._languages),
        }
        return [
            web.route(
                verb, PREFIX + path, self._backend.calls.handler(f"Google.{name}", work, _refuse)
            )
            for path, (name, work) in works.items()
            for verb in ("GET", "POST")
        ]

    async def _translate(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        call = visit.admit(_key(visit.request, given))
        kind = given.text("format") or "html"
        if kind not in ("text", "html"):
            raise UsageError(f"format must be text or html, not {kind!r}")
        if not given.text("target"):
            raise UsageError("Required field: target")
        source = given.text("source")
        job = TextJob(_sources(given), given.text("target"), source, html=kind == "html")
        translated = await self._backend.translate(job, call)
        return _data(
            "translations",
            [
                {"translatedText": each.text}
                | ({} if source else {"detectedSourceLanguage": each.source})
                | ({"model": given.text("model")} if given.text("model") else {})
                for each in translated
            ],
        )

    async def _detect(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        call = visit.admit(_key(visit.request, given))
        found = [await self._backend.detect(text, call) for text in _sources(given)]
        return _data(
            "detections",
            [
                [{"language": each.language, "confidence": each.confidence, "isReliable": False}]
                for each in found
            ],
        )

    async def _languages(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        visit.admit(_key(visit.request, given))
        named = bool(given.text("target"))
        codes = sorted({*self._backend.directions, *self._backend.targets})
        return _data(
            "languages",
            [
                {"language": code} | ({"name": language_name(code)} if named else {})
                for code in codes
            ],
        )


def _data(name: str, value: list[Any]) -> web.Response:
    return json_answer({"data": {name: value}})


def _sources(given: Parameters) -> list[str]:
    if not (texts := given.texts("q")):
        raise UsageError("Required Text")
    if len(texts) > MAX_CONTENTS:
        raise UsageError(f"{len(texts):,} texts are too many: send {MAX_CONTENTS:,} or fewer")
    return texts


def _key(request: web.BaseRequest, given: Parameters) -> str | None:
    """The key of a request, in any of the places that Google's clients use."""
    header = request.headers.get("X-Goog-Api-Key")
    return bearer_token(request) or header or request.query.get("key") or given.text("key")


def _refuse(failure: HttpFailure) -> web.Response:
    reason = REASONS.get(failure.status, "backendError")
    error = {
        "code": failure.status,
        "message": failure.message,
        "errors": [{"message": failure.message, "domain": "global", "reason": reason}],
        "status": code_from(failure.details).name,
    }
    return json_answer({"error": error}, failure.status)
