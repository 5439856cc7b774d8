"""Texts of a plain-text notation with markup within sentences: reStructuredText and AsciiDoc.

A reader of blocks finds the texts and their lines, a reader of markup makes a segment of each. A
translation is written in lines of the same width, read again by both, and compared; one that no
spelling says is left out. A text whose own words are not read as they were written is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tformer.documents.document import Edit, Slot
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import PlaceholderKind, Segment, is_text, meaning, parts

REFERRED = "the file refers to it by its text"
"""Reason for which a title stays."""

LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
"""Pattern of a line and its ending."""

_SEPARATORS = re.compile("[\x00\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""Pattern of characters that some readers take for the end of a line."""

_BLANK = "\U0010fffc"
"""Character in the place of a blank within markup, at which no line is broken."""


@dataclass(frozen=True)
class ProseText:
    """Text to translate, and its place in the file."""

    kind: str
    """Kind of the block: paragraph, title, term."""
    start: int
    end: int
    content: str
    """Its lines without indentation, separated by "\\n"."""
    prefix: str = ""
    """Prefix of each line but the first."""
    ending: str = "\n"
    """Line ending."""
    adornments: Sequence[tuple[int, int]] = ()
    """Places of the lines above and below a title that are as long as it."""
    margin: int = 0
    """Columns between the beginnings of those lines and of the title."""


@dataclass(frozen=True)
class Notation:
    """Rules of a notation for the text of a block."""

    read: Callable[[str], Segment | None]
    """Reads markup; None for text that is not surely understood."""
    is_whole: Callable[[str, str], bool]
    """Returns whether lines are one text of a kind, and nothing else."""
    escapes: Sequence[Callable[[str], str]] = (str,)
    """Spellings of plain text, the shortest first."""
    guard: str = ""
    """Prefix of a text that would begin another block."""
    joint: str = ""
    """Separator, which is not shown, of markup and a character that must not touch it."""
    may_precede: Callable[[str], bool] = lambda _: True
    """Returns whether a character may stand directly before markup."""
    may_follow: Callable[[str], bool] = lambda _: True
    """Returns whether a character may stand directly behind markup."""


def prose_slots(
    text: str, texts: Iterable[ProseText | LeftPart | Slot], notation: Notation
) -> Iterator[Slot | LeftPart]:
    """Make slots of the texts of a file; ids are their numbers. Other slots are passed on."""
    number = -1
    for place in texts:
        if isinstance(place, LeftPart | Slot):
            yield place
            continue
        number += 1
        segment = None if _SEPARATORS.search(place.content) else notation.read(place.content)
        if segment and not segment.has_words:
            continue
        if segment:
            segment = replace(segment, id=str(number), context=place.kind)
            writer = _ProseWriter(text, place, segment, notation)
            if writer.can_say(segment.text):
                yield Slot(segment, writer.edits, can_say=writer.can_say)
                continue
        yield LeftPart(place.start, place.end, "its markup is not understood")


@dataclass(frozen=True)
class _ProseWriter:
    """Writer of the translations of one text."""

    text: str
    place: ProseText
    segment: Segment
    notation: Notation

    def can_say(self, text: str) -> bool:
        """Return whether a translation has a spelling."""
        return self._spelling(text) is not None

    def edits(self, text: str) -> list[Edit]:
        """The changes to the file; none where nothing can say the translation."""
        place = self.place
        content = place.content if text == self.segment.text else self._spelling(text)
        if content is None:
            content = place.content
        written = content.replace("\n", place.ending + place.prefix)
        if content == place.content:
            written = self.text[place.start : place.end]
        return [Edit(place.start, place.end, written), *self._adorned(content)]

    def _adorned(self, content: str) -> Iterator[Edit]:
        old, new = (width(each) + self.place.margin for each in (self.place.content, content))
        for start, end in self.place.adornments:
            size = end - start
            if content != self.place.content:
                size = new if size == old else max(size, new)
            yield Edit(start, end, self.text[start] * size)

    def _spelling(self, text: str) -> str | None:
        return spelling(self.place.content, self.place.kind, self.segment, self.notation, text)


def spelling(
    content: str, kind: str, segment: Segment, notation: Notation, text: str
) -> str | None:
    """Lines that say a translation, about as wide as those of the source; None if none do."""
    if _SEPARATORS.search(text):
        return None
    wanted = meaning(segment, text)
    own = content.split("\n")
    widths = [max(map(len, own)), None] if len(own) > 1 else [None]
    for escape in notation.escapes:
        rendered = _rendered(segment, text, escape, notation)
        for line_width in widths:
            filled = _filled(rendered, line_width)
            for spelt in {filled: 0, notation.guard + filled: 0}:
                if _says(spelt, kind, wanted, notation):
                    return spelt
    return None


def _says(content: str, kind: str, wanted: Sequence[str], notation: Notation) -> bool:
    again = notation.read(content)
    if again is None or meaning(again, again.text) != wanted:
        return False
    return notation.is_whole(content, kind)


def _rendered(segment: Segment, text: str, escape: Callable[[str], str], notation: Notation) -> str:
    """A translation in one line, but for the line breaks that markup makes."""
    pieces: list[str] = []
    last, is_behind_markup = "", False
    for part in parts(text):
        inline = None if isinstance(part, str) else segment.inlines[part.number]
        if isinstance(part, str) or (inline and is_text(inline)):
            piece = escape(re.sub(r"[ \t\r\n]+", " ", inline.opening if inline else str(part)))
            if is_behind_markup and not notation.may_follow(piece[0]):
                pieces.append(notation.joint.replace(" ", _BLANK))
            is_behind_markup = False
        else:
            assert inline
            piece = inline.raw(part.part).replace(" ", _BLANK)
            if last == " ":
                piece = piece.removeprefix(_BLANK)
            is_closing = part.part is PlaceholderKind.CLOSE
            joins = not piece.startswith(_BLANK) and not notation.may_precede(last)
            if not is_closing and last and joins:
                pieces.append(notation.joint.replace(" ", _BLANK))
            is_behind_markup = part.part is not PlaceholderKind.OPEN
        pieces.append(piece)
        last = piece[-1:] or last
    return "".join(pieces)


def _filled(rendered: str, line_width: int | None) -> str:
    """Words in lines of a width; None for one line."""
    lines: list[str] = []
    for line in rendered.split("\n"):
        words = line.split(" ")
        filled = [""]
        for word in filter(None, words):
            fits = line_width is None or len(filled[-1]) + 1 + len(word) <= line_width
            if not filled[-1]:
                filled[-1] = word
            elif fits:
                filled[-1] += f" {word}"
            else:
                filled.append(word)
        lines += filled
    return "\n".join(lines).replace(_BLANK, " ")


def width(text: str) -> int:
    """Columns of a text: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
