"""Glossaries that callers have made over HTTP; they live as long as the server."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from tformer.model.errors import UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.glossaries.catalog import Glossaries
from tformer.server.glossaries.limits import check_size
from tformer.server.glossaries.wire import entries_of
from tformer.server.rpc.calls import Call
from tformer.server.status import UnknownGlossary

MOST = 100
"""Glossaries of one owner."""

MOST_CHARACTERS = 8 << 20
"""Characters of the terms of one owner, and of the names."""

MOST_OWNERS = 1000
"""Owners who have glossaries; connections without a token are one."""

NOBODY = ""
"""Owner of what is made without a token."""


@dataclass(frozen=True)
class StoredGlossary:
    """A glossary of one owner, from one language to another."""

    id: str
    name: str
    source: str
    target: str
    terms: Mapping[str, str]
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def characters(self) -> int:
        """Characters of its terms and its name."""
        return len(self.name) + sum(map(len, self.terms)) + sum(map(len, self.terms.values()))

    @property
    def config(self) -> pb.GlossaryConfig:
        """The terms, as they go with a request."""
        return pb.GlossaryConfig(
            entries=[
                pb.GlossaryEntry(
                    source_term=source,
                    target_term=target,
                    source_language_code=self.source,
                    target_language_code=self.target,
                )
                for source, target in self.terms.items()
            ]
        )


class GlossaryStore:
    """Glossaries by owner and id."""

    def __init__(self, served: Glossaries) -> None:
        """None yet, but those of the server, which everybody may name."""
        self._served = served
        self._owned: dict[str, dict[str, StoredGlossary]] = {}

    def create(
        self, owner: str, name: str, source: str, target: str, terms: Mapping[str, str]
    ) -> StoredGlossary:
        """Keep a glossary.

        Raises:
            UsageError: its terms cannot be used, or the owner has too many glossaries.
        """
        check_size(len(terms))
        mine = self._owned.get(owner, {})
        if len(mine) >= MOST or (not mine and len(self._owned) >= MOST_OWNERS):
            raise UsageError(f"{MOST} glossaries are kept at most: delete one")
        made = StoredGlossary(str(uuid.uuid4()), name, source, target, dict(terms))
        if made.characters + sum(each.characters for each in mine.values()) > MOST_CHARACTERS:
            raise UsageError(
                f"glossaries of {MOST_CHARACTERS:,} characters are kept at most: delete one"
            )
        entries_of(made.config)
        self._owned.setdefault(owner, {})[made.id] = made
        return made

    def list(self, owner: str) -> list[StoredGlossary]:
        """The glossaries of an owner, the oldest first."""
        return list(self._owned.get(owner, {}).values())

    def find(self, owner: str, id: str) -> StoredGlossary:
        """The glossary of an id.

        Raises:
            UnknownGlossary: the owner has none.
        """
        try:
            return self._owned[owner][id]
        except KeyError:
            raise UnknownGlossary("no glossary has this id") from None

    def delete(self, owner: str, id: str) -> None:
        """Forget a glossary.

        Raises:
            UnknownGlossary: the owner has none of the id.
        """
        self.find(owner, id)
        del self._owned[owner][id]
        if not self._owned[owner]:
            del self._owned[owner]

    def config(self, id: str, owner: str) -> pb.GlossaryConfig:
        """The terms of a glossary of the owner, or of one of the server by its name.

        Raises:
            UnknownGlossary: there is none.
        """
        if id in self._owned.get(owner, {}):
            return self.find(owner, id).config
        return pb.GlossaryConfig(glossary=self._served.find(id).name)


def owner_of(call: Call) -> str:
    """Owner of what a call makes: the name of its token."""
    return call.caller.name if call.caller else NOBODY
