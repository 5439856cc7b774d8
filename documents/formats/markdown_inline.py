"""Markdown within a paragraph: its inline tokens, and the segment that they are.

markdown-it's inline rules, run by a parser that notes where each of them begins and ends, tell what
is markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from markdown_it import MarkdownIt, rules_inline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from tformer.documents.building import Builder
from tformer.documents.formats.html_tokens import VOID
from tformer.documents.formats.markdown_attributes import is_plain_image
from tformer.documents.formats.markdown_site_blocks import JSX_TAG
from tformer.documents.formats.markdown_sites import site_rules, unhide
from tformer.documents.inline.readings import without_readings
from tformer.documents.segments import Segment

_Rule = Callable[[StateInline, bool], bool]


def parser() -> MarkdownIt:
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


def segment_of(id: str, content: str, tokens: Sequence[Token], context: str) -> Segment:
    """A segment from the tokens of a paragraph."""
    paragraph = _Paragraph(content, tokens)
    paragraph.read()
    return paragraph.builder.build(id, context=context)


class _Paragraph:
    """Tokens of a paragraph on their way into a segment."""

    def __init__(self, content: str, tokens: Sequence[Token]) -> None:
        self.builder = Builder(tags=False)
        self._content = content
        self._tokens = own = list(_with_attributes(tokens, content))
        self._remaining = iter(own)
        self._is_alone = len(own) == 1 and own[0].type == "image" and is_plain_image(own[0])

    def read(self) -> None:
        """Give every token to the builder."""
        for token in self._remaining:
            raw = self._content[slice(*token.meta.get("place", (0, 0)))]
            if token.type in ("text", "text_special"):
                self.builder.text(unhide(token.content))
            elif token.type == "site_inline":
                self._add_of_site(token, raw)
            elif token.type in ("softbreak", "hardbreak"):
                self._add_break(token, raw)
            elif token.type == "code_inline":
                self.builder.alone(raw.replace("\n", " "), unhide(token.content))
            elif token.type == "html_inline":
                self._add_html(token)
            elif token.type == "link_open":
                self._open_link(token, raw)
            else:
                self._add_mark(token, raw)

    def _add_of_site(self, token: Token, raw: str) -> None:
        shown = "" if token.meta["attributes"] else unhide(token.content)
        is_box = bool(re.fullmatch(r"\[[ xX]\]", raw))
        self.builder.alone(raw.replace("\n", " "), "" if is_box else shown, divides=is_box)

    def _add_break(self, token: Token, raw: str) -> None:
        if token.type == "hardbreak":
            spelled = "\\\n" if raw.startswith("\\") else "  \n"
            self.builder.alone(spelled, "\n", divides=True)
        elif _is_beside_tags(self._content, token.meta["place"]):
            self.builder.alone("\n", divides=True)
        else:
            self.builder.text(" ")

    def _add_html(self, token: Token) -> None:
        if end := _end_of_kept(self._tokens, token):
            for inner in self._remaining:
                if inner is end:
                    break
            start, behind = token.meta["place"][0], end.meta["place"][1]
            raw = self._content[start:behind].replace("\n", " ")
            self.builder.alone(raw, without_readings(raw))
        elif token.content.startswith("<!--") and token is self._tokens[0]:
            self.builder.alone(token.content, divides=True)
        else:
            _add_tag(self.builder, token.content)

    def _open_link(self, token: Token, raw: str) -> None:
        if token.markup == "autolink":
            self.builder.alone(raw, next(self._remaining).content)
            next(self._remaining)
        elif _is_label(self._content, raw, token):
            for inner in self._remaining:
                if inner.type == "link_close":
                    break
            self.builder.alone(raw.replace("\n", " "), divides=False)
        else:
            self.builder.open("link", "[")

    def _add_mark(self, token: Token, raw: str) -> None:
        """The end of a link, an image, emphasis and the like."""
        behind = token.meta.get("behind", "")
        if token.type == "link_close":
            end = _link_end(self._content, raw.removesuffix(behind), token)
            self.builder.close("link", end + behind)
        elif token.type == "image" and self._is_alone and raw.startswith(f"![{token.content}]("):
            self.builder.open("image", "![")
            self.builder.text(token.content)
            self.builder.close("image", raw[2 + len(token.content) :])
        elif token.nesting == 1:
            self.builder.open(token.tag, token.markup)
        elif token.nesting == -1:
            self.builder.close(token.tag, token.markup + behind)
        else:
            self.builder.alone(raw)


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


KEPT = re.compile(
    r"<(?:(code|kbd|samp|var|tt|ruby)\b|([a-z]+)\b[^>]*\s"
    r"(?:translate=[\"']?no\b|class=[\"'][^\"']*\bnotranslate\b))",
    re.IGNORECASE,
)
"""Pattern of the first tags of elements that are not for translation."""


def _end_of_kept(tokens: Sequence[Token], first: Token) -> Token | None:
    """The last tag of an element that stays as it is; None if this is none, or is not closed."""
    match = KEPT.match(first.content)
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
