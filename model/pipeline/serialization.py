"""A translation as JSON knows it, and back, with nothing lost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tformer.model.translation import (
    FinishReason,
    Hypothesis,
    Link,
    MemoryMatch,
    Notice,
    PieceScore,
    RecalledPair,
    TermUse,
    Translation,
    WarningKind,
)


def record_of(translation: Translation) -> dict[str, Any]:
    """A record for `json`."""
    return {
        "text": translation.text,
        "languages": [translation.source_language, translation.target_language],
        "hypotheses": [
            [h.text, h.score, h.alignment, h.piece_scores] for h in translation.hypotheses
        ],
        "warnings": [
            [warning.kind, str(warning)] if isinstance(warning, Notice) else warning
            for warning in translation.warnings
        ],
        "finish_reason": translation.finish_reason,
        "tokens": [translation.source_tokens, translation.target_tokens],
        "terms": list(map(asdict, translation.terms)),
        "matches": list(map(asdict, translation.matches)),
        "confidence": translation.confidence,
        "recalled": list(map(asdict, translation.recalled)),
    }


def translation_of(record: dict[str, Any]) -> Translation:
    """The translation that a record was made of."""
    source, target = record["languages"]
    source_tokens, target_tokens = record["tokens"]
    return Translation(
        record["text"],
        source,
        target,
        tuple(_hypothesis(*fields) for fields in record["hypotheses"]),
        tuple(
            warning if isinstance(warning, str) else Notice(WarningKind(warning[0]), warning[1])
            for warning in record["warnings"]
        ),
        FinishReason(record["finish_reason"]),
        source_tokens,
        target_tokens,
        tuple(TermUse(**term) for term in record["terms"]),
        tuple(MemoryMatch(**match) for match in record["matches"]),
        record.get("confidence"),
        tuple(RecalledPair(**pair) for pair in record.get("recalled", ())),
    )


def _hypothesis(text: str, score: float, links: Any, pieces: Any) -> Hypothesis:
    alignment = links if links is None else tuple(Link(*map(tuple, link)) for link in links)
    scores = pieces if pieces is None else tuple(PieceScore(tuple(s), p) for s, p in pieces)
    return Hypothesis(text, score, alignment, scores)
