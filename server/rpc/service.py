"""The methods of `tformer.v1.TranslationService`: a message comes in, a message goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TypeVar

from tformer.model.errors import UsageError
from tformer.model.text.segmentation import Detection, detect
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.admission import Admission, Reservation
from tformer.server.glossaries.catalog import Glossaries
from tformer.server.glossaries.limits import check_size
from tformer.server.models import Models, ServedModel
from tformer.server.observability.metrics import Metrics
from tformer.server.rpc.calls import Call
from tformer.server.rpc.document_work import Progress, UploadedDocument, tell_nobody
from tformer.server.rpc.documents import DocumentResult, DocumentService, document_responses
from tformer.server.rpc.markup import Page
from tformer.server.rpc.messages import (
    LONGEST_ID,
    CallOptions,
    Configuration,
    Content,
    estimate,
    estimate_terms,
    excess,
    total,
)
from tformer.server.rpc.streams import BoundedMap, StoppableIterator
from tformer.server.rpc.texts import TextTranslator, charge, failure, route_languages
from tformer.server.status import ShuttingDown
from tformer.server.storage import Storage, StoredBytes
from tformer.server.translation_cache import TranslationCache

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Item = TypeVar("Item")

READ_AHEAD = 256
"""Items of one stream that are in work, or translated and not read by the client."""


class TranslationService:
    """Translates with the models of a server."""

    def __init__(
        self,
        models: Models,
        admission: Admission,
        metrics: Metrics,
        draining: asyncio.Event,
        *,
        max_wait: float,
        cache: TranslationCache,
        glossaries: Glossaries | None = None,
        storage: Storage | None = None,
        log_text: bool = False,
    ) -> None:
        """A service.

        Args:
            models: to translate with.
            admission: how much may be accepted.
            metrics: where to count.
            draining: once it is set, streams are read no further.
            max_wait: seconds for which no item of a client's streams is accepted before those that
                wait are refused.
            cache: of translations.
            glossaries: that callers may name; None is none.
            storage: limit on the bytes of documents; None is the default.
            log_text: whether texts and translations are logged.
        """
        self._models = models
        self._admission = admission
        self._draining = draining
        self._max_wait = max_wait
        self._texts = TextTranslator(cache, metrics)
        self.documents = DocumentService(
            models, admission, self._texts, storage or Storage(), max_wait=max_wait
        )
        self._glossaries = glossaries or Glossaries()
        self._log_text = log_text
        # For glossaries, which are kept in one place.
        self._alone = ThreadPoolExecutor(1, "tformer-aside")

    def close(self) -> None:
        """End the threads that cut texts and make glossaries ready."""
        self._texts.close()
        self.documents.close()
        self._alone.shutdown(wait=False, cancel_futures=True)

    async def translate_text(
        self, request: pb.TranslateTextRequest, call: Call
    ) -> pb.TranslateTextResponse:
        """Translate the texts of one message."""
        order, contents = CallOptions.of(request), Content.all_of(request)
        tokens = sum(content.estimate for content in contents)
        overhead = _terms_weight(request) + order.weight * len(contents)
        overhead += excess(call.message_bytes, tokens + overhead)
        with self._admission.reserve(tokens, call.client, overhead) as room:
            if order.html:  # a part of a page has a room of its own
                charge(call, overhead)
            order = await self._with_glossary(order, request)
            model, translations = await self._contents(contents, order, call, room)
        usage = total(translation.usage for translation in translations)
        call.notes |= {
            "model": model,
            "texts": len(translations),
            "source_tokens": usage.source_tokens,
            "target_tokens": usage.target_tokens,
            "queue_seconds": round(usage.queue_seconds, 6),
            "compute_seconds": round(usage.compute_seconds, 6),
        }
        return pb.TranslateTextResponse(translations=translations, model=model, usage=usage)

    async def stream_translate_text(
        self, requests: AsyncIterator[pb.StreamTranslateTextRequest], call: Call
    ) -> AsyncGenerator[pb.StreamTranslateTextResponse, None]:
        """Translate texts as they come."""
        async with StoppableIterator(self._draining, requests) as coming:
            first = await anext(coming, None)
            if self._draining.is_set():
                raise ShuttingDown("the server is shutting down")
            if first is None or not first.HasField("config"):
                raise UsageError("the first message of a stream must have the config")
            order = CallOptions.of(first.config)
            order = await self._with_terms(order, first.config, call)
            call.patient = True
            # What is wrong with the order is found now, and not again with every item.
            model = self._models.find(order.model, order.source, order.target)
            route_languages(model, order)
            call.notes |= {"model": model.name, "texts": 0}
            conveyor = BoundedMap(
                partial(self._translate_item, order, call, count()),
                places=READ_AHEAD,
                as_ready=first.config.as_ready,
            )
            async with aclosing(conveyor.answers(self._items(coming))) as answers:
                async for answer in answers:
                    yield answer
                    call.notes["texts"] += 1

    async def _items(
        self, requests: AsyncIterator[pb.StreamTranslateTextRequest]
    ) -> AsyncIterator[pb.StreamItem]:
        async for request in requests:
            if not request.HasField("item"):
                raise UsageError("every message of a stream but the first must have an item")
            if len(request.item.id) > LONGEST_ID:
                raise UsageError(f"an id may have {LONGEST_ID:,} characters")
            yield request.item
        if self._draining.is_set():
            raise ShuttingDown("the server is shutting down; what was answered is done")

    async def _translate_item(
        self, order: CallOptions, call: Call, numbers: Iterator[int], item: pb.StreamItem
    ) -> pb.StreamTranslateTextResponse:
        try:
            content = Content(item.content, item.target_prefix)
            if next(numbers) and call.caller:  # the first came with the call
                call.caller.take_call()
            tokens = content.estimate
            overhead = order.weight + excess(item.ByteSize(), tokens)
            room = await self._admission.wait(tokens, self._max_wait, call.client, overhead)
            with room:
                _, (translation,) = await self._contents([content], order, call, room)
        except Exception as error:
            translation = failure(error, call)
        return pb.StreamTranslateTextResponse(id=item.id, translation=translation)

    async def translate_file(
        self,
        config: pb.DocumentConfig,
        data: bytes,
        call: Call,
        progress: Progress = tell_nobody,
        room: StoredBytes | None = None,
    ) -> DocumentResult:
        """Translate a document for whatever door it came in by.

        Args:
            config: languages, model, name and format of the file, options and glossary.
            data: the file.
            call: whose it is. If the task is cancelled, its sentences leave the engines.
            progress: told the segments that are done and how many there are, in the event loop.
            room: where the bytes are held already; None to find some.

        Raises:
            UsageError: the file or the options cannot be used.
            Overloaded: there is no room, or a quota is used up.
            UnknownModel: there is none of the name.
            UnknownGlossary: there is none of the name.
        """
        order = await self._with_terms(CallOptions.of_document(config), config, call)
        call.patient = True
        file = UploadedDocument.of(config, data)
        return await self.documents.translate(file, order, call, progress, room)

    async def translate_document(
        self, request: pb.TranslateDocumentRequest, call: Call
    ) -> pb.TranslateDocumentResponse:
        """Translate the document of one message."""
        result = await self.translate_file(request.config, request.content, call)
        return pb.TranslateDocumentResponse(content=result.data, document=result.about)

    async def stream_translate_document(
        self, requests: AsyncIterator[pb.StreamTranslateDocumentRequest], call: Call
    ) -> AsyncGenerator[pb.StreamTranslateDocumentResponse, None]:
        """Translate a document that comes in chunks."""
        async with StoppableIterator(self._draining, requests) as coming:
            first = await anext(coming, None)
            if first is None or not first.HasField("config"):
                raise UsageError("the first message of a stream must have the config")
            with self.documents.storage.open(call.client) as room:
                data = await self._received(coming, room)
                translate = partial(self.translate_file, first.config, data, call, room=room)
                async with aclosing(document_responses(translate)) as responses:
                    async for response in responses:
                        yield response

    async def _received(
        self, requests: AsyncIterator[pb.StreamTranslateDocumentRequest], room: StoredBytes
    ) -> bytes:
        """A file that comes in chunks.

        Raises:
            UsageError: it is too large, or no chunk has come for too long.
            Overloaded: there is no room for it.
        """
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                async with asyncio.timeout(self._max_wait):
                    request = await anext(requests, None)
                if request is None:
                    break
                if not request.HasField("chunk"):
                    raise UsageError("every message of a stream but the first must have a chunk")
                size += len(request.chunk)
                room.grow(size)
                chunks.append(request.chunk)
        except TimeoutError:
            raise UsageError(f"no chunk has come for {self._max_wait:g} seconds") from None
        if self._draining.is_set():
            raise ShuttingDown("the server is shutting down")
        return b"".join(chunks)

    async def detect_language(
        self, request: pb.DetectLanguageRequest, call: Call
    ) -> pb.DetectLanguageResponse:
        """Tell the language of a text."""
        sources, _ = self._languages(request.model)
        tokens = estimate([request.content])
        with self._admission.reserve(tokens, call.client):
            charge(call, tokens)
            found = await self._texts.cut_aside(_detected, request.content, sorted(sources))
        if found is None:
            return pb.DetectLanguageResponse()
        language = pb.DetectedLanguage(language_code=found.language, confidence=found.confidence)
        return pb.DetectLanguageResponse(languages=[language])

    async def detections(self, texts: Sequence[str]) -> list[Detection | None]:
        """The languages of texts, which count when the same call translates them."""
        sources, _ = self._languages("")
        return await self._texts.cut_aside(_all_detected, texts, sorted(sources))

    async def list_supported_languages(
        self, request: pb.ListSupportedLanguagesRequest, call: Call
    ) -> pb.ListSupportedLanguagesResponse:
        """List the languages of one model or of all."""
        sources, targets = self._languages(request.model)
        languages = [
            pb.SupportedLanguage(
                language_code=code, support_source=code in sources, support_target=code in targets
            )
            for code in sorted(sources | targets)
        ]
        return pb.ListSupportedLanguagesResponse(languages=languages)

    async def list_models(self, request: pb.ListModelsRequest, call: Call) -> pb.ListModelsResponse:
        """List the models."""
        return pb.ListModelsResponse(models=[model.describe() for model in self._models])

    async def get_model(self, request: pb.GetModelRequest, call: Call) -> pb.Model:
        """Describe a model."""
        return self._models.find(request.name).describe()

    async def list_glossaries(
        self, request: pb.ListGlossariesRequest, call: Call
    ) -> pb.ListGlossariesResponse:
        """List the glossaries."""
        found = [glossary.describe() for glossary in self._glossaries]
        return pb.ListGlossariesResponse(glossaries=found)

    async def get_glossary(self, request: pb.GetGlossaryRequest, call: Call) -> pb.Glossary:
        """Describe a glossary."""
        return self._glossaries.find(request.name).describe()

    async def get_usage(self, request: pb.GetUsageRequest, call: Call) -> pb.GetUsageResponse:
        """Tell what the caller's token has used."""
        if call.caller is None:
            return pb.GetUsageResponse()
        usage, budget = call.caller.usage, call.caller.budget
        usage.turn()
        return pb.GetUsageResponse(
            name=call.caller.name,
            calls_today=usage.calls_today,
            tokens_today=usage.tokens_today,
            calls_per_day=round(budget.calls or 0),
            tokens_per_day=round(budget.tokens or 0),
            seconds_left=usage.seconds_left,
            calls=usage.calls,
            tokens=usage.tokens,
        )

    async def _aside(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function in the thread for what is done one at a time."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._alone, function, *arguments)

    async def _with_terms(
        self, order: CallOptions, message: pb.StreamConfig | pb.DocumentConfig, call: Call
    ) -> CallOptions:
        """As `_with_glossary`, with room and quota for the terms that come along."""
        if not (terms := _terms_weight(message)):
            return await self._with_glossary(order, message)
        with await self._admission.wait(terms, self._max_wait, call.client):
            charge(call, terms)
            return await self._with_glossary(order, message)

    async def _with_glossary(self, order: CallOptions, message: Configuration) -> CallOptions:
        """The order with the glossary that a message asks for.

        Raises:
            UnknownGlossary: there is none of the name.
            UsageError: it brings terms along that cannot be used.
        """
        if not message.HasField("glossary_config"):
            return order
        glossary = await self._aside(self._glossaries.chosen, message.glossary_config)
        return replace(order, glossary=glossary)

    def _languages(self, name: str) -> tuple[set[str], set[str]]:
        """Languages that a model, or any if the name is empty, translates from, and to."""
        models = [self._models.find(name)] if name else list(self._models)
        return (
            {code for model in models for code in model.translator.source_languages},
            {code for model in models for code in model.translator.target_languages},
        )

    async def _contents(
        self, contents: Sequence[Content], order: CallOptions, call: Call, room: Reservation
    ) -> tuple[str, list[pb.Translation]]:
        """The name of the model, and a translation or an error for each content."""
        with self._models.find(order.model, order.source, order.target) as model:
            order = route_languages(model, order)
            if order.html:
                translations = await self._translate_pages(model, contents, order, call)
            else:
                translations = await self._texts.translate(model, contents, order, call, room)
        if self._log_text:
            _log(contents, translations, call)
        return model.name, translations

    async def _translate_pages(
        self, model: ServedModel, contents: Sequence[Content], order: CallOptions, call: Call
    ) -> list[pb.Translation]:
        async with asyncio.TaskGroup() as tasks:
            pages = [
                tasks.create_task(self._translate_page(model, content, order, call))
                for content in contents
            ]
        return [page.result() for page in pages]

    async def _translate_page(
        self, model: ServedModel, content: Content, order: CallOptions, call: Call
    ) -> pb.Translation:
        """The translation of a page, or an error."""

        async def translate(texts: list[str]) -> list[pb.Translation]:
            # The call has been let in by its size; nothing that belongs to it waits again.
            with self._admission.let_in(estimate(texts), call.client) as room:
                return await self._texts.translate(
                    model, list(map(Content, texts)), own, call, room
                )

        try:
            options = order.options_for(content)
            page, source, target = await self._texts.cut_aside(
                _open_page, model, content.text, order
            )
            charge(call, max(0, content.estimate - estimate(page.plain)))
            options = replace(options, alignments=page.has_tags)
            own = replace(order, source=source, target=target, options=options)
            translation = await page.translate(translate, self._texts.cut_aside)
        except Exception as error:
            return failure(error, call)
        if not translation.HasField("error"):
            translation.target_language_code = target
            translation.detected_language_code = "" if order.source else source
        return translation


def _terms_weight(message: Configuration) -> int:
    """About how many tokens the terms have that a message brings along.

    Raises:
        UsageError: there are too many of them.
    """
    entries = message.glossary_config.entries
    if not entries:
        return 0
    check_size(len(entries))
    return estimate_terms(message.glossary_config)


def _detected(content: str, languages: Sequence[str]) -> Detection | None:
    """The language of a text; None for one without letters."""
    if not any(map(str.isalpha, content)):
        return None
    return detect(content, languages)


def _all_detected(contents: Sequence[str], languages: Sequence[str]) -> list[Detection | None]:
    return [_detected(content, languages) for content in contents]


def _open_page(model: ServedModel, content: str, order: CallOptions) -> tuple[Page, str, str]:
    """A page, and the languages of all of it."""
    page = Page(content)
    route = model.way(order.source, order.target).route
    return page, *route.of(" ".join(page.plain))


def _log(contents: Sequence[Content], translations: Sequence[pb.Translation], call: Call) -> None:
    for content, translation in zip(contents, translations, strict=True):
        facts = {"content": content.text, "translated_text": translation.translated_text}
        logger.info("text", extra={"request_id": call.id, **facts})
