"""Texts of images within sentences of Markdown, titles of links and images, attributes of HTML.

They are segments of their own, which the segment of the sentence contains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from markdown_it.token import Token

from tformer.documents.building import Builder
from tformer.documents.document import Slot, replacing
from tformer.documents.formats.html_attributes import attribute_slots as tag_slots
from tformer.documents.inline.interface import is_identifier

_TITLE = re.compile(
    r"[ \t\r\n](?P<quote>[\"'])(?P<title>(?:\\.|(?!(?P=quote)).)+)(?P=quote)[ \t]*\)"
)
"""Pattern of a title; an unusual space before it makes it a part of the address."""
_LABEL = re.compile(r"!\[((?:\\.|[^\[\]\\])*)\][(\[]")
_NO_TEXT = re.compile(r"\||(?<!\\)&(?:#|\w+;)")
"""Pattern of what is read as something else: sizes in Obsidian, references to characters."""
_TAG = re.compile(r"<([A-Za-z][\w.-]*)")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_FILE = re.compile(r"\S*[\\/]\S*|\S+\.\w{2,4}")
"""Pattern of a path or a file name, which programs put where nobody wrote a text."""


def is_plain_image(image: Token) -> bool:
    """Return whether the text of an image is text, without markup, and stands in the file as
    such."""
    return all(child.type == "text" for child in image.children or ())


def attribute_slots(id: str, block: Token, starts: Sequence[int]) -> Iterator[Slot]:
    """Find the texts and titles in a paragraph.

    Args:
        id: of the paragraph's segment.
        block: of which the inline tokens know their places.
        starts: places of the paragraph's lines in the file.
    """
    numbers = count(1)
    for slot in _found(block, starts):
        # By their order, since a translation may change that of images.
        segment = replace(slot.segment, id=f"{id}.text{next(numbers)}")
        yield replace(slot, segment=segment)


_DEFINITION = re.compile(
    r"[ \t>]*\[(?!//|comment\]|\^)[^\[\]\n]+\]:[ \t]+\S+(?:[ \t]+|[ \t]*\r?\n[ \t>]*)"
    r"(?P<quote>[\"'])(?P<title>[^\n]+)(?P=quote)\s*"
)
"""Pattern of the target of links elsewhere; many write comments as such."""


def definition_slots(id: str, lines: str, start: int) -> Iterator[Slot]:
    """Find the title that the definition of a reference gives to its links.

    Args:
        id: of the lines.
        lines: as they stand in the file.
        start: place of the lines.
    """
    match = _DEFINITION.fullmatch(lines)
    if match and not _NO_TEXT.search(match["title"]):
        escape = _escape_title(match["quote"])
        for slot in _text_slot(match["title"], start + match.start("title"), escape):
            yield replace(slot, segment=replace(slot.segment, id=f"{id}.title"))


_BRACED = re.compile(r"\{:?[^{}\n]*=[^{}\n]*\}")
_BRACED_TEXT = re.compile(
    r"(?<=[\s{:])(?:alt|aria-label|caption|data-title|title)="
    r"(?:\"(?P<one>[^\"\n]+)\"|'(?P<other>[^'\n]+)')"
)


def braced_slots(id: str, lines: str, start: int) -> Iterator[Slot]:
    """Find the texts in attributes between braces, which take a line of their own.

    Args:
        id: of the lines.
        lines: as they stand in the file.
        start: place of the lines.
    """
    if _BRACED.fullmatch(lines.strip()):
        for number, slot in enumerate(_in_braces(lines, start), start=1):
            yield replace(slot, segment=replace(slot.segment, id=f"{id}.attribute{number}"))


def _in_braces(raw: str, start: int) -> Iterator[Slot]:
    for match in _BRACED_TEXT.finditer(raw):
        name = "one" if match["one"] else "other"
        forbidden = {'"' if name == "one" else "'", "{", "}", "\n"}
        for slot in _text_slot(match[name], start + match.start(name), str):
            can_say = lambda text, no=forbidden: not no & set(text)  # noqa: E731
            yield replace(slot, can_say=can_say)


_FENCE_TITLE = re.compile(
    r"[ \t>]*(?:`{3,}|~{3,})[^\n]*?\btitle=\"(?P<title>[^\"\n]*[^\W\d_][^\"\n]* [^\"\n]*)\""
)


def fence_slots(id: str, line: str, start: int) -> Iterator[Slot]:
    """Find the title of a block of code, if it is more than the name of a file.

    Args:
        id: of the block.
        line: the first of the block, as it stands in the file.
        start: place of the line.
    """
    if match := _FENCE_TITLE.match(line):
        for slot in _text_slot(match["title"], start + match.start("title"), str):
            segment = replace(slot.segment, id=f"{id}.title")
            yield replace(slot, segment=segment, can_say=lambda text: not set('"`{}\n') & set(text))


def component_slots(id: str, tag: str, start: int) -> Iterator[Slot]:
    """Find the texts in a tag that takes lines of its own.

    Args:
        id: of the lines.
        tag: as it stands in the file.
        start: place of the lines.
    """
    name = _TAG.match(tag.lstrip())
    for number, slot in enumerate(tag_slots(name[1].lower(), tag, start) if name else ()):
        yield replace(slot, segment=replace(slot.segment, id=f"{id}.text{number}"), depth=0)


_WITH_TEXTS = {"image", "link_close", "html_inline", "site_inline"}


def _found(block: Token, starts: Sequence[int]) -> Iterator[Slot]:
    tokens = block.children or []
    for token in tokens:
        if token.type not in _WITH_TEXTS or "place" not in token.meta:
            continue
        start, end = token.meta["place"]
        raw = block.content[start:end]
        if token.type == "site_inline":
            if token.meta["attributes"] and "\n" not in raw:
                for slot in _in_braces(raw, _in_file(block.content, start, starts)):
                    yield replace(slot, depth=1)
            continue
        if token.type == "html_inline":
            name = _TAG.match(raw)
            if name and "\n" not in raw:
                yield from tag_slots(name[1].lower(), raw, _in_file(block.content, start, starts))
            continue
        is_image = token.type == "image" and not _is_alone(token, tokens)
        label = _LABEL.match(raw) if is_image else None
        if label and _says(token, label[1]) and not raw.endswith("][]"):
            span = start + 2, start + 2 + len(label[1])
            yield from _slot(block.content, span, starts, _escape_text)
        if match := _title(raw):
            span = start + match.start("title"), start + match.end("title")
            yield from _slot(block.content, span, starts, _escape_title(match["quote"]))


def _is_alone(image: Token, tokens: Sequence[Token]) -> bool:
    """Return whether an image, with its attributes, is all of a paragraph, whose text is its."""
    start, end = image.meta["place"]
    behind = (t.meta["place"] for t in tokens if t.type == "site_inline")
    return len(tokens) == 1 + sum(start < place[0] < end for place in behind)


def _title(raw: str) -> re.Match[str] | None:
    match = _TITLE.search(raw)
    return None if match and _NO_TEXT.search(match["title"]) else match


def _says(image: Token, label: str) -> bool:
    """Return whether the text of an image is no more than what stands in its label."""
    children = image.children or []
    said = "".join(child.content for child in children)
    kinds = {child.type for child in children}
    is_text = kinds <= {"text", "text_special"} and "|" not in label
    return is_text and _ESCAPED.sub(r"\1", label) == said


def _slot(
    content: str,
    span: tuple[int, int],
    starts: Sequence[int],
    escape: Callable[[str], str],
) -> Iterator[Slot]:
    spelt = content[slice(*span)]
    if "\n" not in spelt:
        for slot in _text_slot(spelt, _in_file(content, span[0], starts), escape):
            yield replace(slot, depth=1)


def _text_slot(spelt: str, start: int, escape: Callable[[str], str]) -> Iterator[Slot]:
    text = _ESCAPED.sub(r"\1", spelt)
    if is_identifier(text) or _FILE.fullmatch(text):
        return
    builder = Builder(escape)
    builder.text(text)
    segment = builder.build("", context="image or link")
    if segment.has_words:
        yield replacing(segment, start, start + len(spelt), escape)


def _in_file(content: str, offset: int, starts: Sequence[int]) -> int:
    """Offset in the file of one in the content of a paragraph, of which lines are indented."""
    line_start = content.rfind("\n", 0, offset) + 1
    line = content[line_start:].partition("\n")[0]
    indentation = len(line) - len(line.lstrip())
    return starts[content.count("\n", 0, offset)] + offset - line_start - indentation


def _escape_text(text: str) -> str:
    return re.sub(r"[\\`*_\[\]<>~&|]", r"\\\g<0>", " ".join(text.split()))


def _escape_title(quote: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"[\\&{quote}]", r"\\\g<0>", re.sub(r"[\r\n]+", " ", text))
