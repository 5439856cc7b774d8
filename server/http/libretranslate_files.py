"""Files in the API of LibreTranslate: uploaded, translated, and fetched by an address."""

from __future__ import annotations

from aiohttp import web

from tformer.model.errors import UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend
from tformer.server.http.calls import Visit
from tformer.server.http.kept_files import KeptFiles, file_answer
from tformer.server.http.libretranslate import languages_of, refuse
from tformer.server.status import UnknownFile


class LibreTranslateFiles:
    """Handlers of the API."""

    def __init__(self, backend: Backend, files: KeptFiles) -> None:
        """Translate with a backend, and keep results in a store."""
        self._backend = backend
        self._files = files

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""
        handler = self._backend.calls.handler
        translate = handler("LibreTranslate.TranslateFile", self._translate, refuse)
        download = handler("LibreTranslate.DownloadFile", self._download, refuse)
        return [
            web.post("/translate_file", translate),
            web.get("/download_file/{id}/{name}", download),
        ]

    async def _translate(self, visit: Visit) -> web.Response:
        given = await self._backend.upload(visit.request)
        call = visit.admit(given.text("api_key"))
        if not (file := given.files.get("file")):
            raise UsageError("Invalid request: missing file parameter")
        if not file.data:
            raise UsageError("Invalid request: empty file")
        source, target = languages_of(given, self._backend)
        config = pb.DocumentConfig(
            source_language_code=source, target_language_code=target, name=file.name
        )
        result = await self._backend.service.translate_file(config, file.data, call)
        id = self._files.keep(result.about.name, result.data)
        kept = self._files.find(id)
        path = f"/download_file/{id}/{kept.name if kept else 'file'}"
        return json_answer({"translatedFileUrl": str(visit.request.url.origin()) + path})

    async def _download(self, visit: Visit) -> web.Response:
        file = self._files.find(visit.request.match_info["id"])
        if file is None:
            raise UnknownFile("no such file, or it is kept no longer: translate it again")
        return file_answer(file)
