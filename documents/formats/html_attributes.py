"""Attributes in tags of HTML that people read, and texts in drawings.

The code of templates in a tag stays, and its quotation marks end no value.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tformer.documents.building import Builder
from tformer.documents.document import Edit, Slot, replacing
from tformer.documents.inline.interface import is_identifier
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import render
from tformer.model.text.windows import find_all

TEMPLATE = re.compile(
    r"<%.{0,4000}?%>|<\?(?:php|=).{0,4000}?\?>|\{%.{0,2000}?%\}|\{#.{0,2000}?#\}|\{\{\{?.{0,500}?\}\}\}?|\$\{[^{}<>]{0,200}\}",
    re.DOTALL,
)
"""Pattern of the code of templates: PHP, ERB, EJS, Jinja, Liquid. HTML's parser would cut it."""

STANDS_FOR = "\ue0ff"
"""A character that is text to HTML's parser, in the place of each of template code."""

_READ_ATTRIBUTES = re.compile(
    "alt|title|placeholder|label|hx-(?:confirm|prompt)"
    "|aria-(?:label|description|placeholder|valuetext|roledescription)"
)
_READ_BY_SCRIPTS = re.compile(
    r"data-(?:(?:turbo-)?confirm|disable-with|loading-text|placeholder|tooltip"
    r"|(?:bs|mdb|original)-(?:title|content|original-title))"
)
"""Attributes in which scripts of usual libraries find texts; others may hold what they compare."""
_BUTTONS = {"button", "submit", "reset"}
_META = re.compile(
    r"(?:og:|twitter:|dc\.|dcterms\.)?(?:title|description|subject|abstract)|(?:og|twitter):image:alt"
    r"|(?:news_)?keywords|headline|twitter:label\d",
    re.IGNORECASE,
)
"""Names of what a page says of itself; that of a site is a name and stays."""

_ATTRIBUTE = re.compile(
    r"""(?<=[\s"'/])(?P<name>[^\s"'<>/=]+)\s*=\s*
    (?:(?P<quoted>"[^"]*"|'[^']*')|(?P<bare>[^\s"'<>=`]+?)(?=[\s>]|/>|\Z))""",
    re.VERBOSE,
)


def without_templates(text: str) -> tuple[str, dict[int, str]]:
    """A text of the same length without the code of templates, and that code by its place."""
    codes = {match.start(): match[0] for match in find_all(TEMPLATE, text)}
    parts, at = [], 0
    for start, code in codes.items():
        parts += [text[at:start], STANDS_FOR * len(code)]
        at = start + len(code)
    return "".join([*parts, text[at:]]), codes


@dataclass(frozen=True)
class Attribute:
    """An attribute of a tag."""

    name: str
    raw: str
    """Value, as it is spelt."""
    quote: str
    """Quotation mark around it, if there is one."""
    span: tuple[int, int]
    """Place of the value in the tag, with its quotation marks."""

    @property
    def value(self) -> str:
        """Value, as a reader sees it."""
        return html.unescape(self.raw)


def attributes_of(tag: str) -> Iterator[Attribute]:
    """The attributes of a tag; quotation marks in the code of a template end no value."""
    masked, _ = without_templates(tag)
    for match in _ATTRIBUTE.finditer(masked):
        start, end = match.span("quoted" if match["quoted"] else "bare")
        quote = masked[start] if match["quoted"] else ""
        raw = tag[start + len(quote) : end - len(quote)]
        yield Attribute(match["name"].lower(), raw, quote, (start, end))


def attribute_slots(element: str, tag: str, offset: int) -> Iterator[Slot]:
    """The attributes of a tag that people read.

    Args:
        element: its name.
        tag: as it stands at an offset in the file.
        offset: of the tag.
    """
    attributes = list(attributes_of(tag))
    names = {each.name: each.value for each in attributes}
    for attribute in attributes:
        name = attribute.name
        read = element not in ("link", "script") and bool(_READ_ATTRIBUTES.fullmatch(name))
        if _READ_BY_SCRIPTS.fullmatch(name):
            read = _looks_said(attribute.value)
        if (element, name) in (("th", "abbr"), ("table", "summary")):
            read = True
        if name == "value":
            read = element == "input" and names.get("type", "").lower() in _BUTTONS
        if element == "meta":
            kind = next(
                (names[key] for key in ("name", "property", "itemprop") if key in names), ""
            )
            read = name == "content" and bool(_META.fullmatch(kind))
        if read:
            yield from _attribute_slot(element, attribute, offset)


_DRAWN = re.compile(
    r"<(?P<name>title|desc|text)\b[^<>]{0,2000}(?<!/)>(?P<text>[^<>]{0,2000})</(?P=name)\s*>"
    r"|<text\b[^<>]{0,2000}(?<!/)>(?P<mixed>.{0,4000}?)</text\s*>"
    r"|<foreignObject\b.{0,4000}?</foreignObject\s*>",
    re.DOTALL,
)
"""Pattern of a text in a drawing."""
_SPAN = re.compile(
    r"<(?P<name>tspan|textPath|a)\b[^<>]{0,2000}(?<!/)>(?P<text>[^<>]{0,2000})</(?P=name)\s*>"
    r"|<[^<>]{0,2000}>"
)


def drawn_slots(drawing: str, start: int) -> Iterator[Slot | LeftPart]:
    """Titles and labels of a drawing that begins at an offset, each without markup in it."""
    for match in find_all(_DRAWN, drawing):
        if match["text"] is not None:
            yield from _drawn_slot(match, start)
        elif match["mixed"] and not re.search(r"[^\W\d_]", _SPAN.sub("", match["mixed"])):
            for span in _SPAN.finditer(match["mixed"]):
                if span["text"]:
                    yield from _drawn_slot(span, start + match.start("mixed"))
        else:
            text = " ".join(re.sub(r"<[^<>]*>", " ", match[0]).split())
            yield LeftPart(start + match.start(), start + match.end(), _MIXED, text)


_MIXED = "it is a text of a drawing with markup in it"


def _drawn_slot(match: re.Match[str], offset: int) -> Iterator[Slot]:
    text = match["text"].strip()
    start = offset + match.start("text") + match["text"].find(text)
    builder = Builder(escape_xml)
    builder.text(html.unescape(" ".join(text.split())))
    segment = builder.build("", context=f"svg {match['name']}")
    if segment.has_words and not is_identifier(text):
        yield replace(replacing(segment, start, start + len(text), escape_xml), depth=1)


def _looks_said(value: str) -> bool:
    """Return whether an attribute for scripts holds words, and no name, selector or data."""
    words = value.split()
    if not words or value.lstrip()[0] in "{[#./" or is_identifier(value):
        return False
    return len(words) > 1 or (words[0][0].isupper() and words[0].rstrip(".!?:").isalpha())


def _attribute_slot(element: str, attribute: Attribute, offset: int) -> Iterator[Slot]:
    quote = attribute.quote or '"'

    def escape(text: str) -> str:
        return escape_text(text).replace(quote, "&#39;" if quote == "'" else "&quot;")

    builder = Builder(escape)
    _add_value(builder, attribute.raw)
    segment = builder.build("", context=f"{element} {attribute.name}")
    start, end = (offset + place for place in attribute.span)

    def edits(text: str) -> list[Edit]:
        """With the quotation marks, which a value that has none gets."""
        return [Edit(start, end, f"{quote}{render(segment, text, escape)}{quote}")]

    if segment.has_words:
        yield Slot(segment, edits, depth=1)


def _add_value(builder: Builder, raw: str) -> None:
    """Add the value of an attribute, in which the code of templates is as it is."""
    position = 0
    for code in find_all(TEMPLATE, raw):
        builder.text(html.unescape(raw[position : code.start()]))
        builder.alone(code[0], code[0], divides=False)
        position = code.end()
    builder.text(html.unescape(raw[position:]))


def escape_xml(text: str) -> str:
    """As `escape_text`, without the names that XML does not know."""
    return escape_text(text).replace("&nbsp;", "\u00a0")


def escape_text(text: str) -> str:
    """Text as HTML spells it."""
    escaped = re.sub(r"[\r\n]+", " ", text).replace("&", "&amp;")
    escaped = escaped.replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\u00a0", "&nbsp;")
