"""Requests of data/libretranslate_requests.json, and the shape of what answers them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from asking import BOUNDARY, FORM

FILE = Path(__file__).parent / "data" / "libretranslate_requests.json"


def encoded(request: dict[str, Any]) -> tuple[bytes | None, dict[str, str]]:
    """Body and headers."""
    kind, fields = request["kind"], request["fields"]
    if kind == "form":
        return urlencode(fields).encode(), FORM
    if kind == "multipart":
        parts = [(f'form-data; name="{name}"', value) for name, value in fields.items()]
        if "file" in request:
            name, text = request["file"]
            parts.append((f'form-data; name="file"; filename="{name}"', text))
        lines = [f"--{BOUNDARY}\r\nContent-Disposition: {a}\r\n\r\n{b}\r\n" for a, b in parts]
        body = "".join([*lines, f"--{BOUNDARY}--\r\n"]).encode()
        return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    if kind:
        body = fields.encode() if kind == "raw" else json.dumps(fields).encode()
        return body, {"Content-Type": "application/json"}
    return None, {}


def shape(body: bytes) -> Any:
    """Keys and types of JSON; None for what is none."""
    try:
        return _shape(json.loads(body))
    except ValueError:
        return None


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [_shape(inner) for inner in value[:1]]
    return "number" if type(value) in (int, float) else type(value).__name__
