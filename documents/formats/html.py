"""HTML: the text of every block, with its inline elements as placeholders.

Python's own parser, which takes any tag soup, tells where tags and text begin; what is written is
the file itself with the text of blocks replaced. Titles, descriptions and the attributes that
people read (alt, title, placeholder, aria-label) are segments too. Scripts, styles, preformatted
text, code, drawings, and elements that say translate="no" stay as they are.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, replacing
from tformer.documents.formats.html_attributes import (
    TEMPLATE,
    attribute_slots,
    drawn_slots,
    escape_text,
    escape_xml,
    without_templates,
)
from tformer.documents.formats.html_tokens import (
    CDATA,
    LANG,
    ROOT,
    VOID,
    XHTML,
    HtmlToken,
    is_inline,
    language_of,
    tag_names,
    tokens,
    with_templates,
    without_opaque,
)
from tformer.documents.inline.readings import without_readings
from tformer.documents.io.encoding import Encoded, decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment
from tformer.model.text.normalization import same_language

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)


_END = HtmlToken("other", "", "", 0)


def open_html(data: bytes, name: str) -> TextDocument:
    """Read HTML; see `tformer.documents.registry.open_document`."""
    source = decode(data, name, _declared)
    return TextDocument(
        source, html_slots, _reference, declares=page_language, labels=language_edits
    )


def page_language(text: str) -> DocumentLanguages:
    """The language that the root of a page names."""
    root = ROOT.search(text)
    match = LANG.search(root[0]) if root else None
    return DocumentLanguages(page=match[1] if match else None)


def language_edits(text: str, language: str) -> Iterator[Edit]:
    """Set the language of a page wherever a tag names it, but for what stays as it is.

    A page whose root names none gets one: speech and hyphenation go by it.
    """
    page = language_of(text)
    root = ROOT.search(text)
    if root and not re.search(r"\s(?:xml:)?lang\s*=", root[0], re.IGNORECASE):
        attribute = f' lang="{language}"'
        is_xml = bool(XHTML.search(root[0]))
        at = root.start() + len("<html")
        yield Edit(at, at, f' xml:lang="{language}"' * is_xml + attribute)
    for token in without_opaque(tokens(without_templates(text)[0]), page) if page else ():
        for match in LANG.finditer(token.raw) if token.kind == "open" else ():
            if same_language(match[1], page) and not same_language(match[1], language):
                yield Edit(token.start + match.start(1), token.start + match.end(1), language)


def html_of(text: str) -> TextDocument:
    """HTML that is text already, whatever encoding it declares."""
    return TextDocument(Encoded(text), html_slots, _reference)


def html_slots(text: str, offset: int = 0, prefix: str = "") -> Iterator[Slot | LeftPart]:
    """The segments of HTML that begins at an offset in its file, numbered behind a prefix."""
    numbers = count(1)
    escape = escape_xml if XHTML.search(text) else escape_text
    text, codes = without_templates(text)
    run: list[HtmlToken] = []
    found = list(without_opaque(tokens(text), language_of(text)))
    for token in [*with_templates(found, codes), _END]:
        if _is_unclosed(token):
            start, end = offset + token.start, offset + token.end
            yield LeftPart(start, end, "a tag or comment in it is not closed")
        if not is_inline(token):
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
        if is_inline(token):
            run.append(token)


_FORMS = tag_names("textarea xmp noembed noframes")
_SET_AS_TEXT = re.compile(r"<mtext[^<>]*>([^<>]*[^\W\d_]{2}[^<>]*)<", re.IGNORECASE)


def _left_words(token: HtmlToken) -> Iterator[tuple[str, str]]:
    """Words of an element that stays without saying so, and the reason."""
    if token.raw.startswith(CDATA) and token.kind == "literal":
        yield _shown(token), "it stands in a section of CDATA"
    elif token.opening and token.name in _FORMS:
        inner = TEMPLATE.sub(" ", token.raw[len(token.opening) :])
        yield without_readings(inner), f"it stands in <{token.name}>"
    elif token.opening and token.name == "math":
        yield " ".join(_SET_AS_TEXT.findall(token.raw)), "it stands in a formula"


def _is_unclosed(token: HtmlToken) -> bool:
    """Return whether a token is a tag or comment that the file ends in."""
    is_comment = token.raw.startswith("<!--")
    return token.name == "comment" and ("-->" if is_comment else ">") not in token.raw


def _declared(head: bytes) -> str | None:
    match = _CHARSET.search(head)
    return match[1].decode("ascii") if match else None


def _reference(character: str) -> str:
    return f"&#{ord(character)};"


# --- templates -----------------------------------------------------------------------------------


# --- tokens --------------------------------------------------------------------------------------


# --- segments ------------------------------------------------------------------------------------


def _run_slot(
    run: list[HtmlToken], offset: int, id: str, escape: Callable[[str], str]
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


def _trimmed(run: list[HtmlToken]) -> list[HtmlToken]:
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


def _partners(run: list[HtmlToken]) -> dict[int, int]:
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


def _is_single(token: HtmlToken, partner: int | None) -> bool:
    """Return whether a tag is left open, or closes nothing."""
    return partner is None and token.kind in ("open", "close") and not _is_void(token)


def _is_void(token: HtmlToken) -> bool:
    return token.name in VOID or token.raw.endswith("/>")


def _is_blank(token: HtmlToken) -> bool:
    return token.name in ("comment", "br") or (token.kind == "text" and not token.raw.strip())


def _segment(id: str, run: list[HtmlToken], escape: Callable[[str], str]) -> Segment:
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


def _shown(token: HtmlToken) -> str:
    """Visible text of an element that stays as it is."""
    if token.name == "section":
        return " ".join(token.raw.removeprefix(CDATA).removesuffix("]]>").split())
    if token.name in ("math", "svg") or token.raw.startswith("{#"):
        return ""
    if token.name == "template":
        return token.raw
    return without_readings(token.raw)
