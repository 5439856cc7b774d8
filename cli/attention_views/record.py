"""An inspection in plain values, for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tformer.model.pipeline.inspection import Inspection
from tformer.model.pipeline.memory_inspection import InspectedRetrieval

DIGITS = 6
"""Significant digits of a number; float32 has seven."""


def record_of(inspection: Inspection, model: str) -> dict[str, Any]:
    """Everything but the attention."""
    return {
        "model": model,
        "source": inspection.source,
        "source_language": inspection.source_language,
        "target_language": inspection.target_language,
        "hypotheses": [asdict(hypothesis) for hypothesis in inspection.hypotheses],
        "source_pieces": inspection.source_pieces,
        "target_pieces": inspection.target_pieces,
        "read_pieces": inspection.read_pieces,
        "log_probs": [round(log_prob, DIGITS) for log_prob in inspection.log_probs],
        "heads": asdict(inspection.heads),
        "score_scale": inspection.score_scale,
        "memory": [_retrieval(each) for each in inspection.memory],
        "steps": [
            [
                {
                    "parent": candidate.parent,
                    "piece": candidate.piece,
                    "log_prob": round(candidate.log_prob, DIGITS),
                    "total": round(candidate.total, DIGITS),
                    "fate": candidate.fate.value,
                    "place": candidate.place,
                }
                for candidate in step.candidates
            ]
            for step in inspection.steps
        ],
    }


def _retrieval(retrieval: InspectedRetrieval) -> dict[str, Any]:
    entries = [
        asdict(entry) | {"weight": round(entry.weight, DIGITS)} for entry in retrieval.entries
    ]
    return {"weight": round(retrieval.weight, DIGITS), "entries": entries}


def whole_record_of(inspection: Inspection, model: str) -> dict[str, Any]:
    """Everything; attention by kind, layer, head, row, column."""
    attention = {
        kind: [
            [[[round(w, DIGITS) for w in row] for row in head] for head in layer]
            for layer in weights.tolist()
        ]
        for kind, weights in inspection.attention.items()
    }
    return {**record_of(inspection, model), "attention": attention}
