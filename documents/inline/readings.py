"""Readings above words: `<ruby>Tokyo<rt>toh-kee-oh</rt></ruby>`.

A reading says how a word sounds, which the word of another language does not. Both stay.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from tformer.documents.segments import Inline

READING = "a reading stands above a word"
"""Reason for which such a word stays."""

_RUBY = re.compile(r"<ruby\b.*?<rt\b", re.IGNORECASE | re.DOTALL)
_ABOVE = re.compile(r"<(r[tp])\b[^<>]*>.*?(?=</?r[tpbc]|</ruby)", re.IGNORECASE | re.DOTALL)


def has_reading(inline: Inline) -> bool:
    """Return whether a placeholder is a word with its reading."""
    return bool(_RUBY.search(inline.opening)) if "<" in inline.opening else False


def without_readings(raw: str) -> str:
    """The words below readings, as a reader sees them."""
    below = re.sub(r"<[^<>]*>", "", _ABOVE.sub("", raw))
    return " ".join(html.unescape(below).split())


def words_with_readings(inlines: Iterable[Inline]) -> Iterator[str]:
    """Words of the placeholders of a segment that stay, since they have readings."""
    for inline in inlines:
        if has_reading(inline):
            yield without_readings(inline.opening)
