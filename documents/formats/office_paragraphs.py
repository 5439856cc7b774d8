"""Parts of Office packages that hold paragraphs: of Word, of slides, of drawings and charts."""

from collections.abc import Iterator, Sequence

from tformer.documents.document import Slot, TextDocument, checked
from tformer.documents.formats import alternative_texts, element_texts
from tformer.documents.formats.office_parts import is_about
from tformer.documents.formats.word_paragraph import NOISE, WordParagraph
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart

# Roots of parts whose paragraphs are those of drawings.
_DRAWINGS = {
    "chartSpace",
    "cmLst",
    "dataModel",
    "drawing",
    "notes",
    "sld",
    "sldLayout",
    "sldMaster",
    "userShapes",
    "wsDr",
}

_NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)


def read_paragraphs(data: bytes, name: str) -> TextDocument:
    """Read a part of an Office document.

    Raises:
        InputError: it is not well-formed.
    """
    if is_about(data):
        return element_texts.read_elements(data, name, element_texts.ABOUT_OFFICE)
    source = decode(data, name, xml.declared_encoding)
    return checked(
        TextDocument(
            source,
            lambda text: _paragraph_slots(text, name),
            xml.reference,
            skeleton=lambda text: skeleton(xml.scan(text, name)),
        )
    )


_RUN_PARTS = {"r", "t", *NOISE}


def skeleton(tokens: Sequence[Token]) -> list[str]:
    """Elements of a part without runs and their formats; those of a paragraph in any order."""
    opened: list[list[str]] = [[]]
    around: list[str] = []
    written = {position + 1 for position in element_texts.in_drawings(tokens)}
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.kind is TokenKind.OPEN and token.name not in ("rPr", "t"):
            around.append(token.name)
        elif token.kind is TokenKind.CLOSE:
            around.pop()
        if token.name == "p" and token.kind is TokenKind.OPEN:
            opened.append([])
        elif token.name == "p" and token.kind is TokenKind.CLOSE:
            inside = sorted(opened.pop())
            opened[-1].append("".join(inside))
        elif token.name in ("rPr", "t"):
            position = xml.end_of(tokens, position) - 1
        elif position not in written and token.name not in _RUN_PARTS and token.raw.strip():
            raw = alternative_texts.without_texts(token)
            # Properties belong to the element that they are in.
            place = f"{around[-2:]}" if token.name.endswith("Pr") else ""
            opened[-1].append(raw + place)
        position += 1
    return opened[0]


def _paragraph_slots(text: str, name: str) -> Iterator[Slot | LeftPart]:
    tokens = xml.scan(text, name)
    prefixes = _prefixes(tokens)
    prompts = _prompts(tokens)
    for number, (position, depth) in enumerate(xml.nested(tokens, {"p"}), start=1):
        if any(position in prompt for prompt in prompts):
            continue
        # What is drawn in Word has paragraphs of another namespace.
        own = tokens[position].raw[1:].partition("p")[0]
        if own not in prefixes:
            continue
        paragraph = WordParagraph(tokens, position)
        segment = paragraph.segment(str(number))
        yield from paragraph.left_parts
        if segment.has_words:
            yield Slot(segment, paragraph.edits(segment, own), depth)
    yield from alternative_texts.of_attributes(tokens, {"p"})
    yield from element_texts.slots_of(tokens, element_texts.in_drawings(tokens))


def _prompts(tokens: Sequence[Token]) -> list[range]:
    """Shapes of a layout that only say what to write in their place."""
    root = next(token for token in tokens if token.kind in (TokenKind.OPEN, TokenKind.EMPTY))
    if root.name not in ("sldLayout", "sldMaster"):
        return []
    shapes = (range(at, xml.end_of(tokens, at)) for at, _ in xml.nested(tokens, {"sp"}))
    return [shape for shape in shapes if any(tokens[at].name == "ph" for at in shape)]


def _prefixes(tokens: Sequence[Token]) -> set[str]:
    """Prefixes of the elements around text: a: in drawings and slides, w: in Word as a rule, but
    nothing or another in a few files."""
    root = next(token for token in tokens if token.kind in (TokenKind.OPEN, TokenKind.EMPTY))
    if root.name in _DRAWINGS:
        return {"a:"}
    declared = (key for token in tokens for key, v in token.attributes.items() if v in _NAMESPACES)
    names = {name.removeprefix("xmlns").removeprefix(":") for name in declared if "xmlns" in name}
    return {f"{name}:" if name else "" for name in names or {"w"}} | {"a:"}
