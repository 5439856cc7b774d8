"""The API of LibreTranslate, for the clients that are made for it.

Differences: a list is translated together, each text in the language found for it; ``suggest`` is
refused; there are no limits by address.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tformer.documents.registry import SUFFIXES
from tformer.model.errors import UsageError
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend, TextJob, TranslatedText, language_name
from tformer.server.http.bodies import Parameters
from tformer.server.http.calls import HttpFailure, Visit
from tformer.server.status import NotAllowed

AUTO = "auto"

TYPING_PAUSE = 500
"""Milliseconds that a front end should wait for further typing."""


class LibreTranslate:
    """Handlers of the API."""

    def __init__(self, backend: Backend) -> None:
        """Translate with a backend."""
        self._backend = backend

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""

        def handler(name: str, work: Any) -> Any:
            return self._backend.calls.handler(f"LibreTranslate.{name}", work, refuse)

        return [
            web.post("/translate", handler("Translate", self._translate)),
            web.post("/detect", handler("Detect", self._detect)),
            web.get("/languages", handler("Languages", self._languages)),
            web.get("/frontend/settings", handler("Settings", self._settings)),
            web.post("/suggest", handler("Suggest", self._suggest)),
            web.get("/health", handler("Health", self._health)),
        ]

    async def _translate(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        call = visit.admit(given.text("api_key"))
        job = self._job(given)
        translated = await self._backend.translate(job, call)
        return json_answer(_answer(translated, given))

    def _job(self, given: Parameters) -> TextJob:
        texts = _sources(given)
        source, target = languages_of(given, self._backend)
        return TextJob(
            texts,
            target=target,
            source=source,
            html=_is_html(given),
            num_hypotheses=1 + _num_alternatives(given),
        )

    async def _detect(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        call = visit.admit(given.text("api_key"))
        text = "\n".join(_sources(given))
        detected = await self._backend.detect(text, call)
        return json_answer([_language(detected.language, detected.confidence)])

    async def _languages(self, visit: Visit) -> web.Response:
        return json_answer(
            [
                {"code": source, "name": language_name(source), "targets": targets}
                for source, targets in self._backend.directions.items()
            ]
        )

    async def _settings(self, visit: Visit) -> web.Response:
        target = self._backend.targets[0]
        return json_answer(
            {
                "charLimit": self._backend.max_bytes,
                "frontendTimeout": TYPING_PAUSE,
                "apiKeys": self._backend.needs_key,
                "keyRequired": self._backend.needs_key,
                "suggestions": False,
                "filesTranslation": True,
                "supportedFilesFormat": sorted(SUFFIXES),
                "language": {
                    "source": {"code": AUTO, "name": "Auto Detect"},
                    "target": {"code": target, "name": language_name(target)},
                },
            }
        )

    async def _suggest(self, visit: Visit) -> web.Response:
        raise NotAllowed("this server learns from no suggestions")

    async def _health(self, visit: Visit) -> web.Response:
        return json_answer({"status": "ok"})


def refuse(failure: HttpFailure) -> web.Response:
    """Tell of a failure; a missing key is 400 and a wrong one 403, as clients expect."""
    status = failure.status
    if status == 401:
        status = 403 if failure.has_key else 400
    return json_answer({"error": failure.message}, status)


def languages_of(given: Parameters, backend: Backend) -> tuple[str, str]:
    """Source ("" to detect it) and target of a request.

    Raises:
        UsageError: one is missing, or not served.
    """
    source, target = _required(given, "source"), _required(given, "target")
    for code, known in (
        (source, source == AUTO or backend.source_named(source)),
        (target, backend.target_named(target)),
    ):
        if not known:
            raise UsageError(f"{code} is not supported")
    return "" if source == AUTO else source, target


def _required(given: Parameters, name: str) -> str:
    value = given.text(name)
    if not value:
        raise UsageError(f"Invalid request: missing {name} parameter")
    return value.lower()


def _sources(given: Parameters) -> list[str]:
    """The texts; a form has one, whose line breaks are those of Unix."""
    if not given.get("q"):
        raise UsageError("Invalid request: missing q parameter")
    if not given.is_json:
        return ["\n".join(given.text("q").splitlines())]
    return given.texts("q")


def _is_html(given: Parameters) -> bool:
    name = given.text("format") or "text"
    if name not in ("text", "html"):
        raise UsageError(f"{name} format is not supported")
    return name == "html"


def _num_alternatives(given: Parameters) -> int:
    return max(0, given.number("alternatives", 0))


def _answer(translated: list[TranslatedText], given: Parameters) -> dict[str, Any]:
    """The body: lists for a list, single values for a text."""
    answer: dict[str, Any] = {"translatedText": [each.text for each in translated]}
    if given.text("source").lower() == AUTO:
        answer["detectedLanguage"] = [
            _language(each.source, each.confidence) for each in translated
        ]
    if number := _num_alternatives(given):
        answer["alternatives"] = [each.alternatives[:number] for each in translated]
    if isinstance(given.get("q"), list):
        return answer
    return {name: values[0] for name, values in answer.items()}


def _language(code: str, confidence: float) -> dict[str, object]:
    return {"confidence": round(100 * confidence, 1), "language": code}
