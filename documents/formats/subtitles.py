"""Subtitles: SubRip (.srt) and WebVTT (.vtt). A cue is a segment.

Numbers, times, settings, notes, styles and the tags in a cue stay as they are. The lines of a cue
are joined for the translator and broken anew, into lines of at most 42 characters that are as even
as can be; lines that two speakers say, each behind a dash, stay apart.

A sentence that goes on in the next cue is a segment too, for nobody can translate half of one. Its
translation is shared out among its cues where the words beside their borders went, or else in the
proportions of the source.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment, parts, render, split_words
from tformer.model.errors import InputError

LINE_LENGTH = 42
"""Characters that a line of a subtitle should not exceed, tags not counted."""

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_LOOSE = re.compile(
    rf"\s*{_TIME}\s*,\s*{_TIME}\s*|(?=\s*\d[\d ]*[:.,;])"
    r"\s*\d[\d:.,; ]*\d\s*(?:-{1,3}>|[\u2013\u2014]>|\u2192)\s*\d[\d:.,; ]*\d(?:\s.*)?"
)
"""Times as people write them by hand; they stay as they are."""
_ARROW = re.compile(r"\s*[^\w\s]?\d[^\s:.,;]*[:.,;]\S*\s*-->.*")
"""A line of times, even if nobody can read them; `5 > 3 --> 2` is text."""
_LABEL = r"[A-Z][A-Z0-9 .'#-]{1,30}(?:[ ]\([^()\n]{1,40}\))?:[ ]+"
_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
_TAG = re.compile(
    rf"(?P<speaker>(?m:^)(?:(?:>>+|(?:&gt;){{2,}}|\u266a+|[-\u2010\u2013\u2014](?=[ ]*\S))[ ]*"
    rf"(?:{_LABEL})?|{_LABEL})"
    r"|[ ]*\u266a+(?=\n|\Z))|(?P<new>[ ]*\\N[ ]*)"
    r"|\{[a-zA-Z]:[^{}\n]*\}|<\d[\d:.]*>|\{\\[^{}]*\}|<(?P<closing>/?)(?P<name>[A-Za-z]+)(?P<rest>[^<>]*)>|(?P<break>\n)|(?P<blank>&nbsp;)"
)
_NEXT = "\n\n"
"""Mark in a segment for the border of two cues."""

_MOST_CUES = 4
"""Cues of a sentence, at most: what goes on and on has no full stops at all."""

_ENDS = re.compile(r"[\w,;\u2013\u2014-][\"'\u201d\u2019)]*\Z")
"""Ends of a cue whose sentence may go on."""

_DASH = re.compile(
    r"\s*(?:<[^>]*>)*\s*(?:[-\u2010\u2013\u2014\u266a\[(]|>>|(?:&gt;){2}|[A-Z][A-Z .]+:)"
)


@dataclass(frozen=True)
class _CueLine:
    number: int
    start: int
    text: str
    ending: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class _Cue:
    times: str
    lines: list[_CueLine]
    ending: str
    """That of the line with the times; the last line of a file may have none."""


def open_subrip(data: bytes, name: str) -> TextDocument:
    """Read SubRip; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: a time cannot be read, or there is no cue.
    """
    source = decode(data, name)
    lines = source.text.splitlines()
    if source.text.strip() and not any(map(_LOOSE.fullmatch, lines)):
        raise InputError(f"{name}:1: not SubRip: no line is like 00:00:01,000 --> 00:00:02,500")
    return checked(
        TextDocument(
            source,
            _loose_slots,
            skeleton=_skeleton,
        )
    )


def open_sbv(data: bytes, name: str) -> TextDocument:
    """Read YouTube's .sbv; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: no time can be read.
    """
    source = decode(data, name)
    if source.text.strip() and not any(map(_LOOSE.fullmatch, source.text.splitlines())):
        raise InputError(f"{name}:1: not .sbv: no line is like 0:00:01.000,0:00:02.500")
    return checked(TextDocument(source, _loose_slots, skeleton=_skeleton))


def _loose_slots(text: str) -> list[Slot | LeftPart]:
    return _slots(_cues(list(_lines(text)), loose=True), str, str)


def open_webvtt(data: bytes, name: str) -> TextDocument:
    """Read WebVTT; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: the first line is not WEBVTT, or no time can be read.
    """
    source = decode(data, name)
    if not re.match(r"WEBVTT(?![^ \t\r\n])", source.text):
        raise InputError(f"{name}:1: the first line of a WebVTT file must begin with WEBVTT")
    arrows = [line for line in _body(source.text) if "-->" in line.text]
    if arrows and not any(_TIMES.fullmatch(line.text) for line in arrows):
        raise InputError(
            f"{name}:{arrows[0].number}: cannot read the times {arrows[0].text.strip()[:60]!r}; "
            "they look like 00:00:01,000 --> 00:00:02,500"
        )
    return checked(
        TextDocument(
            source,
            lambda text: _slots(_cues(_body(text)), html.unescape, _escape),
            skeleton=_skeleton,
            declares=lambda text: DocumentLanguages(page=next(_header_languages(text), None)),
            labels=_labels,
        )
    )


def _skeleton(text: str) -> object:
    """The times, whether there is text for each, and the tags: a sentence may end elsewhere."""
    lines = text.splitlines()
    times = [
        (line, bool(following.strip()))
        for line, following in pairwise([*lines, ""])
        if _ARROW.fullmatch(line) or _LOOSE.fullmatch(line)
    ]
    tags = Counter(re.findall(r"</?[A-Za-z][^<>]*>|\{[^{}]*\}", text))
    return times, {tag: n for tag, n in tags.items() if not _WORD_TAG.fullmatch(tag)}


def _labels(text: str, language: str) -> Iterator[Edit]:
    """The line of a header that names the language."""
    for match in _LANGUAGE.finditer(_header(text)):
        yield Edit(*match.span(1), language)


_LANGUAGE = re.compile(r"(?m)^Language:[ ]*([\w-]+)")


def _header(text: str) -> str:
    head = re.search(r"\r?\n\r?\n", text)
    return text[: head.start() if head else None]


def _header_languages(text: str) -> Iterator[str]:
    return (match[1] for match in _LANGUAGE.finditer(_header(text)))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(text: str) -> Iterator[_CueLine]:
    for number, match in enumerate(_LINE.finditer(text), start=1):
        yield _CueLine(number, match.start(), match[1], match[2])
        if not match[2]:
            return


def _body(text: str) -> list[_CueLine]:
    """The lines without blocks of notes, styles and regions, which may speak of arrows."""
    kept = []
    inside = False
    blank = True
    for line in _lines(text):
        if blank and re.match(r"(NOTE|STYLE|REGION)(\s|$)", line.text):
            inside = True
        blank = not line.text.strip()
        inside = inside and not blank
        if not inside:
            kept.append(line)
    return kept


def _cues(lines: list[_CueLine], *, loose: bool = False) -> Iterator[_Cue | LeftPart]:
    position = loose_end = 0
    if not loose:  # the header
        position = loose_end = _behind_header(lines)
    while position < len(lines):
        line = lines[position]
        position += 1
        if not _has_times(line, loose=loose):
            continue
        yield from _without_times(lines[loose_end : position - 1])
        if not loose and not _TIMES.fullmatch(line.text):
            # A player leaves this block out; it stays as it is.
            first = position
            while position < len(lines) and lines[position].text.strip():
                position += 1
            if position > first:
                reason = f"the times {line.text.strip()[:40]!r} above cannot be read"
                yield LeftPart(lines[first].start, lines[position - 1].end, reason)
            loose_end = position
            continue
        first = position
        while position < len(lines) and (loose or lines[position].text):
            if _has_times(lines[position], loose=loose):
                break  # a blank line is missing; the next cue begins here or at its number above
            position += 1
        times = line.text.strip()
        cues = [
            _Cue(times, own, line.ending)
            for own in _blocks(_without_number(lines, first, position))
        ]
        yield from cues or [_Cue(times, [], line.ending)]
        loose_end = position
    yield from _without_times([*lines[loose_end:], *lines[-1:]])


def _behind_header(lines: Sequence[_CueLine]) -> int:
    ends = (n for n, line in enumerate(lines) if not line.text.strip() or "-->" in line.text)
    return next(ends, len(lines))


def _without_times(lines: Sequence[_CueLine]) -> Iterator[LeftPart]:
    """Lines of no cue; the last may be the name of the next one."""
    for own in _blocks(list(lines[:-1])):
        yield LeftPart(own[0].start, own[-1].end, "no times stand above it")


def _has_times(line: _CueLine, *, loose: bool) -> bool:
    """Return whether a line has times; a loose one that nobody can read stays as it is."""
    if not loose:
        return "-->" in line.text
    return bool(_ARROW.fullmatch(line.text) or _LOOSE.fullmatch(line.text))


def _blocks(lines: list[_CueLine]) -> Iterator[list[_CueLine]]:
    """The lines of a cue between blank lines, which some programs leave in it."""
    for is_blank, own in groupby(lines, key=lambda line: not line.text.strip()):
        if not is_blank:
            yield list(own)


def _without_number(lines: list[_CueLine], first: int, end: int) -> list[_CueLine]:
    """The lines of a cue; the number of the next one may follow without a blank line."""
    follows = end < len(lines) and _has_times(lines[end], loose=True)
    while end > first and not lines[end - 1].text.strip():
        end -= 1
    if follows and end > first and lines[end - 1].text.strip().isdigit():
        end -= 1
    return lines[first:end]


def _slots(
    found: Iterable[_Cue | LeftPart], unescape: Callable[[str], str], escape: Callable[[str], str]
) -> list[Slot | LeftPart]:
    read = list(found)
    slots: list[Slot | LeftPart] = [part for part in read if isinstance(part, LeftPart)]
    cues = [cue for cue in read if isinstance(cue, _Cue)]
    unread = {number: why for number, cue in enumerate(cues, start=1) if (why := _unread(cue))}
    for number, reason in unread.items():
        lines = cues[number - 1].lines
        slots.append(LeftPart(lines[0].start, lines[-1].end, reason))
    numbered = [
        (number, cue)
        for number, cue in enumerate(cues, start=1)
        if cue.lines and number not in unread and not _is_metadata(cue)
    ]
    for group in _sentences(numbered):
        own = [cue for _, cue in group]
        segment = _segment(str(group[0][0]), own, unescape, escape)
        if segment.has_words:
            slots.append(_slot(segment, own, escape))
    return slots


def _unread(cue: _Cue) -> str:
    """Reason why a cue stays as it is; "" for one that can be translated."""
    if any("<rt>" in line.text or "<rt." in line.text for line in cue.lines):
        return "a reading stands above a word"
    if _is_timed(cue) and any("<" in _TIMED_WORDS.sub("", line.text) for line in cue.lines):
        return "its words have times and other marks"
    return ""


def _is_metadata(cue: _Cue) -> bool:
    """Return whether a cue is for programs: JSON, or the address of a picture."""
    text = " ".join(line.text.strip() for line in cue.lines)
    if text[:1] in ("{", "["):
        try:
            json.loads(text)
        except ValueError:
            return False
        return True
    return " " not in text and bool(re.search(r"[/\\#].*[.=]|\.\w+[#?]", text))


def _sentences(cues: list[tuple[int, _Cue]]) -> Iterator[list[tuple[int, _Cue]]]:
    """The cues, those together that one sentence runs through."""
    group: list[tuple[int, _Cue]] = []
    for number, cue in cues:
        follows = group and group[-1][0] + 1 == number and len(group) < _MOST_CUES
        if not (follows and _goes_on(group[-1][1], cue)):
            if group:
                yield group
            group = []
        group.append((number, cue))
    if group:
        yield group


def _goes_on(cue: _Cue, following: _Cue) -> bool:
    """Return whether a sentence goes on in the next cue; with tags in them, cues stay apart."""
    if any(_TAG.search(line.text) for line in [*cue.lines, *following.lines]):
        return False
    if _is_of_speakers(cue) or _is_of_speakers(following):
        return False
    return bool(_ENDS.search(cue.lines[-1].text.strip())) and (
        following.lines[0].text.strip()[:1].islower()
    )


def _is_of_speakers(cue: _Cue) -> bool:
    """Return whether two say its lines."""
    return len(cue.lines) > 1 and any(_DASH.match(line.text) for line in cue.lines[1:])


def _segment(
    id: str, cues: list[_Cue], unescape: Callable[[str], str], escape: Callable[[str], str]
) -> Segment:
    builder = Builder(escape, tags=escape is str)
    for number, cue in enumerate(cues):
        if number:
            builder.alone(_NEXT, " ")
        _add(builder, cue, unescape)
    return builder.build(id, context=cues[0].times)


def _add(builder: Builder, cue: _Cue, unescape: Callable[[str], str]) -> None:
    if _is_timed(cue):
        for number, line in enumerate(cue.lines):
            if number:
                builder.alone("\n", "\n", divides=True)
            builder.text(unescape(" ".join(_WORD_TAG.sub("", line.text).split())))
        return
    separator = "\n" if _is_of_speakers(cue) else " "
    text = separator.join(line.text.strip() for line in cue.lines)
    position = 0
    for match in _TAG.finditer(text):
        builder.text(unescape(text[position : match.start()]))
        position = match.end()
        if match["break"]:
            builder.alone("\n", "\n", divides=True)
        elif match["blank"]:
            builder.alone(match[0], " ")
        elif match["speaker"] or match["new"]:
            builder.alone(match[0], "\n" if match["new"] else "", divides=True)
        elif not match["name"]:
            builder.alone(match[0])
        elif match["closing"]:
            builder.close(match["name"], match[0])
        else:
            builder.open(match["name"], match[0])
    builder.text(unescape(text[position:]))


def _slot(segment: Segment, cues: list[_Cue], escape: Callable[[str], str]) -> Slot:
    def edits(text: str) -> list[Edit]:
        shares = _shares(_split_at(_NEXT, segment, text), cues)
        return [_edit(segment, cue, own, escape) for cue, own in zip(cues, shares, strict=True)]

    return Slot(segment, edits)


_WORD_TIME = re.compile(r"<\d[\d:.]*>")
_WORD_TAG = re.compile(r"<\d[\d:.]*>|</?c[^<>]*>")
_TIMED_WORDS = re.compile(r"(<\d[\d:.]*>)(<c[^<>]*>)?([^<]*)(</c>)?")


def _is_timed(cue: _Cue) -> bool:
    """Return whether words of a cue have times of their own, as captions of speech recognition
    have."""
    return any(_WORD_TIME.search(line.text) for line in cue.lines)


def _with_word_times(line: str, text: str) -> str:
    """A translation with the times of the words of a line, shared out evenly."""
    steps = list(_TIMED_WORDS.finditer(line))
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


def _edit_timed(segment: Segment, cue: _Cue, text: str, escape: Callable[[str], str]) -> Edit:
    pieces = [render(segment, piece, escape) for piece in _split_at("\n", segment, text)]
    written = cue.ending.join(
        _with_word_times(line.text, piece) for line, piece in zip(cue.lines, pieces, strict=True)
    )
    return Edit(cue.lines[0].start, cue.lines[-1].end, written)


def _edit(segment: Segment, cue: _Cue, text: str, escape: Callable[[str], str]) -> Edit:
    if _is_timed(cue):
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


def _shares(pieces: list[str], cues: list[_Cue]) -> list[str]:
    """Text of each cue: the pieces, unless one is empty or too long."""
    if len(cues) == 1 or all(piece.strip() and len(piece) <= 2 * LINE_LENGTH for piece in pieces):
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
