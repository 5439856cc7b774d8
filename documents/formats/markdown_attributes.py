"""Texts of images within sentences of Markdown, and titles of links and images.

They are segments of their own, which the segment of the sentence contains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from markdown_it.token import Token

from tformer.documents.building import Builder
from tformer.documents.document import Slot, replacing
from tformer.documents.inline.interface import is_identifier

_TITLE = re.compile(r"\s(?P<quote>[\"'])(?P<title>(?:\\.|(?!(?P=quote)).)+)(?P=quote)[ \t]*\)")
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
    tokens = block.children or []
    number = 0
    for token in tokens:
        if token.type not in ("image", "link_close") or "place" not in token.meta:
            continue
        number += 1
        start, end = token.meta["place"]
        raw = block.content[start:end]
        if token.type == "image" and len(tokens) > 1 and _has_text(token, raw):
            span = start + 2, start + 2 + len(token.content)
            yield from _slot(f"{id}.alt{number}", block.content, span, starts, _escape_text)
        if match := _title(raw):
            span = start + match.start("title"), start + match.end("title")
            escape = _escape_title(match["quote"])
            yield from _slot(f"{id}.title{number}", block.content, span, starts, escape)


def _title(raw: str) -> re.Match[str] | None:
    match = _TITLE.search(raw)
    return match if match and "&" not in match["title"] and "|" not in match["title"] else None


def _has_text(image: Token, raw: str) -> bool:
    return (
        is_plain_image(image)
        and raw.startswith((f"![{image.content}](", f"![{image.content}]["))
        and not raw.endswith("][]")
        and "|" not in image.content
    )


def _slot(
    id: str,
    content: str,
    span: tuple[int, int],
    starts: Sequence[int],
    escape: Callable[[str], str],
) -> Iterator[Slot]:
    spelt = content[slice(*span)]
    text = _ESCAPED.sub(r"\1", spelt)
    if "\n" in spelt or is_identifier(text) or _FILE.fullmatch(text):
        return
    builder = Builder(escape)
    builder.text(text)
    segment = builder.build(id, context="image or link")
    if segment.has_words:
        start = _in_file(content, span[0], starts)
        slot = replacing(segment, start, start + len(spelt), escape)
        yield replace(slot, depth=1)


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
