"""A glossary that a server holds, or that a caller brought along."""

from __future__ import annotations

from dataclasses import dataclass

from tformer.model.terms.glossary import Glossary
from tformer.protos.v1 import translation_pb2 as pb


@dataclass(frozen=True, eq=False)
class ServedGlossary:
    """Terms, and by what they can be told from others."""

    name: str
    """"" if a caller has brought it along."""
    terms: Glossary
    fingerprint: str

    def describe(self) -> pb.Glossary:
        """Description for clients."""
        pairs = dict.fromkeys(
            (entry.source_language or "", entry.target_language or "")
            for entry in self.terms.entries
        )
        return pb.Glossary(
            name=self.name,
            entry_count=len(self.terms),
            language_pairs=[
                pb.GlossaryLanguagePair(source_language_code=source, target_language_code=target)
                for source, target in sorted(pairs)
            ],
            fingerprint=self.fingerprint,
        )
