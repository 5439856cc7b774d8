"""Front matter of Markdown: YAML, TOML or JSON before the text.

Titles and descriptions that take one line are translated; all else stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tformer.documents.building import Builder
from tformer.documents.document import Slot, replacing_whole

_FRONT = re.compile(r"---[ \t]*\r?\n(?:.*\r?\n)*?(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)")
_SCALAR = re.compile(
    r"^(title|linktitle|subtitle|description|summary|excerpt|caption)[ \t]*:[ \t]+"
    r"(?P<value>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\n]|'')*'|[^\s\"'|>&*!%@`\[{#-][^\n#]*?)"
    r"[ \t]*\r?$(?!\n[ \t]+\S)",
    re.MULTILINE | re.IGNORECASE,
)
_OTHER_TYPE = re.compile(
    r"(?:y|yes|n|no|true|false|on|off|null|~|[-+.\d][\d_.:eE+-]*|\d{4}-.*)", re.IGNORECASE
)
"""Pattern of YAML values that are no text."""

_TOML = re.compile(r"\+\+\+[ \t]*\r?\n(?:.*\r?\n)*?\+\+\+[ \t]*(?:\r?\n|\Z)")
_STRING = re.compile(
    r"^(title|linktitle|subtitle|description|summary)[ \t]*=[ \t]*"
    r"(?P<value>\"(?!\"\")(?:[^\"\\\n]|\\.)*\")[ \t]*\r?$",
    re.MULTILINE | re.IGNORECASE,
)
_PLAIN_SCALAR = re.compile(r"[^\W\d_](?:(?!: | #|:\Z)[^\n])*")


@dataclass(frozen=True)
class FrontMatter:
    """Front matter of a document."""

    end: int
    slots: Sequence[Slot]


def front_matter(text: str) -> FrontMatter:
    """Find the front matter of a file; it ends at 0 if there is none."""
    if match := _FRONT.match(text):
        scalars = (m for m in _SCALAR.finditer(match[0]) if not _OTHER_TYPE.fullmatch(m["value"]))
        return FrontMatter(match.end(), [*map(_scalar_slot, scalars)])
    if match := _TOML.match(text):
        return FrontMatter(match.end(), [*map(_scalar_slot, _STRING.finditer(match[0]))])
    if text.startswith("{") and (end := _end_of_json(text)):
        return FrontMatter(end, [])
    return FrontMatter(0, [])


def _end_of_json(text: str) -> int:
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return 0
    return end if text[end : end + 1] in ("", "\r", "\n") else 0


def _scalar_slot(match: re.Match[str]) -> Slot:
    raw = match["value"]
    builder = Builder()
    builder.text(_scalar(raw))
    segment = builder.build(match[1], context="front matter")
    return replacing_whole(segment, *match.span("value"), lambda text: _as_scalar(text, raw))


def _scalar(raw: str) -> str:
    if raw.startswith('"'):
        try:
            return str(json.loads(raw))
        except ValueError:  # an escape that only YAML has
            return raw[1:-1]
    return raw[1:-1].replace("''", "'") if raw.startswith("'") else raw


def _as_scalar(text: str, like: str) -> str:
    """A string of YAML, in the quotation marks of another if it can."""
    text = " ".join(text.split())
    if like.startswith("'"):
        return "'" + text.replace("'", "''") + "'"
    if like.startswith('"') or not _PLAIN_SCALAR.fullmatch(text):
        return json.dumps(text, ensure_ascii=False)
    return text
