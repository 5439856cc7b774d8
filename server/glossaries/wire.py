"""Glossaries in messages, for server and client."""

from __future__ import annotations

from collections.abc import Iterable

from tformer.documents.terminology.glossaries import SUFFIXES
from tformer.model.errors import UsageError
from tformer.model.options import MAX_TERM_CHARACTERS
from tformer.model.terms.glossary import Entry, Glossary
from tformer.model.text.normalization import same_language
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.glossaries.limits import check_size
from tformer.server.utf8 import sendable

LONGEST_CODE = 100
"""Characters of a language code; the longest tags that are registered have a third of that."""


class NamedGlossary(Glossary):
    """A glossary that a server has, together with terms of one's own, which may be none.

    What the server has is not known here: only one's own terms are found in a text.
    """

    def __init__(self, name: str, entries: Iterable[Entry] = ()) -> None:
        """The glossary that the server calls ``name``."""
        super().__init__(entries)
        self.name = name
        self._pairs: list[pb.GlossaryLanguagePair] | None = None

    def __bool__(self) -> bool:
        return True

    def look_up(self, served: Iterable[pb.Glossary]) -> None:
        """Learn of the glossary among those that are served.

        Raises:
            UsageError: it is not among them.
        """
        by_name = {glossary.name: glossary for glossary in served}
        if self.name not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise UsageError(
                f"the server has no glossary {self.name!r}; there are {known} (a file of terms "
                f"ends in {', '.join(SUFFIXES)})"
            )
        self._pairs = list(by_name[self.name].language_pairs)

    def covers(self, source: str, target: str) -> bool:
        """Return whether it has terms from one language to another, as far as is known."""
        if self._pairs is None or super().covers(source, target):
            return True
        return any(
            (not pair.source_language_code or same_language(pair.source_language_code, source))
            and (not pair.target_language_code or same_language(pair.target_language_code, target))
            for pair in self._pairs
        )


def config_of(glossary: Glossary) -> pb.GlossaryConfig:
    """A glossary as it goes with a request.

    Raises:
        UsageError: it has too many terms for that.
    """
    check_size(len(glossary))
    return pb.GlossaryConfig(
        glossary=glossary.name if isinstance(glossary, NamedGlossary) else "",
        entries=[
            pb.GlossaryEntry(
                source_term=sendable(entry.source),
                target_term=sendable(entry.target),
                source_language_code=entry.source_language or "",
                target_language_code=entry.target_language or "",
            )
            for entry in glossary.entries
        ],
    )


def entries_of(config: pb.GlossaryConfig) -> list[Entry]:
    """The terms that have come with a request.

    Raises:
        UsageError: there are too many of them, or one is no term.
    """
    check_size(len(config.entries))
    return [_entry(number, entry) for number, entry in enumerate(config.entries)]


def _entry(number: int, entry: pb.GlossaryEntry) -> Entry:
    for side in ("source_term", "target_term"):
        if not getattr(entry, side).strip():
            raise UsageError(f"glossary_config.entries[{number}] has no {side}")
        if (length := len(getattr(entry, side))) > MAX_TERM_CHARACTERS:
            raise UsageError(
                f"glossary_config.entries[{number}].{side} has {length:,} characters, more than "
                f"{MAX_TERM_CHARACTERS:,}"
            )
    for code in (entry.source_language_code, entry.target_language_code):
        if len(code) > LONGEST_CODE:
            raise UsageError(
                f"glossary_config.entries[{number}] has a language code of {len(code):,} characters"
            )
    return Entry(
        entry.source_term,
        entry.target_term,
        entry.source_language_code or None,
        entry.target_language_code or None,
    )
