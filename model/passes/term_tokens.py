"""Phrases of a translation in the tokens of a vocabulary. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice

from tformer.model.search.request import Term
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

MOST_WAYS = 32
"""Ways to say one term that a search is told of, at most; the first that are named."""


class Spelling:
    """Spells phrases of the target."""

    def __init__(self, vocabulary: AnyVocabulary) -> None:
        """With the tokens of ``vocabulary``."""
        self._vocabulary = vocabulary

    def phrase(self, phrase: str, *, after: str = "") -> tuple[int, ...]:
        """The tokens of a normalised phrase, directly behind ``after`` or as a word of its own.

        There are none if the vocabulary lacks a character of it.
        """
        before = self._tokens(after)
        spelt = self._tokens(after + phrase)
        if spelt[: len(before)] != before:
            return ()
        spelt = spelt[len(before) :]
        return spelt if self._vocabulary.decode(spelt).strip() == phrase else ()

    def ways(self, phrases: Iterable[str], *, touching: bool = False) -> Term:
        """The tokens of normalised phrases, of which one is to be said, in all ways that there are.

        Args:
            phrases: the first are preferred.
            touching: whether something may stand directly before them, such as a bracket.
        """
        phrases = tuple(phrases)
        apart = (self.phrase(phrase) for phrase in phrases)
        close = (self.phrase(phrase, after="(") for phrase in phrases if touching)
        return tuple(islice(filter(None, chain(apart, close)), MOST_WAYS))

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._vocabulary.encode_target(text)[:-1])
