"""String tables: JSON, ARB (the JSON of Flutter) and Java .properties. A value is a segment.

Keys are never translated. A value that is one ICU argument with variants, as in
`{count, plural, one {# file} other {# files}}`, is a segment for each variant; such an argument
within a sentence is a literal.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tformer.documents.document import Edit, Slot, TextDocument, checked
from tformer.documents.io.encoding import Encoded, decode
from tformer.documents.protection import closings
from tformer.documents.segments import Builder, render
from tformer.model.errors import InputError

_Read = Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class _Value:
    """A string of a table."""

    key: str
    text: str
    places: Sequence[int]
    """Where in the file each character stands, and where the last one ends."""


def _value(key: str, raw: str, start: int, piece: re.Pattern[str], read: _Read) -> _Value:
    """Read a string that stands at `start`, piece by piece."""
    if "\\" not in raw:
        return _Value(key, raw, range(start, start + len(raw) + 1))
    text: list[str] = []
    places: list[int] = []
    for match in piece.finditer(raw):
        characters = read(match)
        text.append(characters)
        places += [start + match.start()] * len(characters)
    return _Value(key, "".join(text), [*places, start + len(raw)])


# --- JSON ----------------------------------------------------------------------------------------

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


_JSON_PIECE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]",
    re.DOTALL,
)


def open_json(data: bytes, name: str) -> TextDocument:
    """Read JSON; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is not JSON, with line and column.
    """
    return _open_json(data, name, _json_values)


def open_arb(data: bytes, name: str) -> TextDocument:
    """Read ARB: as JSON, but keys that begin with @ are about the others.

    Raises:
        InputError: it is not JSON, with line and column.
    """

    def values(text: str) -> Iterator[_Value]:
        return (value for value in _json_values(text) if not value.key.startswith("/@"))

    return _open_json(data, name, values)


def _open_json(data: bytes, name: str, values: Callable[[str], Iterator[_Value]]) -> TextDocument:
    source = decode(data, name)
    try:
        json.loads(source.text, strict=False)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}:{error.lineno}: not JSON: {error.msg} at column {error.colno}"
        ) from error
    except RecursionError as error:
        raise InputError(f"{name}: JSON that is nested too deep to be read") from error
    spelled = source.text.isascii() and re.search(r"\\u[0-9a-fA-F]{4}", source.text) is not None

    def write(text: str) -> str:
        return json.dumps(text, ensure_ascii=spelled)[1:-1]

    return TextDocument(source, lambda text: _table_slots(values(text), write))


def _json_values(text: str) -> Iterator[_Value]:
    """The strings of a JSON text that are values, with the path to each."""
    path: list[str | int] = []
    key = ""
    tokens = [*_JSON_TOKEN.finditer(text), None]
    for token, following in pairwise(tokens):
        assert token is not None
        match token[0][0]:
            case "{":
                path.append("")
            case "[":
                path.append(0)
            case "}" | "]":
                path.pop()
            case ",":
                last = path[-1]
                path[-1] = last + 1 if isinstance(last, int) else last
            case '"' if following and following[0] == ":":
                key = json.loads(token[0], strict=False)
                path[-1] = key.replace("~", "~0").replace("/", "~1")
            case '"':
                where = "".join(f"/{part}" for part in path)
                raw = token[0][1:-1]
                yield _value(where, raw, token.start() + 1, _JSON_PIECE, _json_character)


def _json_character(match: re.Match[str]) -> str:
    raw = match[0]
    return str(json.loads(f'"{raw}"')) if raw.startswith("\\") else raw


# --- .properties ---------------------------------------------------------------------------------

_LOGICAL_LINE = re.compile(
    r"[ \t\f]*(?:[#!][^\r\n]*"
    r"|(?P<key>(?:[^\\=:\s]|\\(?:\r\n|[\s\S]))*)"
    r"(?:[ \t\f]|\\\r?\n)*[=:]?[ \t\f]*(?P<value>(?:[^\\\r\n]|\\(?:\r\n|[\s\S]))*))"
    r"(?:\r\n|\n|\r|\Z)"
)
_PROPERTY_PIECE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(\r?\n|\r)[ \t\f]*|([\s\S]))|([^\\])")
_BAD_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u(?![0-9a-fA-F]{4})")
_WHITE = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}

# MessageFormat doubles apostrophes, but only strings with arguments go through it.
_MESSAGE = re.compile(r"\{\d+[,}]")


def open_properties(data: bytes, name: str) -> TextDocument:
    """Read .properties: UTF-8, or else Latin-1 as in old Java.

    Raises:
        InputError: a character code is incomplete, with its line.
    """
    source = _decode_properties(data, name)
    if bad := _BAD_ESCAPE.search(source.text):
        line = source.text.count("\n", 0, bad.end()) + 1
        raise InputError(f"{name}:{line}: not .properties: \\u needs four hexadecimal digits")
    spelled = source.text.isascii() or source.encoding != "utf-8"

    def write(text: str) -> str:
        return _as_property(text, spelled)

    return checked(TextDocument(source, lambda text: _table_slots(_properties(text), write)))


def _decode_properties(data: bytes, name: str) -> Encoded:
    try:
        return decode(data, name)
    except InputError:
        return decode(data, name, lambda head: "latin-1")


def _properties(text: str) -> Iterator[_Value]:
    position = 0
    while position < len(text):
        line = _LOGICAL_LINE.match(text, position)
        if not line:
            # A backslash at the very end continues nothing.
            return
        position = max(line.end(), position + 1)
        if line["value"]:
            key = _PROPERTY_PIECE.sub(_character, line["key"])
            yield _value(key, line["value"], line.start("value"), _PROPERTY_PIECE, _character)


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[4]:
        return match[4]
    return "" if match[2] else _WHITE.get(match[3], match[3])


def _as_property(text: str, spelled: bool) -> str:
    escaped = text.replace("\\", "\\\\")
    for letter, character in _WHITE.items():
        escaped = escaped.replace(character, f"\\{letter}")
    if escaped.startswith(" "):
        escaped = f"\\{escaped}"
    if not spelled:
        return escaped
    return "".join(character if character.isascii() else _units(character) for character in escaped)


def _units(character: str) -> str:
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[i : i + 2].hex().upper()}" for i in range(0, len(data), 2))


# --- segments ------------------------------------------------------------------------------------

_VARIANTS = re.compile(r"\s*\{\s*[\w.-]+\s*,\s*(?:plural|select|selectordinal)\s*,", re.ASCII)
_VARIANT = re.compile(r"\s*(?:offset\s*:\s*\d+\s*)?(=?\w+)\s*(?=\{)")


def _table_slots(values: Iterator[_Value], write: Callable[[str], str]) -> Iterator[Slot]:
    for value in values:
        variants = _variants(value.text)
        if not variants:
            variants = [("", 0, len(value.text))]
        for name, start, end in variants:
            yield from _value_slot(value, name, start, end, write)


def _variants(text: str) -> list[tuple[str, int, int]]:
    """The variants of a text that is one ICU argument: name, begin, end. Empty if it is not."""
    head = _VARIANTS.match(text)
    if not head:
        return []
    ends = closings(text)
    whole = ends.get(text.index("{"))
    if whole is None or text[whole:].strip():
        return []
    found = []
    position = head.end()
    while variant := _VARIANT.match(text, position):
        end = ends.get(variant.end())
        if end is None:
            return []
        found += _within(text, variant[1], variant.end() + 1, end - 1)
        position = end
    return found if text[position : whole - 1].strip() == "" else []


def _within(text: str, name: str, start: int, end: int) -> list[tuple[str, int, int]]:
    """A variant, or its own variants where it is again one argument."""
    inner = _variants(text[start:end])
    if not inner:
        return [(name, start, end)]
    return [(f"{name}.{own}", start + begin, start + stop) for own, begin, stop in inner]


def _value_slot(
    value: _Value, variant: str, start: int, end: int, write: Callable[[str], str]
) -> Iterator[Slot]:
    doubled = bool(_MESSAGE.search(value.text)) and "''" in value.text
    text = value.text[start:end]
    builder = Builder()
    for piece in _around_numbers(text) if variant else [text]:
        if variant and piece == "#":
            builder.alone("#", "#")
        else:
            builder.text(piece.replace("''", "'") if doubled else piece)
    segment = builder.build(f"{value.key}#{variant}" if variant else value.key, context=value.key)

    def edits(translation: str) -> list[Edit]:
        double = _doubled if doubled else str
        written = write(render(segment, translation, double))
        return [Edit(value.places[start], value.places[end], written)]

    if segment.has_words:
        yield Slot(segment, edits)


def _around_numbers(text: str) -> Iterator[str]:
    """Cut a variant at each #, which stands for the number, but not within its arguments."""
    depth = start = 0
    for match in re.finditer(r"[{}#]", text):
        depth += {"{": 1, "}": -1, "#": 0}[match[0]]
        if match[0] == "#" and depth == 0:
            yield text[start : match.start()]
            yield "#"
            start = match.end()
    yield text[start:]


def _doubled(text: str) -> str:
    return text.replace("'", "''")
