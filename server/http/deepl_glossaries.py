"""The glossaries of DeepL's API, version 2."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from aiohttp import web

from tformer.model.errors import UsageError
from tformer.server.glossaries.limits import MOST_ENTRIES, check_size
from tformer.server.http.answers import json_answer
from tformer.server.http.backend import Backend
from tformer.server.http.bodies import Parameters
from tformer.server.http.calls import Visit
from tformer.server.http.deepl import deepl_key, refuse_deepl
from tformer.server.http.glossary_store import GlossaryStore, StoredGlossary, owner_of

TSV = "text/tab-separated-values"
CSV = "text/csv"

LONGEST_NAME = 1024
"""Characters."""


class DeepLGlossaries:
    """Handlers of the API."""

    def __init__(self, backend: Backend, store: GlossaryStore) -> None:
        """Glossaries of a store."""
        self._backend = backend
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""

        def handler(name: str, work: Any) -> Any:
            return self._backend.calls.handler(f"DeepL.{name}", work, refuse_deepl)

        one = "/v2/glossaries/{id}"
        return [
            web.post("/v2/glossaries", handler("CreateGlossary", self._create)),
            web.get("/v2/glossaries", handler("ListGlossaries", self._list)),
            web.get(one, handler("GetGlossary", self._get)),
            web.get(f"{one}/entries", handler("GetGlossaryEntries", self._entries)),
            web.delete(one, handler("DeleteGlossary", self._delete)),
            web.get("/v2/glossary-language-pairs", handler("ListGlossaryPairs", self._pairs)),
        ]

    async def _create(self, visit: Visit) -> web.Response:
        given = await self._backend.parameters(visit.request)
        call = visit.admit(deepl_key(visit.request, given))
        if not (name := given.text("name").strip()) or len(name) > LONGEST_NAME:
            raise UsageError(f"name must have 1 to {LONGEST_NAME} characters")
        source = self._backend.source_named(given.text("source_lang"))
        target = self._backend.target_named(given.text("target_lang"))
        if not source or not target or source == target:
            raise UsageError("source_lang and target_lang must be a pair that can be translated")
        made = self._store.create(owner_of(call), name, source, target, _terms(given))
        return json_answer(_described(made), 201)

    async def _list(self, visit: Visit) -> web.Response:
        call = visit.admit(deepl_key(visit.request))
        found = self._store.list(owner_of(call))
        return json_answer({"glossaries": list(map(_described, found))})

    async def _get(self, visit: Visit) -> web.Response:
        return json_answer(_described(self._found(visit)))

    async def _entries(self, visit: Visit) -> web.Response:
        text = io.StringIO()
        is_csv = visit.request.headers.get("Accept", "").startswith(CSV)
        writer = csv.writer(text, dialect="excel" if is_csv else "excel-tab", lineterminator="\n")
        if is_csv:
            writer.writerows(self._found(visit).terms.items())
        else:
            text.writelines(f"{s}\t{t}\n" for s, t in self._found(visit).terms.items())
        return web.Response(text=text.getvalue(), content_type=CSV if is_csv else TSV)

    async def _delete(self, visit: Visit) -> web.Response:
        call = visit.admit(deepl_key(visit.request))
        self._store.delete(owner_of(call), visit.request.match_info["id"])
        return web.Response(status=204)

    async def _pairs(self, visit: Visit) -> web.Response:
        visit.admit(deepl_key(visit.request))
        pairs = [
            {"source_lang": source, "target_lang": target}
            for source, targets in self._backend.directions.items()
            for target in targets
        ]
        return json_answer({"supported_languages": pairs})

    def _found(self, visit: Visit) -> StoredGlossary:
        call = visit.admit(deepl_key(visit.request))
        return self._store.find(owner_of(call), visit.request.match_info["id"])


def _terms(given: Parameters) -> dict[str, str]:
    """The terms of a new glossary, in tab-separated or comma-separated values."""
    kind = given.text("entries_format") or "tsv"
    if kind not in ("tsv", "csv"):
        raise UsageError(f"entries_format must be tsv or csv, not {kind!r}")
    text = given.text("entries")
    try:
        found = csv.reader(io.StringIO(text)) if kind == "csv" else _tabbed(text)
        rows = list(islice(found, MOST_ENTRIES + 1))
    except csv.Error as error:
        raise UsageError(f"entries are no CSV ({error})") from None
    if any(len(row) < 2 or not row[0].strip() or not row[1].strip() for row in rows):
        raise UsageError("every entry needs a source and a target")
    if not rows:
        raise UsageError("entries are missing")
    check_size(len(rows))
    return {row[0].strip(): row[1].strip() for row in rows}


def _tabbed(text: str) -> Iterator[Sequence[str]]:
    return (line.split("\t") for line in text.splitlines() if line.strip())


def _described(glossary: StoredGlossary) -> dict[str, object]:
    return {
        "glossary_id": glossary.id,
        "ready": True,
        "name": glossary.name,
        "source_lang": glossary.source,
        "target_lang": glossary.target,
        "creation_time": glossary.created.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "entry_count": len(glossary.terms),
    }
