"""HTML: the text of every block, with its inline elements as placeholders.

Python's own parser, which takes any tag soup, tells where tags and text begin; what is written is
the file itself with the text of blocks replaced. Titles, descriptions and the attributes that
people read (alt, title, placeholder, aria-label) are segments too. Scripts, styles, preformatted
text, code, drawings, and elements that say translate="no" stay as they are.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from itertools import count

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, replacing
from tformer.documents.formats.html_attributes import (
    STANDS_FOR,
    TEMPLATE,
    attribute_slots,
    attributes_of,
    drawn_slots,
    escape_text,
    escape_xml,
    without_templates,
)
from tformer.documents.inline.readings import without_readings
from tformer.documents.io.encoding import Encoded, decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment
from tformer.model.text.normalization import same_language


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


VOID = _names("area base br col embed hr img input link meta param source track wbr")
"""Elements that are never closed."""

_INLINE = _names(
    "a abbr acronym b bdi bdo big br cite code data del dfn em font i img input ins kbd label mark "
    "math output q rp rt ruby s samp small span strike strong sub sup svg time tt u var wbr"
)

# A part of a sentence, but not for translation.
_LITERAL = _names("code kbd samp var tt math ruby")

_OPAQUE = _names("script style pre textarea svg xmp iframe noembed noframes")

_STATEMENT = re.compile(r"<%(?!=|-(?=\s*[\w@]))|\{%|<\?php(?!\s*echo)")
_UNFINISHED = re.compile(r"<[A-Za-z!/?]")
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class _HtmlToken:
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
        return self.start + len(self.raw)


_END = _HtmlToken("other", "", "", 0)


def open_html(data: bytes, name: str) -> TextDocument:
    """Read HTML; see `tformer.documents.registry.open_document`."""
    source = decode(data, name, _declared)
    return TextDocument(
        source, html_slots, _reference, declares=page_language, labels=language_edits
    )


_ROOT = re.compile(r"<html\b[^>]*>", re.IGNORECASE)
_LANG = re.compile(r"""\s(?:xml:)?lang\s*=\s*["']?([\w-]+)""", re.IGNORECASE)


def page_language(text: str) -> DocumentLanguages:
    """The language that the root of a page names."""
    root = _ROOT.search(text)
    match = _LANG.search(root[0]) if root else None
    return DocumentLanguages(page=match[1] if match else None)


def language_edits(text: str, language: str) -> Iterator[Edit]:
    """Set the language of a page wherever a tag names it, but for what stays as it is.

    A page whose root names none gets one: speech and hyphenation go by it.
    """
    page = _language(text)
    root = _ROOT.search(text)
    if root and not re.search(r"\s(?:xml:)?lang\s*=", root[0], re.IGNORECASE):
        attribute = f' lang="{language}"'
        is_xml = bool(_XHTML.search(root[0]))
        at = root.start() + len("<html")
        yield Edit(at, at, f' xml:lang="{language}"' * is_xml + attribute)
    for token in _without_opaque(tokens(without_templates(text)[0]), page) if page else ():
        for match in _LANG.finditer(token.raw) if token.kind == "open" else ():
            if same_language(match[1], page) and not same_language(match[1], language):
                yield Edit(token.start + match.start(1), token.start + match.end(1), language)


def html_of(text: str) -> TextDocument:
    """HTML that is text already, whatever encoding it declares."""
    return TextDocument(Encoded(text), html_slots, _reference)


def html_slots(text: str, offset: int = 0, prefix: str = "") -> Iterator[Slot | LeftPart]:
    """The segments of HTML that begins at an offset in its file, numbered behind a prefix."""
    numbers = count(1)
    escape = escape_xml if _XHTML.search(text) else escape_text
    text, codes = without_templates(text)
    run: list[_HtmlToken] = []
    found = list(_without_opaque(tokens(text), _language(text)))
    for token in [*_with_templates(found, codes), _END]:
        if _is_unclosed(token):
            start, end = offset + token.start, offset + token.end
            yield LeftPart(start, end, "a tag or comment in it is not closed")
        if not _is_inline(token):
            yield from _run_slot(run, offset, f"{prefix}{next(numbers)}", escape)
            run = []
        for words, reason in _left_words(token):
            if any(map(str.isalpha, words)):
                yield LeftPart(offset + token.start, offset + token.end, reason, words)
        if token.kind == "open" or token.opening:
            start = offset + token.start
            slots = [*attribute_slots(token.name, token.opening or token.raw, start)]
            drawn = drawn_slots(token.raw, start) if token.name == "svg" and token.opening else ()
            for slot in [*slots, *drawn]:
                if isinstance(slot, LeftPart):
                    yield slot
                    continue
                segment = replace(slot.segment, id=f"{prefix}{next(numbers)}")
                yield replace(slot, segment=segment)
        if _is_inline(token):
            run.append(token)


_FORMS = _names("textarea xmp noembed noframes")
_SECTION = "<![CDATA["
_SET_AS_TEXT = re.compile(r"<mtext[^<>]*>([^<>]*[^\W\d_]{2}[^<>]*)<", re.IGNORECASE)


def _left_words(token: _HtmlToken) -> Iterator[tuple[str, str]]:
    """Words of an element that stays without saying so, and the reason."""
    if token.raw.startswith(_SECTION) and token.kind == "literal":
        yield _shown(token), "it stands in a section of CDATA"
    elif token.opening and token.name in _FORMS:
        inner = TEMPLATE.sub(" ", token.raw[len(token.opening) :])
        yield without_readings(inner), f"it stands in <{token.name}>"
    elif token.opening and token.name == "math":
        yield " ".join(_SET_AS_TEXT.findall(token.raw)), "it stands in a formula"


def _is_unclosed(token: _HtmlToken) -> bool:
    """Return whether a token is a tag or comment that the file ends in."""
    is_comment = token.raw.startswith("<!--")
    return token.name == "comment" and ("-->" if is_comment else ">") not in token.raw


def _declared(head: bytes) -> str | None:
    match = _CHARSET.search(head)
    return match[1].decode("ascii") if match else None


def _reference(character: str) -> str:
    return f"&#{ord(character)};"


# --- templates -----------------------------------------------------------------------------------


def _with_templates(tokens: Iterable[_HtmlToken], codes: Mapping[int, str]) -> Iterator[_HtmlToken]:
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


def _restored(token: _HtmlToken, codes: Mapping[int, str]) -> str:
    return re.sub(
        f"{STANDS_FOR}+", lambda m: _code_at(token.start + m.start(), len(m[0]), codes), token.raw
    )


def _code_at(start: int, size: int, codes: Mapping[int, str]) -> str:
    """The code that stood at a place; several may stand side by side."""
    raw = ""
    while len(raw) < size:
        raw += codes[start + len(raw)]
    return raw


def _cut_at_codes(token: _HtmlToken, codes: Mapping[int, str]) -> Iterator[_HtmlToken]:
    position = token.start
    for start in sorted(place for place in codes if token.start <= place < token.end):
        if position < start:
            raw = token.raw[position - token.start : start - token.start]
            yield _HtmlToken("text", "", raw, position)
        kind = "other" if _STATEMENT.match(codes[start]) else "literal"
        yield _HtmlToken(kind, "template", codes[start], start)
        position = start + len(codes[start])
    if position < token.end:
        yield _HtmlToken("text", "", token.raw[position - token.start :], position)


# --- tokens --------------------------------------------------------------------------------------


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


def tokens(text: str) -> list[_HtmlToken]:
    """Cut HTML into tokens."""
    is_xml = bool(_XHTML.search(text))
    found = [place for place in _Tokenizer(text).found if place[0] < len(text)]
    ends = [*(start for start, _, _ in found), len(text)][1:]
    return [
        _token(kind, name, text[start:end], start, is_xml)
        for (start, kind, name), end in zip(found, ends, strict=True)
        if start < end
    ]


def _token(kind: str, name: str, raw: str, start: int, is_xml: bool) -> _HtmlToken:
    if raw.startswith(_SECTION) and is_xml:
        return _HtmlToken("literal", "section", raw, start)
    if kind == "text" and _UNFINISHED.search(raw):
        # A tag or comment that the file ends in: no text, though the parser takes it for one.
        kind, name = "other", "comment"
    return _HtmlToken(kind, name, raw, start)


def _language(text: str) -> str | None:
    """The language of a page: of its root, or else the first that is named."""
    root = _ROOT.search(text)
    match = (root and _LANG.search(root[0])) or _ANY_LANG.search(text)
    return match[1] if match else None


_ANY_LANG = re.compile(rf"<[a-z][^<>]*?{_LANG.pattern}", re.IGNORECASE)


def _without_opaque(tokens: list[_HtmlToken], language: str | None) -> Iterator[_HtmlToken]:
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
        yield _HtmlToken(kind, token.name, raw, token.start, opening)
        position = end


def _stays(token: _HtmlToken, language: str | None) -> bool:
    if token.kind != "open" or token.name in VOID or token.raw.endswith("/>"):
        return False
    return token.name in _OPAQUE | _LITERAL or _is_kept(token, language)


def _is_kept(token: _HtmlToken, language: str | None) -> bool:
    """Return whether a tag says that its element is not for translation."""
    values = {each.name: each.value for each in attributes_of(token.raw)}
    own = values.get("lang")
    if own and language and not same_language(own, language):
        return True
    is_marked = "notranslate" in values.get("class", "").split()
    return is_marked or values.get("translate", "").lower() == "no"


def _ends(tokens: list[_HtmlToken]) -> dict[int, int]:
    """The index behind the tag that closes an element, by that of the tag that opens it."""
    ends: dict[int, int] = {}
    opened: dict[str, list[int]] = {}
    for index, token in enumerate(tokens):
        if token.kind == "open":
            opened.setdefault(token.name, []).append(index)
        elif token.kind == "close" and opened.get(token.name):
            ends[opened[token.name].pop()] = index + 1
    return ends


def _is_inline(token: _HtmlToken) -> bool:
    if token.name == "template":
        return token.kind == "literal"
    return token.kind in ("text", "literal") or token.name in _INLINE or token.name == "comment"


# --- segments ------------------------------------------------------------------------------------


def _run_slot(
    run: list[_HtmlToken], offset: int, id: str, escape: Callable[[str], str]
) -> Iterator[Slot]:
    """A segment of what stands between two block tags."""
    run = _trimmed(run)
    if not run:
        return
    first, last = run[0], run[-1]
    lead = len(first.raw) - len(first.raw.lstrip()) if first.kind == "text" else 0
    trail = len(last.raw) - len(last.raw.rstrip()) if last.kind == "text" else 0
    start, end = first.start + lead, last.end - trail
    segment = _segment(id, run, escape)
    if segment.has_words:
        yield replacing(segment, offset + start, offset + end, escape)


def _trimmed(run: list[_HtmlToken]) -> list[_HtmlToken]:
    """Leave out at both ends blank text, comments, breaks, and tags around all or nothing of it."""
    partners = _partners(run)
    start, end = 0, len(run)
    while start < end:
        if _is_blank(run[start]) or _is_single(run[start], partners.get(start)):
            start += 1
        elif _is_blank(run[end - 1]) or _is_single(run[end - 1], partners.get(end - 1)):
            end -= 1
        elif partners.get(start) == end - 1:
            start, end = start + 1, end - 1
        else:
            break
    return run[start:end]


def _partners(run: list[_HtmlToken]) -> dict[int, int]:
    """The tags that belong together, by their places in the run."""
    partners: dict[int, int] = {}
    opened: dict[str, list[int]] = {}
    for place, token in enumerate(run):
        if token.kind == "open":
            opened.setdefault(token.name, []).append(place)
        elif token.kind == "close" and opened.get(token.name):
            begin = opened[token.name].pop()
            partners |= {begin: place, place: begin}
    return partners


def _is_single(token: _HtmlToken, partner: int | None) -> bool:
    """Return whether a tag is left open, or closes nothing."""
    return partner is None and token.kind in ("open", "close") and not _is_void(token)


def _is_void(token: _HtmlToken) -> bool:
    return token.name in VOID or token.raw.endswith("/>")


def _is_blank(token: _HtmlToken) -> bool:
    return token.name in ("comment", "br") or (token.kind == "text" and not token.raw.strip())


def _segment(id: str, run: list[_HtmlToken], escape: Callable[[str], str]) -> Segment:
    builder = Builder(escape)
    space = True
    for place, token in enumerate(run):
        raw = token.raw
        opens = place == 0 and token.kind == "open" and not _is_void(token)
        if opens and len(run) > 1 and run[1].kind == "text":
            # Where HTML is in Markdown, a line break behind its first tag makes it a block.
            raw += _leading_space(run[1].raw)
        if token.kind == "text":
            space = _add_text(builder, token.raw, space)
            continue
        if token.kind == "literal":
            builder.alone(raw, _shown(token), divides=False)
            space = False
        elif token.name == "br":
            following = run[place + 1] if place + 1 < len(run) else _END
            if following.kind == "text":
                raw += _leading_space(following.raw)
            builder.alone(raw, "\n", divides=True)
            space = True
        elif token.kind == "other" or _is_void(token):
            joins = token.kind == "other" or token.name == "wbr"
            builder.alone(raw, divides=False if joins else None)
            space = False
        elif token.kind == "open":
            builder.open(token.name, raw)
            space = False
        else:
            builder.close(token.name, raw)
            space = False
    segment = builder.build(id)
    return replace(segment, text=segment.text.rstrip(" "))


def _add_text(builder: Builder, raw: str, space: bool) -> bool:
    """Add text, behind white space or not; returns whether it ends in such."""
    position = 0
    for match in [*_SPACERS.finditer(raw), None]:
        end = match.start() if match else len(raw)
        text = html.unescape(re.sub(r"[ \t\r\n\f]+", " ", raw[position:end]))
        builder.text(text.lstrip(" ") if space else text)
        space = text.endswith(" ") or (space and not text)
        if match:
            builder.alone(match[0], divides=True)
            position, space = match.end(), False
    return space


_SPACERS = re.compile(
    r"""(?: \s* (?: & (?: zwn?j | nbsp | shy | ensp | emsp | thinsp
          | \#(?:0?847|0?160|0?173|8192|8199|820[2-7]|8288|65279)
          | \#[xX](?:0?34[fF]|0?0?[aA][0dD]|200[0-9a-fA-F]|2060|[fF][eE][fF]{2}) ) ;
        | [\u00a0\u00ad\u034f\u2000-\u200f\u2060\ufeff] ) ){4,} (?:\s*(?=\Z))?""",
    re.VERBOSE,
)
"""Runs of invisible characters with which mails push what follows out of a preview."""


def _leading_space(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def _shown(token: _HtmlToken) -> str:
    """Visible text of an element that stays as it is."""
    if token.name == "section":
        return " ".join(token.raw.removeprefix(_SECTION).removesuffix("]]>").split())
    if token.name in ("math", "svg") or token.raw.startswith("{#"):
        return ""
    if token.name == "template":
        return token.raw
    return without_readings(token.raw)


_XHTML = re.compile(r"<html\b[^>]*xmlns=[\"']http://www\.w3\.org/1999/xhtml")
