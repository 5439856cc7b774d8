"""Apple's .stringsdict: a property list with a string for each plural form of a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tformer.documents.building import Builder
from tformer.documents.document import Slot, TextDocument, checked, replacing
from tformer.documents.formats.strings import is_technical
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.model.errors import InputError

_FORMS = frozenset({"zero", "one", "two", "few", "many", "other"})
_FORMAT = "NSStringLocalizedFormatKey"
_WIDTHS = "NSStringVariableWidthRuleType"
_DEVICES = "NSStringDeviceSpecificRuleType"


def open_stringsdict(data: bytes, name: str) -> TextDocument:
    """Read .stringsdict; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is not well-formed XML, or no property list.
    """

    def read(text: str) -> Iterator[Slot]:
        tokens = xml.scan(text, name)
        first = next(token for token in tokens if token.kind in (TokenKind.OPEN, TokenKind.EMPTY))
        if first.name != "plist":
            raise InputError(f"{name}: the first element is <{first.name[:40]}>, not <plist>")
        return _slots(tokens)

    return checked(TextDocument(decode(data, name, xml.declared_encoding), read, xml.reference))


def _slots(tokens: Sequence[Token]) -> Iterator[Slot]:
    for path, position in _strings(tokens):
        of_rule = len(path) > 1 and path[-2] in (_WIDTHS, _DEVICES)
        if path and (path[-1] in _FORMS or path[-1] == _FORMAT or of_rule):
            yield from _slot("/".join(path), tokens, position)


def _strings(tokens: Sequence[Token]) -> Iterator[tuple[list[str], int]]:
    """Positions of the strings of a property list, with the keys that lead to them."""
    path: list[str] = []
    key: str | None = None
    for position, token in enumerate(tokens):
        if token.kind is TokenKind.OPEN and token.name == "key":
            key = tokens[position + 1].text.strip()
        elif token.kind is TokenKind.OPEN and token.name == "dict":
            path.append(key or "")
            key = None
        elif token.kind is TokenKind.CLOSE and token.name == "dict":
            path.pop()
        elif token.kind is TokenKind.OPEN and token.name == "string" and key is not None:
            yield [*path[1:], key], position
            key = None


def _slot(id: str, tokens: Sequence[Token], position: int) -> Iterator[Slot]:
    inner = tokens[position + 1 : xml.end_of(tokens, position) - 1]
    text = "".join(token.text for token in inner if token.kind is TokenKind.TEXT)
    builder = Builder(xml.escape, breaks=True)
    builder.text(text)
    segment = builder.build(id, context=id)
    if segment.has_words and not is_technical(id, text):
        yield replacing(segment, inner[0].start, inner[-1].end, xml.escape)
