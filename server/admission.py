"""How much work is let in: a bound in tokens, and how long to wait when it is reached."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tformer.server.status import Overloaded

SHORTEST_WAIT = 0.1
LONGEST_WAIT = 30.0

CHARACTERS_PER_TOKEN = 3
"""A guess, on the side of too many tokens, for text that has not been cut into tokens yet."""


def estimate(texts: Iterable[str]) -> int:
    """About how many tokens the texts will have."""
    return sum(2 + len(text) // CHARACTERS_PER_TOKEN for text in texts)


class Admission:
    """Tokens that have been accepted and not yet answered; never much more than ``max_tokens``."""

    def __init__(self, max_tokens: int) -> None:
        """Nothing is accepted yet."""
        self.max_tokens = max_tokens
        self.tokens = 0
        self._waiters: deque[_Waiter] = deque()
        self._speed = _Speed()

    def reserve(self, tokens: int) -> Reservation:
        """Room for so many tokens, now; use it as a context manager.

        Raises:
            Overloaded: there is none, or others wait for it.
        """
        if self._waiters or not self._fits(tokens):
            raise Overloaded(
                f"the queue is full ({self.tokens} of {self.max_tokens} tokens)", self._patience()
            )
        return self._accept(tokens)

    async def wait(self, tokens: int, patience: float) -> Reservation:
        """Room for so many tokens, as soon as there is.

        Args:
            tokens: as many.
            patience: seconds to wait, at most.

        Raises:
            Overloaded: there was none in time.
        """
        if not self._waiters and self._fits(tokens):
            return self._accept(tokens)
        waiter = _Waiter(tokens, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(patience):
                return await waiter.admitted
        except TimeoutError:
            self._leave(waiter)
            raise Overloaded(
                f"the queue has been full for {patience:g} seconds", self._patience()
            ) from None
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def _leave(self, waiter: _Waiter) -> None:
        """Give up the place in the line, or the room if that came in the same moment."""
        if waiter.admitted.done() and not waiter.admitted.cancelled():
            self.change(-waiter.tokens)
        elif waiter in self._waiters:
            self._waiters.remove(waiter)
            self.change(0)

    def let_in(self, tokens: int) -> Reservation:
        """Room for a part of a call that has been accepted, whether there is any or not."""
        return self._accept(tokens)

    def _accept(self, tokens: int) -> Reservation:
        self.tokens += tokens
        return Reservation(self, tokens)

    def release(self, tokens: int) -> None:
        """So many tokens have been answered."""
        self._speed.count(tokens)
        self.change(-tokens)

    def change(self, tokens: int) -> None:
        """Hold so many tokens more; whoever waits for room may then have it."""
        self.tokens += tokens
        self._wake()

    def _fits(self, tokens: int) -> bool:
        # What is larger than the whole queue may go when it is alone.
        return not self.tokens or self.tokens + tokens <= self.max_tokens

    def _wake(self) -> None:
        """Let in whoever is first in the line, as long as there is room."""
        while self._waiters and self._fits(self._waiters[0].tokens):
            waiter = self._waiters.popleft()
            if not waiter.admitted.done():
                waiter.admitted.set_result(self._accept(waiter.tokens))

    def _patience(self) -> float:
        """Seconds after which half of the queue will have been answered, at the speed of late."""
        seconds = self.tokens / 2 / max(self._speed.tokens_per_second, 1.0)
        return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


@dataclass
class Reservation:
    """Room that is held for a call."""

    admission: Admission
    tokens: int

    def resize(self, tokens: int) -> None:
        """Hold room for so many tokens instead, now that they have been counted."""
        self.admission.change(tokens - self.tokens)
        self.tokens = tokens

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *error: object) -> None:
        self.admission.release(self.tokens)


@dataclass(eq=False)
class _Waiter:
    """A call in the line."""

    tokens: int
    admitted: asyncio.Future[Reservation]


class _Speed:
    """Tokens per second, averaged over about the last ten seconds."""

    MEMORY = 10.0

    def __init__(self) -> None:
        self.tokens_per_second = 0.0
        self._last = time.monotonic()

    def count(self, tokens: int) -> None:
        now = time.monotonic()
        kept = max(0.0, 1 - (now - self._last) / self.MEMORY)
        self.tokens_per_second = self.tokens_per_second * kept + tokens / self.MEMORY
        self._last = now
