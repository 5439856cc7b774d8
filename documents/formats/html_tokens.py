"""Tokens of HTML: tags, texts, and elements that stay as they are, as one token.

Python's own parser, which takes any tag soup, tells where tags and text begin."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from html.parser import HTMLParser

from tformer.documents.formats.html_attributes import (
    STANDS_FOR,
    attributes_of,
)
from tformer.model.text.normalization import same_language


def tag_names(text: str) -> frozenset[str]:
    """Names of elements, from a text with spaces between them."""
    return frozenset(text.split())


VOID = tag_names("area base br col embed hr img input link meta param source track wbr")
"""Elements that are never closed."""


_INLINE = tag_names(
    "a abbr acronym b bdi bdo big br cite code data del dfn em font i img input ins kbd label mark "
    "math output q rp rt ruby s samp small span strike strong sub sup svg time tt u var wbr"
)


# A part of a sentence, but not for translation.
_LITERAL = tag_names("code kbd samp var tt math ruby")


_OPAQUE = tag_names("script style pre textarea svg xmp iframe noembed noframes")


_STATEMENT = re.compile(r"<%(?!=|-(?=\s*[\w@]))|\{%|<\?php(?!\s*echo)")


_UNFINISHED = re.compile(r"<[A-Za-z!/?]")


@dataclass(frozen=True)
class HtmlToken:
    """A piece of the file; all tokens together are the file."""

    kind: str
    """open, close, text, or other: comments, declarations."""
    name: str
    raw: str
    start: int
    opening: str = ""
    """First tag of an element that stays as it is, but for attributes."""

    @property
    def end(self) -> int:
        """Place behind it."""
        return self.start + len(self.raw)


ROOT = re.compile(r"<html\b[^>]*>", re.IGNORECASE)


LANG = re.compile(r"""\s(?:xml:)?lang\s*=\s*["']?([\w-]+)""", re.IGNORECASE)


CDATA = "<![CDATA["


def with_templates(tokens: Iterable[HtmlToken], codes: Mapping[int, str]) -> Iterator[HtmlToken]:
    """Tokens with the code put back: in text as tokens of its own, in tags as it was."""
    if not codes:
        yield from tokens
        return
    for token in tokens:
        if STANDS_FOR not in token.raw:
            yield token
        elif token.kind == "text":
            yield from _cut_at_codes(token, codes)
        else:
            raw = _restored(token, codes)
            yield replace(token, raw=raw, opening=raw[: len(token.opening)])


def _restored(token: HtmlToken, codes: Mapping[int, str]) -> str:
    return re.sub(
        f"{STANDS_FOR}+", lambda m: _code_at(token.start + m.start(), len(m[0]), codes), token.raw
    )


def _code_at(start: int, size: int, codes: Mapping[int, str]) -> str:
    """The code that stood at a place; several may stand side by side."""
    raw = ""
    while len(raw) < size:
        raw += codes[start + len(raw)]
    return raw


def _cut_at_codes(token: HtmlToken, codes: Mapping[int, str]) -> Iterator[HtmlToken]:
    position = token.start
    for start in sorted(place for place in codes if token.start <= place < token.end):
        if position < start:
            raw = token.raw[position - token.start : start - token.start]
            yield HtmlToken("text", "", raw, position)
        kind = "other" if _STATEMENT.match(codes[start]) else "literal"
        yield HtmlToken(kind, "template", codes[start], start)
        position = start + len(codes[start])
    if position < token.end:
        yield HtmlToken("text", "", token.raw[position - token.start :], position)


class _Tokenizer(HTMLParser):
    """Notes where each thing begins; a thing ends where the next begins."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[int, str, str]] = []
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        # What is never closed is no text; the parser would look for its end again and again.
        self._unclosed = _unclosed(text)
        self._last_section = text.rfind("]]>")
        self.feed(text[: self._unclosed])
        self.close()
        if self._unclosed < len(text):
            self.found.append((self._unclosed, "other", "comment"))

    def parse_html_declaration(self, i: int) -> int:
        """Read `<!...>`; what begins like a section and is none is a comment, as in browsers."""
        is_section = self.rawdata.startswith("<![CDATA[", i) and i < self._last_section
        if self.rawdata.startswith("<![", i) and not is_section:
            return self.parse_bogus_comment(i)
        return super().parse_html_declaration(i)

    def _note(self, kind: str, name: str = "") -> None:
        if kind == "text" and self.found and self.found[-1][1] == "text":
            return  # the parser reports a text reference by reference
        line, column = self.getpos()
        self.found.append((self._line_starts[line - 1] + column, kind, name))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._note("open", tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self._note("open", tag)

    def handle_endtag(self, tag: str) -> None:
        self._note("close", tag)

    def handle_data(self, data: str) -> None:
        self._note("text")

    def handle_entityref(self, name: str) -> None:
        self._note("text")

    def handle_charref(self, name: str) -> None:
        self._note("text")

    def handle_comment(self, data: str) -> None:
        self._note("other", "comment")

    def handle_decl(self, decl: str) -> None:
        self._note("other")

    def handle_pi(self, data: str) -> None:
        self._note("other")

    def unknown_decl(self, data: str) -> None:
        self._note("other")


_TAG_BEGINS = re.compile(r"<[A-Za-z/!?]")


def _unclosed(text: str) -> int:
    """Index of a tag or comment that the text ends in; its length if there is none."""
    tag = _TAG_BEGINS.search(text, text.rfind(">") + 1)
    comment = text.find("<!--", max(text.rfind("-->"), 0))
    return min(tag.start() if tag else len(text), comment if comment >= 0 else len(text))


def tokens(text: str) -> list[HtmlToken]:
    """Cut HTML into tokens."""
    is_xml = bool(XHTML.search(text))
    found = [place for place in _Tokenizer(text).found if place[0] < len(text)]
    ends = [*(start for start, _, _ in found), len(text)][1:]
    return [
        _token(kind, name, text[start:end], start, is_xml)
        for (start, kind, name), end in zip(found, ends, strict=True)
        if start < end
    ]


def _token(kind: str, name: str, raw: str, start: int, is_xml: bool) -> HtmlToken:
    if raw.startswith(CDATA) and is_xml:
        return HtmlToken("literal", "section", raw, start)
    if kind == "text" and _UNFINISHED.search(raw):
        # A tag or comment that the file ends in: no text, though the parser takes it for one.
        kind, name = "other", "comment"
    return HtmlToken(kind, name, raw, start)


def language_of(text: str) -> str | None:
    """The language of a page: of its root, or else the first that is named."""
    root = ROOT.search(text)
    match = (root and LANG.search(root[0])) or _ANY_LANG.search(text)
    return match[1] if match else None


_ANY_LANG = re.compile(rf"<[a-z][^<>]*?{LANG.pattern}", re.IGNORECASE)


def without_opaque(tokens: list[HtmlToken], language: str | None) -> Iterator[HtmlToken]:
    """Put elements that stay as they are into one token each, which is a literal or a block."""
    position = 0
    ends = _ends(tokens)
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if not _stays(token, language):
            yield token
            continue
        end = ends.get(position - 1, position)
        raw = "".join(inner.raw for inner in tokens[position - 1 : end])
        kind = "literal" if token.name in _INLINE and "<p" not in raw else "other"
        opening = "" if _is_kept(token, language) else token.raw
        yield HtmlToken(kind, token.name, raw, token.start, opening)
        position = end


def _stays(token: HtmlToken, language: str | None) -> bool:
    if token.kind != "open" or token.name in VOID or token.raw.endswith("/>"):
        return False
    return token.name in _OPAQUE | _LITERAL or _is_kept(token, language)


def _is_kept(token: HtmlToken, language: str | None) -> bool:
    """Return whether a tag says that its element is not for translation."""
    values = {each.name: each.value for each in attributes_of(token.raw)}
    own = values.get("lang")
    if own and language and not same_language(own, language):
        return True
    is_marked = "notranslate" in values.get("class", "").split()
    return is_marked or values.get("translate", "").lower() == "no"


def _ends(tokens: list[HtmlToken]) -> dict[int, int]:
    """The index behind the tag that closes an element, by that of the tag that opens it."""
    ends: dict[int, int] = {}
    opened: dict[str, list[int]] = {}
    for index, token in enumerate(tokens):
        if token.kind == "open":
            opened.setdefault(token.name, []).append(index)
        elif token.kind == "close" and opened.get(token.name):
            ends[opened[token.name].pop()] = index + 1
    return ends


def is_inline(token: HtmlToken) -> bool:
    """Return whether a token stands within a sentence."""
    if token.name == "template":
        return token.kind == "literal"
    return token.kind in ("text", "literal") or token.name in _INLINE or token.name == "comment"


XHTML = re.compile(r"<html\b[^>]*xmlns=[\"']http://www\.w3\.org/1999/xhtml")
