"""Answering a stream: many items in work at a time, a bounded number read ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Conveyor(Generic[Item, Answer]):
    """Works on items as they come and hands out the answers.

    An item holds its place until its answer has been taken, so one who does not take answers stops
    the reading of items.
    """

    def __init__(
        self, work: Callable[[Item], Coroutine[Any, Any, Answer]], *, places: int, as_ready: bool
    ) -> None:
        """An empty conveyor.

        Args:
            work: turns one item into its answer.
            places: items that are in work, or done and not taken, at most.
            as_ready: hand out answers as soon as there are any, not in the order of the items.
        """
        self._work = work
        self._as_ready = as_ready
        self._places = asyncio.Semaphore(places)
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._outgoing: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()

    async def answers(self, items: AsyncIterator[Item]) -> AsyncGenerator[Answer, None]:
        """An answer for every item; an error of ``items`` is raised after the last answer.

        Work that is under way is cancelled when the generator is closed.
        """
        reader = asyncio.create_task(self._read(items))
        try:
            while task := await self._outgoing.get():
                yield await task
                self._places.release()
            await reader
        finally:
            unfinished = [reader, *self._tasks]
            for each in unfinished:
                each.cancel()
            # Whoever closes this may then close what was read from.
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _read(self, items: AsyncIterator[Item]) -> None:
        try:
            await self._places.acquire()
            async for item in items:
                self._start(item)
                await self._places.acquire()
        finally:
            if self._as_ready and self._tasks:
                await asyncio.wait(self._tasks)
            self._outgoing.put_nowait(None)

    def _start(self, item: Item) -> None:
        task = asyncio.create_task(self._work(item))
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        if not self._as_ready:
            self._outgoing.put_nowait(task)

    def _finish(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if self._as_ready:
            self._outgoing.put_nowait(task)


async def until(event: asyncio.Event, items: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
    """The items that come before the event does."""
    ended = asyncio.create_task(event.wait())
    coming: asyncio.Future[Item] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(items))
            await asyncio.wait({coming, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            try:
                yield coming.result()
            except StopAsyncIteration:
                return
    finally:
        ended.cancel()
        if coming is not None:
            coming.cancel()
