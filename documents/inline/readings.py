"""Words within placeholders, which stay and are told of.

A reading above a word (`<ruby>Tokyo<rt>toh-kee-oh</rt></ruby>`) says how it sounds, which the word
of another language does not. In a tag within a string, attributes stay as they are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from tformer.documents.segments import Inline

READING = "a reading stands above a word"
"""Reason for which such a word stays."""

IN_TAG = "it stands in a tag within a string"
"""Reason for which the words of an attribute stay."""

_RUBY, _READING = (re.compile(rf"<{name}\b", re.IGNORECASE) for name in ("ruby", "rt"))
_ABOVE = re.compile(r"<(r[tp])\b[^<>]*>.*?(?=</?r[tpbc]|</ruby)", re.IGNORECASE | re.DOTALL)


def has_reading(inline: Inline) -> bool:
    """Return whether a placeholder is a word with its reading."""
    ruby = _RUBY.search(inline.opening)
    return bool(ruby and _READING.search(inline.opening, ruby.end()))


def without_readings(raw: str) -> str:
    """The words below readings, as a reader sees them."""
    below = re.sub(r"<[^<>]*>", "", _ABOVE.sub("", raw))
    return " ".join(html.unescape(below).split())


_ATTRIBUTE = re.compile(
    r"\s(?:alt|title|placeholder|aria-label|label)\s*=\s*(?:\"(?P<one>[^\"]*)\"|'(?P<other>[^']*)')",
    re.IGNORECASE,
)


def words_of_attributes(tag: str) -> str:
    """Words that a reader sees or hears of the attributes of a tag."""
    said = (match["one"] or match["other"] or "" for match in _ATTRIBUTE.finditer(tag))
    return " ".join(each for each in said if _WORDS.search(_VARIABLE.sub(" ", each)))


_WORDS = re.compile(r"[^\W\d_]{2}")
_VARIABLE = re.compile(r"[%$#]?\{{1,2}[^{}]*\}{1,2}|%(?:\d+\$)?[a-z@]|%\(\w+\)s|<%.*?%>")


def left_words(inlines: Iterable[Inline]) -> Iterator[tuple[str, str]]:
    """Words of the placeholders of a segment that stay, and the reason of each."""
    for inline in inlines:
        if has_reading(inline):
            yield without_readings(inline.opening), READING
        elif inline.left:
            yield inline.left, IN_TAG
