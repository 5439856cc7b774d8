"""XML as a sequence of tokens that are the text again, with nothing from outside let in.

Expat, in Python's standard library, checks that a file is well-formed and tells where each tag and
text begins. Entities cannot be declared, so that none can name a file, an address, or a billion
laughs; a document type that is only named is not fetched.
"""

import html.entities
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from xml.parsers import expat

from tformer.model.errors import InputError

_REFERENCE = re.compile(r"&(?:#x(?P<hex>[0-9A-Fa-f]+)|#(?P<decimal>[0-9]+)|(?P<name>\w+));")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_DECLARED = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]+)[\"']")


DEEPEST = 256
"""Elements within each other, at most: as deep as libxml2 reads, and most tools with it."""


class TokenKind(Enum):
    """Kind of a token."""

    OPEN = auto()
    CLOSE = auto()
    EMPTY = auto()
    """`<x/>`"""
    TEXT = auto()
    OTHER = auto()
    """Comments, processing instructions, declarations."""


@dataclass(frozen=True)
class Token:
    """A piece of an XML text."""

    kind: TokenKind
    name: str
    """Name of an element, without the prefix of its namespace."""
    raw: str
    start: int
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def end(self) -> int:
        """Offset of the next token."""
        return self.start + len(self.raw)

    @property
    def text(self) -> str:
        """Text with its references resolved."""
        if self.raw.startswith("<![CDATA["):
            return self.raw[len("<![CDATA[") : -len("]]>")]
        return unescape(self.raw)


_RETURN = re.compile(r"(&#(?:x0*[dD]|0*13);(?:&#(?:x0*[aA]|0*10);|\r?\n)?)")


def at_returns(token: Token) -> Iterator[tuple[str, bool]]:
    """The text of a token, and the carriage returns in it as they are written.

    Written as itself a carriage return is one of the file, which XML reads as a line feed.

    Yields:
        A text or a source, and whether it is the latter.
    """
    if token.raw.startswith("<![CDATA[") or "&#" not in token.raw:
        yield token.text, False
        return
    for number, piece in enumerate(_RETURN.split(token.raw)):
        if piece:
            yield (piece, True) if number % 2 else (unescape(piece), False)


def unescape(text: str) -> str:
    """Resolve character references and the five entities of XML.

    `html.unescape` reads `&#150;` as browsers do, as an en dash; in XML it is U+0096.
    """
    return _REFERENCE.sub(_character, text)


def _character(reference: re.Match[str]) -> str:
    if name := reference["name"]:
        # A document type that is not read may declare those of HTML.
        return _ENTITIES.get(name) or html.entities.html5.get(f"{name};", reference[0])
    return chr(int(reference["hex"], 16) if reference["hex"] else int(reference["decimal"]))


def declared_encoding(head: bytes) -> str | None:
    """Encoding in the declaration of an XML file."""
    match = _DECLARED.match(head.lstrip())
    name = match[1].decode("ascii") if match else None
    return None if name and name.lower().startswith("utf-16") else name


def scan(text: str, name: str) -> list[Token]:
    """Cut XML into tokens; their `raw` texts are the text again.

    Args:
        text: all of the file.
        name: what to call it in a message.

    Raises:
        InputError: it is not well-formed, or declares entities.
    """
    data = text.encode("utf-8", "surrogatepass")
    events = _Events(data, name).found
    tokens = []
    start = position = 0
    ends = [event.start for event in events[1:]] + [len(data)]
    for event, end in zip(events, ends, strict=True):
        raw = data[position:end].decode("utf-8", "surrogatepass")
        tokens.append(Token(event.kind, event.name, raw, start, event.attributes))
        start, position = start + len(raw), end
    return tokens


@dataclass
class _Event:
    start: int
    kind: TokenKind
    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class _Events:
    """Events of Expat, with the byte at which each begins."""

    def __init__(self, data: bytes, name: str) -> None:
        self.found: list[_Event] = []
        self._data = data
        self._name = name
        self._in_cdata = False
        self._after_cdata = False
        self._depth = 0
        # The text was decoded already: what the declaration says of its encoding is past.
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close
        parser.CharacterDataHandler = self._text
        parser.StartCdataSectionHandler = self._start_cdata
        parser.EndCdataSectionHandler = self._end_cdata
        parser.CommentHandler = self._other
        parser.ProcessingInstructionHandler = self._other
        parser.XmlDeclHandler = self._other
        parser.StartDoctypeDeclHandler = self._other
        parser.EntityDeclHandler = self._refuse
        # Of a document type that is only named; an attribute may have one too.
        parser.SkippedEntityHandler = self._skipped
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise InputError(f"{name}:{error.lineno}: not well-formed XML: {what}") from error

    def _note(
        self, kind: TokenKind, name: str = "", attributes: Mapping[str, str] | None = None
    ) -> None:
        start = self._parser.CurrentByteIndex if self.found else 0
        self.found.append(_Event(start, kind, name, MappingProxyType(attributes or {})))

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._note(TokenKind.OPEN, _local(name), attributes)
        self._depth += 1
        if self._depth > DEEPEST:
            line = self._parser.CurrentLineNumber
            raise InputError(
                f"{self._name}:{line}: elements are nested deeper than {DEEPEST}, as in no document"
            )

    def _close(self, name: str) -> None:
        self._depth -= 1
        # For `<x/>` Expat reports the end behind the tag, where that of another may begin.
        start = self._parser.CurrentByteIndex
        if self.found[-1].kind is TokenKind.OPEN and self._data[start - 2 : start] == b"/>":
            self.found[-1].kind = TokenKind.EMPTY
        else:
            self._note(TokenKind.CLOSE, _local(name))

    def _text(self, text: str) -> None:
        # Expat reports a text line by line and reference by reference.
        if self._in_cdata:
            return
        if self._after_cdata or self.found[-1].kind is not TokenKind.TEXT:
            self._note(TokenKind.TEXT)
        self._after_cdata = False

    def _start_cdata(self) -> None:
        self._note(TokenKind.TEXT)
        self._in_cdata = True

    def _end_cdata(self) -> None:
        self._in_cdata = False
        self._after_cdata = True

    def _other(self, *_: object) -> None:
        self._note(TokenKind.OTHER)

    def _skipped(self, entity: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._text(f"&{entity};")

    def _refuse(self, entity: str, *_: object) -> None:
        raise declares_entity(self._name, self._parser.CurrentLineNumber, entity)


def declares_entity(name: str, line: int, entity: str) -> InputError:
    """The error for a file that declares an entity."""
    return InputError(
        f"{name}:{line}: declares the entity {entity!r}; entities are not read, since "
        "they can name files or fill the memory"
    )


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def escape(text: str) -> str:
    """Text as it stands between tags; what XML cannot say is left out."""
    text = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def reference(character: str) -> str:
    """Character reference for a character that the encoding lacks."""
    return f"&#{ord(character)};"


def with_attribute(raw: str, name: str, value: str) -> str:
    """A tag with an attribute set."""
    attribute = re.compile(rf"(\s{re.escape(name)}\s*=\s*)(?:\"[^\"]*\"|'[^']*')")
    if attribute.search(raw):
        return attribute.sub(rf'\g<1>"{value}"', raw, count=1)
    end = len(raw) - (2 if raw.endswith("/>") else 1)
    return f'{raw[:end].rstrip()} {name}="{value}"{raw[end:]}'


def end_of(tokens: Sequence[Token], position: int) -> int:
    """The index behind the element whose first tag is at `position`."""
    if tokens[position].kind is not TokenKind.OPEN:
        return position + 1
    depth = 0
    for index in range(position, len(tokens)):
        depth += {TokenKind.OPEN: 1, TokenKind.CLOSE: -1}.get(tokens[index].kind, 0)
        if depth == 0:
            return index + 1
    raise AssertionError("Expat has seen to it that every element is closed")


def children(tokens: Sequence[Token], position: int) -> Iterator[int]:
    """Offsets of the tags and texts directly in the element at `position`."""
    if tokens[position].kind is not TokenKind.OPEN:
        return
    position += 1
    while tokens[position].kind is not TokenKind.CLOSE:
        yield position
        position = end_of(tokens, position)


def within(tokens: Sequence[Token], position: int, name: str) -> Iterator[Sequence[Token]]:
    """The elements of a name in the element at `position`, each with all that is in it."""
    for place in range(position, end_of(tokens, position)):
        opens = tokens[place].kind in (TokenKind.OPEN, TokenKind.EMPTY)
        if tokens[place].name == name and opens:
            yield tokens[place : end_of(tokens, place)]


def nested(tokens: Sequence[Token], names: Set[str]) -> Iterator[tuple[int, int]]:
    """Offsets of elements of some names, and the depth of each among such elements."""
    opened: list[str] = []
    for position, token in enumerate(tokens):
        if token.kind is TokenKind.OPEN:
            if token.name in names:
                yield position, sum(name in names for name in opened)
            opened.append(token.name)
        elif token.kind is TokenKind.CLOSE:
            opened.pop()
