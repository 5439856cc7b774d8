"""Documents in the API of DeepL: uploaded, translated meanwhile, asked about, fetched once."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tformer.model.errors import TformerError, UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend
from tformer.server.http.bodies import Parameters
from tformer.server.http.calls import Visit
from tformer.server.http.deepl import (
    check_formality,
    deepl_key,
    deepl_source,
    deepl_target,
    refuse_deepl,
)
from tformer.server.http.glossary_store import GlossaryStore, owner_of
from tformer.server.http.kept_files import KeptFiles, file_answer
from tformer.server.rpc.calls import Call
from tformer.server.status import Overloaded, UnknownFile, status_of

AT_ONCE = 1.0
"""Seconds for which the answer to an upload waits, since most documents are then done."""

MOST_JOBS = 20
"""Documents of one owner that are in work or wait to be fetched."""

FORGOTTEN = 1800.0
"""Seconds after which a document that nobody fetched is forgotten."""

GUESS = 5
"""Seconds that clients are told a document takes, of which nobody knows."""


@dataclass(eq=False)
class _UploadedJob:
    """A document on its way."""

    owner: str
    key: str = field(default_factory=lambda: secrets.token_hex(32))
    task: asyncio.Task[None] | None = None
    file: str = ""
    """Id of the result."""
    error: str = ""

    @property
    def status(self) -> str:
        if self.error:
            return "error"
        return "done" if self.file else "translating"


class DeepLDocuments:
    """Handlers of the API."""

    def __init__(self, backend: Backend, glossaries: GlossaryStore, files: KeptFiles) -> None:
        """Translate with a backend, and keep results in a store."""
        self._backend = backend
        self._glossaries = glossaries
        self._files = files
        self._jobs: dict[str, _UploadedJob] = {}

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""

        def handler(name: str, work: Any) -> Any:
            return self._backend.calls.handler(f"DeepL.{name}", work, refuse_deepl)

        return [
            web.post("/v2/document", handler("UploadDocument", self._upload)),
            web.post("/v2/document/{id}", handler("GetDocument", self._status)),
            web.post("/v2/document/{id}/result", handler("FetchDocument", self._fetch)),
        ]

    async def _upload(self, visit: Visit) -> web.Response:
        given = await self._backend.upload(visit.request)
        call = visit.admit(deepl_key(visit.request, given))
        if not (file := given.files.get("file")):
            raise UsageError("file is missing")
        check_formality(given)
        config = pb.DocumentConfig(
            source_language_code=deepl_source(given, self._backend),
            target_language_code=deepl_target(given, self._backend),
            name=given.text("filename") or file.name,
        )
        if name := given.text("glossary_id"):
            terms = self._glossaries.config(name, owner_of(call))
            config.glossary_config.CopyFrom(terms)
        id = self._begin(config, file.data, call)
        task = self._jobs[id].task
        assert task
        await asyncio.wait({task}, timeout=AT_ONCE)
        return json_answer({"document_id": id, "document_key": self._jobs[id].key})

    def _begin(self, config: pb.DocumentConfig, data: bytes, call: Call) -> str:
        owner = owner_of(call)
        if Counter(job.owner for job in self._jobs.values())[owner] >= MOST_JOBS:
            raise Overloaded(f"{MOST_JOBS} documents are kept at most: fetch some", float(GUESS))
        id, job = uuid.uuid4().hex.upper(), _UploadedJob(owner)
        self._jobs[id] = job
        job.task = asyncio.create_task(self._translate(job, config, data, call))
        asyncio.get_running_loop().call_later(FORGOTTEN, self._forget, id)
        return id

    async def _translate(
        self, job: _UploadedJob, config: pb.DocumentConfig, data: bytes, call: Call
    ) -> None:
        own = Call(call.id, "http.DeepL.TranslateDocument", call.client, call.caller)
        try:
            result = await self._backend.calls.run(
                own, lambda: self._backend.service.translate_file(config, data, own)
            )
        except TformerError as error:
            job.error = str(error)
        except Exception as error:
            job.error = status_of(error).message
        else:
            job.file = self._files.keep(result.about.name, result.data)

    async def _status(self, visit: Visit) -> web.Response:
        id, job = await self._found(visit)
        state: dict[str, object] = {"document_id": id, "status": job.status}
        if job.error:
            state["error_message"] = job.error
        if job.status == "translating":
            state["seconds_remaining"] = GUESS
        return json_answer(state)

    async def _fetch(self, visit: Visit) -> web.Response:
        id, job = await self._found(visit)
        if job.status == "translating":
            return json_answer({"message": "the document is not ready"}, 503)
        file = self._files.take(job.file)
        self._forget(id)
        if file is None:
            raise UnknownFile(job.error or "the document is kept no longer: upload it again")
        return file_answer(file)

    async def _found(self, visit: Visit) -> tuple[str, _UploadedJob]:
        """The document that a request names, by its id and its key.

        Raises:
            UnknownFile: there is none.
        """
        given: Parameters = await self._backend.parameters(visit.request)
        call = visit.admit(deepl_key(visit.request, given))
        id = visit.request.match_info["id"]
        job, key = self._jobs.get(id), given.text("document_key")
        if (
            job is None
            or job.owner != owner_of(call)
            or not hmac.compare_digest(job.key.encode(), key.encode())
        ):
            raise UnknownFile("no document has this id and key")
        return id, job

    async def close(self, application: web.Application) -> None:
        """Give up what is in work."""
        for id in list(self._jobs):
            self._forget(id)

    def _forget(self, id: str) -> None:
        job = self._jobs.pop(id, None)
        if job and job.task:
            job.task.cancel()
            self._files.take(job.file)
