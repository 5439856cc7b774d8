"""Probes: is the process there, does it translate, and the metrics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from tformer.model.errors import TformerError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend
from tformer.server.http.calls import Visit
from tformer.server.http.own import bearer_token, refuse
from tformer.server.models import GOLDEN, ServedModel
from tformer.server.observability.metrics import Metrics
from tformer.server.rpc.calls import Call, only_administrators
from tformer.server.status import Overloaded

KEPT = 5.0
"""Seconds for which a canary sentence tells that a model translates."""

PATIENCE = 10.0
"""Seconds that a canary sentence may take."""


@dataclass
class _Canary:
    """The last sentence that a model has translated for a probe."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: float = -KEPT
    problem: str = ""
    """Reason why it is not ready; "" if it is."""


class Probes:
    """Handlers for orchestrators and Prometheus."""

    def __init__(
        self, backend: Backend, metrics: Metrics, draining: asyncio.Event, *, open_metrics: bool
    ) -> None:
        """Probes of a server.

        Args:
            backend: to translate with.
            metrics: to show.
            draining: set when no new work is taken.
            open_metrics: show metrics to everybody; otherwise an administrator's token is needed.
        """
        self._backend = backend
        self._metrics = metrics
        self._draining = draining
        self._open_metrics = open_metrics
        self._canaries: dict[str, _Canary] = {}

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""
        metrics = self._backend.calls.handler("Probes.Metrics", self._show_metrics, refuse)
        return [
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/metrics", metrics),
        ]

    async def _healthz(self, request: web.Request) -> web.Response:
        return json_answer({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        if self._draining.is_set():
            return json_answer({"status": "draining"}, 503)
        problems = {model.name: await self._problem(model) for model in self._backend.models}
        ready = not any(problems.values())
        state = {name: problem or "ok" for name, problem in problems.items()}
        return json_answer(
            {"status": "ok" if ready else "failing", "models": state}, 200 if ready else 503
        )

    async def _problem(self, model: ServedModel) -> str:
        """Reason why a model does not translate; "" if it does."""
        canary = self._canaries.setdefault(model.name, _Canary())
        async with canary.lock:
            if time.monotonic() - canary.asked >= KEPT:
                canary.problem = await self._ask(model)
                canary.asked = time.monotonic()
            return canary.problem

    async def _ask(self, model: ServedModel) -> str:
        source = model.translator.source_languages[0]
        target = next(code for code in model.translator.target_languages if code != source)
        request = pb.TranslateTextRequest(
            contents=[GOLDEN],
            model=model.name,
            source_language_code=source,
            target_language_code=target,
        )
        call = Call("", "readyz", "readyz", None)
        try:
            async with asyncio.timeout(PATIENCE):
                response = await self._backend.service.translate_text(request, call)
        except TimeoutError:
            return f"a sentence took more than {PATIENCE:g} seconds"
        except Overloaded:
            return ""  # it is busy, so it works
        except TformerError as error:
            return str(error)
        (translation,) = response.translations
        return translation.error.message if translation.HasField("error") else ""

    async def _show_metrics(self, visit: Visit) -> web.Response:
        if not self._open_metrics:
            visit.admit(bearer_token(visit.request))
            only_administrators(visit.call.caller)
        page = generate_latest(self._metrics.registry)
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})
