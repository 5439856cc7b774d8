"""The API of DeepL, version 2: texts, languages, usage."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from aiohttp import web

from tformer.model.errors import UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend, TextJob, language_name
from tformer.server.http.bodies import Parameters
from tformer.server.http.calls import HttpFailure, Visit
from tformer.server.http.glossary_store import GlossaryStore, owner_of
from tformer.server.rpc.calls import Call

SCHEME = "deepl-auth-key"

VARIANTS = {"en": ("EN-GB", "EN-US"), "pt": ("PT-BR", "PT-PT")}
"""Targets that the API lists for a language, which its clients refuse to name alone."""

NO_LIMIT = 1_000_000_000_000
"""Characters; the API's own number for an account without a limit."""

QUOTA_EXCEEDED = 456
"""Status of an account that has used up what it may."""

MINUTE = 60.0
"""Seconds; quotas of a minute and a full queue have room again before."""

LENIENT = ("", "default", "prefer_more", "prefer_less")
"""Formalities that a model without formality may ignore, by the API's words."""

_LINES = re.compile(r"\s*\n\s*")


class DeepL:
    """Handlers of the API but those of glossaries and documents."""

    def __init__(self, backend: Backend, glossaries: GlossaryStore) -> None:
        """Translate with a backend."""
        self._backend = backend
        self._glossaries = glossaries
        self._characters: Counter[str] = Counter()
        """Characters translated for each token since the start; those without one are together."""

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""

        def handler(name: str, work: Any) -> Any:
            return self._backend.calls.handler(f"DeepL.{name}", work, refuse_deepl)

        translate = handler("Translate", self._translate)
        languages, usage = handler("Languages", self._languages), handler("Usage", self._usage)
        return [
            web.post("/v2/translate", translate),
            web.get("/v2/translate", translate, allow_head=False),
            *(web.route(verb, "/v2/languages", languages) for verb in ("GET", "POST")),
            *(web.route(verb, "/v2/usage", usage) for verb in ("GET", "POST")),
        ]

    async def _translate(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        call = visit.admit(deepl_key(visit.request, given))
        job = self._job(given, call)
        translated = await self._backend.translate(job, call)
        characters = sum(map(len, job.texts))
        self._characters[owner_of(call)] += characters
        count = given.flag("show_billed_characters")
        return json_answer(
            {
                "translations": [
                    {
                        "detected_source_language": each.source.upper(),
                        "text": each.text,
                        **({"billed_characters": len(text)} if count else {}),
                    }
                    for text, each in zip(job.texts, translated, strict=True)
                ]
            }
        )

    def _job(self, given: Parameters, call: Call) -> TextJob:
        texts = given.texts("text")
        if not texts:
            raise UsageError("text is missing")
        tags = given.text("tag_handling")
        if tags not in ("", "html", "xml"):
            raise UsageError(f"tag_handling must be html or xml, not {tags!r}")
        if given.text("split_sentences") == "nonewlines" and not tags:
            texts = [_LINES.sub(" ", text) for text in texts]
        check_formality(given)
        return TextJob(
            texts,
            target=deepl_target(given, self._backend),
            source=deepl_source(given, self._backend),
            html=bool(tags),
            ignored_tags=tuple(_names(given, "ignore_tags")) if tags else (),
            glossary=self._glossary(given, call),
        )

    def _glossary(self, given: Parameters, call: Call) -> pb.GlossaryConfig | None:
        name = given.text("glossary_id")
        return self._glossaries.config(name, owner_of(call)) if name else None

    async def _languages(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        visit.admit(deepl_key(visit.request, given))
        kind = given.text("type") or "source"
        if kind not in ("source", "target"):
            raise UsageError(f"type must be source or target, not {kind!r}")
        if kind == "source":
            return json_answer([_listed(code.upper(), code) for code in self._backend.directions])
        return json_answer(
            [
                {**_listed(variant, variant), "supports_formality": False}
                for code in self._backend.targets
                for variant in VARIANTS.get(code, (code.upper(),))
            ]
        )

    async def _usage(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        call = visit.admit(deepl_key(visit.request, given))
        used = self._characters[owner_of(call)]
        return json_answer({"character_count": used, "character_limit": NO_LIMIT})


def deepl_key(request: web.BaseRequest, given: Parameters | None = None) -> str | None:
    """The key of a request: its header, or a parameter, as old clients send it."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() in (SCHEME, "bearer"):
        return key.strip()
    return given.text("auth_key") if given else request.query.get("auth_key")


def deepl_target(given: Parameters, backend: Backend) -> str:
    """The target language, whose variants mean the language.

    Raises:
        UsageError: there is none, or it is not served.
    """
    code = given.text("target_lang")
    if not code or not backend.target_named(code):
        raise UsageError(f"Value for 'target_lang' not supported: {code!r}")
    return code


def deepl_source(given: Parameters, backend: Backend) -> str:
    """The source language, or "" to detect it.

    Raises:
        UsageError: it is not served.
    """
    code = given.text("source_lang")
    if code and not backend.source_named(code):
        raise UsageError(f"Value for 'source_lang' not supported: {code!r}")
    return code and (backend.source_named(code) or "")


def check_formality(given: Parameters) -> None:
    """Refuse a formality that is asked for without an alternative.

    Raises:
        UsageError: it is.
    """
    if (formality := given.text("formality")) not in LENIENT:
        raise UsageError(
            f"formality {formality!r} is not supported by these models: use prefer_{formality}"
        )


def refuse_deepl(failure: HttpFailure) -> web.Response:
    """Tell of a failure: a missing or wrong key is 403, a budget of a day that is used up 456."""
    status = 403 if failure.status == 401 else failure.status
    if status == 429 and (failure.retry_after or 0) > MINUTE:
        status = QUOTA_EXCEEDED
    return json_answer({"message": failure.message}, status)


def _names(given: Parameters, name: str) -> list[str]:
    """A list, or names between commas."""
    return [each.strip() for text in given.texts(name) for each in text.split(",") if each.strip()]


def _listed(code: str, named: str) -> dict[str, object]:
    return {"language": code, "name": language_name(named)}
