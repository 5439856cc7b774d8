"""Documents through the translator of texts: bytes come in, bytes of the same format go out.

    result = await documents.translate(UploadedDocument(data, "letter.docx"), order, call)

The segments of a document go to the engines some hundreds at a time, each time as soon as there is
room, so that a long document has no more than the share of its client. Nothing of it is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

from tformer.model.errors import InputError, UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.admission import Admission
from tformer.server.models import Models, ServedModel
from tformer.server.rpc.calls import Call
from tformer.server.rpc.document_work import (
    BATCH_TOKENS,
    MOST_WARNINGS,
    DocumentPasses,
    OpenedDocument,
    Progress,
    UploadedDocument,
    read_document,
    tell_nobody,
)
from tformer.server.rpc.messages import CallOptions, Content, estimate
from tformer.server.rpc.texts import TextTranslator, charge, route_languages
from tformer.server.status import Overloaded
from tformer.server.storage import Storage, StoredBytes

READERS = 2
"""Threads that read and write documents."""

QUEUE_PARTS = 16
"""Batches of a document that the whole queue takes, at least."""

CHUNK = 1 << 18
"""Bytes of a translated file in one message."""

PATIENCE = 86_400.0
"""Seconds that the rest of a document waits for room once its first part has been let in: its call
has a deadline, and what was done would be lost."""


@dataclass(frozen=True)
class DocumentResult:
    """A translated document."""

    data: bytes
    about: pb.TranslatedDocument
    """Name, format, languages, warnings and usage."""


class DocumentService:
    """Translates documents for calls."""

    def __init__(
        self,
        models: Models,
        admission: Admission,
        texts: TextTranslator,
        storage: Storage,
        *,
        max_wait: float,
    ) -> None:
        """A service for documents.

        Args:
            models: to translate with.
            admission: limit on the tokens in work.
            texts: translator of plain texts.
            storage: limit on the bytes in work.
            max_wait: seconds that a document waits to be begun, at most.
        """
        self._models = models
        self._admission = admission
        self._texts = texts
        self._max_wait = max_wait
        self.storage = storage
        # Apart from the threads that cut texts: a large document holds up other documents alone.
        self._reading = ThreadPoolExecutor(READERS, "tformer-documents")

    def close(self) -> None:
        """End the threads that read documents."""
        self._reading.shutdown(wait=False, cancel_futures=True)

    async def translate(
        self,
        file: UploadedDocument,
        order: CallOptions,
        call: Call,
        progress: Progress = tell_nobody,
        room: StoredBytes | None = None,
    ) -> DocumentResult:
        """Translate a document; if the caller is cancelled, its sentences leave the engines.

        Args:
            file: the document.
            order: languages, model and options, with the glossary.
            call: whose it is; its quota is charged before anything is translated.
            progress: told after every window of segments.
            room: where the bytes of the file are held already; None to find some.

        Raises:
            UsageError: the file is malformed, too large, of no known format or in other languages.
            Overloaded: there is no room for it, or the quota of the caller is used up.
        """
        with nullcontext(room) if room else self.storage.open(call.client) as held:
            held.grow(await self._aside(_unpacked_size, file.data))
            with self._models.find(order.model, order.source, order.target) as model:
                order = route_languages(model, order)
                opened = await self._aside(read_document, file, model, order)
                charge(call, opened.tokens)
                return await self._translate(opened, model, order, call, progress)

    async def _translate(
        self,
        opened: OpenedDocument,
        model: ServedModel,
        order: CallOptions,
        call: Call,
        progress: Progress,
    ) -> DocumentResult:
        # Alignments place tags within sentences.
        aligned = any(segment.inlines for segment in opened.segments)
        options = replace(order.options, alignments=aligned)
        own = replace(order, source=opened.source, target=opened.target, options=options)
        batches = _Batches(self._admission, self._texts, self._max_wait, model, own, call)
        most = min(BATCH_TOKENS, self._admission.max_tokens // QUEUE_PARTS)
        work = DocumentPasses(opened, batches.translate, self._aside, progress, most)
        try:
            data = await work.run()
        except InputError as error:
            raise UsageError(str(error)) from None
        used = max(work.usage.source_tokens, work.usage.target_tokens)
        if call.caller:
            call.caller.charge_tokens(max(0, used - opened.tokens))
        about = _about(work, data, model)
        call.notes |= {
            "model": model.name,
            "format": opened.format,
            "segments": about.segments,
            "bytes": len(opened.file.data),
            "source_tokens": work.usage.source_tokens,
            "target_tokens": work.usage.target_tokens,
        }
        return DocumentResult(data, about)

    async def _aside(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call a function in one of the threads for documents."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, function, *arguments)


@dataclass
class _Batches:
    """Translates texts of one document, a batch at a time, as soon as there is room."""

    admission: Admission
    texts: TextTranslator
    max_wait: float
    model: ServedModel
    order: CallOptions
    call: Call
    has_begun: bool = False
    """True once a batch has been translated."""

    async def translate(self, batch: list[str]) -> Sequence[pb.Translation]:
        """Translations of texts, or their errors."""
        while True:
            try:
                return await self._once(batch)
            except Overloaded as error:
                if not self.has_begun:
                    raise
                await asyncio.sleep(error.retry_after)

    async def _once(self, batch: list[str]) -> Sequence[pb.Translation]:
        patience = PATIENCE if self.has_begun else self.max_wait
        # The quota has been charged for all of the document.
        call = replace(self.call, caller=None)
        contents = list(map(Content, batch))
        with await self.admission.wait(estimate(batch), patience, call.client) as room:
            parts = await self.texts.translate(self.model, contents, self.order, call, room)
        self.has_begun = True
        return parts


async def document_responses(
    translate: Callable[[Progress], Awaitable[DocumentResult]],
) -> AsyncGenerator[pb.StreamTranslateDocumentResponse, None]:
    """Messages of a stream: progress, then what became of the document, then its chunks."""
    news: asyncio.Queue[pb.DocumentProgress | None] = asyncio.Queue()

    def progress(done: int, segments: int) -> None:
        news.put_nowait(pb.DocumentProgress(segments_done=done, segments=segments))

    task = asyncio.ensure_future(translate(progress))
    task.add_done_callback(lambda _: news.put_nowait(None))
    try:
        while (item := await news.get()) is not None:
            yield pb.StreamTranslateDocumentResponse(progress=item)
        result = await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    yield pb.StreamTranslateDocumentResponse(document=result.about)
    for start in range(0, len(result.data), CHUNK):
        yield pb.StreamTranslateDocumentResponse(chunk=result.data[start : start + CHUNK])


def _about(work: DocumentPasses, data: bytes, model: ServedModel) -> pb.TranslatedDocument:
    opened, warnings = work.opened, work.warnings
    if surplus := work.num_warnings - len(warnings):
        text = f"{surplus:,} more warnings are not told: {MOST_WARNINGS:,} are the most"
        warnings = [*warnings[:-1], pb.TranslationWarning(message=text)]
    return pb.TranslatedDocument(
        name=opened.file.name_in(opened.target),
        format=opened.format,
        detected_language_code=opened.source if opened.detected else "",
        target_language_code=opened.target,
        model=model.name,
        segments=len(opened.segments),
        content_bytes=len(data),
        warnings=warnings,
        usage=work.usage,
    )


def _unpacked_size(data: bytes) -> int:
    """Bytes of a file, with those of an archive unpacked, which zipfile reads no more of."""
    if not data.startswith(b"PK"):
        return len(data)
    try:
        with ZipFile(BytesIO(data)) as archive:
            return len(data) + sum(item.file_size for item in archive.infolist())
    except (BadZipFile, ValueError, NotImplementedError):
        return len(data)
