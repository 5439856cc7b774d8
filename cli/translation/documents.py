"""`tformer translate FILE` for a FILE that is more than lines: Markdown, subtitles, PO, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tformer.cli.languages import direction_of
from tformer.cli.translation.stats import Remark, Tally
from tformer.documents.document import Document
from tformer.documents.keys import KeyChoice
from tformer.documents.languages import check_languages
from tformer.documents.segments import Segment, SegmentState
from tformer.documents.translation import (
    Answer,
    TranslatedSegment,
    translate_in_fragments,
    translate_segments,
)
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.wrapper import AnyTranslator
from tformer.model.text.normalization import same_language
from tformer.model.text.offsets import word_pairs
from tformer.model.translation import Translation
from tformer.model.vocabulary.language_choice import Direction, LanguageChoice

LINES = "text"
"""The format whose files are translated line by line, as those of no known format are."""

Advance = Callable[[], None]
"""Told of every segment that was translated."""


@dataclass(frozen=True)
class DocumentJob:
    """A document, and which of its segments are to be translated."""

    name: str
    document: Document
    states: frozenset[SegmentState] = frozenset({SegmentState.NEW})
    """States of the segments that are translated; all others keep their translation."""
    kept: frozenset[str] = frozenset()
    """Ids of segments that an earlier file has translations of."""
    keys: KeyChoice | None = None
    """Keys of the segments that are translated; None for all."""

    @cached_property
    def segments(self) -> Sequence[Segment]:
        """Segments to translate."""
        return [
            segment
            for segment in self.document.segments
            if segment.id not in self.kept
            and (self.keys is None or self.keys.takes(segment))
            and segment.state in self.states
            and (segment.has_words or segment.state is SegmentState.NEW)
        ]

    def translate(
        self,
        translator: AnyTranslator,
        choice: LanguageChoice,
        options: DecodingOptions,
        tally: Tally,
        advance: Advance,
    ) -> bytes:
        """The document with its segments translated; what is doubtful is said on stderr."""
        segments = self.segments
        for left in self.document.left_texts:
            _warn(tally, self.name, left.text, left.warning)
        sample = " ".join(s.plain for s in segments)
        direction = direction_of(self._narrowed(choice), self.name, sample)
        if direction is None:
            return self.document.with_translations({})
        if segments:
            check_languages(self.name, self.document.languages, direction.source, direction.target)
        model = _DocumentTranslator(translator, direction, options, self.name, tally, advance)
        translations = {}
        for result in translate_segments(segments, model.translate, window=len(segments)):
            translations[result.segment.id] = result.text
            model.look_at(result)
        self._mend(translations, model)
        return self.document.with_translations(translations, direction.target)

    def _narrowed(self, choice: LanguageChoice) -> LanguageChoice:
        """The choice, with the source that the file names where the user names none."""
        named = self.document.languages.source
        if choice.source is not None or named is None:
            return choice
        known = (code for code in choice.possible_sources if same_language(code, named))
        return replace(choice, source=next(known, None))

    def _mend(self, translations: dict[str, str], model: _DocumentTranslator) -> None:
        """Translate again what would change the structure of the file, or leave it as it was."""
        damages = self.document.damages(translations)
        if not damages:
            return
        again = [segment for segment in self.segments if segment.id in damages]
        model.advance = lambda: None
        for result in translate_in_fragments(again, model.translate):
            translations[result.segment.id] = result.text
        for id, reason in self.document.damages(translations).items():
            del translations[id]
            segment = next(segment for segment in again if segment.id == id)
            model.warn(segment.plain, f"left as it was, since {reason}")


@dataclass
class _DocumentTranslator:
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
                self.warn(text, warning)
            self.advance()
            yield _answer(text, translation)

    def look_at(self, result: TranslatedSegment) -> None:
        self.tally.count(result.segment.plain)
        for warning in result.warnings:
            self.warn(result.segment.plain, warning)

    def warn(self, text: str, warning: str) -> None:
        """Say what a reader of a segment should look at."""
        _warn(self.tally, self.name, text, warning)


def _warn(tally: Tally, name: str, text: str, warning: str) -> None:
    place = text[:40]
    tally.warn(f"{name}: {place!r}", Remark(place, warning))


def _answer(text: str, translation: Translation) -> str | Answer:
    links = translation.hypotheses[0].alignment
    if links is None:  # of a server that is older than alignments
        return translation.text
    return Answer(translation.text, word_pairs(text, translation.text, links))
