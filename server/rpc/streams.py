"""Answering a stream: many items in work at a time, a bounded number read ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class BoundedMap(Generic[Item, Answer]):
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


class StoppableIterator(Generic[Item]):
    """The items that come before an event does.

    Nothing is started for an item: the event, when it comes, cancels the waiting for the next one.
    """

    def __init__(self, event: asyncio.Event, items: AsyncIterator[Item]) -> None:
        """Use it as an asynchronous context manager; `anext` of one task at a time."""
        self._event = event
        self._items = items
        self._waiting: asyncio.Task[object] | None = None
        self._closed = False
        self._closing = False

    async def __aenter__(self) -> StoppableIterator[Item]:
        self._watch = asyncio.create_task(self._event.wait())
        self._watch.add_done_callback(self._close)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._watch.remove_done_callback(self._close)
        self._watch.cancel()

    def _close(self, watch: object) -> None:
        self._closed = True
        if self._waiting:
            self._closing = True
            self._waiting.cancel()

    def __aiter__(self) -> StoppableIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        if self._closed:
            raise StopAsyncIteration
        task = self._waiting = asyncio.current_task()
        try:
            return await anext(self._items)
        except asyncio.CancelledError:
            # Somebody else may want the end of this task too.
            if self._closing and task and not task.uncancel():
                raise StopAsyncIteration from None
            raise
        finally:
            self._waiting = None
