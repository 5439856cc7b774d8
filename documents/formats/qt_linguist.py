"""Qt Linguist's .ts: a message is a segment, and so is each of its numerus forms.

Existing translations are kept, those that are unfinished for review. What is translated anew is
marked `type="unfinished"`, as Qt's own tools do until a person has looked at it. Messages that are
no longer in the program (vanished, obsolete) are no segments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.inline.interface import Accelerator, is_identifier
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import SegmentState, render
from tformer.model.errors import InputError

_GONE = ("vanished", "obsolete")


def open_qt_linguist(data: bytes, name: str) -> TextDocument:
    """Read .ts; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is not well-formed XML, or not of Qt Linguist.
    """
    return checked(
        TextDocument(
            decode(data, name, xml.declared_encoding),
            lambda text: _slots(xml.scan(text, name), name),
            xml.reference,
            declares=lambda text: _declares(_root(xml.scan(text, name), name)),
            labels=lambda text, language: _labels(_root(xml.scan(text, name), name), language),
        )
    )


def _root(tokens: Sequence[Token], name: str) -> Token:
    root = next(token for token in tokens if token.kind in (TokenKind.OPEN, TokenKind.EMPTY))
    if root.name != "TS":
        raise InputError(f"{name}: the first element is <{root.name[:40]}>, not <TS>")
    return root


def _declares(root: Token) -> DocumentLanguages:
    own = root.attributes
    return DocumentLanguages(own.get("sourcelanguage") or None, own.get("language") or None)


def _labels(root: Token, language: str) -> Iterator[Edit]:
    if not root.attributes.get("language"):
        yield Edit(root.start, root.end, xml.with_attribute(root.raw, "language", language))


def _slots(tokens: Sequence[Token], name: str) -> Iterator[Slot | LeftPart]:
    _root(tokens, name)
    context = ""
    for position, token in enumerate(tokens):
        if token.kind is not TokenKind.OPEN:
            continue
        if token.name == "context":
            context = ""
        elif token.name == "name":
            context = context or _text(tokens, position)
        elif token.name == "message":
            yield from _message(tokens, position, context)


def _message(tokens: Sequence[Token], position: int, context: str) -> Iterator[Slot | LeftPart]:
    found: dict[str, int] = {}
    for inner in xml.children(tokens, position):
        found.setdefault(tokens[inner].name, inner)
    source, target = found.get("source"), found.get("translation")
    if source is None or (target and tokens[target].attributes.get("type") in _GONE):
        return
    has_lengths = target and any(True for _ in xml.within(tokens, target, "lengthvariant"))
    if target is None or (has_lengths and not _text(tokens, target).strip()):
        start, end = tokens[source].start, tokens[xml.end_of(tokens, source) - 1].end
        reason = "its translation has several lengths" if target else "it has no <translation>"
        yield LeftPart(start, end, reason, _text(tokens, source))
        return
    comment = _text(tokens, found["comment"]) if "comment" in found else ""
    said = " ".join(filter(None, (context, comment)))
    id = tokens[position].attributes.get("id") or f"{context}/{_text(tokens, source)}/{comment}"
    if tokens[position].attributes.get("numerus") != "yes":
        yield _slot(tokens, source, target, target, id, said)
        return
    forms = [at for at in xml.children(tokens, target) if tokens[at].name == "numerusform"]
    for number, form in enumerate(forms):
        yield _slot(tokens, source, target, form, f"{id}[{number}]", said)


def _slot(
    tokens: Sequence[Token], source: int, translation: int, place: int, id: str, context: str
) -> Slot:
    """A segment whose translation goes into the element at `place`."""
    builder = Builder(xml.escape, breaks=True, grammar="qt-format")
    inner = tokens[source + 1 : xml.end_of(tokens, source) - 1]
    whole = "".join(token.text for token in inner)
    accelerator = Accelerator.of(whole) if len(inner) == 1 else None
    if is_identifier(whole):
        builder.alone(whole)
    elif accelerator:
        builder.text(accelerator.without)
    else:
        _add(builder, inner)
    target, type = _text(tokens, place), tokens[translation].attributes.get("type")
    written = SegmentState.REVIEW if type == "unfinished" else SegmentState.TRANSLATED
    state = written if target.strip() else SegmentState.NEW
    segment = builder.build(id, target=target, state=state, context=context)

    def edits(text: str) -> Iterator[Edit]:
        rendered = render(segment, text, xml.escape)
        if accelerator:
            rendered = xml.escape(accelerator.put_into(xml.unescape(rendered)))
        opening = tokens[translation]
        marked = xml.with_attribute(opening.raw, "type", "unfinished")
        if place != translation:
            if marked != opening.raw:
                yield Edit(opening.start, opening.end, marked)
            marked = tokens[place].raw
        marked = f"{marked.removesuffix('/>').rstrip()}>" if marked.endswith("/>") else marked
        first, last = tokens[place], tokens[xml.end_of(tokens, place) - 1]
        yield Edit(first.start, last.end, f"{marked}{rendered}</{first.name}>")

    return Slot(segment, edits)


def _add(builder: Builder, inner: Sequence[Token]) -> None:
    """Add a source; `<byte value="x9"/>` is a character that XML cannot say."""
    for token in inner:
        if token.kind is TokenKind.TEXT:
            builder.text(token.text)
        elif token.kind is not TokenKind.OTHER:
            builder.alone(token.raw, divides=True)


def _text(tokens: Sequence[Token], position: int) -> str:
    inside = tokens[position : xml.end_of(tokens, position)]
    return "".join(token.text for token in inside if token.kind is TokenKind.TEXT)
