"""JSON as nodes that know where they stand in their text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


@dataclass(frozen=True)
class JsonNode:
    """A value."""

    start: int
    end: int
    raw: str
    members: Mapping[str, JsonNode] = field(default_factory=dict)
    """Members of an object, or items of a list by their numbers."""

    def __getitem__(self, key: str) -> JsonNode | None:
        return self.members.get(key)

    @property
    def string(self) -> str | None:
        """Text of a string; None for another value."""
        return str(json.loads(self.raw, strict=False)) if self.raw.startswith('"') else None

    def at(self, *keys: str) -> JsonNode | None:
        """The value below some keys, if it is there."""
        node: JsonNode | None = self
        for key in keys:
            node = node[key] if node else None
        return node


def nodes_of(text: str) -> JsonNode:
    """Read JSON that `json.loads` takes."""
    tokens = _TOKEN.finditer(text)
    return _read(text, next(tokens), tokens)


def _read(text: str, token: re.Match[str], tokens: Iterator[re.Match[str]]) -> JsonNode:
    if token[0] not in ("{", "["):
        return JsonNode(token.start(), token.end(), token[0])
    members: dict[str, JsonNode] = {}
    for inner in tokens:
        if inner[0] in ("}", "]"):
            return JsonNode(token.start(), inner.end(), text[token.start() : inner.end()], members)
        if inner[0] == ",":
            continue
        key = str(len(members))
        if token[0] == "{":
            key = str(json.loads(inner[0], strict=False))
            next(tokens)  # the colon
            inner = next(tokens)
        members[key] = _read(text, inner, tokens)
    raise AssertionError("json.loads has seen to it that everything is closed")
