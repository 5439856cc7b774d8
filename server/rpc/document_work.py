"""The translation of one document, from its bytes to those of its translation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from tformer.documents.document import Document
from tformer.documents.languages import check_languages
from tformer.documents.registry import detect_format, open_document
from tformer.documents.segments import Segment, SegmentState
from tformer.documents.translation import (
    Answer,
    Conversation,
    TranslatedSegment,
    converse,
    converse_in_fragments,
)
from tformer.model.errors import InputError, UsageError
from tformer.model.text.normalization import same_language
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.models import ServedModel
from tformer.server.rpc.markup import answer_of
from tformer.server.rpc.messages import CallOptions, estimate, total
from tformer.server.rpc.streams import BoundedMap

WINDOW = 256
"""Segments of a document that are translated together."""

AHEAD = 2
"""Windows of a document in work: while one ends, the next fills the batch."""

BATCH_TOKENS = 8192
"""Tokens of texts that are let in at once, about, if the queue takes many times as many."""

SAMPLE = 20_000
"""Characters from the beginning of a document from which its language is detected."""

MOST_WARNINGS = 1000
"""Warnings that are told of one document."""

STATES: Mapping[int, frozenset[SegmentState]] = {
    pb.EXISTING_TRANSLATIONS_UNSPECIFIED: frozenset({SegmentState.NEW}),
    pb.EXISTING_TRANSLATIONS_KEEP: frozenset({SegmentState.NEW}),
    pb.EXISTING_TRANSLATIONS_REPLACE_FOR_REVIEW: frozenset({SegmentState.NEW, SegmentState.REVIEW}),
    pb.EXISTING_TRANSLATIONS_REPLACE_ALL: frozenset(SegmentState),
}
"""States of the segments that are translated."""

Progress = Callable[[int, int], None]
"""Told how many segments have been translated, and how many there are."""

Aside = Callable[..., Awaitable[Any]]
"""Calls a function with arguments in another thread."""

Translate = Callable[[list[str]], Awaitable[Sequence[pb.Translation]]]
"""Plain texts to their translations or errors, once there is room."""


def tell_nobody(done: int, segments: int) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class UploadedDocument:
    """A file as it was sent."""

    data: bytes
    name: str = ""
    """File name; its ending tells the format."""
    format: str = ""
    """One of `tformer.documents.registry.FORMATS`, or "" to tell by name and content."""
    existing: int = pb.EXISTING_TRANSLATIONS_KEEP
    """Translations in the file that are made anew, as pb.ExistingTranslations."""

    @classmethod
    def of(cls, config: pb.DocumentConfig, data: bytes) -> UploadedDocument:
        """The file that a message is about."""
        return cls(data, config.name, config.format, config.existing_translations)

    @property
    def last_name(self) -> str:
        """The name without folders and control characters; "document" if nothing is left."""
        last = re.split(r"[/\\]", self.name)[-1]
        return "".join(filter(str.isprintable, last)).strip(". ") or "document"

    def name_in(self, language: str) -> str:
        """Name of its translation: letter.de.docx."""
        path = PurePosixPath(self.last_name)
        return f"{path.stem}.{language}{path.suffix}"


@dataclass(frozen=True)
class OpenedDocument:
    """A file that was read, and the languages of its translation."""

    file: UploadedDocument
    format: str
    document: Document
    segments: Sequence[Segment]
    """Segments to translate."""
    source: str
    target: str
    detected: bool
    """True if the source language was found in the text."""
    tokens: int
    """Tokens of all segments, about."""


def read_document(file: UploadedDocument, model: ServedModel, order: CallOptions) -> OpenedDocument:
    """Find the segments of a file, and its languages.

    Raises:
        UsageError: it is malformed, of no known format, or says that it has other languages.
    """
    if file.existing not in STATES:
        raise UsageError(f"existing_translations must be 0 to {max(STATES)}, not {file.existing}")
    name = file.last_name
    format = file.format or detect_format(name, file.data)
    if format is None:
        raise UsageError(f"{name}: is of no format that can be translated")
    try:
        document = open_document(file.data, format, name=name, target=order.target or None)
        segments = _segments_of(document, STATES[file.existing])
        declared = document.languages
        named = order.source or _known(declared.source, model)
        sample = " ".join(segment.plain for segment in segments[:WINDOW])[:SAMPLE]
        source, target = model.way(named, order.target).route.of(sample)
        if segments:
            check_languages(name, declared, source, target)
    except InputError as error:
        raise UsageError(str(error)) from None
    except RecursionError:
        raise UsageError(f"{name}: is nested too deeply") from None
    tokens = estimate(segment.plain for segment in segments)
    return OpenedDocument(file, format, document, segments, source, target, not named, tokens)


def _segments_of(document: Document, states: frozenset[SegmentState]) -> list[Segment]:
    return [
        segment
        for segment in document.segments
        if segment.state in states and (segment.has_words or segment.state is SegmentState.NEW)
    ]


def _known(language: str | None, model: ServedModel) -> str:
    """The language of the model that a file names; "" if there is none."""
    if language is None:
        return ""
    codes = model.translator.source_languages
    return next((code for code in codes if same_language(code, language)), "")


class _SegmentNote(NamedTuple):
    """Remark on a segment, for a reader."""

    text: str
    warning: str
    code: pb.WarningCode


class _TranslatedWindow(NamedTuple):
    """Segments that were translated together."""

    results: list[TranslatedSegment]
    notes: list[_SegmentNote]
    """Remarks on their texts: windows end in any order, and are told of in that of the document."""


@dataclass
class DocumentPasses:
    """A document on its way to its translation."""

    opened: OpenedDocument
    translate: Translate
    aside: Aside
    progress: Progress
    batch_tokens: int = BATCH_TOKENS
    """Tokens of texts that are let in at once, about."""
    usage: pb.Usage = field(default_factory=pb.Usage)
    """Tokens of all that was decoded."""
    warnings: list[pb.TranslationWarning] = field(default_factory=list)
    num_warnings: int = 0

    async def run(self) -> bytes:
        """The translated file.

        Raises:
            TformerError: it cannot be translated.
        """
        opened, translations = self.opened, dict[str, str]()
        for left in opened.document.left_texts:
            self._note(_SegmentNote(left.text, left.warning, pb.WARNING_CODE_MARKUP))
        windows = BoundedMap(self._window, places=AHEAD, as_ready=False)
        async with aclosing(windows.answers(_windows(opened.segments))) as groups:
            async for window in groups:
                self._note(*window.notes)
                for result in window.results:
                    translations[result.segment.id] = result.text
                    self._warn(result)
                self.progress(len(translations), len(opened.segments))
        await self._mend(translations)
        language = opened.target if opened.segments else None
        written: bytes = await self.aside(opened.document.with_translations, translations, language)
        return written

    async def _window(self, segments: list[Segment]) -> _TranslatedWindow:
        return await self._held(converse(segments))

    async def _mend(self, translations: dict[str, str]) -> None:
        """Translate again what would change the structure of the file, or leave it as it was."""
        damages = await self.aside(self.opened.document.damages, translations)
        if not damages:
            return
        again = [segment for segment in self.opened.segments if segment.id in damages]
        window = await self._held(converse_in_fragments(again))
        self._note(*window.notes)
        for result in window.results:
            translations[result.segment.id] = result.text
        damages = await self.aside(self.opened.document.damages, translations)
        for segment in again:
            if reason := damages.get(segment.id):
                del translations[segment.id]
                warning = f"left as it was, since {reason}"
                self._note(_SegmentNote(segment.plain, warning, pb.WARNING_CODE_MARKUP))

    async def _held(self, conversation: Conversation) -> _TranslatedWindow:
        """The result of a conversation."""
        notes: list[_SegmentNote] = []
        texts, results = await self.aside(_go_on, conversation, None, ())
        while results is None:
            parts = await self._parts(texts)
            pairs = list(zip(texts, parts, strict=True))
            notes += [note for pair in pairs for note in _notes(*pair)]
            sound = [_sound(*pair) for pair in pairs]
            texts, results = await self.aside(_go_on, conversation, texts, sound)
        return _TranslatedWindow(list(results), notes)

    async def _parts(self, texts: list[str]) -> list[pb.Translation]:
        """Translations of texts."""
        parts: list[pb.Translation] = []
        for batch in _batches(texts, self.batch_tokens):
            found = await self.translate(batch)
            self.usage = total((self.usage, *(part.usage for part in found)))
            parts += found
        return parts

    def _warn(self, result: TranslatedSegment) -> None:
        for warning in result.warnings:
            self._note(_SegmentNote(result.segment.plain, warning, pb.WARNING_CODE_MARKUP))

    def _note(self, *notes: _SegmentNote) -> None:
        """Tell a reader what to look at."""
        self.num_warnings += len(notes)
        for text, warning, code in notes[: MOST_WARNINGS - len(self.warnings)]:
            message = f"{text[:40]!r}: {warning}"
            self.warnings.append(pb.TranslationWarning(code=code, message=message))


def _notes(text: str, part: pb.Translation) -> Iterator[_SegmentNote]:
    """Remarks on the translation of a text."""
    if part.HasField("error"):
        yield _SegmentNote(
            text, f"left as it was: {part.error.message}", pb.WARNING_CODE_UNSPECIFIED
        )
        return
    for warning in part.warning_details:
        yield _SegmentNote(text, warning.message, warning.code)


def _sound(text: str, part: pb.Translation) -> pb.Translation:
    """Return the translation of a text, which is the text itself where that has failed."""
    return pb.Translation(translated_text=text) if part.HasField("error") else part


def _go_on(
    conversation: Conversation, texts: list[str] | None, parts: Sequence[pb.Translation]
) -> tuple[list[str], list[TranslatedSegment] | None]:
    """Further texts to translate and None, or nothing and the result."""
    try:
        if texts is None:
            return next(conversation), None
        answers: list[str | Answer] = list(map(answer_of, texts, parts))
        return conversation.send(answers), None
    except StopIteration as ended:
        return [], ended.value


async def _windows(segments: Sequence[Segment]) -> AsyncIterator[list[Segment]]:
    remaining = iter(segments)
    while group := list(islice(remaining, WINDOW)):
        yield group
        await asyncio.sleep(0)


def _batches(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """Texts in groups of about so many tokens; a longer one is a group of its own."""
    batch: list[str] = []
    tokens = 0
    for text in texts:
        size = estimate((text,))
        if batch and tokens + size > most:
            yield batch
            batch, tokens = [], 0
        batch.append(text)
        tokens += size
    if batch:
        yield batch
