"""Translations of paragraphs as Markdown: their words in lines, and what has to be escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tformer.documents.segments import Segment, is_text, parts, split_words

# A line of a paragraph that begins like this would begin another block.
_BLOCK = re.compile(
    r"(?P<marker>[-+*](?=\s|\Z)|#{1,6}(?=\s|\Z)|>|=+\s*\Z|`{3}|~{3}|\|)"
    r"|(?P<number>\d{1,9})(?=[.)](?:\s|\Z))"
)

_SPECIAL = re.compile(r"[\\`*_\[\]<>~!&|]")


@dataclass(frozen=True)
class BlockText:
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


def in_cell(content: str) -> str:
    """Content of a cell, in which a border is escaped."""
    return content.replace("|", "\\|")


def content_of(segment: Segment, place: BlockText, text: str, escape: Callable[[str], str]) -> str:
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


def guarded(line: str) -> str:
    """A line that begins no block."""
    match = _BLOCK.match(line)
    if not match:
        return line
    at = match.end() if match["number"] else 0
    return f"{line[:at]}\\{line[at:]}"


def escape_by_backslash(text: str) -> str:
    """Text without markup, by a backslash before each sign of Markdown."""
    return _SPECIAL.sub(r"\\\g<0>", text)


_NAMED = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def escape_by_name(text: str) -> str:
    """The same, with names for what some sites show with the backslash before it."""
    return _SPECIAL.sub(lambda match: _NAMED.get(match[0], rf"\{match[0]}"), text)


_SEARCHED = 20_000
"""Characters of a paragraph that are searched for a sign as it was, at most."""

_SITE_SIGN = re.compile(r"\\([{}$=:@#^%+])")


def site_escape(original: str) -> Callable[[str], str]:
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
