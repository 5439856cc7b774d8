"""A file that is there already, of which only what is missing is translated.

In formats whose segments have names, such as keys, what a person has translated before stays: it is
put into the new file as it is spelled in the old one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tformer.documents.document import Document, TextDocument

KEYED = frozenset(
    {"json", "arb", "properties", "yaml", "android", "resx", "strings", "stringsdict"}
)
"""Formats whose segments are called by keys, the same in every language."""


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
