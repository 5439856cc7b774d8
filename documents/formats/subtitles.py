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
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.formats.subtitle_cues import (
    ARROW,
    LOOSE,
    TIMES,
    Cue,
    body_of,
    cues_of,
    lines_of,
)
from tformer.documents.formats.subtitle_edits import NEXT, TIMED_WORDS, WORD_TAG, is_timed, slot_of
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment
from tformer.model.errors import InputError

_LABEL = r"[A-Z][A-Z0-9 .'#-]{1,30}(?:[ ]\([^()\n]{1,40}\))?:[ ]+"
_TAG = re.compile(
    rf"(?P<speaker>(?m:^)(?:(?:>>+|(?:&gt;){{2,}}|\u266a+|[-\u2010\u2013\u2014](?=[ ]*\S))[ ]*"
    rf"(?:{_LABEL})?|{_LABEL})"
    r"|[ ]*\u266a+(?=\n|\Z))|(?P<new>[ ]*\\N[ ]*)"
    r"|\{[a-zA-Z]:[^{}\n]*\}|<\d[\d:.]*>|\{\\[^{}]*\}|<(?P<closing>/?)(?P<name>[A-Za-z]+)(?P<rest>[^<>]*)>|(?P<break>\n)|(?P<blank>&nbsp;)"
)

_MOST_CUES = 4
"""Cues of a sentence, at most: what goes on and on has no full stops at all."""

_ENDS = re.compile(r"[\w,;\u2013\u2014-][\"'\u201d\u2019)]*\Z")
"""Ends of a cue whose sentence may go on."""

_DASH = re.compile(
    r"\s*(?:<[^>]*>)*\s*(?:[-\u2010\u2013\u2014\u266a\[(]|>>|(?:&gt;){2}|[A-Z][A-Z .]+:)"
)


def open_subrip(data: bytes, name: str) -> TextDocument:
    """Read SubRip; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: a time cannot be read, or there is no cue.
    """
    source = decode(data, name)
    lines = source.text.splitlines()
    if source.text.strip() and not any(map(LOOSE.fullmatch, lines)):
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
    if source.text.strip() and not any(map(LOOSE.fullmatch, source.text.splitlines())):
        raise InputError(f"{name}:1: not .sbv: no line is like 0:00:01.000,0:00:02.500")
    return checked(TextDocument(source, _loose_slots, skeleton=_skeleton))


def _loose_slots(text: str) -> list[Slot | LeftPart]:
    return _slots(cues_of(list(lines_of(text)), loose=True), str, str)


def open_webvtt(data: bytes, name: str) -> TextDocument:
    """Read WebVTT; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: the first line is not WEBVTT, or no time can be read.
    """
    source = decode(data, name)
    if not re.match(r"WEBVTT(?![^ \t\r\n])", source.text):
        raise InputError(f"{name}:1: the first line of a WebVTT file must begin with WEBVTT")
    arrows = [line for line in body_of(source.text) if "-->" in line.text]
    if arrows and not any(TIMES.fullmatch(line.text) for line in arrows):
        raise InputError(
            f"{name}:{arrows[0].number}: cannot read the times {arrows[0].text.strip()[:60]!r}; "
            "they look like 00:00:01,000 --> 00:00:02,500"
        )
    return checked(
        TextDocument(
            source,
            lambda text: _slots(cues_of(body_of(text)), html.unescape, _escape),
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
        if ARROW.fullmatch(line) or LOOSE.fullmatch(line)
    ]
    tags = Counter(re.findall(r"</?[A-Za-z][^<>]*>|\{[^{}]*\}", text))
    return times, {tag: n for tag, n in tags.items() if not WORD_TAG.fullmatch(tag)}


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


def _slots(
    found: Iterable[Cue | LeftPart], unescape: Callable[[str], str], escape: Callable[[str], str]
) -> list[Slot | LeftPart]:
    read = list(found)
    slots: list[Slot | LeftPart] = [part for part in read if isinstance(part, LeftPart)]
    cues = [cue for cue in read if isinstance(cue, Cue)]
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
            slots.append(slot_of(segment, own, escape))
    return slots


def _unread(cue: Cue) -> str:
    """Reason why a cue stays as it is; "" for one that can be translated."""
    if any("<rt>" in line.text or "<rt." in line.text for line in cue.lines):
        return "a reading stands above a word"
    if is_timed(cue) and any("<" in TIMED_WORDS.sub("", line.text) for line in cue.lines):
        return "its words have times and other marks"
    return ""


def _is_metadata(cue: Cue) -> bool:
    """Return whether a cue is for programs: JSON, or the address of a picture."""
    text = " ".join(line.text.strip() for line in cue.lines)
    if text[:1] in ("{", "["):
        try:
            json.loads(text)
        except ValueError:
            return False
        return True
    return " " not in text and bool(re.search(r"[/\\#].*[.=]|\.\w+[#?]", text))


def _sentences(cues: list[tuple[int, Cue]]) -> Iterator[list[tuple[int, Cue]]]:
    """The cues, those together that one sentence runs through."""
    group: list[tuple[int, Cue]] = []
    for number, cue in cues:
        follows = group and group[-1][0] + 1 == number and len(group) < _MOST_CUES
        if not (follows and _goes_on(group[-1][1], cue)):
            if group:
                yield group
            group = []
        group.append((number, cue))
    if group:
        yield group


def _goes_on(cue: Cue, following: Cue) -> bool:
    """Return whether a sentence goes on in the next cue; with tags in them, cues stay apart."""
    if any(_TAG.search(line.text) for line in [*cue.lines, *following.lines]):
        return False
    if _is_of_speakers(cue) or _is_of_speakers(following):
        return False
    return bool(_ENDS.search(cue.lines[-1].text.strip())) and (
        following.lines[0].text.strip()[:1].islower()
    )


def _is_of_speakers(cue: Cue) -> bool:
    """Return whether two say its lines."""
    return len(cue.lines) > 1 and any(_DASH.match(line.text) for line in cue.lines[1:])


def _segment(
    id: str, cues: list[Cue], unescape: Callable[[str], str], escape: Callable[[str], str]
) -> Segment:
    builder = Builder(escape, tags=escape is str)
    for number, cue in enumerate(cues):
        if number:
            builder.alone(NEXT, " ")
        _add(builder, cue, unescape)
    return builder.build(id, context=cues[0].times)


def _add(builder: Builder, cue: Cue, unescape: Callable[[str], str]) -> None:
    if is_timed(cue):
        for number, line in enumerate(cue.lines):
            if number:
                builder.alone("\n", "\n", divides=True)
            builder.text(unescape(" ".join(WORD_TAG.sub("", line.text).split())))
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
