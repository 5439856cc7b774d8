"""A file that is there already, of which only what is missing is translated.

In formats whose segments have names, such as keys, what a person has translated before stays: it is
put into the new file as it is spelled in the old one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tformer.documents.document import Document, TextDocument
from tformer.documents.segments import SegmentState

KEYED = frozenset(
    {"json", "arb", "properties", "yaml", "android", "resx", "strings", "stringsdict"}
)
"""Formats whose segments are called by keys, the same in every language."""


REVIEWED = frozenset({"po", "xliff", "qt"})
"""Formats with translations of which it is said whether a person has seen them."""


def lost_translations(document: Document, existing: Document) -> int:
    """Number of translations by people in an earlier file that a document does not have."""
    own = {segment.id: segment.target for segment in document.segments if segment.target}
    return sum(
        segment.state is SegmentState.TRANSLATED and segment.target != own.get(segment.id)
        for segment in existing.segments
    )


@dataclass(frozen=True)
class Filled:
    """A document with the translations of an earlier file in it."""

    document: Document
    kept: frozenset[str]
    """The segments that are not to be translated again."""
    surplus: frozenset[str] = frozenset()
    """Segments of the earlier file that the document does not have."""


def filled_from(document: Document, existing: Document) -> Filled:
    """Put what an earlier file says into a document.

    A text that is the same in both has not been translated yet.
    """
    if not isinstance(document, TextDocument) or not isinstance(existing, TextDocument):
        return Filled(document, frozenset())
    own, earlier = document.spellings(), existing.spellings()
    spellings = {id: raw for id, raw in earlier.items() if raw != own.get(id, raw)}
    surplus = frozenset(earlier.keys() - own.keys())
    if not spellings:
        return Filled(document, frozenset(), surplus)
    return Filled(document.with_spellings(spellings), frozenset(spellings), surplus)
