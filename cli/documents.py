"""`tformer translate FILE` for a FILE that is more than lines: Markdown, subtitles, PO, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tformer.cli.languages import Choice, Direction, direction_of
from tformer.cli.loading import AnyTranslator
from tformer.cli.tally import Remark, Tally
from tformer.documents.document import Document
from tformer.documents.segments import Segment, State
from tformer.documents.translation import Answer, TranslatedSegment, translate_segments
from tformer.model.options import DecodingOptions
from tformer.model.text.offsets import word_pairs
from tformer.model.translation import Translation

LINES = "text"
"""The format whose files are translated line by line, as those of no known format are."""

Advance = Callable[[], None]
"""Told of every segment that was translated."""


@dataclass(frozen=True)
class DocumentJob:
    """A document, and which of its segments are to be translated."""

    name: str
    document: Document
    states: frozenset[State] = frozenset({State.NEW})
    """Of the segments that are translated; all others keep the translation that they have."""

    @cached_property
    def segments(self) -> Sequence[Segment]:
        """What is to be translated."""
        return [
            segment
            for segment in self.document.segments
            if segment.state in self.states and (segment.has_words or segment.state is State.NEW)
        ]

    def translate(
        self,
        translator: AnyTranslator,
        choice: Choice,
        options: DecodingOptions,
        tally: Tally,
        advance: Advance,
    ) -> bytes:
        """The document with its segments translated; what is doubtful is said on stderr."""
        segments = self.segments
        direction = direction_of(choice, self.name, " ".join(s.plain for s in segments))
        if direction is None:
            return self.document.with_translations({})
        model = _Model(translator, direction, options, self.name, tally, advance)
        translations = {}
        for result in translate_segments(segments, model.translate, window=len(segments)):
            translations[result.segment.id] = result.text
            model.look_at(result)
        return self.document.with_translations(translations)


@dataclass
class _Model:
    """A translator as documents want one, which tells its warnings."""

    translator: AnyTranslator
    direction: Direction
    options: DecodingOptions
    name: str
    tally: Tally
    advance: Advance

    def translate(self, texts: Sequence[str]) -> Iterator[str | Answer]:
        translations = self.translator.translate(
            texts,
            source=self.direction.source,
            target=self.direction.target,
            options=replace(self.options, alignments=True),
        )
        for text, translation in zip(texts, translations, strict=True):
            for warning in translation.warnings:
                self._warn(text, warning)
            self.advance()
            yield _answer(text, translation)

    def look_at(self, result: TranslatedSegment) -> None:
        self.tally.count(result.segment.plain)
        for warning in result.warnings:
            self._warn(result.segment.plain, warning)

    def _warn(self, text: str, warning: str) -> None:
        place = text[:40]
        self.tally.warn(f"{self.name}: {place!r}", Remark(place, warning))


def _answer(text: str, translation: Translation) -> str | Answer:
    links = translation.hypotheses[0].alignment
    if links is None:  # of a server that is older than alignments
        return translation.text
    return Answer(translation.text, word_pairs(text, translation.text, links))
