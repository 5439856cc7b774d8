"""Use that the owner of a token makes of a server, and a budget for each day.

Counts begin with the process: a restart forgets them. A day ends at midnight UTC; a clock that is
put back begins no day again. One that had been too far ahead lets nobody wait for the day it told
of: 24 hours by the monotonic clock are a day, too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tformer.server.status import Overloaded

DAY = 86_400
"""Seconds."""


def _today() -> int:
    """Number of the day since 1970."""
    return int(time.time()) // DAY


@dataclass
class TokenUsage:
    """Calls and tokens of one caller."""

    calls_today: int = 0
    tokens_today: int = 0
    calls: int = 0
    """Since the process began, as `tokens`."""
    tokens: int = 0
    """Tokens of texts and terms, or of their translations where these have more."""
    day: int = field(default_factory=_today)
    """Number of the day that is counted."""
    begun: float = field(default_factory=time.monotonic)
    """Time of the monotonic clock since which it is counted, in seconds."""

    def turn(self) -> None:
        """Begin to count anew if another day has begun."""
        now = time.monotonic()
        if (today := _today()) > self.day or now - self.begun >= DAY:
            self.day, self.begun, self.calls_today, self.tokens_today = today, now, 0, 0

    def count_call(self) -> None:
        """Count one."""
        self.calls_today += 1
        self.calls += 1

    def count_tokens(self, amount: int) -> None:
        """Count so many."""
        self.tokens_today += amount
        self.tokens += amount

    @property
    def seconds_left(self) -> float:
        """Seconds until the next day."""
        by_date = (self.day + 1) * DAY - time.time()
        return max(1.0, min(by_date, DAY - (time.monotonic() - self.begun)))


@dataclass(frozen=True)
class DailyBudget:
    """Calls and tokens of one day; None is no bound. What passes it is still translated."""

    calls: float | None = None
    tokens: float | None = None

    def check_calls(self, usage: TokenUsage) -> None:
        """Refuse a call if those of the day are used up.

        Raises:
            Overloaded: they are.
        """
        _check(usage.calls_today, self.calls, usage, "calls")

    def check_tokens(self, usage: TokenUsage) -> None:
        """Refuse tokens if those of the day are used up.

        Raises:
            Overloaded: they are.
        """
        _check(usage.tokens_today, self.tokens, usage, "tokens")


def _check(used: int, most: float | None, usage: TokenUsage, what: str) -> None:
    if most is not None and used >= most:
        raise Overloaded(f"the budget of {most:g} {what} a day is used up", usage.seconds_left)
