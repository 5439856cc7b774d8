"""Limit on concurrent calls."""

from __future__ import annotations

from collections import Counter

from tformer.server.limits import Limits
from tformer.server.status import Overloaded

COME_AGAIN = 1.0
"""Seconds after which a call may find a place that had none."""


class Places:
    """Calls under way: a bound, and a share for each client, as `Admission` has it for tokens."""

    def __init__(self, limits: Limits) -> None:
        """No calls yet."""
        self._max = limits.max_calls
        self._total = 0
        self._taken: Counter[str] = Counter()

    def take(self, client: str) -> None:
        """One place for a client.

        Raises:
            Overloaded: there is none for it.
        """
        taken, free = self._taken.get(client, 0), self._max - self._total
        if not free or (taken and taken >= free):
            raise Overloaded(
                f"{self._total} calls are under way, {taken} of them from this client: no more now",
                COME_AGAIN,
            )
        self._total += 1
        self._taken[client] += 1

    def leave(self, client: str) -> None:
        """Give one back."""
        self._total -= 1
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]
