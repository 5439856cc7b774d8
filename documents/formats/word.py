"""Word documents (.docx): paragraphs of the text, of headers, footers, notes and comments.

The format in which most of a paragraph is set is that of plain text in its segment; runs in another
format and links are placeholders around words. Tabs, breaks, pictures, notes and fields stand
alone. A translated paragraph gets new runs, without the marks that Word's spelling checker left.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tformer.documents.building import Builder
from tformer.documents.document import Edit, Slot, TextDocument, checked
from tformer.documents.formats import alternative_texts
from tformer.documents.formats.office_parts import OfficeParts, with_language
from tformer.documents.formats.packages import PackageDocument, open_package
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.segments import Inline, Mark, PlaceholderKind, Segment, parts

_PARTS = OfficeParts(
    main=re.compile(r".*word.*\.main\+xml"),
    others=re.compile(
        r".*(?:wordprocessingml\.(?:header|footer|footnotes|endnotes|comments)"
        r"|drawingml\.(?:chart|diagramData|diagramDrawing))\+xml"
    ),
    names=re.compile(r"word/(?:document\d*|(?:header|footer)\d*|footnotes|endnotes|comments)\.xml"),
)

# Roots of parts whose paragraphs are those of drawings.
_DRAWINGS = {"chartSpace", "dataModel", "drawing", "sld", "notes", "cmLst"}

# Elements around runs whose text is part of the paragraph.
_AROUND = {
    "customXml",
    "hyperlink",
    "ins",
    "smartTag",
    "moveTo",
    "fldSimple",
    "sdt",
    "sdtContent",
    "dir",
    "bdo",
}

# What a program notes for itself, to be found anew.
_NOISE = {"proofErr", "lastRenderedPageBreak"}

_SHOWN = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": ""}

# What makes no difference that a reader sees.
_UNSEEN = re.compile(
    r"<(?:\w+:)?(?:lang|noProof|rtl)\b[^>]*/>|\s+(?:\w+:)?(?:rsid\w*|lang|altLang|dirty|err)=\"[^\"]*\""
)

# Ranges from one mark to another, by the name of both.
_RANGE = re.compile(r"(bookmark|commentRange|perm|moveToRange)(Start|End)")

_NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)

# Code of templates, which Word may have cut into runs.
_TEMPLATE = re.compile(
    r"\{\{.{0,300}?\}\}|\{%.{0,300}?%\}|\u00ab[\w.-]{1,60}\u00bb|\$\{[^{}]{1,100}\}"
)


def open_docx(data: bytes, name: str) -> PackageDocument:
    """Read a Word document; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    document = open_package(data, name, "a Word document", _PARTS.of, read_paragraphs)
    styles = [info.filename for info, _ in document.contents if _STYLES.fullmatch(info.filename)]
    return replace(document, labels=dict.fromkeys([*document.parts, *styles], _label))


_STYLES = re.compile(r"(?:.*/)?styles\.xml", re.IGNORECASE)
_LANG = re.compile(rb"(<(?:\w+:)?lang\b[^<>]*?\s(?:\w+:)?val=\")([^\"]+)(?=\")")


def _label(data: bytes, language: str) -> bytes:
    """A part whose runs and styles name the language of the translation."""
    return with_language(data, language, _LANG)


def read_paragraphs(data: bytes, name: str) -> TextDocument:
    """Read a part of an Office document.

    Raises:
        InputError: it is not well-formed.
    """
    source = decode(data, name, xml.declared_encoding)
    return checked(
        TextDocument(
            source,
            lambda text: _paragraph_slots(text, name),
            xml.reference,
            skeleton=lambda text: skeleton(xml.scan(text, name)),
        )
    )


_RUN_PARTS = {"r", "t", *_NOISE}

_TRANSLATED_ATTRIBUTES = re.compile(r"\s(?:descr|title)=(?:\"[^\"]*\"|'[^']*')")


def skeleton(tokens: Sequence[Token]) -> list[str]:
    """Elements of a part without runs and their formats; those of a paragraph in any order."""
    opened: list[list[str]] = [[]]
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.name == "p" and token.kind is TokenKind.OPEN:
            opened.append([])
        elif token.name == "p" and token.kind is TokenKind.CLOSE:
            inside = sorted(opened.pop())
            opened[-1].append("".join(inside))
        elif token.name in ("rPr", "t"):
            position = xml.end_of(tokens, position) - 1
        elif token.name not in _RUN_PARTS and token.raw.strip():
            opened[-1].append(_TRANSLATED_ATTRIBUTES.sub("", token.raw))
        position += 1
    return opened[0]


def _paragraph_slots(text: str, name: str) -> Iterator[Slot]:
    tokens = xml.scan(text, name)
    prefix = _prefix(tokens)
    for number, (position, depth) in enumerate(xml.nested(tokens, {"p"}), start=1):
        # Drawings have paragraphs too, of another language: <a:p>.
        if not re.match(rf"<{prefix}p[\s/>]", tokens[position].raw):
            continue
        paragraph = _Paragraph(tokens, position)
        segment = paragraph.segment(str(number))
        if segment.has_words:
            yield Slot(segment, _edits(paragraph, segment, prefix), depth)
    yield from alternative_texts.of_drawings(tokens)


def _prefix(tokens: Sequence[Token]) -> str:
    """Prefix of the elements around text: a: in drawings and slides, w: in Word as a rule, but
    nothing in a few files."""
    root = next(token for token in tokens if token.kind in (TokenKind.OPEN, TokenKind.EMPTY))
    if root.name in _DRAWINGS:
        return "a:"
    names = (key for key, value in root.attributes.items() if value in _NAMESPACES)
    name = next((name for name in names if name.startswith("xmlns")), "xmlns:w")
    return name.removeprefix("xmlns").removeprefix(":") + ":" * (name != "xmlns")


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ParagraphItem:
    """Something in a paragraph, one after the other."""

    kind: str
    """text, alone, open or close"""
    raw: str
    """Source in the file; of text, the format of its run."""
    text: str = ""
    """Text; the visible form of what stands alone; the name of what opens or closes."""


class _Paragraph:
    """The items of a paragraph."""

    def __init__(self, tokens: Sequence[Token], position: int) -> None:
        self._tokens = tokens
        end = xml.end_of(tokens, position) - 1
        first = position + 1
        if tokens[first].name == "pPr":
            first = xml.end_of(tokens, first)
        if tokens[end - 1].name == "endParaRPr":  # must stay the last
            end -= _size_of_last(tokens, first, end)
        self.start, self.end = tokens[first].start, tokens[end].start
        self._fields = _fields(tokens, first, end)
        self._items = list(_with_whole_templates(list(self._read(first, end))))
        self.format = self._usual_format()

    def segment(self, id: str) -> Segment:
        """The segment of the paragraph; a run in another format than usual is a placeholder."""
        usual = self.format
        builder = Builder(
            xml.escape, breaks=True, join=lambda pieces, inlines: _runs(usual, pieces, inlines)
        )
        opened: str | None = None
        for item, following in pairwise([*self._items, _ParagraphItem("close", "")]):
            if item.kind == "text":
                wanted = None if _seen(item.raw) == _seen(self.format) else item.raw
                if wanted is not None and opened is None:
                    builder.open("run", item.raw)
                    opened = item.raw
                builder.text(item.text)
                same = following.kind == "text" and _seen(following.raw) == _seen(item.raw)
                if opened is not None and not same:
                    builder.close("run", "<w:r/>")
                    opened = None
            elif item.kind == "alone":
                shows = item.text if item.kind == "alone" else ""
                builder.alone(item.raw, shows, divides=shows in ("\t", "\n"))
            elif item.kind == "open":
                builder.open(item.text, item.raw)
            else:
                builder.close(item.text, item.raw)
        return builder.build(id)

    def _usual_format(self) -> str:
        """That of most characters."""
        sizes: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for item in self._items:
            if item.kind == "text":
                sizes[_seen(item.raw)] += len(item.text)
                examples.setdefault(_seen(item.raw), item.raw)
        return examples[sizes.most_common(1)[0][0]] if sizes else "<w:rPr/>"

    def _read(self, position: int, end: int) -> Iterator[_ParagraphItem]:
        while position < end:
            token = self._tokens[position]
            behind = self._fields.get(position, xml.end_of(self._tokens, position))
            if position in self._fields:
                yield _ParagraphItem(
                    "alone", self._raw(position, behind), self._result(position, behind)
                )
            elif token.name == "r" and token.kind is TokenKind.OPEN:
                yield from self._run(position)
            elif mark := _RANGE.fullmatch(token.name):
                names = token.attributes.items()
                id = next((value for key, value in names if key.rpartition(":")[2] == "id"), "")
                kind = "open" if mark[2] == "Start" else "close"
                yield _ParagraphItem(kind, self._raw(position, behind), f"{mark[1]} {id}")
            elif token.kind is TokenKind.OPEN and token.name in _AROUND:
                behind = position + 1
                yield _ParagraphItem("open", token.raw, token.name)
            elif token.kind is TokenKind.CLOSE:
                behind = position + 1
                yield _ParagraphItem("close", token.raw, token.name)
            elif token.name not in _NOISE:
                shown = _SHOWN.get(token.name, "")
                yield _ParagraphItem("alone", self._raw(position, behind), shown)
            position = behind

    def _run(self, position: int) -> Iterator[_ParagraphItem]:
        format = "<w:rPr/>"
        for inner in xml.children(self._tokens, position):
            token = self._tokens[inner]
            behind = xml.end_of(self._tokens, inner)
            raw = self._raw(inner, behind)
            if token.name == "rPr":
                format = raw
            elif token.name == "t":
                texts = self._tokens[inner + 1 : behind - 1]
                yield _ParagraphItem("text", format, "".join(text.text for text in texts))
            elif token.name not in _NOISE and raw.strip():
                yield _ParagraphItem("alone", _run(format, raw), _SHOWN.get(token.name, ""))

    def _raw(self, start: int, end: int) -> str:
        return "".join(token.raw for token in self._tokens[start:end])

    def _result(self, start: int, end: int) -> str:
        """Visible result of a field."""
        shown = []
        for position in range(start, end):
            token = self._tokens[position]
            if token.kind is TokenKind.OPEN and token.name == "t":
                shown.append(self._tokens[position + 1].text)
        return "".join(shown)


def _with_whole_templates(items: list[_ParagraphItem]) -> Iterator[_ParagraphItem]:
    """Items in which the code of a template has one format, that of its beginning."""
    texts: list[_ParagraphItem] = []
    for item in [*items, _ParagraphItem("end", "")]:
        if item.kind == "text":
            texts.append(item)
            continue
        yield from _unified(texts)
        texts = []
        if item.kind != "end":
            yield item


def _unified(texts: list[_ParagraphItem]) -> Iterator[_ParagraphItem]:
    whole = "".join(item.text for item in texts)
    formats = [item.raw for item in texts for _ in item.text]
    for match in _TEMPLATE.finditer(whole) if len(texts) > 1 else ():
        formats[match.start() : match.end()] = [formats[match.start()]] * len(match[0])
    start = 0
    for at in range(1, len(whole) + 1):
        if at == len(whole) or formats[at] != formats[start]:
            yield _ParagraphItem("text", formats[start], whole[start:at])
            start = at


def _size_of_last(tokens: Sequence[Token], first: int, end: int) -> int:
    """Number of tokens of the last element."""
    position = first
    while (behind := xml.end_of(tokens, position)) < end:
        position = behind
    return end - position


def _fields(tokens: Sequence[Token], first: int, end: int) -> dict[int, int]:
    """Ranges of fields that end in the same paragraph, by run: a date, a page number."""
    found: dict[int, int] = {}
    run = first
    opened: list[int] = []
    for position in range(first, end):
        token = tokens[position]
        if token.name == "r" and token.kind is TokenKind.OPEN:
            run = position
        says = token.attributes if token.name == "fldChar" else {}
        kind = next((says[key] for key in says if key.endswith("fldCharType")), None)
        if kind == "begin" and token.kind is not TokenKind.CLOSE:
            opened.append(run)
        elif kind == "end" and opened:
            begin = opened.pop()
            if not opened:
                found[begin] = xml.end_of(tokens, run)
    return found


def _seen(format: str) -> str:
    visible = _UNSEEN.sub("", format)
    return "<w:rPr/>" if visible == "<w:rPr></w:rPr>" else visible


_FORMAT = re.compile(r"<(?:\w+:)?rPr[\s/>]")

# --- writing -------------------------------------------------------------------------------------


def _edits(paragraph: _Paragraph, segment: Segment, prefix: str) -> Callable[[str], list[Edit]]:
    def edits(text: str) -> list[Edit]:
        runs = _runs(paragraph.format, parts(text), segment.inlines)
        if prefix != "w:":
            runs = runs.replace("<w:", f"<{prefix}").replace("</w:", f"</{prefix}")
        if prefix == "a:":
            runs = runs.replace('<a:t xml:space="preserve">', "<a:t>")
        return [Edit(paragraph.start, paragraph.end, runs)]

    return edits


def _runs(usual: str, text: Iterable[str | Mark], inlines: Mapping[int, Inline]) -> str:
    """Text and placeholders as runs."""
    pieces: list[str] = []
    formats = [usual]
    for part in text:
        if isinstance(part, str):
            pieces.append(_text_run(formats[-1], xml.escape(part)))
            continue
        inline = inlines[part.number]
        raw = inline.raw(part.part)
        is_format = bool(_FORMAT.match(inline.opening))
        if is_format and part.part is PlaceholderKind.OPEN:
            formats.append(raw)
        elif is_format and part.part is PlaceholderKind.CLOSE:
            formats.pop()
        elif raw.startswith("<"):
            pieces.append(raw)
        else:
            pieces.append(_text_run(formats[-1], raw))
    return "".join(pieces)


def _text_run(format: str, text: str) -> str:
    return _run(format, f'<w:t xml:space="preserve">{text}</w:t>')


def _run(format: str, content: str) -> str:
    return f"<w:r>{'' if format == '<w:rPr/>' else format}{content}</w:r>"
