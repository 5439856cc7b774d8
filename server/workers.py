"""The workers of one model side by side, each with an engine on a core of its own.

A step then ends in the thread that took it: engines wait neither for one another nor for a thread
that hands out work to all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tformer.model.passes.draft import Draft
from tformer.model.pipeline.translator import Translator
from tformer.server.jobs import Part, Timing
from tformer.server.worker import Batch, Worker


class Workers:
    """Translates drafts by several workers; sentences go to whichever has the fewest tokens.

    The sentences of a text with required terms stay together.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        """At least one, all of the same model."""
        self._seats = [_Seat(worker) for worker in workers]

    @classmethod
    def start(
        cls,
        translator: Translator,
        *,
        beam_size: int,
        max_wait: float,
        watch: Callable[[Batch], None] = lambda batch: None,
        name: str = "model",
    ) -> Workers:
        """As many as the translator has engines; for the arguments see `Worker`."""
        together = _Together(watch, translator.threads)
        return cls(
            [
                Worker(
                    translator,
                    beam_size=beam_size,
                    max_wait=max_wait,
                    watch=together.watch(number),
                    name=name,
                    engines=1,
                )
                for number in range(translator.threads)
            ]
        )

    def __iter__(self) -> Iterator[Worker]:
        return (seat.worker for seat in self._seats)

    async def translate(self, drafts: Sequence[Draft], client: str) -> list[Timing]:
        """Complete the drafts; see `Worker.translate`."""
        timings = [Timing.none() for _ in drafts]
        shares: dict[_Seat, list[Part]] = {}
        for draft, timing in zip(drafts, timings, strict=True):
            # Required terms are settled over all sentences of a text, so one worker has them all.
            owner = min(self._seats, key=_tokens)
            for sentence in draft.waiting:
                seat = owner if sentence.requirement else min(self._seats, key=_tokens)
                seat.tokens += len(sentence.tokens)
                shares.setdefault(seat, []).append(Part(sentence, timing))
        try:
            await _all([seat.worker.translate(parts, client) for seat, parts in shares.items()])
        finally:
            for seat, parts in shares.items():
                seat.tokens -= sum(len(part.sentence.tokens) for part in parts)
        return timings

    async def close(self, patience: float | None = None) -> None:
        """Let them finish what they have, at most ``patience`` seconds, and end them."""
        await asyncio.gather(*(worker.close(patience) for worker in self))


@dataclass(eq=False)
class _Seat:
    """A worker, and the tokens that it has been given and has not answered."""

    worker: Worker
    tokens: int = 0


def _tokens(seat: _Seat) -> int:
    return seat.tokens


class _Together:
    """What several engines are doing, told as if they were one."""

    def __init__(self, watch: Callable[[Batch], None], number: int) -> None:
        self._watch = watch
        self._latest = [Batch(0, 0, 0)] * number

    def watch(self, number: int) -> Callable[[Batch], None]:
        """Listens to one of them."""

        def listen(batch: Batch) -> None:
            self._latest[number] = batch
            sentences = sum(each.sentences for each in self._latest)
            rows = sum(each.rows for each in self._latest)
            self._watch(Batch(sentences, rows, batch.target_tokens))

        return listen


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; when one fails the others are cancelled, and that is raised."""
    if len(works) == 1:  # as most often
        await works[0]
        return
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
