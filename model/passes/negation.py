"""Negations that a translation has lost: whether source and target deny at all. No torch here."""

from __future__ import annotations

import re

_DENIALS = {
    "en": re.compile(
        r"\b(?:not|never|no|none|nobody|nothing|nowhere|neither|nor|cannot|without|\w+n['\u2019]?t(?=\b)"
        r"(?<=n['\u2019]t)|disagree\w*)\b",
        re.IGNORECASE,
    ),
    "de": re.compile(
        r"\b(?:nicht|nie|niemals|niemand\w*|nichts|kein\w*|nirgend\w*|weder|ohne|widersp\w+)\b",
        re.IGNORECASE,
    ),
}
"""Words that deny beyond doubt."""

_TRACES = {
    "en": re.compile(
        r"\b(?:no|not|never|none|nobody|nothing|nowhere|neither|nor|cannot|without|un\w+|in\w+|im\w+|"
        r"dis\w+|ir\w+|il\w+|mis\w+|fail\w*|lack\w*|hardly|barely|scarcely|little|few|rather|only|"
        r"except|unless|until|stop\w*|avoid\w*|refus\w+|den\w+|free|impossible|\w+less|away|off|"
        r"mustn|shouldn|couldn|wouldn|don|doesn|didn|isn|aren|wasn|weren|won|can|hasn|haven|hadn)\b",
        re.IGNORECASE,
    ),
    "de": re.compile(
        r"\b(?:nicht\w*|nie|niemals|niemand\w*|nichts|kein\w*|nirgend\w*|weder|noch|ohne|un\w+|nein|"
        r"kaum|wenig\w*|nur|erst|statt\w*|au\u00dfer|fehl\w*|verwei\w*|ablehn\w*|lehn\w+|weiger\w*|miss\w+|"
        r"mangel\w*|aufh\u00f6r\w*|wider\w*|sondern|sonst|bevor|bis|leer\w*|weg|\w+los(?:e[rnms]?)?|frei|"
        r"lieber|vermeid\w*|verhinder\w*|nee|\w*nicht)\b",
        re.IGNORECASE,
    ),
}
"""Words that may stand for a denial."""

_PAIRS = {
    "en": re.compile(r"\bneither\b.*\bnor\b", re.IGNORECASE),
    "de": re.compile(r"\bweder\b.*\bnoch\b", re.IGNORECASE),
}
_SECOND = {
    "en": re.compile(r"\b(?:nor|or|and)\b", re.IGNORECASE),
    "de": re.compile(r"\b(?:noch|oder|und)\b", re.IGNORECASE),
}
_SUGGESTION = re.compile(r"\bwhy (?:don|doesn|not)\b", re.IGNORECASE)
"""No denial, though it has the words of one."""


def loses_negation(source: str, target: str, languages: tuple[str, str]) -> bool:
    """Return whether a source denies and its translation lacks the denial, or one of a pair."""
    own, other = (language.partition("-")[0].lower() for language in languages)
    if own not in _DENIALS or other not in _TRACES:
        return False
    if _SUGGESTION.search(source):
        return False
    if _PAIRS[own].search(source) and not _SECOND[other].search(target):
        return True
    return bool(_DENIALS[own].search(source)) and not _TRACES[other].search(target)
