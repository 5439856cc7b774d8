"""Translations of a sentence in the lines of its cues."""

import re
from collections.abc import Callable
from itertools import pairwise

from tformer.documents.document import Edit, Slot
from tformer.documents.formats.subtitle_cues import Cue
from tformer.documents.segments import Segment, parts, render, split_words

LINE_LENGTH = 42
"""Characters that a line of a subtitle should not exceed, tags not counted."""


NEXT = "\n\n"
"""Mark in a segment for the border of two cues."""


def slot_of(segment: Segment, cues: list[Cue], escape: Callable[[str], str]) -> Slot:
    """A segment and what its translation becomes in its cues."""

    def edits(text: str) -> list[Edit]:
        shares = _shares(_split_at(NEXT, segment, text), cues)
        return [_edit(segment, cue, own, escape) for cue, own in zip(cues, shares, strict=True)]

    return Slot(segment, edits)


_WORD_TIME = re.compile(r"<\d[\d:.]*>")


WORD_TAG = re.compile(r"<\d[\d:.]*>|</?c[^<>]*>")


TIMED_WORDS = re.compile(r"(<\d[\d:.]*>)(<c[^<>]*>)?([^<]*)(</c>)?")


def is_timed(cue: Cue) -> bool:
    """Return whether words of a cue have times of their own, as captions of speech recognition
    have."""
    return any(_WORD_TIME.search(line.text) for line in cue.lines)


def _with_word_times(line: str, text: str) -> str:
    """A translation with the times of the words of a line, shared out evenly."""
    steps = list(TIMED_WORDS.finditer(line))
    words = text.split()
    if not steps or not words:
        return text
    slots: list[list[str]] = [[] for _ in range(len(steps) + 1)]
    first = 0 if line[: steps[0].start()].strip() else 1
    for number, word in enumerate(words):
        slots[first + number * (len(slots) - first) // len(words)].append(word)
    pieces = [" ".join(slots[0])]
    for step, own in zip(steps, slots[1:], strict=True):
        if own:
            blank = " " if any(pieces) else ""
            pieces.append(f"{step[1]}{step[2] or ''}{blank}{' '.join(own)}{step[4] or ''}")
    return "".join(pieces)


def _edit_timed(segment: Segment, cue: Cue, text: str, escape: Callable[[str], str]) -> Edit:
    pieces = [render(segment, piece, escape) for piece in _split_at("\n", segment, text)]
    written = cue.ending.join(
        _with_word_times(line.text, piece) for line, piece in zip(cue.lines, pieces, strict=True)
    )
    return Edit(cue.lines[0].start, cue.lines[-1].end, written)


def _edit(segment: Segment, cue: Cue, text: str, escape: Callable[[str], str]) -> Edit:
    if is_timed(cue):
        return _edit_timed(segment, cue, text, escape)
    # Nothing but a break that stands alone may end a line, nor may a line be empty.
    wrapped = "\n".join(
        line.strip()
        for broken in _split_at("\n", segment, text)
        for line in _wrapped(segment, broken, escape)
        if line.strip()
    )
    ending = cue.ending or "\n"
    return Edit(cue.lines[0].start, cue.lines[-1].end, wrapped.replace("\n", ending))


def _shares(pieces: list[str], cues: list[Cue]) -> list[str]:
    """Text of each cue: the pieces, unless one is empty or too long, or they are not as many.

    A segment that stays as it is, is one piece.
    """
    fit = all(piece.strip() and len(piece) <= 2 * LINE_LENGTH for piece in pieces)
    if len(pieces) == len(cues) and (len(cues) == 1 or fit):
        return pieces
    words = " ".join(pieces).split()
    if len(words) < len(cues):
        return [" ".join(words)] * len(cues)
    lengths = [sum(len(line.text) for line in cue.lines) for cue in cues]
    borders = [0]
    for number in range(1, len(cues)):
        wanted = round(len(words) * sum(lengths[:number]) / sum(lengths))
        rest = len(words) - (len(cues) - number)
        borders.append(min(max(wanted, borders[-1] + 1), rest))
    return [" ".join(words[i:j]) for i, j in pairwise([*borders, len(words)])]


def _split_at(border: str, segment: Segment, text: str) -> list[str]:
    """A text in the pieces between the placeholders that stand for a border."""
    pieces = [""]
    for part in parts(text):
        if not isinstance(part, str) and segment.inlines[part.number].opening == border:
            pieces.append("")
        else:
            pieces[-1] += str(part)
    return pieces


def _wrapped(segment: Segment, text: str, escape: Callable[[str], str]) -> list[str]:
    """Break one text into as few lines as the length allows, as even as can be."""
    words = split_words(segment, text, escape)
    total = sum(length for _, length in words) + len(words) - 1
    count = -(-total // LINE_LENGTH) if total > LINE_LENGTH else 1
    lines = fill_lines(words, LINE_LENGTH)
    for width in range(max(1, total // max(count, 1)), LINE_LENGTH):
        even = fill_lines(words, width)
        if len(even) <= len(lines):
            return even
    return lines


def fill_lines(words: list[tuple[str, int]], width: int) -> list[str]:
    """Words, each with the characters that one sees, in lines of at most a width."""
    lines: list[str] = []
    room = 0
    for word, length in words:
        if lines and length + 1 <= room:
            lines[-1] += f" {word}"
            room -= length + 1
        else:
            lines.append(word)
            room = width - length
    return lines
