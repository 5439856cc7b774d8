"""Markdown: CommonMark with tables, strikethrough and front matter.

markdown-it tells which blocks there are and which lines they take, `markdown_inline` what is markup
in a paragraph, and `markdown_writing` how text is spelled that it be none.
Paragraphs, headings, items and cells are segments; code, link targets, images and references are
left alone, as is all that stands between blocks. A translated paragraph that was wrapped is wrapped
to the same width, with the same quotation marks and indentation before each line.

A translation is written, read again, and compared: should it not say what it was meant to, because
a character of it turned out to be markup, such characters are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from markdown_it.token import Token

from tformer.documents.document import Edit, Slot, TextDocument
from tformer.documents.formats.front_matter import front_matter
from tformer.documents.formats.html import html_slots
from tformer.documents.formats.markdown_attributes import (
    attribute_slots,
    braced_slots,
    component_slots,
    definition_slots,
    fence_slots,
)
from tformer.documents.formats.markdown_inline import KEPT, parser, segment_of
from tformer.documents.formats.markdown_sites import (
    ARGUMENTS,
    hide,
    is_cut,
    references_of,
    unhide,
)
from tformer.documents.formats.markdown_writing import (
    BlockText,
    content_of,
    escape_by_backslash,
    escape_by_name,
    guarded,
    in_cell,
    site_escape,
)
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment, meaning

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")


def open_markdown(data: bytes, name: str) -> TextDocument:
    """Read Markdown; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots)


def _slots(text: str) -> Iterator[Slot | LeftPart]:
    front = front_matter(text)
    yield from front.slots
    yield from _Body(text, front.end).slots()


_CLOSING = re.compile(r"</[A-Za-z]")
_LINE_BLOCK = re.compile(r"(?:\|[^\n]*\n\s*)+\|[^\n]*")
"""Pattern of lines that some sites show as they stand."""

_DIRECTIVE = re.compile(
    r"\{(?:admonition|attention|caution|danger|error|hint|important|note|seealso|tip|todo|warning"
    r"|card|deprecated|dropdown|epigraph|figure|glossary|grid|list-table|margin|sidebar|tab-item"
    r"|tab-set|table|topic|versionadded|versionchanged)\}"
)
"""Pattern of what begins a directive of MyST that holds text, written as code."""

_MARKUP = re.compile(r"\]\(|\]\[|\]:|\*\*|`|^\s*(?:[-*+]|\d+[.)]|:)\s", re.MULTILINE)
"""Pattern of Markdown in text of HTML, where a site reads it so."""


def _depth(name: str, html: str) -> int:
    """Elements of a name that HTML opens and does not close."""
    tags = re.findall(rf"<(/?){name}\b[^>]*>", html, re.IGNORECASE)
    return len(tags) - 2 * sum(map(bool, tags))


class _Body:
    """The Markdown of a file, from `start` on."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        read = hide(text)
        self._lines = [match for match in _LINE.finditer(read, start) if match[0]]
        self._markdown = parser()
        self._references: dict[str, object] = {"references": references_of(text[start:])}
        self._tokens = self._markdown.parse(read[start:], self._references)
        self._cell_end = start

    def slots(self) -> Iterator[Slot | LeftPart]:
        previous: Token | None = None
        kept: str | None = None
        """Name of an element around blocks that is not for translation."""
        depth = 0
        for number, token in enumerate(self._tokens):
            if token.type == "html_block":
                if kept is None and (opened := KEPT.match(token.content.lstrip())):
                    kept, depth = opened[1] or opened[2], 0
                if kept is not None:
                    depth += _depth(kept, token.content)
                    kept = kept if depth > 0 else None
            elif kept is not None:
                continue
            if token.type == "inline":
                yield from self._inline_slot(number, token, previous)
            elif token.type == "html_block" and token.map:
                yield from self._html_slots(number, token.map)
            elif token.type == "site_lines" and token.map:
                start, end = self._span(token.map)
                yield from definition_slots(str(number), self._text[start:end], start)
                yield from braced_slots(str(number), self._text[start:end], start)
            elif token.type == "fence" and token.map and _DIRECTIVE.match(token.info.strip()):
                yield LeftPart(*self._span(token.map), "it is a directive in a fence")
            elif token.type == "fence" and token.map:
                line = self._lines[token.map[0]]
                yield from fence_slots(str(number), line[1], line.start())
            elif token.type == "site_tag" and token.map:
                start, end = self._span(token.map)
                yield from component_slots(str(number), self._text[start:end], start)
            previous = token
        yield from self._unread_words()

    def _unread_words(self) -> Iterator[LeftPart]:
        """Words in tags of templates and in abbreviations, outside of code."""
        code = [
            self._span(token.map)
            for token in self._tokens
            if token.type in ("fence", "code_block") and token.map
        ]
        for match in ARGUMENTS.finditer(self._text):
            if not any(start <= match.start() < end for start, end in code):
                is_short = match.lastgroup == "long"
                reason = "it is an abbreviation" if is_short else "it is in a tag of a template"
                yield LeftPart(*match.span(match.lastgroup or 0), reason)

    def _span(self, lines: Sequence[int]) -> tuple[int, int]:
        return self._lines[lines[0]].start(), self._lines[lines[1] - 1].end()

    def _html_slots(self, number: int, lines: Sequence[int]) -> Iterator[Slot | LeftPart]:
        start, end = self._span(lines)
        html = self._text[start:end]
        slots = html_slots(html, start, f"{number}.")
        if self._tokens[number].level and re.search(r"^[ \t]*>", html, re.MULTILINE):
            if any(isinstance(slot, Slot) for slot in slots):
                yield LeftPart(start, end, "it is HTML between the signs of a quotation")
            return
        for slot in slots:
            if isinstance(slot, LeftPart):
                yield slot
                continue
            spans = [(edit.start, edit.end) for edit in slot.edits(slot.segment.text)]
            if any(_MARKUP.search(self._text[first:last]) for first, last in spans):
                yield LeftPart(spans[0][0], spans[-1][1], "it is Markdown within HTML")
            else:
                yield slot

    def _inline_slot(
        self, number: int, token: Token, previous: Token | None
    ) -> Iterator[Slot | LeftPart]:
        tag = previous.tag if previous else ""
        place = self._place(token, tag)
        segment = segment_of(str(number), token.content, token.children or [], tag)
        row = self._lines[token.map[0]][1] if token.map and place and place.is_cell else ""
        if tag == "p" and _LINE_BLOCK.fullmatch(token.content) and segment.has_words and token.map:
            yield LeftPart(*self._span(token.map), "its lines begin with a border")
        elif segment.has_words and place and row and is_cut(token.content, row):
            yield LeftPart(place.start, place.end, "a border of its table stands in code")
        elif segment.has_words and place:
            yield Slot(segment, self._edits(segment, place), can_say=self._sayer(segment, place))
        elif segment.has_words and token.map:
            first, behind = token.map
            start, end = self._lines[first].start(), self._lines[behind - 1].end()
            yield LeftPart(start, end, "its text does not stand in its lines as it is read")
        if place and not place.is_cell:
            yield from attribute_slots(str(number), token, place.starts)
        elif place and self._text[place.start : place.end] == token.content:
            for slot in attribute_slots(str(number), token, place.starts):
                yield replace(slot, can_say=lambda text: "|" not in text)

    def _place(self, token: Token, tag: str) -> BlockText | None:
        """Find the text of a block in its lines; None if it does not stand there as such."""
        contents = [line.strip() for line in token.content.split("\n")]
        first = token.map[0] if token.map else 0
        lines = self._lines[first : first + len(contents)]
        if not token.map or len(lines) < len(contents):
            return None
        is_cell = tag in ("th", "td")
        starts = []
        for line, content in zip(lines, contents, strict=True):
            at = self._find(line, content, tag)
            if at < 0:
                return None
            starts.append(at)
        end = starts[-1] + len(in_cell(contents[-1]) if is_cell else contents[-1])
        self._cell_end = end
        wrapped = len(contents) > 1
        return BlockText(
            starts[0],
            end,
            starts,
            prefix=self._text[lines[1].start() : starts[1]] if wrapped else "",
            last_prefix=self._text[lines[-1].start() : starts[-1]] if wrapped else "",
            ending=lines[0][2] or "\n",
            width=max(map(len, contents)) if wrapped else None,
            is_cell=is_cell,
            is_paragraph=tag == "p",
        )

    def _find(self, line: re.Match[str], content: str, tag: str) -> int:
        text = line[1].replace("\0", "\ufffd")
        if tag in ("th", "td"):
            cursor = max(0, self._cell_end - line.start())
            at = text.find(in_cell(content), cursor)
        elif tag == "title":
            at = text.rfind(content)
        elif tag.startswith("h") and "#" in text and not text.rstrip().endswith(content):
            at = text.find(content, text.index("#"))
        else:
            stripped = text.rstrip()
            at = len(stripped) - len(content) if stripped.endswith(content) else -1
        return at if at < 0 else line.start() + at

    # --- writing

    def _edits(self, segment: Segment, place: BlockText) -> Callable[[str], list[Edit]]:
        def edits(text: str) -> list[Edit]:
            written = self._written(segment, place, text)
            if written is None:
                written = self._text[place.start : place.end]
            return [Edit(place.start, place.end, unhide(written))]

        return edits

    def _sayer(self, segment: Segment, place: BlockText) -> Callable[[str], bool]:
        return lambda text: self._written(segment, place, text) is not None

    def _written(self, segment: Segment, place: BlockText, text: str) -> str | None:
        """A translation as Markdown; None where nothing can say it."""
        wanted = meaning(segment, text)
        original = self._text[place.start : place.end]
        by_sign = escape_by_backslash if re.search(r"\\[<&]", original) else escape_by_name
        of_site = site_escape(original)
        for escape in (of_site, lambda text: of_site(by_sign(text))):
            content = content_of(segment, place, text, escape)
            if "&nbsp;" in original:
                content = content.replace("\u00a0", "&nbsp;")
            token = self._markdown.parseInline(content, self._references)[0]
            again = segment_of("", content, token.children or [], "")
            is_same = meaning(again, again.text) == wanted
            if is_same and (not place.is_paragraph or self._is_paragraph(content)):
                return self._in_lines(content, place)
        return None

    def _is_paragraph(self, content: str) -> bool:
        """Return whether text is one paragraph; HTML at its beginning can make it something
        else."""
        lines = "\n".join(map(guarded, content.split("\n")))
        tokens = self._markdown.parse(lines, self._references)
        return [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]

    def _in_lines(self, content: str, place: BlockText) -> str:
        if place.is_cell:
            return in_cell(content).replace("\n", " ")
        lines = content.split("\n")
        if lines[0].startswith("#") and self._text[place.start] != "#":
            lines[0] = f"\\{lines[0]}"
        if place.is_paragraph:
            lines = [guarded(line) for line in lines]
        if len(lines) > 1 and place.width and _CLOSING.match(lines[-1]):
            last = place.ending + place.last_prefix + lines.pop()
            return (place.ending + place.prefix).join(lines) + last
        return (place.ending + place.prefix).join(lines)
