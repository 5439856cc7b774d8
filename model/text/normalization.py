"""Normalisation of texts and of language codes."""

import re
import unicodedata
from functools import lru_cache

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPACE_MARK = "\u2581"

AT_ONCE = 1000
"""Characters that are composed at once. The time to sort combining marks is quadratic in their
number, and no other thread runs meanwhile."""


def normalise(text: str) -> str:
    """Normalise ``text`` as a model, a glossary and a translation memory see it.

    Canonical composition (NFC) only: compatibility forms such as ½, ² or ﬁ keep their meaning.
    Control characters and runs of white space become one space, lone surrogates U+FFFD. U+2581,
    with which SentencePiece marks a space, is read as one.
    """
    if text.isascii() and text.isprintable() and "  " not in text:  # nothing but its ends to change
        return text.strip()
    text = _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text)).replace(_SPACE_MARK, " ")
    if len(text) <= AT_ONCE:
        return " ".join(unicodedata.normalize("NFC", text).split())
    return " ".join(map(_composed, text.split()))


def _composed(word: str) -> str:
    """Compose a word (NFC), part by part if it is one that no language has."""
    parts = (word[start : start + AT_ONCE] for start in range(0, len(word), AT_ONCE))
    return "".join(unicodedata.normalize("NFC", part) for part in parts)


@lru_cache(1024)
def same_language(code: str, other: str) -> bool:
    """Return whether two BCP-47 codes agree as far as both go: de and de-AT do, de-DE and de-AT do
    not."""
    ours, theirs = (c.lower().replace("_", "-").split("-") for c in (code, other))
    return all(a == b for a, b in zip(ours, theirs, strict=False))
