"""HTML through a translator of plain text: the server's side of `tformer.documents`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from tformer.documents.formats.html import html_of
from tformer.documents.translation import Answer, Conversation, TranslatedSegment, converse
from tformer.model.text.offsets import word_pairs
from tformer.model.translation import Notice, WarningKind
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.rpc.messages import links_from, total, warning_message

Translate = Callable[[list[str]], Awaitable[Sequence[pb.Translation]]]
"""Plain texts to their translations, with alignments where there are any."""

Aside = Callable[..., Awaitable[Any]]
"""Calls a function with arguments in another thread."""

# The later one says more about the whole.
_REASONS = (
    pb.FINISH_REASON_COPIED,
    pb.FINISH_REASON_END_OF_SENTENCE,
    pb.FINISH_REASON_LENGTH,
)


class Page:
    """A content on its way to its translation."""

    def __init__(self, content: str) -> None:
        """Find what there is to translate."""
        self._document = html_of(content)
        self._conversation: Conversation = converse(self._document.segments)
        self._parts: list[pb.Translation] = []
        self.plain = next(self._conversation)
        """Plain text for language identification, one for each block."""
        self.has_tags = any(segment.inlines for segment in self._document.segments)
        """True if there are tags within sentences, which alignments help to place."""

    async def translate(self, translate: Translate, aside: Aside) -> pb.Translation:
        """The page in another language, or the first error of a part of it.

        Args:
            translate: the texts of the page.
            aside: calls a function in another thread.
        """
        texts = self.plain
        while True:
            parts = await translate(texts) if texts else ()
            self._parts += parts
            if failed := next((part for part in parts if part.HasField("error")), None):
                return pb.Translation(error=failed.error)
            answer = await aside(self._go_on, texts, parts)
            if isinstance(answer, pb.Translation):
                return answer
            texts = answer

    def _go_on(
        self, texts: list[str], parts: Sequence[pb.Translation]
    ) -> list[str] | pb.Translation:
        """Further texts to translate, or the page in another language."""
        try:
            return self._conversation.send(map(answer_of, texts, parts))
        except StopIteration as ended:
            return self._translation(ended.value)

    def _translation(self, segments: Iterable[TranslatedSegment]) -> pb.Translation:
        translated = {each.segment.id: each.text for each in segments}
        notices = [
            Notice(WarningKind.MARKUP, f"segment {each.segment.id}: {warning}")
            for each in segments
            for warning in each.warnings
        ]
        parts = self._parts
        reasons = [part.finish_reason for part in parts]
        told = [part.confidence for part in parts if part.HasField("confidence")]
        return pb.Translation(
            translated_text=self._document.with_translations(translated).decode(),
            score=sum(part.score for part in parts),
            finish_reason=max(reasons, key=_REASONS.index, default=pb.FINISH_REASON_COPIED),
            warnings=[*(text for part in parts for text in part.warnings), *notices],
            warning_details=[
                *(details for part in parts for details in part.warning_details),
                *map(warning_message, notices),
            ],
            glossary_terms=_each_once(use for part in parts for use in part.glossary_terms),
            usage=total(part.usage for part in parts),
            confidence=min(told, default=None),
        )


def _each_once(uses: Iterable[pb.TermUse]) -> list[pb.TermUse]:
    """Terms by whether they were honoured: a page may say one here and lack it there."""
    return list({(use.source_term, use.target_term, use.honoured): use for use in uses}.values())


def answer_of(text: str, part: pb.Translation) -> str | Answer:
    """A translation, with its words aligned if there are alignments."""
    if not part.hypotheses:
        return part.translated_text
    links = links_from(part.hypotheses[0])
    return Answer(part.translated_text, word_pairs(text, part.translated_text, links))
