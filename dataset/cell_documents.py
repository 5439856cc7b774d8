"""Cells of Markdown or HTML: each is a small document, whose markup, code and links stay.

The documents of a block are translated together, some megabyte of text at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tformer.dataset.cells import Translate, results_of
from tformer.dataset.files.blocks import BlockTexts, CellTranslation
from tformer.dataset.spool import BlockCounts, BlockResults
from tformer.documents.document import Document
from tformer.documents.registry import open_document
from tformer.documents.translation import (
    Answer,
    TranslatedSegment,
    translate_in_fragments,
    translate_segments,
)
from tformer.model.errors import InputError
from tformer.model.text.offsets import word_pairs

if TYPE_CHECKING:
    from tformer.model.translation import Translation

WINDOW_CHARACTERS = 1 << 20
"""Characters of documents that are translated together."""


@dataclass
class CellDocumentTranslator:
    """Translates blocks whose cells are documents."""

    translate: Translate
    """Must give alignments, which markup goes by."""
    format: str
    target: str = ""

    def run(self, blocks: Iterable[BlockTexts]) -> Iterator[tuple[BlockTexts, BlockResults]]:
        """Yield the results of blocks, in their order."""
        for block in blocks:
            done: dict[str, CellTranslation] = {}
            for window in _windows(_filled(block)):
                done.update(self._translated(window))
            cells = {
                path: [None if text is None else done.get(text) or CellTranslation(text)
                       for text in texts]
                for path, texts in block.cells.items()
            }  # fmt: skip
            yield block, results_of(cells, _counts(block, len(done)))

    def _translated(self, texts: Sequence[str]) -> Iterator[tuple[str, CellTranslation]]:
        asked = _Asked(self.translate)
        opened = [self._opened(text) for text in texts]
        found: dict[int, list[TranslatedSegment]] = {}
        segments = [
            replace(segment, id=f"{number}:{segment.id}")
            for number, document in enumerate(opened)
            if document
            for segment in document.segments
        ]
        for result in translate_segments(segments, asked.ask, window=max(1, len(segments))):
            at, _, id = result.segment.id.partition(":")
            own = replace(result, segment=replace(result.segment, id=id))
            found.setdefault(int(at), []).append(own)
        for number, (text, document) in enumerate(zip(texts, opened, strict=True)):
            if document is None:
                note = f"left as it was, since it cannot be read as {self.format}"
                yield text, CellTranslation(text, warnings=(note,))
            else:
                yield text, self._written(document, found.get(number, []), asked)

    def _opened(self, text: str) -> Document | None:
        try:
            return open_document(text.encode("utf-8", "replace"), self.format, name="cell")
        except InputError:
            return None

    def _written(
        self, document: Document, results: Sequence[TranslatedSegment], asked: _Asked
    ) -> CellTranslation:
        translations = {result.segment.id: result.text for result in results}
        warnings = [left.warning for left in document.left_texts]
        warnings += [warning for result in results for warning in result.warnings]
        if damages := document.damages(translations):
            again = [segment for segment in document.segments if segment.id in damages]
            for result in translate_in_fragments(again, asked.ask):
                translations[result.segment.id] = result.text
            for id, reason in document.damages(translations).items():
                del translations[id]
                warnings.append(f"left as it was, since {reason}")
        plain = [result.segment.plain for result in results]
        warnings += [str(warning) for text in plain for warning in asked.warnings(text)]
        return CellTranslation(
            document.with_translations(translations, self.target or None).decode(),
            sum(asked.score(text) for text in plain),
            next(filter(None, map(asked.language, plain)), ""),
            tuple(dict.fromkeys(warnings)),
        )


@dataclass
class _Asked:
    """A translator that keeps what it has answered."""

    translate: Callable[[Iterable[str]], Iterator[Translation]]
    answers: dict[str, Translation] = field(default_factory=dict)

    def ask(self, texts: Sequence[str]) -> Iterator[str | Answer]:
        for text, translation in zip(texts, self.translate(texts), strict=True):
            self.answers[text] = translation
            links = translation.hypotheses[0].alignment
            if links is None:
                yield translation.text
            else:
                yield Answer(translation.text, word_pairs(text, translation.text, links))

    def score(self, text: str) -> float:
        answer = self.answers.get(text)
        return answer.hypotheses[0].score if answer else 0.0

    def language(self, text: str) -> str:
        answer = self.answers.get(text)
        return answer.source_language if answer else ""

    def warnings(self, text: str) -> Sequence[str]:
        answer = self.answers.get(text)
        return answer.warnings if answer else ()


def _filled(block: BlockTexts) -> Iterator[str]:
    """Each text of a block once."""
    texts = (text for own in block.cells.values() for text in own)
    return iter(dict.fromkeys(text for text in texts if text and text.strip()))


def _windows(texts: Iterator[str]) -> Iterator[list[str]]:
    window: list[str] = []
    size = 0
    for text in texts:
        window.append(text)
        size += len(text)
        if size >= WINDOW_CHARACTERS:
            yield window
            window, size = [], 0
    if window:
        yield window


def _counts(block: BlockTexts, num_new: int) -> BlockCounts:
    texts = [text for own in block.cells.values() for text in own]
    filled = [text for text in texts if text and text.strip()]
    return BlockCounts(
        block.num_rows,
        block.skipped,
        cells=len(filled),
        empty=len(texts) - len(filled),
        duplicates=len(filled) - num_new,
        words=sum(len(text.split()) for text in filled),
    )
