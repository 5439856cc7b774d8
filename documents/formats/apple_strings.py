"""Apple's .strings: `"key" = "value";` and comments. A value is a segment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tformer.documents.building import Builder
from tformer.documents.document import Edit, Slot, TextDocument, checked
from tformer.documents.formats.strings import is_technical
from tformer.documents.io.encoding import decode
from tformer.documents.segments import render
from tformer.model.errors import InputError

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(
    rf"/\*.*?\*/|//[^\n]*|\s+|(?P<key>{_QUOTED}|[\w.$-]+)\s*=\s*(?P<value>{_QUOTED})\s*;", re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:[Uu]([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CHARACTER = {"n": "\n", "t": "\t", "r": "\r"}


def open_strings(data: bytes, name: str) -> TextDocument:
    """Read .strings; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: a line is neither a comment nor a pair, with its number.
    """
    return checked(TextDocument(decode(data, name), lambda text: _slots(text, name)))


def _slots(text: str, name: str) -> Iterator[Slot]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            line = text.count("\n", 0, position) + 1
            raise InputError(f'{name}:{line}: not .strings: neither a comment nor "key" = "value";')
        position = match.end()
        if match["value"]:
            yield from _slot(match)


def _slot(match: re.Match[str]) -> Iterator[Slot]:
    key, value = (_unescaped(match[name].strip('"')) for name in ("key", "value"))
    value = _unescaped(match["value"][1:-1])
    builder = Builder(breaks=True)
    builder.text(value)
    segment = builder.build(key, context=key)
    start, end = match.start("value") + 1, match.end("value") - 1
    if segment.has_words and not is_technical(key, value):
        yield Slot(segment, lambda text: [Edit(start, end, _escaped(render(segment, text, str)))])


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _CHARACTER.get(m[2], m[2]), text)


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
