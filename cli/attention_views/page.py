"""An inspection as one HTML page, which asks nothing of any network.

Style, script and data are in the page, and its policy allows nothing else: scripts and styles run
only if their hash is that of ours. Whatever stands in a text is data, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from typing import Any

import numpy as np

from tformer.cli.attention_views.choice import HeadChoice
from tformer.cli.attention_views.record import record_of
from tformer.model.pipeline.inspection import KINDS, Inspection

LOWEST = 64
"""Weights below 2 to the power of this, negated, are that; 0 is what a mask hides."""


def page(inspection: Inspection, model: str, choice: HeadChoice) -> str:
    """The page; it opens at ``choice``."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": html.escape(f"{inspection.source} – attention"),  # noqa: RUF001
        "style": style,
        "script": script,
        "data": _escaped(_data(inspection, model, choice)),
    }
    template = _part("page.html")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)


def _part(name: str) -> str:
    return (files("tformer.cli.attention_views") / name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _escaped(data: dict[str, Any]) -> str:
    """JSON that no HTML parser finds a tag or a comment in."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _data(inspection: Inspection, model: str, choice: HeadChoice) -> dict[str, Any]:
    record = record_of(inspection, model)
    record["attention"] = {kind: _packed(inspection.attention[kind]) for kind in KINDS}
    record["chosen"] = {
        "kind": choice.kind,
        "layer": choice.layer,
        # The mean comes after the heads.
        "head": inspection.attention[choice.kind].shape[1] if choice.head is None else choice.head,
        "reads": choice.reads,
    }
    return record


def _packed(weights: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, Any]:
    """Weights in 16 bits each, and once more as logarithms: 40 pieces take 600 KB."""
    layers, heads, rows, columns = weights.shape
    bits = np.round(weights.clip(0, 1) * 65535).astype("<u2")
    logs = np.log2(weights.clip(2.0**-LOWEST, 1)) / LOWEST  # -1 to 0
    codes = np.where(weights > 0, np.round((1 + logs) * 65534) + 1, 0).astype("<u2")
    texts = [base64.b64encode(part.tobytes()).decode() for part in (bits, codes)]
    sizes = {"layers": layers, "heads": heads, "rows": rows, "columns": columns}
    return {**sizes, "weights": texts[0], "logs": texts[1]}
