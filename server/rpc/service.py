"""The methods of `tformer.v1.TranslationService`: a message comes in, a message goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeVar

from tformer.model.engine.jobs import Timing
from tformer.model.errors import TformerError, UsageError
from tformer.model.passes.draft import Draft, Route
from tformer.model.terms.glossary import Glossary
from tformer.model.text.segmentation import detect
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.admission import Admission, Reservation, estimate
from tformer.server.glossaries.catalog import Glossaries
from tformer.server.models import Models, ServedModel
from tformer.server.observability.metrics import Metrics
from tformer.server.rpc.calls import Call
from tformer.server.rpc.markup import Page
from tformer.server.rpc.messages import Content, Order, total, translation_message
from tformer.server.rpc.streams import Conveyor, Until
from tformer.server.status import ShuttingDown, status_of
from tformer.server.translation_cache import Cache

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

READ_AHEAD = 256
"""Items of one stream that are in work, or translated and not read by the client."""

CUT_AT_ONCE = 200
"""Tokens of a call that is cut into sentences in the event loop: a few hundred microseconds, about
what it would cost to have it done in another thread."""


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
        cache: Cache,
        glossaries: Glossaries | None = None,
        log_text: bool = False,
    ) -> None:
        """A service.

        Args:
            models: to translate with.
            admission: how much may be accepted.
            metrics: where to count.
            draining: once it is set, streams are read no further.
            max_wait: seconds that an item of a stream waits to be accepted, at most.
            cache: of translations.
            glossaries: that callers may name; None is none.
            log_text: whether texts and translations are logged.
        """
        self._models = models
        self._admission = admission
        self._metrics = metrics
        self._draining = draining
        self._max_wait = max_wait
        self._cache = cache
        self._glossaries = glossaries or Glossaries()
        self._log_text = log_text
        # Cutting text is Python, so one thread is as fast as many, and keeps gRPC answering.
        self._cutting = ThreadPoolExecutor(1, "tformer-drafts")

    def close(self) -> None:
        """End the thread that cuts texts."""
        self._cutting.shutdown(cancel_futures=True)

    async def translate_text(
        self, request: pb.TranslateTextRequest, call: Call
    ) -> pb.TranslateTextResponse:
        """Translate the texts of one message."""
        order, contents = Order.of(request), Content.all_of(request)
        with self._admission.reserve(estimate(request.contents), call.client) as room:
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
        async with Until(self._draining, requests) as coming:
            first = await anext(coming, None)
            if self._draining.is_set():
                raise ShuttingDown("the server is shutting down")
            if first is None or not first.HasField("config"):
                raise UsageError("the first message of a stream must have the config")
            order = await self._with_glossary(Order.of(first.config), first.config)
            # What is wrong with the order is found now, and not again with every item.
            model = self._models.find(order.model, order.source, order.target)
            _route_languages(model, order)
            call.notes |= {"model": model.name, "texts": 0}
            conveyor = Conveyor(
                partial(self._translate_item, order, call),
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
            yield request.item
        if self._draining.is_set():
            raise ShuttingDown("the server is shutting down; what was answered is done")

    async def _translate_item(
        self, order: Order, call: Call, item: pb.StreamItem
    ) -> pb.StreamTranslateTextResponse:
        try:
            content = Content(item.content, item.target_prefix)
            tokens = estimate([item.content])
            with await self._admission.wait(tokens, self._max_wait, call.client) as room:
                _, (translation,) = await self._contents([content], order, call, room)
        except Exception as error:
            translation = _failure(error, call)
        return pb.StreamTranslateTextResponse(id=item.id, translation=translation)

    async def detect_language(
        self, request: pb.DetectLanguageRequest, call: Call
    ) -> pb.DetectLanguageResponse:
        """Tell the language of a text."""
        sources, _ = self._languages(request.model)
        if not any(character.isalpha() for character in request.content):
            return pb.DetectLanguageResponse()
        with self._admission.reserve(estimate([request.content]), call.client):
            found = await self._aside(detect, request.content, sorted(sources))
        language = pb.DetectedLanguage(language_code=found.language, confidence=found.confidence)
        return pb.DetectLanguageResponse(languages=[language])

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

    async def _with_glossary(
        self, order: Order, message: pb.TranslateTextRequest | pb.StreamConfig
    ) -> Order:
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
        self, contents: Sequence[Content], order: Order, call: Call, room: Reservation
    ) -> tuple[str, list[pb.Translation]]:
        """The name of the model, and a translation or an error for each content."""
        with self._models.find(order.model, order.source, order.target) as model:
            order = _route_languages(model, order)
            if order.html:
                translations = await self._translate_pages(model, contents, order, call)
            else:
                translations = await self._translate(model, contents, order, call, room)
        if self._log_text:
            _log(contents, translations, call)
        return model.name, translations

    async def _translate_pages(
        self, model: ServedModel, contents: Sequence[Content], order: Order, call: Call
    ) -> list[pb.Translation]:
        async with asyncio.TaskGroup() as tasks:
            pages = [
                tasks.create_task(self._translate_page(model, content, order, call))
                for content in contents
            ]
        return [page.result() for page in pages]

    async def _translate_page(
        self, model: ServedModel, content: Content, order: Order, call: Call
    ) -> pb.Translation:
        """The translation of a page, or an error."""

        async def translate(texts: list[str]) -> list[pb.Translation]:
            # The call has been let in by its size; nothing that belongs to it waits again.
            with self._admission.let_in(estimate(texts), call.client) as room:
                return await self._translate(model, list(map(Content, texts)), own, call, room)

        try:
            options = order.options_for(content)
            page, source, target = await self._aside(_open_page, model, content.text, order)
            options = replace(options, alignments=page.has_tags)
            own = replace(order, source=source, target=target, options=options)
            translation = await page.translate(translate)
        except Exception as error:
            return _failure(error, call)
        if not translation.HasField("error"):
            translation.target_language_code = target
            translation.detected_language_code = "" if order.source else source
        return translation

    async def _translate(
        self,
        model: ServedModel,
        contents: Sequence[Content],
        order: Order,
        call: Call,
        room: Reservation,
    ) -> list[pb.Translation]:
        """A translation or an error for each text."""
        known = [self._cache.get(_key(model, order, content)) for content in contents]
        if hits := len(known) - known.count(None):
            self._metrics.of_model(model.name).cache_hits.inc(hits)
        missing = [content for content, found in zip(contents, known, strict=True) if not found]
        new = iter(await self._translate_new(model, missing, order, call, room))
        at_once = Timing.none()
        return [
            translation_message(found, order, at_once) if found else next(new) for found in known
        ]

    async def _translate_new(
        self,
        model: ServedModel,
        contents: Sequence[Content],
        order: Order,
        call: Call,
        room: Reservation,
    ) -> list[pb.Translation]:
        """A translation or an error for each text, by the model's worker."""
        cut = await self._cut(model, contents, order, room.tokens)
        drafts = [draft for draft in cut if isinstance(draft, Draft)]
        room.resize(sum(draft.source_tokens for draft in drafts))
        if call.caller and call.caller.tokens:
            call.caller.tokens.take(room.tokens, "tokens")
        outcomes = iter(await model.scheduler.translate(drafts, call.client))
        return [
            self._answer(model, content, draft, order, next(outcomes), call)
            if isinstance(draft, Draft)
            else _failure(draft, call)
            for content, draft in zip(contents, cut, strict=True)
        ]

    def _answer(
        self,
        model: ServedModel,
        content: Content,
        draft: Draft,
        order: Order,
        outcome: Timing | Exception,
        call: Call,
    ) -> pb.Translation:
        if isinstance(outcome, Exception):
            return _failure(outcome, call)
        translation = draft.translation(order.options.n_best)
        self._cache.put(_key(model, order, content), translation, content.text)
        metrics = self._metrics.of_model(model.name)
        metrics.texts.inc()
        metrics.source_tokens.inc(translation.source_tokens)
        metrics.queue_seconds.observe(outcome.queue_seconds)
        metrics.compute_seconds.observe(outcome.compute_seconds)
        return translation_message(translation, order, outcome)

    async def _cut(
        self, model: ServedModel, contents: Sequence[Content], order: Order, tokens: int
    ) -> list[Draft | Exception]:
        """The drafts of the texts, or what is wrong with them; ``tokens`` as estimated."""
        # A glossary makes itself ready when it is first used in a direction, which takes a while.
        if tokens <= CUT_AT_ONCE and order.glossary is None:
            return _drafts(model, contents, order)
        return await self._aside(_drafts, model, contents, order)

    async def _aside(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function in the thread that cuts texts."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._cutting, function, *arguments)


def _key(model: ServedModel, order: Order, content: Content) -> tuple[object, ...]:
    """Everything on which a translation depends."""
    terms = order.glossary and order.glossary.fingerprint
    return model.fingerprint, order.source, order.target, order.options, terms, content


def _route_languages(model: ServedModel, order: Order) -> Order:
    """The order in the languages and within the limits of a model.

    Raises:
        UsageError: it knows no such language, or no so wide a beam.
    """
    if order.options.beam_size > model.max_beam_size:
        raise UsageError(
            f"beam_size must be at most {model.max_beam_size}, not {order.options.beam_size}"
        )
    way = model.way(order.source, order.target)
    if (way.source, way.target) == (order.source, order.target):
        return order
    return replace(order, source=way.source, target=way.target)


def _drafts(
    model: ServedModel, contents: Sequence[Content], order: Order
) -> list[Draft | Exception]:
    """Cut texts into sentences and tokens; one that cannot be cut does not stop the others."""
    route = model.way(order.source, order.target).route
    glossary = order.glossary.terms if order.glossary else None
    return [_draft(model, content, order, route, glossary) for content in contents]


# By itself, since the traceback of an error refers to the frame that has caught it: if that had the
# list with the error in it, all texts of the call would stay until a search for garbage.
def _draft(
    model: ServedModel, content: Content, order: Order, route: Route, glossary: Glossary | None
) -> Draft | Exception:
    """The draft of one text, or what is wrong with it."""
    try:
        options = order.options_for(content)
        return model.translator.draft(content.text, route, options, glossary)
    except Exception as error:
        return error


def _open_page(model: ServedModel, content: str, order: Order) -> tuple[Page, str, str]:
    """A page, and the languages of all of it."""
    page = Page(content)
    route = model.way(order.source, order.target).route
    return page, *route.of(" ".join(page.plain))


def _log(contents: Sequence[Content], translations: Sequence[pb.Translation], call: Call) -> None:
    for content, translation in zip(contents, translations, strict=True):
        facts = {"content": content.text, "translated_text": translation.translated_text}
        logger.info("text", extra={"request_id": call.id, **facts})


def _failure(error: Exception, call: Call) -> pb.Translation:
    if not isinstance(error, TformerError):
        logger.error("a text has failed", exc_info=error, extra={"request_id": call.id})
    return pb.Translation(error=status_of(error))
