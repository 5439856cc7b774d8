"""A segment: text to translate, its inline markup as numbered placeholders.

In the text of a segment `<1>` and `</1>` stand for markup around words (bold, a link) and `<2/>`
for something that is no text to translate (code, a URL, `%s`, an image). "Read the <1>manual</1> of
<2/>" is all a translator, a translation memory or a person needs to see; what the placeholders
stand for is in `Segment.inlines`. Text of the file that happens to look like a placeholder becomes
one. `tformer.documents.building.Builder` makes segments.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from tformer.documents.limits import TextLimit

_PLACEHOLDER = re.compile(r"<(/?)([1-9][0-9]{0,8})(/?)>")


class SegmentState(StrEnum):
    """Translation state of a segment; a file that holds no translations has only NEW ones."""

    NEW = "new"
    """Not translated."""
    REVIEW = "review"
    """Translated by a machine or a guess: fuzzy, needs-review-translation."""
    TRANSLATED = "translated"
    """Translated by a person; not to be touched unless asked for."""


class PlaceholderKind(Enum):
    """Kind of a placeholder."""

    OPEN = "<{}>"
    CLOSE = "</{}>"
    ALONE = "<{}/>"


@dataclass(frozen=True)
class Mark:
    """A placeholder in the text of a segment."""

    number: int
    part: PlaceholderKind

    def __str__(self) -> str:
        return self.part.value.format(self.number)


@dataclass(frozen=True)
class Inline:
    """Inline markup or literal behind a placeholder."""

    opening: str
    """Source in the file for `<n>` or `<n/>`."""
    closing: str | None = None
    """Source in the file for `</n>`; None for a standalone placeholder."""
    shown: str = ""
    """Text that a model sees for `<n/>`; nothing for what is no part of a sentence."""
    divides: bool = False
    """True if what stands before and behind it is translated apart: a line break, a tab, the syntax
    between two variants of a message."""
    left: str = ""
    """Words in it that stay, of which a reader is to be told."""

    def raw(self, part: PlaceholderKind) -> str:
        """Source in the file for one placeholder."""
        return (self.closing or "") if part is PlaceholderKind.CLOSE else self.opening


@dataclass(frozen=True)
class Segment:
    """A piece of a document that is translated as a whole: a paragraph, a cell, a message."""

    id: str
    """Unique in its document, and the same each time the same file is opened."""
    text: str
    """The source, with placeholders."""
    inlines: Mapping[int, Inline] = field(default_factory=dict)
    """Inline elements of the placeholders, by number."""
    target: str | None = None
    """The translation that the file holds; "" if it has room for one, None if it has none."""
    state: SegmentState = SegmentState.NEW
    context: str = ""
    """Context of the segment, for people and for those who choose between meanings."""
    limit: TextLimit | None = None
    """Length that a translation may have."""
    unread: str = ""
    """Reason why the segment stays as it is, whole; "" for one that can be translated."""

    @property
    def current(self) -> str:
        """Text in the file now, in the place where a translation goes."""
        return self.text if self.target is None else self.target

    @property
    def plain(self) -> str:
        """Plain text for a model: no markup around words, and literals as they are."""
        return self.seen(self.text)

    def seen(self, text: str) -> str:
        """A text with the placeholders of the segment as a reader sees it."""
        return "".join(part if isinstance(part, str) else self._shown(part) for part in parts(text))

    @property
    def has_words(self) -> bool:
        """True if there is anything to translate besides literals, or words that nobody reads."""
        return bool(self.unread) or any(
            _has_letter(part) for part in parts(self.text) if isinstance(part, str)
        )

    def _shown(self, mark: Mark) -> str:
        return self.inlines[mark.number].shown if mark.part is PlaceholderKind.ALONE else ""


def parts(text: str) -> Iterator[str | Mark]:
    """Cut a segment's text into plain text, which is never empty, and placeholders."""
    position = 0
    for match in _PLACEHOLDER.finditer(text):
        if match[1] and match[3]:  # </1/> is nothing of ours
            continue
        if position < match.start():
            yield text[position : match.start()]
        part = (
            PlaceholderKind.CLOSE
            if match[1]
            else PlaceholderKind.ALONE
            if match[3]
            else PlaceholderKind.OPEN
        )
        yield Mark(int(match[2]), part)
        position = match.end()
    if position < len(text):
        yield text[position:]


def without_marks(text: str) -> str:
    """A text without anything that looks like a placeholder, nested look-alikes included."""
    while (shorter := "".join(p for p in parts(text) if isinstance(p, str))) != text:
        text = shorter
    return text


def problem_with(segment: Segment, text: str) -> str | None:
    """Reason why a text cannot be the translation of a segment: None, or one clause.

    Every placeholder of the segment must be there once, and pairs must be closed inside out.
    """
    opened: list[int] = []
    seen: list[Mark] = []
    for part in parts(text):
        if isinstance(part, str):
            continue
        seen.append(part)
        if part.part is PlaceholderKind.OPEN:
            opened.append(part.number)
        elif part.part is PlaceholderKind.CLOSE and (not opened or opened.pop() != part.number):
            return f"{part} closes what is not open"
    counts = Counter(seen)
    for part in parts(segment.text):
        if isinstance(part, Mark) and counts.pop(part, 0) != 1:
            return f"{part} is there {seen.count(part)} times"
    return f"{next(iter(counts))} is not in the source" if counts else None


def render(segment: Segment, text: str, escape: Callable[[str], str]) -> str:
    """Write a text with placeholders as it stands in the file."""
    return "".join(
        escape(part) if isinstance(part, str) else segment.inlines[part.number].raw(part.part)
        for part in parts(text)
    )


def split_words(segment: Segment, text: str, escape: Callable[[str], str]) -> list[tuple[str, int]]:
    """The words of a text as they stand in the file, each with the characters that one sees.

    Markup hangs on the word it touches, and white space in it separates nothing.
    """
    words: list[tuple[str, int]] = [("", 0)]
    for part in parts(text):
        raw, seen = words[-1]
        if not isinstance(part, str):
            inline = segment.inlines[part.number]
            words[-1] = (raw + inline.raw(part.part), seen + len(inline.shown))
            continue
        first, *others = re.split(r"[ \t\r\n]+", part)
        words[-1] = (raw + escape(first), seen + len(first))
        words += [(escape(word), len(word)) for word in others]
    return [word for word in words if word[0]]


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


def meaning(segment: Segment, text: str) -> list[str]:
    """Text and markup in their order, whatever the numbers of the placeholders."""
    pieces = [""]
    for part in parts(text):
        if isinstance(part, str):
            pieces[-1] += part
        elif is_text(segment.inlines[part.number]):
            pieces[-1] += segment.inlines[part.number].shown
        else:
            pieces += [segment.inlines[part.number].raw(part.part), ""]
    return [" ".join(piece.split()) for piece in pieces]


def is_text(inline: Inline) -> bool:
    """Return whether a placeholder is a literal in plain text, which no markup protects."""
    return inline.closing is None and inline.opening == inline.shown
