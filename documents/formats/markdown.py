"""Markdown: CommonMark with tables, strikethrough and front matter.

markdown-it tells which blocks there are and which lines they take; its inline rules, run by a
parser that notes where each of them begins and ends, tell what is markup in a paragraph.
Paragraphs, headings, items and cells are segments; code, link targets, images and references are
left alone, as is all that stands between blocks. A translated paragraph that was wrapped is wrapped
to the same width, with the same quotation marks and indentation before each line.

A translation is written, read again, and compared: should it not say what it was meant to, because
a character of it turned out to be markup, such characters are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt, rules_inline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from tformer.documents.building import Builder
from tformer.documents.document import Edit, Slot, TextDocument
from tformer.documents.formats.front_matter import front_matter
from tformer.documents.formats.html import VOID, html_slots
from tformer.documents.formats.markdown_attributes import (
    attribute_slots,
    braced_slots,
    component_slots,
    definition_slots,
    fence_slots,
    is_plain_image,
)
from tformer.documents.formats.markdown_sites import (
    ARGUMENTS,
    JSX_TAG,
    hide,
    is_cut,
    references_of,
    site_rules,
    unhide,
)
from tformer.documents.inline.readings import without_readings
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment, is_text, meaning, parts, split_words

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")

# A line of a paragraph that begins like this would begin another block.
_BLOCK = re.compile(
    r"(?P<marker>[-+*](?=\s|\Z)|#{1,6}(?=\s|\Z)|>|=+\s*\Z|`{3}|~{3}|\|)"
    r"|(?P<number>\d{1,9})(?=[.)](?:\s|\Z))"
)

_SPECIAL = re.compile(r"[\\`*_\[\]<>~!&|]")


def open_markdown(data: bytes, name: str) -> TextDocument:
    """Read Markdown; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots)


def _slots(text: str) -> Iterator[Slot | LeftPart]:
    front = front_matter(text)
    yield from front.slots
    yield from _Body(text, front.end).slots()


# --- inline: where each rule matched -------------------------------------------------------------

_Rule = Callable[[StateInline, bool], bool]


def _parser() -> MarkdownIt:
    """A parser whose inline tokens, but for text and emphasis, know their places."""
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    rules: dict[str, _Rule] = {
        "newline": rules_inline.newline,
        "escape": rules_inline.escape,
        "backticks": rules_inline.backtick,
        "link": rules_inline.link,
        "image": rules_inline.image,
        "autolink": rules_inline.autolink,
        "html_inline": rules_inline.html_inline,
    }
    for name, rule in rules.items():
        markdown.inline.ruler.at(name, _noting(rule))
    return site_rules(markdown)


def _noting(rule: _Rule) -> _Rule:
    """A rule that writes into the tokens it makes where in the text it matched."""

    def noting(state: StateInline, silent: bool) -> bool:
        start, before = state.pos, len(state.tokens)
        if not rule(state, silent):
            return False
        for token in state.tokens[before:]:
            token.meta.setdefault("place", (start, state.pos))
        if len(state.tokens) > before and state.tokens[-1].type == "link_close":
            label_end = state.md.helpers.parseLinkLabel(state, start, True)
            state.tokens[-1].meta["place"] = (label_end, state.pos)
        return True

    return noting


def _build(id: str, content: str, tokens: Sequence[Token], context: str) -> Segment:
    """A segment from the tokens of a paragraph."""
    builder = Builder(tags=False)
    own = list(_with_attributes(tokens, content))
    is_alone = len(own) == 1 and own[0].type == "image" and is_plain_image(own[0])
    remaining = iter(own)
    for token in remaining:
        raw = content[slice(*token.meta.get("place", (0, 0)))]
        if token.type in ("text", "text_special"):
            builder.text(unhide(token.content))
        elif token.type == "site_inline":
            shown = "" if token.meta["attributes"] else unhide(token.content)
            is_box = bool(re.fullmatch(r"\[[ xX]\]", raw))
            builder.alone(raw.replace("\n", " "), "" if is_box else shown, divides=is_box)
        elif token.type == "softbreak" and _is_beside_tags(content, token.meta["place"]):
            builder.alone("\n", divides=True)
        elif token.type == "softbreak":
            builder.text(" ")
        elif token.type == "hardbreak":
            builder.alone("\\\n" if raw.startswith("\\") else "  \n", "\n", divides=True)
        elif token.type == "code_inline":
            builder.alone(raw.replace("\n", " "), unhide(token.content))
        elif token.markup == "autolink" and token.nesting == 1:
            builder.alone(raw, next(remaining).content)
            next(remaining)
        elif token.type == "html_inline" and (end := _end_of_kept(own, token)):
            for inner in remaining:
                if inner is end:
                    break
            start, behind = token.meta["place"][0], end.meta["place"][1]
            raw = content[start:behind].replace("\n", " ")
            builder.alone(raw, without_readings(raw))
        elif token.type == "html_inline":
            if token.content.startswith("<!--") and token is own[0]:
                builder.alone(token.content, divides=True)
            else:
                _add_tag(builder, token.content)
        elif token.type == "link_open" and _is_label(content, raw, token):
            for inner in remaining:
                if inner.type == "link_close":
                    break
            builder.alone(raw.replace("\n", " "), divides=False)
        elif token.type == "link_open":
            builder.open("link", "[")
        elif token.type == "link_close":
            behind = token.meta.get("behind", "")
            builder.close("link", _link_end(content, raw.removesuffix(behind), token) + behind)
        elif token.type == "image" and is_alone and raw.startswith(f"![{token.content}]("):
            builder.open("image", "![")
            builder.text(token.content)
            builder.close("image", raw[2 + len(token.content) :])
        elif token.nesting == 1:
            builder.open(token.tag, token.markup)
        elif token.nesting == -1:
            builder.close(token.tag, token.markup + token.meta.get("behind", ""))
        else:
            builder.alone(raw)
    return builder.build(id, context=context)


_TAGS = re.compile(rf"(?:\s*(?:</[A-Za-z][\w.:-]*\s*>|{JSX_TAG.pattern}))+\s*", re.VERBOSE)


def _is_beside_tags(content: str, place: tuple[int, int]) -> bool:
    """Return whether a line break stands beside a line of tags alone, which MDX takes for one of
    blocks."""
    before = content[: place[0]].rpartition("\n")[2]
    after = content[place[1] :].partition("\n")[0]
    return any(line.lstrip().startswith("<") and _TAGS.fullmatch(line) for line in (before, after))


_TAKE_ATTRIBUTES = {"link_close", "code_inline", "image", "strong_close", "em_close", "s_close",
                    "site_inline", "site_close"}  # fmt: skip


def _with_attributes(tokens: Sequence[Token], content: str) -> Iterator[Token]:
    """Inline tokens, with attributes put behind the end of what they stand behind."""
    previous: Token | None = None
    for token in tokens:
        attributes = token.type == "site_inline" and token.meta.get("attributes")
        start, end = token.meta.get("place", (0, 0))
        takes = previous is not None and previous.type in _TAKE_ATTRIBUTES
        if (
            attributes
            and takes
            and previous is not None
            and not content[start - 1 : start].isspace()
        ):
            first, last = previous.meta.get("place", (0, 0))
            if last == start:
                previous.meta["place"] = (first, end)
            previous.meta["behind"] = previous.meta.get("behind", "") + content[start:end]
            continue
        if previous is not None:
            yield previous
        previous = token
        if token.type in ("text", "softbreak"):
            yield token
            previous = None
    if previous is not None:
        yield previous


_KEPT = re.compile(
    r"<(?:(code|kbd|samp|var|tt|ruby)\b|([a-z]+)\b[^>]*\s"
    r"(?:translate=[\"']?no\b|class=[\"'][^\"']*\bnotranslate\b))",
    re.IGNORECASE,
)
"""Pattern of the first tags of elements that are not for translation."""


def _end_of_kept(tokens: Sequence[Token], first: Token) -> Token | None:
    """The last tag of an element that stays as it is; None if this is none, or is not closed."""
    match = _KEPT.match(first.content)
    if not match or "place" not in first.meta:
        return None
    closing = f"</{match[1] or match[2]}>".lower()
    following = tokens[next(i for i, token in enumerate(tokens) if token is first) + 1 :]
    tags = (t for t in following if t.type == "html_inline" and "place" in t.meta)
    return next((tag for tag in tags if tag.content.lower() == closing), None)


def _add_tag(builder: Builder, raw: str) -> None:
    name = re.match(r"</?([A-Za-z][A-Za-z0-9-]*)", raw)
    if not name or raw.endswith("/>") or name[1].lower() in VOID:
        breaks = bool(name and name[1].lower() == "br")
        builder.alone(raw, "\n" if breaks else "", divides=breaks)
    elif raw.startswith("</"):
        builder.close(name[1].lower(), raw)
    else:
        builder.open(name[1].lower(), raw)


def _is_label(content: str, raw: str, token: Token) -> bool:
    """Return whether a link by its text alone stands behind brackets, of which it may be the
    label."""
    start = token.meta.get("place", (0, 0))[0]
    return "](" not in raw and "][" not in raw and content[:start].rstrip().endswith("]")


def _link_end(content: str, raw: str, token: Token) -> str:
    """Closing of a link. Its label must be given if it was the text, which is translated."""
    if raw not in ("]", "][]"):
        return raw
    end = token.meta["place"][0]
    label = content[_label_start(content, end) : end]
    return raw if _CODE.fullmatch(label) else f"][{label}]"


_CODE = re.compile(r"(`+)[^`\n]+\1")
"""Pattern of code alone, which stays."""


def _label_start(content: str, end: int) -> int:
    """Offset of the label that ends at `end`: labels hold no brackets but escaped ones."""
    start = end
    while start > 0 and not (content[start - 1] == "[" and content[start - 2 : start - 1] != "\\"):
        start -= 1
    return start


# --- blocks --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _BlockText:
    """Place and form of a block's text in the file."""

    start: int
    end: int
    starts: Sequence[int]
    """Place of each of its lines."""
    prefix: str
    """Prefix of each of its lines but the first: indentation, quotation marks."""
    last_prefix: str
    """Prefix of its last line, which may be a tag that closes what is indented."""
    ending: str
    width: int | None
    """Width of its longest line; None if it is one line."""
    is_cell: bool
    is_paragraph: bool


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
        self._markdown = _parser()
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
                if kept is None and (opened := _KEPT.match(token.content.lstrip())):
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
        segment = _build(str(number), token.content, token.children or [], tag)
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

    def _place(self, token: Token, tag: str) -> _BlockText | None:
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
        end = starts[-1] + len(_in_cell(contents[-1]) if is_cell else contents[-1])
        self._cell_end = end
        wrapped = len(contents) > 1
        return _BlockText(
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
            at = text.find(_in_cell(content), cursor)
        elif tag == "title":
            at = text.rfind(content)
        elif tag.startswith("h") and "#" in text and not text.rstrip().endswith(content):
            at = text.find(content, text.index("#"))
        else:
            stripped = text.rstrip()
            at = len(stripped) - len(content) if stripped.endswith(content) else -1
        return at if at < 0 else line.start() + at

    # --- writing

    def _edits(self, segment: Segment, place: _BlockText) -> Callable[[str], list[Edit]]:
        def edits(text: str) -> list[Edit]:
            written = self._written(segment, place, text)
            if written is None:
                written = self._text[place.start : place.end]
            return [Edit(place.start, place.end, unhide(written))]

        return edits

    def _sayer(self, segment: Segment, place: _BlockText) -> Callable[[str], bool]:
        return lambda text: self._written(segment, place, text) is not None

    def _written(self, segment: Segment, place: _BlockText, text: str) -> str | None:
        """A translation as Markdown; None where nothing can say it."""
        wanted = meaning(segment, text)
        original = self._text[place.start : place.end]
        by_sign = _escape if re.search(r"\\[<&]", original) else _escape_by_name
        of_site = _site_escape(original)
        for escape in (of_site, lambda text: of_site(by_sign(text))):
            content = _content(segment, place, text, escape)
            if "&nbsp;" in original:
                content = content.replace("\u00a0", "&nbsp;")
            token = self._markdown.parseInline(content, self._references)[0]
            again = _build("", content, token.children or [], "")
            is_same = meaning(again, again.text) == wanted
            if is_same and (not place.is_paragraph or self._is_paragraph(content)):
                return self._in_lines(content, place)
        return None

    def _is_paragraph(self, content: str) -> bool:
        """Return whether text is one paragraph; HTML at its beginning can make it something
        else."""
        lines = "\n".join(map(_guarded, content.split("\n")))
        tokens = self._markdown.parse(lines, self._references)
        return [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]

    def _in_lines(self, content: str, place: _BlockText) -> str:
        if place.is_cell:
            return _in_cell(content).replace("\n", " ")
        lines = content.split("\n")
        if lines[0].startswith("#") and self._text[place.start] != "#":
            lines[0] = f"\\{lines[0]}"
        if place.is_paragraph:
            lines = [_guarded(line) for line in lines]
        if len(lines) > 1 and place.width and _CLOSING.match(lines[-1]):
            last = place.ending + place.last_prefix + lines.pop()
            return (place.ending + place.prefix).join(lines) + last
        return (place.ending + place.prefix).join(lines)


def _in_cell(content: str) -> str:
    return content.replace("|", "\\|")


def _content(segment: Segment, place: _BlockText, text: str, escape: Callable[[str], str]) -> str:
    """Markdown that is to say a translation, before it goes into its lines."""
    written = replace(
        segment,
        inlines={
            number: replace(inline, opening=escape(inline.opening)) if is_text(inline) else inline
            for number, inline in segment.inlines.items()
        },
    )
    pieces: list[str] = []
    for broken, ending in _at_breaks(segment, text):
        words = [word for word, _ in split_words(written, broken, escape)]
        lines = _filled(words, place.width) if place.width else [" ".join(words)]
        pieces.append("\n".join(lines) + ending)
    return "".join(pieces)


def _at_breaks(segment: Segment, text: str) -> Iterator[tuple[str, str]]:
    piece = ""
    for part in parts(text):
        raw = "" if isinstance(part, str) else segment.inlines[part.number].raw(part.part)
        if raw.endswith("\n"):
            yield piece, raw
            piece = ""
        else:
            piece += str(part)
    yield piece, ""


_BEGINS_BLOCK = ("<", "#", ":", "{%", "$$", "!!!", "???", "[^", "*[")
"""Pattern of what begins a block other than text, for some site."""


def _filled(words: Sequence[str], width: int) -> list[str]:
    """Words in lines; no line begins with a word that would begin a block."""
    lines: list[str] = []
    for word in words:
        fits = lines and len(lines[-1]) + 1 + len(word) <= width
        if lines and (fits or _BLOCK.match(word) or word.startswith(_BEGINS_BLOCK)):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _guarded(line: str) -> str:
    """A line that begins no block."""
    match = _BLOCK.match(line)
    if not match:
        return line
    at = match.end() if match["number"] else 0
    return f"{line[:at]}\\{line[at:]}"


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


_NAMED = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def _escape_by_name(text: str) -> str:
    """As `_escape`, with names for what some sites show with the backslash before it."""
    return _SPECIAL.sub(lambda match: _NAMED.get(match[0], rf"\{match[0]}"), text)


_SEARCHED = 20_000
"""Characters of a paragraph that are searched for a sign as it was, at most."""

_SITE_SIGN = re.compile(r"\\([{}$=:@#^%+])")


def _site_escape(original: str) -> Callable[[str], str]:
    """Spelling of signs that only some sites read, as a text has them: `\\{x\\}` in MDX."""
    signs = "".join(sorted(set(_SITE_SIGN.findall(original))))
    if not signs:
        return str
    own = re.compile(f"[{re.escape(signs)}]")
    has_both = re.search(rf"(?<!\\)[{re.escape(signs)}]", original)
    readable = original[:_SEARCHED] if has_both else ""

    def escape(text: str) -> str:
        if not own.search(text) or re.search(rf"(?<!\\){re.escape(text)}", readable):
            return text
        return own.sub(r"\\\g<0>", text)

    return escape
