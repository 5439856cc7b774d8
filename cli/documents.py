"""`tformer translate FILE` for a FILE that is more than lines: Markdown, subtitles, PO, ..."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tformer.cli import lines, talk
from tformer.cli.languages import Choice, Direction, direction_of
from tformer.cli.loading import AnyTranslator
from tformer.cli.progress import progress_bar
from tformer.documents.document import Document
from tformer.documents.formats import PACKAGES, SUFFIXES, open_document
from tformer.documents.segments import State
from tformer.documents.translation import Answer, TranslatedSegment, translate_segments
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.spans import word_pairs
from tformer.model.translation import Translation

LINES = "text"
"""The format whose files are translated line by line, as those of no known format are."""

MOST_WARNINGS = 20


def document_format(paths: Sequence[Path], format: str | None) -> str | None:
    """The format of the one document among the inputs; None if they are lines.

    Raises:
        UsageError: a document is not alone.
    """
    formats = [format or SUFFIXES.get(path.suffix.lower(), LINES) for path in paths]
    documents = [path for path, name in zip(paths, formats, strict=True) if name != LINES]
    if not documents:
        return None
    if len(paths) > 1:
        raise UsageError(
            f"{documents[0]} is a document and translated as a whole: give it alone, or "
            f"--format {LINES} to translate its lines"
        )
    return formats[0]


@dataclass(frozen=True)
class Reading:
    """A document that was read before a model is loaded, so that a bad one costs no time."""

    name: str
    document: Document

    @classmethod
    def of(cls, path: Path, format: str, output: Path | None, target: str | None) -> Reading:
        """Read the document, to translate it into a language, if one is named.

        Raises:
            InputError: it cannot be read, or is malformed.
            UsageError: a terminal cannot show what would be written.
        """
        if format in PACKAGES and output is None and talk.is_terminal(sys.stdout):
            raise UsageError(f"{path}: a {format} file is not text: name a file with --output")
        name = lines.name_of(path)
        file = lines.read_all(path) if path == lines.STDIN else path
        return cls(name, open_document(file, format, name=name, target=target))

    def translate(
        self, translator: AnyTranslator, choice: Choice, options: DecodingOptions
    ) -> bytes:
        """The document with all translated that was not; what is doubtful is said on stderr."""
        segments = [s for s in self.document.segments if s.state is State.NEW]
        direction = direction_of(choice, self.name, " ".join(s.plain for s in segments))
        if direction is None:
            return self.document.with_translations({})
        model = _Model(translator, direction, options, self.name)
        translations = {}
        with progress_bar("translating", len(segments), data_on_stdout=False) as advance:
            for result in translate_segments(segments, model.translate):
                translations[result.segment.id] = result.text
                model.look_at(result)
                advance(1)
        model.report()
        return self.document.with_translations(translations)


@dataclass
class _Model:
    """A translator as documents want one, which tells its warnings."""

    translator: AnyTranslator
    direction: Direction
    options: DecodingOptions
    name: str
    _warnings: int = 0

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
            yield _answer(text, translation)

    def look_at(self, result: TranslatedSegment) -> None:
        for warning in result.warnings:
            self._warn(result.segment.plain, warning)

    def report(self) -> None:
        """Say how much was not said."""
        if self._warnings > MOST_WARNINGS:
            talk.warning(f"{self._warnings - MOST_WARNINGS} more warnings were not shown")

    def _warn(self, text: str, warning: str) -> None:
        self._warnings += 1
        if self._warnings <= MOST_WARNINGS:
            talk.warning(f"{self.name}: {text[:40]!r}: {warning}")


def _answer(text: str, translation: Translation) -> str | Answer:
    links = translation.hypotheses[0].alignment
    if links is None:  # of a server that is older than alignments
        return translation.text
    return Answer(translation.text, word_pairs(text, translation.text, links))
