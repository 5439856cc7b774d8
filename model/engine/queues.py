"""Queues of a scheduler: first come first served, or fair shares for clients."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from itertools import count
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")


class Queue(Protocol[Item]):
    """Order in which waiting items enter the engines."""

    def __len__(self) -> int:
        """Number of items that wait."""

    def push(self, client: str, cost: float, item: Item) -> None:
        """Queue an item of a client; ``cost`` is the share it takes, in tokens."""

    def peek(self) -> Item:
        """Return the next item; there must be one."""

    def pop(self) -> Item:
        """Remove and return the next item; there must be one."""


class FifoQueue(Generic[Item]):
    """First come, first served."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def push(self, client: str, cost: float, item: Item) -> None:
        """Queue an item; client and cost do not matter."""
        self._items.append(item)

    def peek(self) -> Item:
        """Return the oldest item."""
        return self._items[0]

    def pop(self) -> Item:
        """Remove and return the oldest item."""
        return self._items.popleft()


class FairQueue(Generic[Item]):
    """Start-time fair queuing (Goyal, Vin and Cheng, 1996) with equal weights.

    Every item gets a virtual start time: that of the queue, or the virtual end of its client's
    item before it, whichever is later. Items leave in the order of their start times. So a client
    with one sentence goes before all but the next of a client with a million, and no client waits
    for ever.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, Item]] = []
        self._now = 0.0
        self._ends: dict[str, float] = {}
        self._sizes: Counter[str] = Counter()
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, client: str, cost: float, item: Item) -> None:
        """Queue an item of a client; ``cost`` is the share it takes, in tokens."""
        start = max(self._now, self._ends.get(client, 0.0))
        self._ends[client] = start + cost
        self._sizes[client] += 1
        heapq.heappush(self._heap, (start, next(self._numbers), client, item))

    def peek(self) -> Item:
        """Return the item whose turn it is."""
        return self._heap[0][-1]

    def pop(self) -> Item:
        """Remove and return the item whose turn it is."""
        self._now, _, client, item = heapq.heappop(self._heap)
        self._sizes[client] -= 1
        if not self._sizes[client]:  # one that comes back starts where the queue then is
            del self._sizes[client], self._ends[client]
        return item
