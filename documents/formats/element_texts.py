"""Elements of XML that hold nothing but a text: titles of a document, labels of a chart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from tformer.documents.building import Builder
from tformer.documents.document import Slot, TextDocument, checked, replacing
from tformer.documents.formats import alternative_texts
from tformer.documents.formats.office_codes import add_coded_text, plain_text
from tformer.documents.inline.interface import is_identifier
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind

ABOUT_OFFICE = frozenset({"title", "subject", "description", "keywords", "keyword", "category"})
"""Elements in which a document tells of itself, in `docProps/core.xml` and `meta.xml`."""

_DRAWN: Mapping[str, Set[str]] = {
    "chartSpace": {"strCache", "strLit", "tx", "lvl", "strDim", "txData"},
    "cmLst": {"cm"},
}
"""Parents of such elements in parts of drawings, by the root of the part."""

_TEXTS = {"v", "pt", "text"}


def read_elements(
    data: bytes, name: str, wanted: Set[str], without: Set[str] = frozenset()
) -> TextDocument:
    """Read a part in which the elements of some names are translated, but not within others.

    Raises:
        InputError: it is not well-formed.
    """
    source = decode(data, name, xml.declared_encoding)

    def read(text: str) -> Iterator[Slot]:
        tokens = xml.scan(text, name)
        left = [range(at, xml.end_of(tokens, at)) for at, _ in xml.nested(tokens, without)]
        places = (at for at, token in enumerate(tokens) if token.name in wanted)
        texts = (at for at in places if is_text(tokens, at) and all(at not in own for own in left))
        yield from slots_of(tokens, texts)
        yield from alternative_texts.of_attributes(tokens, set())

    return checked(TextDocument(source, read, xml.reference))


def is_text(tokens: Sequence[Token], position: int) -> bool:
    """Return whether the element at a position holds a text and nothing else."""
    return (
        tokens[position].kind is TokenKind.OPEN
        and tokens[position + 1].kind is TokenKind.TEXT
        and tokens[position + 2].kind is TokenKind.CLOSE
    )


def in_drawings(tokens: Sequence[Token]) -> Iterator[int]:
    """Positions of the labels of a chart, and of comments on slides that are one text."""
    root = next(t for t in tokens if t.kind in (TokenKind.OPEN, TokenKind.EMPTY))
    parents = _DRAWN.get(root.name, set())
    opened: list[str] = []
    for position, token in enumerate(tokens if parents else ()):
        if token.kind is TokenKind.OPEN:
            if token.name in _TEXTS and parents & set(opened) and is_text(tokens, position):
                yield position
            opened.append(token.name)
        elif token.kind is TokenKind.CLOSE:
            opened.pop()


def slots_of(tokens: Sequence[Token], positions: Iterable[int]) -> Iterator[Slot]:
    """Slots of the texts in elements, without the white space around them."""
    for position in positions:
        text = tokens[position + 1]
        builder = Builder(xml.escape, breaks=True)
        add_coded_text(builder, text.text.strip())
        segment = builder.build(f"{tokens[position].name} {position}")
        if segment.has_words and not is_identifier(plain_text(text.text).strip()):
            start = text.start + len(text.raw) - len(text.raw.lstrip())
            yield replacing(segment, start, start + len(text.raw.strip()), xml.escape)
