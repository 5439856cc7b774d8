"""String resources in XML: Android's strings.xml and .NET's .resx. A string is a segment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tformer.documents.building import Builder
from tformer.documents.document import Edit, Slot, TextDocument, checked
from tformer.documents.formats.strings import is_technical
from tformer.documents.inline.interface import Accelerator
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.protection import BREAKING
from tformer.documents.segments import Segment, render
from tformer.model.errors import InputError

_ESCAPE = re.compile(r"(?:\\u0020)+|\\(?:u([0-9a-fA-F]{4})|(n|t)|(.))", re.DOTALL)
_BREAKS = {"\\n": "\n", "\\t": "\t"}
_BLANK = "\\u0020"


def open_android(data: bytes, name: str) -> TextDocument:
    """Read Android's string resources; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is not well-formed XML, or holds no resources.
    """
    return _open(data, name, "resources", _android)


def open_resx(data: bytes, name: str) -> TextDocument:
    """Read .resx; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is not well-formed XML, or no .resx.
    """
    return _open(data, name, "root", _resx)


def _open(
    data: bytes, name: str, root: str, slots: Callable[[Sequence[Token]], Iterator[Slot]]
) -> TextDocument:
    def read(text: str) -> Iterator[Slot]:
        tokens = xml.scan(text, name)
        first = next(token for token in tokens if token.kind in (TokenKind.OPEN, TokenKind.EMPTY))
        if first.name != root:
            raise InputError(f"{name}: the first element is <{first.name[:40]}>, not <{root}>")
        return slots(tokens)

    return checked(TextDocument(decode(data, name, xml.declared_encoding), read, xml.reference))


# --- Android -------------------------------------------------------------------------------------


def _android(tokens: Sequence[Token]) -> Iterator[Slot]:
    path: list[str] = []
    parents: list[str] = []
    counts: list[int] = []
    says = [True]
    for position, token in enumerate(tokens):
        if token.kind is TokenKind.CLOSE:
            path, counts = path[:-1], counts[:-1]
            parents.pop()
            says.pop()
        if token.kind is not TokenKind.OPEN:
            continue
        if counts:
            counts[-1] += 1
        own = token.attributes
        stays = own.get("translatable") == "false" or own.get("translate") in ("no", "false")
        says.append(says[-1] and not stays)
        named = own.get("name") or own.get("quantity") or str(counts[-1] if counts else 0)
        path, counts = [*path, named], [*counts, 0]
        of_strings = token.name == "item" and (
            parents[-1:] in (["plurals"], ["string-array"]) or own.get("type") == "string"
        )
        parents.append(token.name)
        if says[-1] and (token.name == "string" or of_strings):
            yield from _android_slot("/".join(path[1:]), tokens, position)


def _android_slot(id: str, tokens: Sequence[Token], position: int) -> Iterator[Slot]:
    end = xml.end_of(tokens, position) - 1
    inner = tokens[position + 1 : end]
    text = "".join(token.text for token in inner if token.kind is TokenKind.TEXT)
    if text.startswith(("@string/", "?")) or is_technical(id, text):
        return
    is_cdata = _is_cdata(inner)

    def escape(piece: str) -> str:
        """Text as Android reads it; a tag that stands in the file as such is left so."""
        is_tag = piece.startswith("<") and piece in text
        piece = piece if is_tag else _android_text(piece)
        return piece if is_cdata else xml.escape(piece)

    start, stop = tokens[position].end, tokens[end].start
    quoted = len(inner) == 1 and _QUOTED.fullmatch(inner[0].raw)
    if quoted:
        inner = [replace(inner[0], raw=quoted[2])]
        start, stop = start + quoted.end(1), stop - len(quoted[3])
    builder = Builder(escape)
    # Quotation marks keep white space and are not shown, but those of tags are markup.
    has_quotes = not quoted and bool(_QUOTE.search(text)) and "<" not in text
    _add_content(builder, inner, keeps_space=bool(quoted), has_quotes=has_quotes)
    segment = builder.build(id, context=id)
    if segment.has_words and is_cdata:
        yield Slot(
            segment,
            lambda text: [Edit(start, stop, _in_cdata(render(segment, text, escape)))],
        )
    elif segment.has_words:
        yield _replaced(segment, start, stop, escape)


def _add_content(
    builder: Builder, inner: Sequence[Token], *, keeps_space: bool, has_quotes: bool
) -> None:
    """Add texts and tags of a string.

    Args:
        builder: of its segment.
        inner: its tokens.
        keeps_space: whether it stands between quotation marks, which keep its white space.
        has_quotes: whether such marks stand within it.
    """
    is_within = False
    place = 0
    while place < len(inner):
        token, behind = inner[place], place + 1
        if token.kind is TokenKind.TEXT and has_quotes:
            is_within = _add_quoted(builder, token.text, is_within)
        elif token.kind is TokenKind.TEXT:
            _add_android(builder, token.text if keeps_space else re.sub(r"\s+", " ", token.text))
        elif token.name == "g" or token.kind is TokenKind.EMPTY:
            behind = xml.end_of(inner, place)
            _add_kept(builder, inner[place:behind])
        elif token.kind is TokenKind.OPEN:
            builder.open(token.name, token.raw)
        elif token.kind is TokenKind.CLOSE:
            builder.close(token.name, token.raw)
        else:
            builder.alone(token.raw, divides=False)  # a comment
        place = behind


def _add_kept(builder: Builder, element: Sequence[Token]) -> None:
    """Add an element that stays as it is: one that is empty, or for which Android has a value."""
    shown = "".join(token.text for token in element if token.kind is TokenKind.TEXT)
    breaks = element[0].name in BREAKING
    raw = "".join(token.raw for token in element)
    builder.alone(raw, "\n" if breaks else shown, divides=breaks or (None if not shown else False))


_QUOTED = re.compile(r'(\s*"\s*)([^"\\]*[^"\\\s])(\s*"\s*)')
"""Pattern of a text between quotation marks, which keep its white space."""


_QUOTE = re.compile(r'(?<!\\)(?:\\\\)*"')
_KEPT = re.compile(r"\A\s+|\s+\Z|\s{2,}|[^\S ]")
"""Pattern of white space that would be lost without quotation marks."""


def _add_quoted(builder: Builder, text: str, is_within: bool) -> bool:
    """Add a text with quotation marks; returns whether one is still open."""
    for piece in re.findall(r'(?:[^"\\]|\\.)+|"|\\', text, re.DOTALL):
        if piece == '"':
            is_within = not is_within
        elif is_within:
            _add_android(builder, _KEPT.sub(lambda match: _spelled(match[0]), piece))
        else:
            _add_android(builder, re.sub(r"\s+", " ", piece))
    return is_within


def _spelled(space: str) -> str:
    return "".join({"\n": "\\n", "\t": "\\t"}.get(character, "\\u0020") for character in space)


def _add_android(builder: Builder, text: str) -> None:
    position = 0
    for match in _ESCAPE.finditer(text):
        builder.text(text[position : match.start()])
        if match[0] in _BREAKS:
            builder.alone(match[0], _BREAKS[match[0]], divides=True)
        elif match[0].startswith(_BLANK):
            builder.alone(match[0])
        else:
            builder.text(_unescaped(match[0]))
        position = match.end()
    builder.text(text[position:])


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[3] or m[0], text)


def _android_text(text: str) -> str:
    text = re.sub(r"[\r\n]+", " ", text).replace("\\", "\\\\")
    text = text.replace("'", "\\'").replace('"', '\\"')
    return f"\\{text}" if text.startswith(("@", "?")) else text


def _replaced(segment: Segment, start: int, end: int, escape: Callable[[str], str]) -> Slot:
    return Slot(segment, lambda text: [Edit(start, end, render(segment, text, escape))])


# --- .resx ---------------------------------------------------------------------------------------


def _resx(tokens: Sequence[Token]) -> Iterator[Slot]:
    for position, token in enumerate(tokens):
        if token.name != "data" or token.kind is not TokenKind.OPEN:
            continue
        own = token.attributes
        name = own.get("name", "")
        if "type" in own or "mimetype" in own or name.startswith(">>"):
            continue
        comment = xml.unescape(_comment(tokens, position))
        if _LOCKED.search(comment):
            continue
        locked = [term for match in _LOCKED_TERMS.finditer(comment) for term in _terms(match[1])]
        for inner in xml.children(tokens, position):
            if tokens[inner].name == "value" and tokens[inner].kind is TokenKind.OPEN:
                yield from _resx_slot(name, tokens, inner, locked)


_LOCKED = re.compile(r"\{Locked\}", re.IGNORECASE)
"""Pattern of a comment with which Microsoft's tools keep a string from translation."""


_LOCKED_TERMS = re.compile(r"\{Locked\s*=\s*([^{}]*)\}", re.IGNORECASE)
"""As `_LOCKED`, of words in a string: `{Locked="Contoso"}`."""


def _terms(listed: str) -> list[str]:
    return [term for term in re.findall(r"[\"\u201c]([^\"\u201d]+)[\"\u201d]", listed) if term]


def _add_without(builder: Builder, text: str, locked: Sequence[str]) -> None:
    """Add a text in which some words are not for translation."""
    pattern = "|".join(map(re.escape, sorted(locked, key=len, reverse=True)))
    for number, piece in enumerate(re.split(f"({pattern})", text) if pattern else [text]):
        if number % 2:
            builder.alone(piece, piece, divides=False)
        else:
            builder.text(piece)


def _comment(tokens: Sequence[Token], position: int) -> str:
    """Comment on a string."""
    places = (at for at in xml.children(tokens, position) if tokens[at].name == "comment")
    return "".join(t.raw for at in places for t in tokens[at : xml.end_of(tokens, at)])


def _resx_slot(
    name: str, tokens: Sequence[Token], position: int, locked: Sequence[str]
) -> Iterator[Slot]:
    end = xml.end_of(tokens, position) - 1
    text = "".join(t.text for t in tokens[position + 1 : end] if t.kind is TokenKind.TEXT)
    if is_technical(name, text):
        return
    inner = tokens[position + 1 : end]
    escape = _in_cdata if _is_cdata(inner) else xml.escape
    builder = Builder(breaks=True)
    accelerator = Accelerator.of(text)
    _add_without(builder, accelerator.without if accelerator else text, locked)
    segment = builder.build(name, context=name)

    def edits(translation: str) -> list[Edit]:
        rendered = render(segment, translation, str)
        rendered = accelerator.put_into(rendered) if accelerator else rendered
        return [Edit(inner[0].start, inner[-1].end, escape(rendered))]

    if segment.has_words:
        yield Slot(segment, edits)


def _is_cdata(tokens: Sequence[Token]) -> bool:
    """Return whether a content is one section of CDATA."""
    return len(tokens) == 1 and tokens[0].raw.startswith("<![CDATA[")


def _in_cdata(text: str) -> str:
    return f"<![CDATA[{text}]]>" if "]]>" not in text else xml.escape(text)
