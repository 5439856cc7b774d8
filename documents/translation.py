"""Segments through a translator: every segment comes back, with all of its placeholders.

What the translator loses it gets a second chance to keep: a segment with a lost literal is
translated again in fragments, the pieces between its placeholders, which cannot lose one.
"""

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from tformer.documents.inline.correspondence import Alignment
from tformer.documents.inline.dividing import DividedUnit, units
from tformer.documents.inline.restoring import fragments, joined, restore
from tformer.documents.segments import Mark, PlaceholderKind, Segment, parts, problem_with


@dataclass(frozen=True)
class Answer:
    """A translation, and which word became which."""

    text: str
    alignment: Alignment


Translate = Callable[[Sequence[str]], Iterable[str | Answer]]
"""Texts to their translations: as many, in the same order. Where there are alignments, markup goes
to the words that they say, else to those that can be guessed."""

Conversation = Generator[list[str], Iterable[str | Answer], list["TranslatedSegment"]]
"""Yields texts to be translated, is sent their translations, and returns what became of it all."""

WINDOW = 512
"""Segments that are translated together."""

MOST_PLACEHOLDERS = 100
"""A segment with more is no sentence but a table or a program; it is translated in fragments."""

UNREADABLE = "\ufffd"
"""Replacement for a character that cannot be decoded."""

_NUMBER = re.compile(r"\d+(?:[.,:\u2019'\u00a0\u202f]\d+)*")


@dataclass(frozen=True)
class TranslatedSegment:
    """A segment and what became of it."""

    segment: Segment
    text: str
    """The translation, with the placeholders of the segment."""
    warnings: tuple[str, ...] = ()
    """Warnings for a reader, a clause each."""
    failed: bool = False
    """True if there is no translation, and the text is what stands in the file."""


def translate_segments(
    segments: Iterable[Segment], translate: Translate, *, window: int = WINDOW
) -> Iterator[TranslatedSegment]:
    """Translate segments, a window at a time; those without words come back as they are."""
    remaining = iter(segments)
    while group := list(islice(remaining, window)):
        yield from _translate_group(group, translate)


def _translate_group(group: list[Segment], translate: Translate) -> list[TranslatedSegment]:
    return _held(converse(group), translate)


def _held(conversation: Conversation, translate: Translate) -> list[TranslatedSegment]:
    """The result of a conversation with a translator that can be called from here."""
    texts = next(conversation)
    while True:
        try:
            texts = conversation.send(translate(texts))
        except StopIteration as ended:
            return ended.value


def converse(segments: Sequence[Segment]) -> Conversation:
    """As `translate_segments`, for one window and a translator that cannot be called from here."""
    cut = [units(segment) for segment in segments]
    wordy = [unit.segment for own in cut for unit in own if unit.segment.has_words]
    answers = yield [segment.plain for segment in wordy]
    done = {s.id: _restored(s, answer) for s, answer in zip(wordy, answers, strict=True)}
    lossy = [segment for segment in wordy if done[segment.id].warnings]
    pieces = [fragments(segment) for segment in lossy]
    texts = map(_text, (yield [piece for own in pieces for piece in own]))
    for segment, own in zip(lossy, pieces, strict=True):
        note = f"translated in fragments to keep {', '.join(done[segment.id].warnings)}"
        text = joined(segment, islice(texts, len(own)))
        done[segment.id] = TranslatedSegment(segment, text, (note,))
    return [_together(s, own, done) for s, own in zip(segments, cut, strict=True)]


def translate_in_fragments(
    segments: Sequence[Segment], translate: Translate
) -> list[TranslatedSegment]:
    """Translate segments piece by piece, between their placeholders: for those that failed."""
    return _held(converse_in_fragments(segments), translate)


def converse_in_fragments(segments: Sequence[Segment]) -> Conversation:
    """As `translate_in_fragments`, for a translator that cannot be called from here."""
    pieces = [fragments(segment) for segment in segments]
    texts = map(_text, (yield [piece for own in pieces for piece in own]))
    results = [
        _checked(TranslatedSegment(segment, joined(segment, islice(texts, len(own)))))
        for segment, own in zip(segments, pieces, strict=True)
    ]
    return [replace(r, warnings=(*r.warnings, *_too_long(r.segment, r.text))) for r in results]


def _together(
    segment: Segment, own: Sequence[DividedUnit], done: Mapping[str, TranslatedSegment]
) -> TranslatedSegment:
    """A segment from its units; one that cannot be translated leaves all of them as they were."""
    results = [
        _checked(done.get(unit.segment.id, TranslatedSegment(unit.segment, unit.segment.text)))
        for unit in own
    ]
    warnings = tuple(warning for result in results for warning in result.warnings)
    text = "".join(unit.within(r.text) for unit, r in zip(own, results, strict=True))
    if any(result.failed for result in results) or problem_with(segment, text):
        return TranslatedSegment(segment, segment.current, warnings, failed=True)
    return TranslatedSegment(segment, text, (*warnings, *_too_long(segment, text)))


def _restored(segment: Segment, answer: str | Answer) -> TranslatedSegment:
    """The translation; as warnings what it lost."""
    if len(segment.inlines) > MOST_PLACEHOLDERS:
        return TranslatedSegment(segment, segment.text, (f"{len(segment.inlines)} placeholders",))
    alignment = answer.alignment if isinstance(answer, Answer) else None
    restored = restore(segment, _text(answer), alignment)
    lost = restored.lost or tuple(_out_of_order(segment, restored.text))
    if not lost and segment.inlines and not replace(segment, text=restored.text).has_words:
        lost = ("its words",)
    return TranslatedSegment(segment, restored.text, lost)


_NEXT_ARGUMENT = re.compile(
    r"%(?!%)[-+ #0']*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|L|q|j|z|t)?[A-Za-z@]"
    r"|\{(?:![rsa])?(?::[^{}]*)?\}"
)
"""Pattern of what takes the next argument: `%s`, `{}`; not `%1$s` or `{name}`."""


def _out_of_order(segment: Segment, text: str) -> Iterator[str]:
    """Placeholders that would get each other's arguments."""
    taking = {
        str(Mark(number, PlaceholderKind.ALONE)): inline.shown
        for number, inline in segment.inlines.items()
        if inline.closing is None and _NEXT_ARGUMENT.fullmatch(inline.shown)
    }
    if len(set(taking.values())) > 1:
        before, after = (
            [taking[str(p)] for p in parts(each) if str(p) in taking]
            for each in (segment.text, text)
        )
        if before != after:
            yield f"the order of {' '.join(before)}"


def _text(answer: str | Answer) -> str:
    return answer.text if isinstance(answer, Answer) else answer


def _checked(result: TranslatedSegment) -> TranslatedSegment:
    """Leave what could not be translated, and tell of what a reader should look at."""
    segment = result.segment
    text = _without_hyphens(segment, _with_dots_of(segment.text, result.text))
    result = replace(result, text=text)
    problem = problem_with(segment, result.text)
    if segment.has_words and not replace(segment, text=result.text).has_words:
        problem = "the translation has no words"
    if problem:
        note = f"left as it was, since {problem}"
        return TranslatedSegment(segment, segment.current, (note,), failed=True)
    return replace(result, warnings=(*result.warnings, *_doubts(segment.text, result.text)))


def _too_long(segment: Segment, text: str) -> Iterator[str]:
    """Warning about a text that is longer than the file allows."""
    if segment.limit:
        doubt = segment.limit.doubt(segment.seen(segment.text), segment.seen(text))
        if doubt:
            yield f"the translation {doubt}"


def _with_dots_of(source: str, target: str) -> str:
    """A translation that trails off as its source does; interfaces have either ... or \u2026."""
    for own, other in (("...", "\u2026"), ("\u2026", "...")):
        if own in source and other not in source:
            return target.replace(other, own)
    return target


_COUNT = re.compile(
    r"#|%(?:\d+\$|\(\w+\)|<\w+>)?[-+0-9.']*(?:h|hh|l|ll|z|j)?[diufn]"
    r"|[%$#]?\{{1,2}-?\s*(?:n|(?:\w*[._])?(?:num|count|total)\w*|\w+Count)\s*\}{1,2}"
    r"|:(?:n|\w*(?:num|count|total)\w*)"
)
"""Pattern of what a number takes the place of."""


def _without_hyphens(segment: Segment, text: str) -> str:
    """A translation in which no hyphen makes a compound of a placeholder: `%d- Hunde`."""
    for number, inline in segment.inlines.items():
        mark = f"<{number}/>"
        if inline.closing is None and inline.shown.strip() and f"{mark}-" not in segment.text:
            text = text.replace(f"{mark}- ", f"{mark} ")
            if _COUNT.fullmatch(inline.shown):
                text = text.replace(f"{mark}-", f"{mark} ")
    return text


def _doubts(source: str, target: str) -> Iterator[str]:
    """Warnings about a translation that is taken."""
    if missing := _numbers(source) - _numbers(target):
        yield f"the number {' '.join(sorted(missing))} of the source is not in the translation"
    if any(source.count(brace) != target.count(brace) for brace in "{}"):
        yield "a brace of the source is not in the translation"
    if target.count(UNREADABLE) > source.count(UNREADABLE):
        yield "the model tried to spell a character that it does not know"


def _numbers(text: str) -> Counter[str]:
    """Numbers without their separators, which differ between languages."""
    return Counter(re.sub(r"\D", "", number) for number in _NUMBER.findall(text))
