"""The glossaries of a server, by name, and those that callers bring along.

A glossary of the server is read from files when it starts and again when it is told to reload; one
of a caller comes with every request and is kept for a while, since the next request will bring it
again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cachetools import LRUCache

from tformer.documents.terminology.glossaries import read_glossary
from tformer.model.files import refuse_special
from tformer.model.terms.glossary import Entry, Glossary, JoinedGlossary
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.glossaries.limits import check_size
from tformer.server.glossaries.served import ServedGlossary
from tformer.server.glossaries.wire import entries_of
from tformer.server.sources import GlossarySource, Reloaded
from tformer.server.status import UnknownGlossary

logger = logging.getLogger(__name__)

KEPT = 16
"""Glossaries of callers that are kept, at most."""

KEPT_BYTES = 4 << 20
"""Bytes of their messages, at most; made ready they take many times as much memory."""


class Glossaries:
    """The glossaries of a server, by name."""

    def __init__(self, sources: Sequence[GlossarySource] = ()) -> None:
        """Nothing is read yet."""
        self._files: dict[str, list[Path]] = {}
        for source in sources:
            self._files.setdefault(source.name, []).append(source.file)
        self._served: dict[str, ServedGlossary] = {}
        self._brought: LRUCache[bytes, tuple[ServedGlossary, int]] = LRUCache(
            KEPT_BYTES, getsizeof=lambda kept: kept[1]
        )

    def __iter__(self) -> Iterator[ServedGlossary]:
        return iter([self._served[name] for name in sorted(self._served)])

    async def load(self) -> None:
        """Read all of them.

        Raises:
            InputError: a file cannot be read or is malformed.
        """
        for name in self._files:
            self._served[name] = await asyncio.to_thread(self._read, name)

    async def reload(self) -> list[Reloaded]:
        """Read the files again; where they cannot be used the old terms stay, and the log says why.

        What is under way finishes with the terms that it began with.
        """
        return [await self._reloaded(name) for name in sorted(self._files)]

    async def _reloaded(self, name: str) -> Reloaded:
        try:
            for file in self._files[name]:
                refuse_special(file)
            new = await asyncio.to_thread(self._read, name)
        except Exception as error:
            facts = {"glossary": name, "error": str(error)}
            logger.error("the glossary was not replaced", extra=facts)
            return Reloaded(name, error=error)
        if new.fingerprint == self._served[name].fingerprint:
            return Reloaded(name)
        self._served[name] = new
        return Reloaded(name, replaced=True)

    def _read(self, name: str) -> ServedGlossary:
        entries = [entry for file in self._files[name] for entry in read_glossary(file)]
        return _served(name, entries)

    def find(self, name: str) -> ServedGlossary:
        """The glossary of a name.

        Raises:
            UnknownGlossary: there is none.
        """
        if name not in self._served:
            known = ", ".join(sorted(self._served)) or "none"
            raise UnknownGlossary(f"no glossary {name!r}; there are {known}")
        return self._served[name]

    def chosen(self, config: pb.GlossaryConfig) -> ServedGlossary | None:
        """Glossary of a request; None if it names none. Takes a while if it brings terms.

        Raises:
            UnknownGlossary: there is no glossary of the name.
            UsageError: it brings too many terms, or half of one.
        """
        named = self.find(config.glossary) if config.glossary else None
        if not config.entries:
            return named
        check_size(len(config.entries))
        mark = config.SerializeToString(deterministic=True)
        if named:
            mark += named.fingerprint.encode()
        size = max(len(mark), KEPT_BYTES // KEPT)
        return self._kept(hashlib.sha256(mark).digest(), named, config, size)

    def _kept(
        self, mark: bytes, named: ServedGlossary | None, config: pb.GlossaryConfig, size: int
    ) -> ServedGlossary:
        if kept := self._brought.get(mark):
            return kept[0]
        terms = Glossary(entries_of(config))
        if named:
            terms = JoinedGlossary(named.terms, terms)
        found = ServedGlossary("", terms, mark.hex())
        if size <= KEPT_BYTES:
            self._brought[mark] = found, size
        return found


def _served(name: str, entries: Iterable[Entry]) -> ServedGlossary:
    terms = Glossary(entries)
    found = hashlib.sha256()
    for entry in terms.entries:
        found.update(repr(entry).encode())
    return ServedGlossary(name, terms, found.hexdigest())
