"""Searches in long texts that let other threads run. No torch here.

One call of the regular expression engine keeps the interpreter to itself until it has found
something: half a second in 300,000 characters, in which a server answers nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

WINDOW = 8192
"""Characters in which one call looks for the beginning of a match."""

OVERLAP = 4096
"""Characters behind them that it may look at; none of our patterns needs more to match."""


def find_all(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield what ``pattern.finditer(text)`` does, a window after the other.

    Exact for patterns that need no more than ``OVERLAP`` characters behind the beginning of a match
    to tell whether it is one.
    """
    at = 0
    while at <= len(text):
        start = at
        end = start + WINDOW
        if end + OVERLAP >= len(text):
            yield from pattern.finditer(text, start)
            return
        at = end
        for match in pattern.finditer(text, start, end + OVERLAP):
            if match.start() >= end:
                break
            whole = pattern.match(text, match.start()) or match
            yield whole
            at = max(end, whole.end())
            if whole.end() != match.end():
                break
