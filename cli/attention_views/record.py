"""An inspection in plain values, for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tformer.model.pipeline.inspection import Inspection

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
