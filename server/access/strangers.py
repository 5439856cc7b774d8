"""Unauthenticated callers: they are slowed down, and do not fill the log."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

REMEMBERED = 60.0
"""Seconds after which a refusal is forgotten."""

FREE = 5
"""Refusals of one host that are told at once."""

FIRST_DELAY, LONGEST_DELAY = 0.05, 1.0
"""Seconds that the next one waits for its answer, twice as long each time, and at most."""

MOST_HOSTS = 10_000
"""Hosts that are remembered."""

MOST_HELD = 64
"""Answers that are held back at the same time; those beyond go at once, since each needs memory."""

SMALL = 64 << 10
"""Bytes of the largest message whose answer is held back: the message stays as long."""

LOGGED_PER_MINUTE = 60


class Strangers:
    """Refusals by the host that they went to."""

    def __init__(self) -> None:
        """None yet."""
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._held = 0
        self._minute = 0
        self._logged = 0
        self._not_logged = 0

    async def hold_back(self, peer: str, message_bytes: int) -> None:
        """Note a refusal, and wait before it is told."""
        delay = self._delay(self._note(peer.rpartition(":")[0] or peer))
        if not delay or message_bytes > SMALL or self._held >= MOST_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(delay)
        finally:
            self._held -= 1

    def _note(self, host: str) -> int:
        """The number of refusals of a host of late, this one included."""
        now = time.monotonic()
        number, last = self._seen.pop(host, (0, now))
        number = 1 if now - last > REMEMBERED else number + 1
        self._seen[host] = number, now
        if len(self._seen) > MOST_HOSTS:
            self._seen.popitem(last=False)
        return number

    def _delay(self, number: int) -> float:
        if number <= FREE:
            return 0.0
        return min(FIRST_DELAY * 2.0 ** min(number - FREE - 1, 10), LONGEST_DELAY)

    def facts_to_log(self) -> dict[str, int] | None:
        """Fields of the log line about a refusal; None if it is one line too many this minute."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._logged = minute, 0
        if self._logged >= LOGGED_PER_MINUTE:
            self._not_logged += 1
            return None
        self._logged += 1
        facts = {"not_logged": self._not_logged} if self._not_logged else {}
        self._not_logged = 0
        return facts
