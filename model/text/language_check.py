"""Return whether a sentence is in the language that it is taken for. No torch here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tformer.model.text.identification import whole_identifier
from tformer.model.text.segmentation import detect

FEWEST_WORDS = 4
"""Words of a sentence whose language can be told beyond doubt, at least."""

SURE = 0.99
"""Probability of a sentence that is in another language than it should be."""

_WORDS = {
    "en": """
        the of and to is it you that for on are with as his they at be this have from or by but not
        what were we when your can there which she do how their if my has been would
    """,
    "de": """
        der die und den von zu das mit sich des auf f\u00fcr ist im dem nicht ein eine als auch es
        aus er hat dass sie nach wird bei einer einem um ich wir aber nur oder haben noch mein
    """,
}
"""Frequent words by language, of which none is frequent in another of these."""
_FREQUENT = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def found_language(text: str, source: str, target: str, ours: Sequence[str]) -> str:
    """The language of a sentence: ``source``, unless it is another one beyond doubt.

    Args:
        text: a sentence.
        source: the language that it should be in.
        target: the language that it is to be translated into.
        ours: the languages of the model.
    """
    words = _WORD.findall(text.lower())
    if len(words) < FEWEST_WORDS or _speaks(words, source):
        return source
    if _speaks(words, target):
        return target
    identifier = whole_identifier()
    if not {source, target} <= {str(label) for label in identifier.labels}:
        return source
    if (found := detect(text, (source, target))).confidence >= SURE and found.language == target:
        return target
    if len(words) <= FEWEST_WORDS:
        return source
    language, confidence = identifier.classify(f" {text} ")
    return source if confidence < SURE or language in ours else str(language)


def speaks_target(text: str, source: str, target: str) -> bool:
    """Return whether a sentence that is said to be in ``source`` is in ``target`` already: frequent
    words of that language are in it, at least two of them, and hardly one of the other."""
    words = _WORD.findall(text.lower())
    if len(_FREQUENT.get(target, frozenset()).intersection(words)) < 2:  # as nearly always
        return False
    return len(words) >= FEWEST_WORDS and not _speaks(words, source) and _speaks(words, target)


def _speaks(words: Sequence[str], language: str) -> bool:
    """Return whether frequent words of a language are among some, and more of them than of any
    other."""
    ours = _FREQUENT.get(language)
    if ours is None:
        return False
    said = sum(map(ours.__contains__, words))
    others = (words_ for code, words_ in _FREQUENT.items() if code != language)
    enough = said >= 1 + len(words) // 10
    return enough and all(said > 2 * sum(map(other.__contains__, words)) for other in others)
