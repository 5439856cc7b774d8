"""Front matter of Markdown: YAML, TOML or JSON before the text.

Titles and descriptions are translated, within lists and tables too; all else stays as it is. YAML
with the code of a template in it is read line by line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import wrap

from tformer.documents.building import Builder
from tformer.documents.document import Slot, replacing_whole
from tformer.documents.formats.yaml_tables import texts_of
from tformer.documents.io.json_nodes import JsonNode, nodes_of
from tformer.documents.left_parts import LeftPart
from tformer.model.errors import InputError

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

_KEY = re.compile(r"title|linktitle|subtitle|description|summary|excerpt|caption", re.IGNORECASE)
_FOLDED = re.compile(
    rf"^({_KEY.pattern})[ \t]*:[ \t]+>[-+]?[ \t]*\r?\n(?P<indent>[ ]+)"
    r"(?P<value>[^\s#-][^\r\n]*(?:\r?\n(?P=indent)[^\s-][^\r\n]*)*)(?=\r?\n(?:\S|\r?\n\S))",
    re.MULTILINE | re.IGNORECASE,
)
"""Pattern of a folded scalar of YAML of one paragraph, in lines of the same indentation."""

_TOML = re.compile(r"\+\+\+[ \t]*\r?\n(?:.*\r?\n)*?\+\+\+[ \t]*(?:\r?\n|\Z)")
_NESTED_KEYS = (
    rf"{_KEY.pattern}|abstract|alt|details|heading|lead|tagline|headline|subheading|teaser"
    r"|(?:sidebar|pagination|nav|menu)_(?:label|title)|short_?title|(?:meta|seo|og)_(?:title|description)"
)
_STRING = re.compile(
    rf"^[ \t]*({_NESTED_KEYS})[ \t]*=[ \t]*"
    r"(?P<value>\"(?!\"\")(?:[^\"\\\n]|\\.)*\"|'(?!'')[^'\n]*')[ \t]*\r?$",
    re.MULTILINE | re.IGNORECASE,
)
_LINES = re.compile(
    rf"^[ \t]*({_NESTED_KEYS})[ \t]*=[ \t]*(?P<quote>\"\"\"|''')\s*"
    r"(?P<value>[^\\]*?)\s*(?P=quote)[ \t]*\r?$",
    re.MULTILINE | re.IGNORECASE,
)
"""Pattern of a string of TOML of several lines, without escapes."""

_PLAIN_SCALAR = re.compile(r"[^\W\d_](?:(?!: | #|:\Z)[^\n])*")


@dataclass(frozen=True)
class FrontMatter:
    """Front matter of a document."""

    end: int
    slots: Sequence[Slot | LeftPart]


def front_matter(text: str) -> FrontMatter:
    """Find the front matter of a file; it ends at 0 if there is none."""
    if match := _FRONT.match(text):
        try:
            return FrontMatter(match.end(), [*texts_of(match[0], "front matter", _is_read)])
        except InputError:  # a template's code in it
            pass
        scalars = [m for m in _SCALAR.finditer(match[0])]
        folded = [*_FOLDED.finditer(match[0])]
        texts = (m for m in scalars if not _OTHER_TYPE.fullmatch(m["value"]))
        slots = [*map(_scalar_slot, texts), *map(_folded_slot, folded)]
        return FrontMatter(match.end(), [*slots, *_unread(match[0], [*scalars, *folded])])
    if match := _TOML.match(text):
        strings = [*_STRING.finditer(match[0])]
        lines = [*_LINES.finditer(match[0])]
        slots = [*map(_toml_slot, strings), *map(_lines_slot, lines)]
        return FrontMatter(match.end(), [*slots, *_unread(match[0], [*strings, *lines])])
    if text.startswith("{") and (end := _end_of_json(text)):
        return FrontMatter(end, [*_json_slots(text[:end])])
    return FrontMatter(0, [])


_NESTED = re.compile(_NESTED_KEYS, re.IGNORECASE)


def _is_read(path: Sequence[str]) -> bool:
    """Return whether a value of YAML is for readers; `text` is, within something."""
    is_text = len(path) > 1 and path[-1] == "text"
    return is_text or bool(path and _NESTED.fullmatch(path[-1]))


_NAMED = re.compile(
    rf"^(?:{_KEY.pattern})[ \t]*(?P<sign>[:=])[ \t]*(?!\#)(?P<value>\S[^\n]*(?:\n[ \t]+\S[^\n]*)*)",
    re.MULTILINE | re.IGNORECASE,
)
_NO_TEXT = re.compile(r"[>|][-+\d]*|[&*!]\S+|\[\s*\]|\{\s*\}")


def _unread(text: str, read: Sequence[re.Match[str]]) -> Iterator[LeftPart]:
    """Values of titles and descriptions that are spelt in another way."""
    known = {match.start() for match in read}
    for match in _NAMED.finditer(text):
        value = match["value"].rstrip()
        if match.start() not in known and not _NO_TEXT.fullmatch(value):
            yield LeftPart(match.start(), match.end(), "its value is not one line or one paragraph")


def _end_of_json(text: str) -> int:
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return 0
    return end if text[end : end + 1] in ("", "\r", "\n") else 0


def _json_slots(text: str) -> Iterator[Slot]:
    for path, node in _json_texts(nodes_of(text), ()):
        if node.string and _is_read(path):
            write = partial(json.dumps, ensure_ascii=False)
            yield _slot("/".join(path), node.string, (node.start, node.end), write)


def _json_texts(
    node: JsonNode, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], JsonNode]]:
    yield path, node
    for key, member in node.members.items() if len(path) < _DEEPEST else ():
        yield from _json_texts(member, (*path, key))


_DEEPEST = 20


def _lines_slot(match: re.Match[str]) -> Slot:
    builder = Builder(breaks=True)
    builder.text(match["value"])
    segment = builder.build(match[1], context="front matter")

    def write(text: str) -> str:
        if match["quote"] == "'''":
            return text.replace("'''", "\u2019\u2019\u2019")
        return text.replace("\\", "\\\\").replace('"""', '""\\"')

    return replacing_whole(segment, *match.span("value"), write)


def _toml_slot(match: re.Match[str]) -> Slot:
    raw = match["value"]
    text = raw[1:-1] if raw.startswith("'") else _scalar(raw)
    return _slot(match[1], text, match.span("value"), lambda text: _as_toml(text, raw))


def _as_toml(text: str, like: str) -> str:
    """A string of TOML: literal as another if it can."""
    text = " ".join(text.split())
    if like.startswith("'") and "'" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def _folded_slot(match: re.Match[str]) -> Slot:
    lines = match["value"].splitlines()
    width = max(map(len, lines)) - len(match["indent"])
    ending = "\r\n" if "\r\n" in match[0] else "\n"

    def write(text: str) -> str:
        filled = wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
        return (ending + match["indent"]).join(filled)

    text = " ".join(line.strip() for line in lines)
    return _slot(match[1], text, match.span("value"), write)


def _slot(key: str, text: str, span: tuple[int, int], write: Callable[[str], str]) -> Slot:
    builder = Builder()
    builder.text(text)
    return replacing_whole(builder.build(key, context="front matter"), *span, write)


def _scalar_slot(match: re.Match[str]) -> Slot:
    raw = match["value"]
    return _slot(match[1], _scalar(raw), match.span("value"), lambda text: _as_scalar(text, raw))


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
