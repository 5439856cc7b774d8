"""Plain texts through a model: cache, quota, cutting, engines. All doors meet here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from tformer.model.engine.jobs import Timing
from tformer.model.errors import TformerError, UsageError
from tformer.model.passes.draft import Draft, Route
from tformer.model.terms.glossary import Glossary
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.admission import Reservation
from tformer.server.models import ServedModel
from tformer.server.observability.metrics import Metrics
from tformer.server.rpc.calls import Call
from tformer.server.rpc.messages import CallOptions, Content, translation_message
from tformer.server.status import status_of
from tformer.server.translation_cache import TranslationCache

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Item = TypeVar("Item")

CUTTERS = 4
"""Threads that cut texts."""

AT_ONCE = 64
"""Texts of a call, or sentences of one, that are looked at before other calls have a turn."""

CUT_AT_ONCE = 200
"""Tokens of a call that is cut into sentences in the event loop: a few hundred microseconds, about
what it would cost to have it done in another thread."""


class TextTranslator:
    """Translates the texts of calls that have been accepted."""

    def __init__(self, cache: TranslationCache, metrics: Metrics) -> None:
        """A translator that remembers in ``cache`` and counts in ``metrics``."""
        self._cache = cache
        self._metrics = metrics
        # Python, so it is no faster than in one thread; but a long text holds up no short one.
        self._cutting = ThreadPoolExecutor(CUTTERS, "tformer-drafts")

    def close(self) -> None:
        """End the threads that cut texts."""
        self._cutting.shutdown(wait=False, cancel_futures=True)

    async def translate(
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
        charge(call, room.tokens)
        outcomes = iter(await model.scheduler.translate(drafts, call.client, patient=call.patient))
        answers = [
            await self._answer(model, content, draft, order, next(outcomes), call)
            if isinstance(draft, Draft)
            else failure(draft, call)
            async for content, draft in _in_turns(list(zip(contents, cut, strict=True)))
        ]
        if call.caller:
            said = sum(answer.usage.target_tokens for answer in answers)
            call.caller.charge_tokens(max(0, said - room.tokens))
        return answers

    async def _answer(
        self,
        model: ServedModel,
        content: Content,
        draft: Draft,
        order: CallOptions,
        outcome: Timing | Exception,
        call: Call,
    ) -> pb.Translation:
        if isinstance(outcome, Exception):
            return failure(outcome, call)
        if len(draft.sentences) <= AT_ONCE:
            translation = draft.translation(order.options.n_best)
        else:
            translation = await self.cut_aside(draft.translation, order.options.n_best)
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
        return await self.cut_aside(_drafts, model, contents, order)

    async def cut_aside(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function in one of the threads that cut texts."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._cutting, function, *arguments)


async def _in_turns(items: Sequence[Item]) -> AsyncIterator[Item]:
    """The items; after some of them other calls have a turn."""
    for number, item in enumerate(items, start=1):
        yield item
        if not number % AT_ONCE:
            await asyncio.sleep(0)


def charge(call: Call, tokens: int) -> None:
    """Take tokens from the quota of a caller.

    Raises:
        Overloaded: it is used up.
    """
    if call.caller:
        call.caller.take_tokens(tokens)


def _key(model: ServedModel, order: CallOptions, content: Content) -> tuple[object, ...]:
    """Everything on which a translation depends."""
    terms = order.glossary and order.glossary.fingerprint
    return model.fingerprint, order.source, order.target, order.options, terms, content


def route_languages(model: ServedModel, order: CallOptions) -> CallOptions:
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


def failure(error: Exception, call: Call) -> pb.Translation:
    """The error of one text, as its caller is told."""
    if not isinstance(error, TformerError):
        logger.error("a text has failed", exc_info=error, extra={"request_id": call.id})
    return pb.Translation(error=status_of(error))
