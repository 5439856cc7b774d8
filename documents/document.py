"""A document: its segments, and its bytes with some of them translated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeGuard

from tformer.documents.inline.readings import left_words
from tformer.documents.io.encoding import Encoded, simplified
from tformer.documents.left_parts import LeftPart, LeftText, told
from tformer.documents.segments import Segment, problem_with, render
from tformer.documents.verification import Fault, difference, find_damages
from tformer.model.errors import InputError, UsageError


class Document(Protocol):
    """A file of any format."""

    @property
    def segments(self) -> Sequence[Segment]:
        """Segments to translate, in the order of the file."""
        ...

    @property
    def languages(self) -> DocumentLanguages:
        """The languages that the file names."""
        ...

    @property
    def left_texts(self) -> Sequence[LeftText]:
        """Parts with words that stay as they are, since they could not be understood."""
        ...

    def damages(self, translations: Mapping[str, str]) -> dict[str, str]:
        """Translations with which the file would not be read as it was, each with the reason."""
        ...

    def with_translations(
        self, translations: Mapping[str, str], language: str | None = None
    ) -> bytes:
        """The file with some of its segments translated; all else stays byte for byte.

        A segment that is not named, or whose translation is what stands there already, is left as
        it is. What was translated into a bilingual format is marked for review there.

        Args:
            translations: by segment id, with the placeholders of the segment.
            language: of the translations, to be named in the file where its format has a place
                for it; None to leave that as it is.

        Raises:
            UsageError: an id is unknown, or placeholders of a segment are missing or surplus.
            InputError: the encoding of the file lacks a character of the translation.
        """
        ...


@dataclass(frozen=True)
class DocumentLanguages:
    """The languages that a file says it has; None where it says nothing."""

    source: str | None = None
    target: str | None = None
    page: str | None = None
    """Language of a page, which may be that of a template: refused only where it is neither the
    source nor the target."""
    others: tuple[DocumentLanguages, ...] = ()
    """Languages of its other parts, where these may have their own."""


@dataclass(frozen=True, order=True)
class Edit:
    """Other text for a part of a file."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Slot:
    """A segment and how its translation is written into the file."""

    segment: Segment
    edits: Callable[[str], Iterable[Edit]]
    """From a translation with placeholders to what changes. Two segments may ask for the same
    edit, as two plural forms do of the flag of their entry; it is made once."""
    depth: int = 0
    """Number of segments that may contain this one: an attribute of a tag in a sentence has 1."""
    can_say: Callable[[str], bool] = lambda _: True
    """Returns whether the format has a spelling for a translation."""


def replacing(segment: Segment, start: int, end: int, escape: Callable[[str], str] = str) -> Slot:
    """A slot for a segment that stands in one place of the text."""
    return Slot(segment, lambda text: [Edit(start, end, render(segment, text, escape))])


def replacing_whole(segment: Segment, start: int, end: int, write: Callable[[str], str]) -> Slot:
    """As `replacing`, for a format that writes a segment as a whole: `write` gets all its text."""
    return Slot(segment, lambda text: [Edit(start, end, write(render(segment, text, str)))])


@dataclass(frozen=True)
class TextDocument:
    """A file that is text, whatever its format."""

    source: Encoded
    read: Callable[[str], Iterable[Slot | LeftPart]]
    """Finds the slots in the text of a file, the same ids for the same structure, and what it
    does not understand."""
    escape: Callable[[str], str] | None = None
    """Spelling of a character that the file's encoding lacks."""
    declares: Callable[[str], DocumentLanguages] = lambda _: DocumentLanguages()
    """Finds the languages that the text of a file names."""
    skeleton: Callable[[str], object] | None = None
    """Structure that must be the same in a file and its translation, for formats in which the
    words tell where segments begin; None to compare segments. Raises InputError for a file that is
    malformed."""
    labels: Callable[[str, str], Iterable[Edit]] = lambda _, __: ()
    """Edits that name a language, given the text of a file and the language of what was written."""

    @cached_property
    def slots(self) -> Sequence[Slot]:
        """Segments to translate, and how each is written."""
        return with_unique_ids(self._found)

    @cached_property
    def _found(self) -> Sequence[Slot | LeftPart]:
        return self._read(self.source.text)

    def _read(self, text: str) -> list[Slot | LeftPart]:
        """Slots and other parts of a text; segments that are not understood are left."""
        return [_left(part) if _is_unread(part) else part for part in self.read(text)]

    @property
    def left_texts(self) -> Sequence[LeftText]:
        """See `Document`."""
        parts = [part for part in self._found if isinstance(part, LeftPart)]
        slots = (part for part in self._found if isinstance(part, Slot))
        return list(told(self.source.text, [*parts, *_within(slots)]))

    @property
    def segments(self) -> Sequence[Segment]:
        """See `Document`."""
        return [slot.segment for slot in self.slots]

    @property
    def languages(self) -> DocumentLanguages:
        """See `Document`."""
        return self.declares(self.source.text)

    def with_translations(
        self, translations: Mapping[str, str], language: str | None = None
    ) -> bytes:
        """See `Document`."""
        changed = changes(self.segments, translations)
        text = self._written(changed)
        if language and changed:
            text = spliced(text, set(self.labels(text, language)))
        return self.source.encode(text, self.escape)

    def _written(self, changed: Mapping[str, str]) -> str:
        if self.escape is None:
            encoding = self.source.encoding
            changed = {id: simplified(text, encoding) for id, text in changed.items()}
        text, slots = self.source.text, self.slots
        depths = {slot.depth for slot in slots if slot.segment.id in changed}
        for depth in sorted(depths, reverse=True):
            # What stands inside comes first; then the rest has moved and is looked for again.
            if text is not self.source.text:
                slots = with_unique_ids(self._read(text))
            text = spliced(text, _edits((slot for slot in slots if slot.depth == depth), changed))
        return text

    def spellings(self) -> dict[str, str]:
        """Source in the file of each segment that is written in one place, by its id."""
        found = {}
        for slot in self.slots:
            edits = list(slot.edits(slot.segment.text))
            if len(edits) == 1:
                found[slot.segment.id] = self.source.text[edits[0].start : edits[0].end]
        return found

    def with_spellings(self, spellings: Mapping[str, str]) -> TextDocument:
        """This document with other text for some segments, as it stands in another file."""
        edits = set()
        for slot in self.slots:
            if slot.segment.id in spellings:
                (edit,) = slot.edits(slot.segment.text)
                edits.add(Edit(edit.start, edit.end, spellings[slot.segment.id]))
        text = spliced(self.source.text, edits)
        return replace(self, source=replace(self.source, text=text))

    def damages(self, translations: Mapping[str, str]) -> dict[str, str]:
        """See `Document`."""
        changed = changes(self.segments, translations)
        unsaid = {
            slot.segment.id: "the format has no spelling for it"
            for slot in self.slots
            if slot.segment.id in changed and not slot.can_say(changed[slot.segment.id])
        }
        return unsaid | find_damages(
            {id: text for id, text in changed.items() if id not in unsaid},
            self._problem,
            self.source.can_encode if self.escape is None else None,
        )

    @cached_property
    def _own_skeleton(self) -> object:
        return self.skeleton(self.source.text) if self.skeleton else None

    def _problem(self, changed: Mapping[str, str]) -> Fault | None:
        """Fault of the file with some translations, if it is read again."""
        text = self._written(changed)
        try:
            if self.skeleton:
                same = self.skeleton(text) == self._own_skeleton
                return None if same else Fault("the structure of the file would change")
            again = with_unique_ids(self._read(text))
        except InputError as error:
            return Fault(f"the file would be refused: {error}")
        return difference(self.source.text, self.slots, text, again)


def _is_unread(part: Slot | LeftPart) -> TypeGuard[Slot]:
    return isinstance(part, Slot) and bool(part.segment.unread)


def _left(slot: Slot) -> LeftPart:
    """A segment that stays, as a part of the file."""
    within = " ".join(words for words, _ in left_words(slot.segment.inlines.values()))
    return _left_part(slot, slot.segment.unread, within or slot.segment.plain)


def _within(slots: Iterable[Slot]) -> Iterator[LeftPart]:
    """Words within placeholders, which stay."""
    for slot in slots:
        for words, reason in left_words(slot.segment.inlines.values()):
            yield _left_part(slot, reason, words)


def _left_part(slot: Slot, reason: str, text: str) -> LeftPart:
    edits = list(slot.edits(slot.segment.text))
    start, end = min(edit.start for edit in edits), max(edit.end for edit in edits)
    return LeftPart(start, end, reason, text)


def checked(document: TextDocument) -> TextDocument:
    """A document whose text has been read, so that what is malformed is found on opening it."""
    assert document.slots is not None
    return document


def _edits(slots: Iterable[Slot], changed: Mapping[str, str]) -> set[Edit]:
    return {
        edit
        for slot in slots
        if slot.segment.id in changed
        for edit in slot.edits(changed[slot.segment.id])
    }


def changes(segments: Iterable[Segment], translations: Mapping[str, str]) -> dict[str, str]:
    """The translations that differ from what stands in the file, checked.

    Raises:
        UsageError: an id is unknown, or placeholders are missing or surplus.
    """
    known = {segment.id: segment for segment in segments}
    if unknown := translations.keys() - known.keys():
        raise UsageError(f"the document has no segment {min(unknown)!r}")
    changed = {id: text for id, text in translations.items() if text != known[id].current}
    for id, text in changed.items():
        if problem := problem_with(known[id], text):
            raise UsageError(f"the translation of segment {id!r} has wrong placeholders: {problem}")
    return changed


def spliced(text: str, edits: Iterable[Edit]) -> str:
    """A text with edits made, which do not overlap."""
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits):
        assert position <= edit.start <= edit.end, f"overlapping edit {edit}"
        pieces += (text[position : edit.start], edit.text)
        position = edit.end
    return "".join([*pieces, text[position:]])


def with_unique_ids(found: Iterable[Slot | LeftPart]) -> list[Slot]:
    """Tell apart segments of the same id, such as a key that is there twice: key, key#2."""
    seen: set[str] = set()
    counts: dict[str, int] = {}
    unique = []
    for slot in found:
        if isinstance(slot, LeftPart):
            continue
        id, count = slot.segment.id, counts.get(slot.segment.id, 1)
        while id in seen:
            count += 1
            id = f"{slot.segment.id}#{count}"
        seen.add(id)
        counts[slot.segment.id] = count
        unique.append(replace(slot, segment=replace(slot.segment, id=id)))
    return unique
