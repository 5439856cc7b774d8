"""Admission control: a bound on queued tokens, and an estimate of the wait when it is reached.

A client that holds something already gets more only while at least as much as it would then hold
stays free (the dynamic threshold of Choudhury and Hahne, 1998). So one client alone takes half of
the bound, two take a third each, and whoever comes new finds room. Those who wait stand in a line
of their client's, past which nobody of the same client goes, and everybody else does. They are
refused when the line has not moved for as long as they are patient: however long it is, as long as
it moves nobody has waited in vain.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass

from tformer.model.errors import UsageError
from tformer.server.status import Overloaded

SHORTEST_WAIT = 0.1
LONGEST_WAIT = 30.0


class Admission:
    """Tokens that have been accepted and not yet answered; never much more than ``max_tokens``."""

    def __init__(self, max_tokens: int) -> None:
        """Nothing is accepted yet."""
        self.max_tokens = max_tokens
        self.tokens = 0
        self._held: Counter[str] = Counter()
        self._lines: dict[str, deque[_Waiter]] = {}
        self._speed = _Speed()

    def reserve(self, tokens: int, client: str = "", overhead: int = 0) -> Reservation:
        """Room for so many tokens of a client, now; use it as a context manager.

        Args:
            tokens: as many.
            client: whose share is taken.
            overhead: tokens of what comes with the texts, which stay when these are counted.

        Raises:
            UsageError: the whole queue has not so much room.
            Overloaded: there is none for this client, or others of its calls wait for it.
        """
        tokens += overhead
        self._check_size(tokens)
        if client in self._lines or not self._fits(tokens, client):
            raise Overloaded(self._why(client), self._patience())
        return self._accept(tokens, client, overhead)

    async def wait(
        self, tokens: int, patience: float, client: str = "", overhead: int = 0
    ) -> Reservation:
        """Room for so many tokens of a client, as soon as there is.

        Args:
            tokens: as many.
            patience: seconds for which the line of the client may stand still, at most.
            client: whose share is taken.
            overhead: tokens of what comes with the texts, which stay when these are counted.

        Raises:
            UsageError: the whole queue has not so much room.
            Overloaded: there was none in time.
        """
        tokens += overhead
        self._check_size(tokens)
        if client not in self._lines and self._fits(tokens, client):
            return self._accept(tokens, client, overhead)
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(None)
        waiter = _Waiter(tokens, overhead, patience, limit, loop.create_future(), loop.time())
        line = self._lines.setdefault(client, deque())
        line.append(waiter)
        try:
            async with limit:
                if line[0] is waiter:
                    waiter.begin_to_lose_patience(waiter.came)
                return await waiter.admitted
        except TimeoutError:
            self._leave(waiter, client)
            raise Overloaded(
                f"there has been no room in the queue for {patience:g} seconds", self._patience()
            ) from None
        except asyncio.CancelledError:
            self._leave(waiter, client)
            raise

    def let_in(self, tokens: int, client: str = "") -> Reservation:
        """Room for a part of a call that has been accepted, whether there is any or not."""
        return self._accept(tokens, client)

    def release(self, tokens: int, client: str = "") -> None:
        """So many tokens of a client have been answered."""
        self._speed.count(tokens)
        self.change(-tokens, client)

    def change(self, tokens: int, client: str = "") -> None:
        """Hold so many tokens more for a client; whoever waits for room may then have it."""
        self._hold(tokens, client)
        self._wake()

    def _check_size(self, tokens: int) -> None:
        if tokens > self.max_tokens:
            raise UsageError(
                f"about {tokens:,} tokens are more than the server ever accepts at once "
                f"({self.max_tokens:,}): send them in parts"
            )

    def _why(self, client: str) -> str:
        if self._held[client] == self.tokens:
            return f"the queue is full ({self.tokens} of {self.max_tokens} tokens)"
        own = f"{self._held[client]} of them from this client"
        return f"the queue is full ({self.tokens} of {self.max_tokens} tokens, {own})"

    def _accept(self, tokens: int, client: str, overhead: int = 0) -> Reservation:
        self._hold(tokens, client)
        return Reservation(self, tokens, client, overhead)

    def _hold(self, tokens: int, client: str) -> None:
        self.tokens += tokens
        self._held[client] += tokens
        if not self._held[client]:
            del self._held[client]

    def _fits(self, tokens: int, client: str) -> bool:
        free = self.max_tokens - self.tokens - tokens
        held = self._held.get(client, 0)
        return free >= 0 and (not held or held + tokens <= free)

    def _wake(self) -> None:
        """Let in the first of every line, in turns, as long as there is room."""
        while any([self._wake_first(client) for client in list(self._lines)]):
            pass

    def _wake_first(self, client: str) -> bool:
        """Let in the first of a client's line if there is room; true if that changes anything."""
        line = self._lines[client]
        if not self._fits(line[0].tokens, client):
            return False
        waiter = line.popleft()
        if line:
            line[0].begin_to_lose_patience(asyncio.get_running_loop().time())
            self._lines[client] = self._lines.pop(client)  # next time after all others
        else:
            del self._lines[client]
        if not waiter.admitted.done():
            waiter.admitted.set_result(self._accept(waiter.tokens, client, waiter.overhead))
        return True

    def _leave(self, waiter: _Waiter, client: str) -> None:
        """Give up the place in the line, or the room if that came in the same moment."""
        if waiter.admitted.done() and not waiter.admitted.cancelled():
            self.change(-waiter.tokens, client)
        elif waiter in (line := self._lines.get(client, deque())):
            line.remove(waiter)
            if line:
                line[0].begin_to_lose_patience(max(waiter.stood_still_since, line[0].came))
            else:
                del self._lines[client]
            self._wake()

    def _patience(self) -> float:
        """Seconds after which half of the queue will have been answered, at the speed of late."""
        seconds = self.tokens / 2 / max(self._speed.tokens_per_second, 1.0)
        return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


@dataclass
class Reservation:
    """Room that is held for a call."""

    admission: Admission
    tokens: int
    client: str = ""
    overhead: int = 0
    """Tokens among these of what came with the texts."""

    def resize(self, tokens: int) -> None:
        """Hold room for texts of so many tokens instead, now that they have been counted."""
        tokens += self.overhead
        self.admission.change(tokens - self.tokens, self.client)
        self.tokens = tokens

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *error: object) -> None:
        self.admission.release(self.tokens, self.client)


@dataclass(eq=False)
class _Waiter:
    """A call in the line."""

    tokens: int
    overhead: int
    patience: float
    limit: asyncio.Timeout
    """Set while it is the first of its line."""
    admitted: asyncio.Future[Reservation]
    came: float
    """Time of the event loop when it came, in seconds."""
    stood_still_since: float = 0.0
    """Time at which the line has moved last, once it is the first."""

    def begin_to_lose_patience(self, since: float) -> None:
        """Be refused if the line, of which it is the first now, stands still from then on."""
        self.stood_still_since = since
        if not self.limit.expired():
            self.limit.reschedule(since + self.patience)


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
