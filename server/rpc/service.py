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

from tformer.model.engine.jobs import Timing
from tformer.model.errors import TformerError, UsageError
from tformer.model.passes.draft import Draft, Route
from tformer.model.terms.glossary import Glossary
from tformer.model.text.segmentation import Detection, detect
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.admission import Admission, Reservation
from tformer.server.glossaries.catalog import Glossaries
from tformer.server.glossaries.limits import check_size
from tformer.server.models import Models, ServedModel
from tformer.server.observability.metrics import Metrics
from tformer.server.rpc.calls import Call
from tformer.server.rpc.markup import Page
from tformer.server.rpc.messages import (
    CallOptions,
    Content,
    estimate,
    estimate_terms,
    total,
    translation_message,
)
from tformer.server.rpc.streams import BoundedMap, StoppableIterator
from tformer.server.status import ShuttingDown, status_of
from tformer.server.translation_cache import TranslationCache

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Item = TypeVar("Item")

READ_AHEAD = 256
"""Items of one stream that are in work, or translated and not read by the client."""

CUTTERS = 4
"""Threads that cut texts."""

AT_ONCE = 64
"""Texts of a call that are looked at before other calls have a turn."""

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
        cache: TranslationCache,
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
        # Python, so it is no faster than in one thread; but a long text holds up no short one.
        self._cutting = ThreadPoolExecutor(CUTTERS, "tformer-drafts")
        # For glossaries, which are kept in one place.
        self._alone = ThreadPoolExecutor(1, "tformer-aside")

    def close(self) -> None:
        """End the threads that cut texts and make glossaries ready."""
        for threads in (self._cutting, self._alone):
            threads.shutdown(wait=False, cancel_futures=True)

    async def translate_text(
        self, request: pb.TranslateTextRequest, call: Call
    ) -> pb.TranslateTextResponse:
        """Translate the texts of one message."""
        order, contents = CallOptions.of(request), Content.all_of(request)
        tokens = sum(content.estimate for content in contents)
        besides = _terms_weight(request) + order.weight * len(contents)
        with self._admission.reserve(tokens, call.client, besides) as room:
            if order.html:  # a part of a page has a room of its own
                _charge(call, besides)
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
            if terms := _terms_weight(first.config):
                with await self._admission.wait(terms, self._max_wait, call.client):
                    _charge(call, terms)
                    order = await self._with_glossary(order, first.config)
            else:
                order = await self._with_glossary(order, first.config)
            # What is wrong with the order is found now, and not again with every item.
            model = self._models.find(order.model, order.source, order.target)
            _route_languages(model, order)
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
            yield request.item
        if self._draining.is_set():
            raise ShuttingDown("the server is shutting down; what was answered is done")

    async def _translate_item(
        self, order: CallOptions, call: Call, numbers: Iterator[int], item: pb.StreamItem
    ) -> pb.StreamTranslateTextResponse:
        try:
            content = Content(item.content, item.target_prefix)
            if next(numbers) and call.caller and call.caller.calls:  # the first came with the call
                call.caller.calls.take(1, "calls")
            room = await self._admission.wait(
                content.estimate, self._max_wait, call.client, order.weight
            )
            with room:
                _, (translation,) = await self._contents([content], order, call, room)
        except Exception as error:
            translation = _failure(error, call)
        return pb.StreamTranslateTextResponse(id=item.id, translation=translation)

    async def detect_language(
        self, request: pb.DetectLanguageRequest, call: Call
    ) -> pb.DetectLanguageResponse:
        """Tell the language of a text."""
        sources, _ = self._languages(request.model)
        tokens = estimate([request.content])
        with self._admission.reserve(tokens, call.client):
            _charge(call, tokens)
            found = await self._cut_aside(_detected, request.content, sorted(sources))
        if found is None:
            return pb.DetectLanguageResponse()
        language = pb.DetectedLanguage(language_code=found.language, confidence=found.confidence)
        return pb.DetectLanguageResponse(languages=[language])

    async def detections(self, texts: Sequence[str]) -> list[Detection | None]:
        """The languages of texts, which count when the same call translates them."""
        sources, _ = self._languages("")
        return await self._cut_aside(_all_detected, texts, sorted(sources))

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
        self, order: CallOptions, message: pb.TranslateTextRequest | pb.StreamConfig
    ) -> CallOptions:
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
            order = _route_languages(model, order)
            if order.html:
                translations = await self._translate_pages(model, contents, order, call)
            else:
                translations = await self._translate(model, contents, order, call, room)
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
                return await self._translate(model, list(map(Content, texts)), own, call, room)

        try:
            options = order.options_for(content)
            page, source, target = await self._cut_aside(_open_page, model, content.text, order)
            _charge(call, max(0, content.estimate - estimate(page.plain)))
            options = replace(options, alignments=page.has_tags)
            own = replace(order, source=source, target=target, options=options)
            translation = await page.translate(translate, self._cut_aside)
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
        order: CallOptions,
        call: Call,
        room: Reservation,
    ) -> list[pb.Translation]:
        """A translation or an error for each text."""
        known = [
            self._cache.get(_key(model, order, content)) async for content in _in_turns(contents)
        ]
        if hits := len(known) - known.count(None):
            self._metrics.of_model(model.name).cache_hits.inc(hits)
        missing = [content for content, found in zip(contents, known, strict=True) if not found]
        new = iter(await self._translate_new(model, missing, order, call, room))
        at_once = Timing.none()
        return [
            translation_message(found, order, at_once) if found else next(new)
            async for found in _in_turns(known)
        ]

    async def _translate_new(
        self,
        model: ServedModel,
        contents: Sequence[Content],
        order: CallOptions,
        call: Call,
        room: Reservation,
    ) -> list[pb.Translation]:
        """A translation or an error for each text, by the model's worker."""
        cut = await self._cut(model, contents, order, room.tokens)
        drafts = [draft for draft in cut if isinstance(draft, Draft)]
        room.resize(sum(draft.source_tokens for draft in drafts))
        _charge(call, room.tokens)
        outcomes = iter(await model.scheduler.translate(drafts, call.client))
        answers = [
            self._answer(model, content, draft, order, next(outcomes), call)
            if isinstance(draft, Draft)
            else _failure(draft, call)
            async for content, draft in _in_turns(list(zip(contents, cut, strict=True)))
        ]
        if call.caller and call.caller.tokens:
            said = sum(answer.usage.target_tokens for answer in answers)
            call.caller.tokens.charge(max(0, said - room.tokens))
        return answers

    def _answer(
        self,
        model: ServedModel,
        content: Content,
        draft: Draft,
        order: CallOptions,
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
        self, model: ServedModel, contents: Sequence[Content], order: CallOptions, tokens: int
    ) -> list[Draft | Exception]:
        """The drafts of the texts, or what is wrong with them; ``tokens`` as estimated."""
        # A glossary makes itself ready when it is first used in a direction, which takes a while.
        if tokens <= CUT_AT_ONCE and order.glossary is None:
            return _drafts(model, contents, order)
        return await self._cut_aside(_drafts, model, contents, order)

    async def _cut_aside(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function in one of the threads that cut texts."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._cutting, function, *arguments)

    async def _aside(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function in the thread for what is done one at a time."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._alone, function, *arguments)


async def _in_turns(items: Sequence[Item]) -> AsyncIterator[Item]:
    """The items; after some of them other calls have a turn."""
    for number, item in enumerate(items, start=1):
        yield item
        if not number % AT_ONCE:
            await asyncio.sleep(0)


def _terms_weight(message: pb.TranslateTextRequest | pb.StreamConfig) -> int:
    """About how many tokens the terms have that a message brings along.

    Raises:
        UsageError: there are too many of them.
    """
    entries = message.glossary_config.entries
    if not entries:
        return 0
    check_size(len(entries))
    return estimate_terms(message.glossary_config)


def _charge(call: Call, tokens: int) -> None:
    """Take tokens from the quota of a caller.

    Raises:
        Overloaded: it is used up.
    """
    if call.caller and call.caller.tokens:
        call.caller.tokens.take(tokens, "tokens")


def _detected(content: str, languages: Sequence[str]) -> Detection | None:
    """The language of a text; None for one without letters."""
    if not any(map(str.isalpha, content)):
        return None
    return detect(content, languages)


def _all_detected(contents: Sequence[str], languages: Sequence[str]) -> list[Detection | None]:
    return [_detected(content, languages) for content in contents]


def _key(model: ServedModel, order: CallOptions, content: Content) -> tuple[object, ...]:
    """Everything on which a translation depends."""
    terms = order.glossary and order.glossary.fingerprint
    return model.fingerprint, order.source, order.target, order.options, terms, content


def _route_languages(model: ServedModel, order: CallOptions) -> CallOptions:
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
    model: ServedModel, contents: Sequence[Content], order: CallOptions
) -> list[Draft | Exception]:
    """Cut texts into sentences and tokens; one that cannot be cut does not stop the others."""
    route = model.way(order.source, order.target).route
    glossary = order.glossary.terms if order.glossary else None
    return [_draft(model, content, order, route, glossary) for content in contents]


def _draft(
    model: ServedModel,
    content: Content,
    order: CallOptions,
    route: Route,
    glossary: Glossary | None,
) -> Draft | Exception:
    """The draft of one text, or what is wrong with it."""
    try:
        options = order.options_for(content)
        return model.translator.draft(content.text, route, options, glossary)
    except TformerError as error:
        # Its traceback refers to the frames up to the list that the error goes into: a cycle, in
        # which all texts of the call would stay until a search for garbage.
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    except Exception as error:
        return error


def _open_page(model: ServedModel, content: str, order: CallOptions) -> tuple[Page, str, str]:
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
