"""String tables: JSON, ARB (the JSON of Flutter) and Java .properties. A value is a segment.

Keys are never translated, nor are values that programs read: identifiers, codes, colours. The
variants of a message of ICU, as in `{count, plural, one {# file} other {# files}}`, are translated
one by one.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.inline.interface import Accelerator, is_identifier
from tformer.documents.io.encoding import Encoded, decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import render
from tformer.model.errors import InputError

_Read = Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class _Value:
    """A string of a table."""

    key: str
    text: str
    places: Sequence[int]
    """Offset of each character in the file, and of the end of the last."""


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
    return _open_json(data, name, _translated)


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

    return TextDocument(
        source,
        lambda text: _table_slots(values(text), write),
        declares=_declares,
        labels=_labels,
    )


_LOCALE = re.compile(r'"@@locale"\s*:\s*"([^"\\]*)"')


def _declares(text: str) -> DocumentLanguages:
    """The language of an ARB: that of its texts, which are the source."""
    match = _LOCALE.search(text)
    return DocumentLanguages(match[1] or None) if match else DocumentLanguages()


def _labels(text: str, language: str) -> Iterator[Edit]:
    if match := _LOCALE.search(text):
        yield Edit(*match.span(1), language)


_ABOUT_MESSAGES = re.compile(r"(/[^/]+)/(?:description|placeholders/.*)")


def _translated(text: str) -> Iterator[_Value]:
    """The strings of a JSON text, but for what Chrome's messages say about themselves."""
    values = list(_json_values(text))
    messages = {v.key.removesuffix("/message") for v in values if v.key.endswith("/message")}
    for value in values:
        about = _ABOUT_MESSAGES.fullmatch(value.key)
        if not about or about[1] not in messages:
            yield value


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
_WITH_STYLE = re.compile(r"\{\d+,[^{}]*\}")
"""Pattern of an argument with a style, which has apostrophes of its own."""
_ANY_ARGUMENT = re.compile(r"\{\s*\w+\s*[,}]")


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

    def slots(text: str) -> Iterator[Slot | LeftPart]:
        return _table_slots(_properties(text), write, apostrophes=True)

    return checked(TextDocument(source, slots))


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

_FORMS = re.compile(r"\s+\|\s+")
"""Separator of the plural forms of a string of vue-i18n."""

_TECHNICAL = re.compile(
    r"(?:.*[/_.-])?(?:class|code|color|colour|cron|encoding|format|href|icon|id|key|lang|language|locale|"
    r"method|mime|mode|pattern|path|rel|regex|slug|src|target|type|uri|url|uuid|variant|version)",
    re.IGNORECASE,
)
"""Keys whose values programs read, where these are one word in lower case."""

_KEY_OF_LABEL = re.compile(
    r".*(?:accel(?:erator)?|access_?-?key|hot_?key|key_?binding|mnemonic|short_?cut)", re.IGNORECASE
)
"""Pattern of names of strings that are a key on the keyboard."""

_STYLED = re.compile(r".*(?:css|class|class_?name)(?:es)?", re.IGNORECASE)
_CLASSES = re.compile(r"(?=.*[-:0-9])[a-z0-9:/_-]+(?: [a-z0-9:/_-]+)*")
"""Pattern of classes of CSS, and that of the keys that say so."""


def _table_slots(
    values: Iterator[_Value], write: Callable[[str], str], *, apostrophes: bool = False
) -> Iterator[Slot | LeftPart]:
    for value in values:
        if not is_technical(value.key, value.text):
            yield from _value_slot(value, write, apostrophes)


def is_technical(key: str, text: str) -> bool:
    """Return whether a value is for programs: an identifier, or a word under a key that says so."""
    text = text.strip()
    is_word = bool(re.fullmatch(r"[a-z0-9.-]+", text))
    if len(text) == 1 and _KEY_OF_LABEL.fullmatch(key):
        return True
    is_style = bool(_STYLED.fullmatch(key.rpartition("/")[2])) and bool(_CLASSES.fullmatch(text))
    return is_style or is_identifier(text) or (is_word and bool(_TECHNICAL.fullmatch(key)))


def _value_slot(value: _Value, write: Callable[[str], str], apostrophes: bool) -> Iterator[Slot]:
    text = value.text
    has_arguments = bool(_MESSAGE.search(text))
    alone = re.search(r"(?<!')'(?![\'{}])", _WITH_STYLE.sub("", text))
    doubled = "''" in text and bool(_ANY_ARGUMENT.search(text))
    doubled = doubled or (has_arguments and apostrophes and not alone)
    separator = _FORMS if "{" not in _FORMS.split(text)[0] or "," not in text else None
    builder = Builder(breaks=True, doubled=doubled, separator=separator)
    accelerator = Accelerator.of(text)
    builder.text(accelerator.without if accelerator else text)
    segment = builder.build(value.key, context=value.key)
    is_message = any(inline.opening.endswith("{") for inline in segment.inlines.values())
    escape = _doubled if doubled else _typographic if is_message else str

    def edits(translation: str) -> list[Edit]:
        rendered = render(segment, translation, escape)
        if accelerator:
            rendered = accelerator.put_into(rendered)
        return [Edit(value.places[0], value.places[-1], write(rendered))]

    if segment.has_words:
        yield Slot(segment, edits)


def _doubled(text: str) -> str:
    return text.replace("'", "''")


def _typographic(text: str) -> str:
    """Text of a message: an apostrophe before a brace would quote it."""
    return text.replace("'", "\u2019")
