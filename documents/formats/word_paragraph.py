"""A paragraph of Word or of a drawing.

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
from tformer.documents.document import Edit
from tformer.documents.formats.office_codes import add_coded_text
from tformer.documents.formats.word_fields import find_fields, is_read, with_marks_apart
from tformer.documents.io import xml
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Inline, Mark, PlaceholderKind, Segment, parts

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

# What must be the first in such an element.
_PROPERTIES = re.compile(r"(?:customXml|smartTag)Pr|fldData")

# What a program notes for itself, to be found anew.
NOISE = {"proofErr", "lastRenderedPageBreak"}

_SHOWN = {
    "tab": "\t",
    "ptab": "\t",
    "br": "\n",
    "cr": "\n",
    # Of a field that ends in another paragraph: no word comes into its result or out of it.
    "fldChar": "\n",
    "noBreakHyphen": "-",
    "softHyphen": "",
}

# What makes no difference that a reader sees.
_UNSEEN = re.compile(
    r"<(?:\w+:)?(?:lang|noProof|rtl)\b[^>]*/>|\s+(?:\w+:)?(?:rsid\w*|lang|altLang|dirty|err)=\"[^\"]*\""
)

# Words that stay as they are.
_UNREAD = {"ruby": "a reading stands above it", "oMath": "it stands in a formula"}

# Ranges from one mark to another, by the name of both.
_RANGE = re.compile(r"(bookmark|commentRange|perm|moveToRange)(Start|End)")

# Code of templates, which Word may have cut into runs.
_TEMPLATE = re.compile(
    r"\{\{.{0,300}?\}\}|\{%.{0,300}?%\}|\{#.{0,300}?#\}|\u00ab[\w.-]{1,60}\u00bb"
    r"|\$\{[^{}]{1,100}\}|\{[#/^@]?[\w.]{1,60}\}"
)


@dataclass(frozen=True)
class _ParagraphItem:
    """Something in a paragraph, one after the other."""

    kind: str
    """text, alone, open or close"""
    raw: str
    """Source in the file; of text, the format of its run."""
    text: str = ""
    """Text; the visible form of what stands alone; the name of what opens or closes."""


class WordParagraph:
    """A paragraph, as items one after the other."""

    def __init__(
        self, tokens: Sequence[Token], position: int, *, keeps_lines: bool = False
    ) -> None:
        """Read a paragraph.

        Args:
            tokens: of the part.
            position: of its first tag.
            keeps_lines: whether a line break in a text is shown, as in the cell of a sheet.
        """
        self._keeps_lines = keeps_lines
        self._has_codes = tokens[position].raw.startswith("<a:")
        behind = xml.end_of(tokens, position)
        self._tokens = tokens = with_marks_apart(tokens, position, behind)
        first, end = 1, len(tokens) - 1
        at = next((at for at in range(first, end) if not _is_blank(tokens[at])), end)
        if tokens[at].name == "pPr":
            first = xml.end_of(tokens, at)
        last = end
        while last > first and _is_blank(tokens[last - 1]):
            last -= 1
        if tokens[last - 1].name == "endParaRPr":  # must stay the last
            end = last - _size_of_last(tokens, first, last)
        self.start, self.end = tokens[first].start, tokens[end].start
        self._range = first, end
        self._fields = find_fields(tokens, first, end)
        self._field_ends = {f.result[1]: f.end for f in self._fields.values() if f.result}
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
                if self._has_codes:
                    add_coded_text(builder, item.text)
                else:
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

    def edits(self, segment: Segment, prefix: str) -> Callable[[str], list[Edit]]:
        """Return what writes a translation as runs of a namespace."""

        def edits(text: str) -> list[Edit]:
            runs = _runs(self.format, parts(text), segment.inlines)
            if prefix != "w:":
                runs = runs.replace("<w:", f"<{prefix}").replace("</w:", f"</{prefix}")
            if prefix == "a:":
                runs = runs.replace('<a:t xml:space="preserve">', "<a:t>")
            return [Edit(self.start, self.end, runs)]

        return edits

    def _usual_format(self) -> str:
        """That of most characters; in a cell that of the cell, whatever its texts become."""
        if self._keeps_lines:
            return "<w:rPr/>"
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
            behind = xml.end_of(self._tokens, position)
            if position in self._field_ends:
                behind = self._field_ends[position]
                yield _ParagraphItem("close", self._raw(position, behind), "field")
            elif field := self._fields.get(position):
                behind = field.result[0] if field.result else field.end
                kind = "open" if field.result else "alone"
                shown = "field" if field.result else field.shown
                yield _ParagraphItem(kind, self._raw(position, behind), shown)
            elif _is_made_anew(token):
                texts = (t.text for t in self._tokens[position:behind] if t.kind is TokenKind.TEXT)
                yield _ParagraphItem("alone", self._raw(position, behind), "".join(texts).strip())
            elif token.name == "r" and token.kind is TokenKind.OPEN:
                yield from self._run(position)
            elif mark := _RANGE.fullmatch(token.name):
                names = token.attributes.items()
                id = next((value for key, value in names if key.rpartition(":")[2] == "id"), "")
                kind = "open" if mark[2] == "Start" else "close"
                yield _ParagraphItem(kind, self._raw(position, behind), f"{mark[1]} {id}")
            elif token.kind is TokenKind.OPEN and token.name in _AROUND:
                if inside := self._content(position):
                    behind = inside
                    yield _ParagraphItem("open", self._raw(position, behind), token.name)
                else:
                    yield _ParagraphItem("alone", self._raw(position, behind))
            elif token.kind is TokenKind.CLOSE:
                behind = position + 1
                if token.name == "sdtContent":
                    while self._tokens[behind - 1].name != "sdt":
                        behind += 1
                    token = replace(token, name="sdt", raw=self._raw(position, behind))
                yield _ParagraphItem("close", token.raw, token.name)
            elif token.name not in NOISE and not _is_blank(token):
                shown = _SHOWN.get(token.name, "")
                yield _ParagraphItem("alone", self._raw(position, behind), shown)
            position = behind

    def _content(self, position: int) -> int | None:
        """Index of the content of an element, behind its properties, which must stay before it."""
        inner = xml.children(self._tokens, position)
        places = [at for at in inner if not _is_blank(self._tokens[at])]
        if self._tokens[position].name == "sdt":
            at = next((at for at in places if self._tokens[at].name == "sdtContent"), None)
            return at + 1 if at and self._tokens[at].kind is TokenKind.OPEN else None
        behind = position + 1
        for at in places:
            if not _PROPERTIES.fullmatch(self._tokens[at].name):
                break
            behind = xml.end_of(self._tokens, at)
        return behind

    def _run(self, position: int) -> Iterator[_ParagraphItem]:
        format = "<w:rPr/>"
        for inner in xml.children(self._tokens, position):
            token = self._tokens[inner]
            behind = xml.end_of(self._tokens, inner)
            raw = self._raw(inner, behind)
            if token.name == "rPr":
                format = raw
            elif token.name == "t":
                inside = self._tokens[inner + 1 : behind - 1]
                text = "".join(t.text for t in inside if t.kind is TokenKind.TEXT)
                yield _ParagraphItem(
                    "text", format, text if self._keeps_lines else _unwrapped(token, text)
                )
            elif token.name not in NOISE and raw.strip():
                yield _ParagraphItem("alone", _run(format, raw), _SHOWN.get(token.name, ""))

    def _raw(self, start: int, end: int) -> str:
        return "".join(token.raw for token in self._tokens[start:end])

    @property
    def left_parts(self) -> Iterator[LeftPart]:
        """Words of fields that stay."""
        for run, field in self._fields.items():
            start, end = self._tokens[run].start, self._tokens[field.end - 1].end
            for text, reason in field.left:
                yield LeftPart(start, end, reason, text)
        for position in range(*self._range):
            token = self._tokens[position]
            end = xml.end_of(self._tokens, position)
            reason = _UNREAD.get(token.name, "") if token.kind is TokenKind.OPEN else ""
            inside = self._tokens[position:end]
            if reason and (token.name != "oMath" or any(t.name == "nor" for t in inside)):
                text = "".join(t.text for t in inside if t.kind is TokenKind.TEXT)
                yield LeftPart(token.start, inside[-1].end, reason, text)


def _is_blank(token: Token) -> bool:
    """Return whether a token is white space between elements, which programs write to indent."""
    return token.kind is TokenKind.TEXT and not token.raw.strip()


def _unwrapped(token: Token, text: str) -> str:
    """The text of an element as Word shows it, without line breaks that only indent it."""
    if "\n" not in text or "xml:space" in token.attributes or token.raw.startswith("<a:"):
        return text
    return re.sub(r"\s*\n\s*", " ", text.strip())


def _is_made_anew(token: Token) -> bool:
    """Return whether a tag begins a fldSimple whose words are no text of the document."""
    says = token.attributes
    instructions = next((says[key] for key in says if key.endswith("instr")), "")
    return token.name == "fldSimple" and token.kind is TokenKind.OPEN and not is_read(instructions)


def _with_whole_templates(items: list[_ParagraphItem]) -> Iterator[_ParagraphItem]:
    """Items in which the code of a template has one format, that of its beginning.

    Marks within it, such as the end of a bookmark, come behind it.
    """
    group: list[_ParagraphItem] = []
    for item in [*items, _ParagraphItem("alone", "")]:
        if item.kind != "alone":
            group.append(item)
            continue
        yield from _unified(group)
        group = []
        if item.raw:
            yield item


def _unified(items: Sequence[_ParagraphItem]) -> Iterator[_ParagraphItem]:
    """Texts and marks side by side."""
    whole = "".join(item.text for item in items if item.kind == "text")
    formats = [item.raw for item in items if item.kind == "text" for _ in item.text]
    ends: dict[int, int] = {}
    for match in _TEMPLATE.finditer(whole) if len(items) > 1 else ():
        formats[match.start() : match.end()] = [formats[match.start()]] * len(match[0])
        ends.update(dict.fromkeys(range(match.start() + 1, match.end()), match.end()))
    start = position = 0
    for item in items:
        if item.kind == "text":
            position += len(item.text)
            continue
        at = max(start, ends.get(position, position))
        yield from _formatted(whole, formats, start, at)
        start = at
        yield item
    yield from _formatted(whole, formats, start, len(whole))


def _formatted(
    whole: str, formats: Sequence[str], start: int, end: int
) -> Iterator[_ParagraphItem]:
    """A part of a text, as items of one format each."""
    for at in range(start + 1, end + 1):
        if at == end or formats[at] != formats[start]:
            yield _ParagraphItem("text", formats[start], whole[start:at])
            start = at


def _size_of_last(tokens: Sequence[Token], first: int, end: int) -> int:
    """Number of tokens of the last element."""
    position = first
    while (behind := xml.end_of(tokens, position)) < end:
        position = behind
    return end - position


def _seen(format: str) -> str:
    visible = _UNSEEN.sub("", format)
    return "<w:rPr/>" if visible == "<w:rPr></w:rPr>" else visible


_FORMAT = re.compile(r"<(?:\w+:)?rPr[\s/>]")

# --- writing -------------------------------------------------------------------------------------


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
