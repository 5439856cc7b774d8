"""The guard: signs that a translation is none, read off the text and its tokens. Needs no torch.

Networks fail in a few ways that need no second opinion to be seen: they get caught in a loop, go on
far beyond the end of the source, stop at once, or say the source again. The signs here are crude
and cheap, and set so that sound translations do not show them; of a fluent text on another subject
they see nothing.

What shows one is decoded again, with a wider beam and without repeated n-grams (:func:`retry`). The
second translation is taken if it shows fewer signs; those that the better one still shows are told
as warnings. So the guard never makes a translation worse by its own measure.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tformer.model.errors import UsageError
from tformer.model.options import MAX_BEAM_SIZE, DecodingOptions
from tformer.model.passes.negation import loses_negation
from tformer.model.text.segmentation import detect

MOST_TIMES = {4: 3, 6: 1}
"""Times that a translation may say an n-gram of tokens, by n, for each that the source says its
most frequent one, or its most frequent pair of words. After Guerreiro et al. (2023, "Looking for a
Needle in a Haystack"), who count four words and allow two; but rare names are of four tokens and
more. Of 8,832 lines of validation sets 31 have more, and of their references 8."""

_FEWEST_PAIRS = min(most + n - 2 for n, most in MOST_TIMES.items())
"""Pairs of tokens that are there already, at least, in a translation with so many n-grams."""

FEWEST_DOUBLED = 2
"""Words that are said twice in a row where none are in the source: "the end of the end of"."""

LONGEST_RATIO, LONGEST_EXTRA = 3, 6
"""A translation may have so many tokens for one of the source, and so many more."""

SHORTEST_RATIO, SHORTEST_EXTRA = 0.25, 4
"""A translation must have so many tokens for one of the source, less so many."""

FEWEST_WORDS = 4
"""Words in small letters that a source needs to have for it to be noticed that it was copied. Those
with a capital may be names, and are not counted unless all are such."""

COPIED = 0.8
"""Share of these words with which a translation is a copy."""

SURE = 0.8
"""Confidence of the language detector with which a copy is one."""

RETRY_BEAM_SIZE = 8
RETRY_NGRAM = 3

_PUNCTUATION = "".join(
    char for char in map(chr, range(0x3100)) if unicodedata.category(char).startswith("P")
)


class Sign(StrEnum):
    """Sign of degenerate output; the value is the warning that tells of it."""

    LOOP = "a translation repeats itself"
    LONG = "a translation is much longer than its source"
    SHORT = "a translation is much shorter than its source"
    COPY = "a translation repeats its source"
    NEGATION = "a translation may have lost a negation"


BROKEN = frozenset(Sign) - {Sign.NEGATION}
"""Signs of text that is no translation, however likely the network finds it."""


@dataclass(frozen=True)
class Attempt:
    """A translation of a sentence."""

    source: str
    target: str
    source_language: str
    target_language: str
    source_tokens: Sequence[int]
    """As the encoder reads them."""
    target_tokens: Sequence[int]
    """Without the end of the sentence."""
    options: DecodingOptions

    @property
    def signs(self) -> tuple[Sign, ...]:
        """Signs that the translation shows."""
        shown = (
            (Sign.LOOP, self._loops),
            (Sign.LONG, self._is_long),
            (Sign.SHORT, self._is_short),
            (Sign.COPY, self._copies),
            (Sign.NEGATION, self._affirms),
        )
        return tuple([sign for sign, is_shown in shown if is_shown])

    @property
    def _loops(self) -> bool:
        if doubles(self.target) and not doubles(self.source):
            return True
        if num_repeats(self.target_tokens, 2) < _FEWEST_PAIRS or all(
            num_repeats(self.target_tokens, n) < most for n, most in MOST_TIMES.items()
        ):
            return False  # as nearly always
        said = {n: most_frequent(self.target_tokens, n) for n in MOST_TIMES}
        # What the source repeats may be in other pieces there, for its capitals.
        pairs = most_frequent(self.source.casefold().split(), 2)
        return any(
            said[n] > times * max(1, pairs, most_frequent(self.source_tokens, n))
            for n, times in MOST_TIMES.items()
        )

    @property
    def _is_long(self) -> bool:
        """Return whether it is far longer than translations are, and longer than was asked for."""
        source, target = len(self.source_tokens), len(self.target_tokens)
        if self.options.max_length is not None or target <= self.options.min_length:
            return False
        reached_limit = target >= self.options.target_limit(source)
        return reached_limit or target > LONGEST_RATIO * source + LONGEST_EXTRA

    @property
    def _is_short(self) -> bool:
        """Return whether it is far shorter than translations are, and could have been longer."""
        source, target = len(self.source_tokens), len(self.target_tokens)
        if target >= self.options.target_limit(source):
            return False
        return target < SHORTEST_RATIO * source - SHORTEST_EXTRA

    @property
    def _copies(self) -> bool:
        words = _telling_words(self.source)
        if len(words) < FEWEST_WORDS or self.source_language == self.target_language:
            return False
        if sum(map(self.target.__contains__, words)) < COPIED * len(words):  # as nearly always
            return False
        said = _words(self.target)
        if sum(map(set(said).__contains__, words)) < COPIED * len(words):
            return False
        copied = Counter(words) & Counter(said)
        return copied.total() >= COPIED * len(words) and self._is_in_source_language

    @property
    def _affirms(self) -> bool:
        """Return whether the source denies something and the translation nothing."""
        languages = self.source_language, self.target_language
        return loses_negation(self.source, self.target, languages)

    @property
    def _is_in_source_language(self) -> bool:
        """Return whether the translation is in the source's language beyond doubt.

        Languages that are close to each other share whole sentences; those are in either.
        """
        try:
            found = detect(self.target, (self.target_language, self.source_language))
        except UsageError:  # the detector does not know one of them
            return False
        return found.language == self.source_language and found.confidence >= SURE


def most_frequent(tokens: Sequence[object], n: int) -> int:
    """Count the most frequent n-gram; 0 when there is none."""
    grams = zip(*(tokens[i:] for i in range(n)), strict=False)
    return max(Counter(grams).values(), default=0)


def num_repeats(tokens: Sequence[object], n: int) -> int:
    """Count the n-grams that are there already; one of them is there once more, at most."""
    grams = zip(*[tokens[i:] for i in range(n)], strict=False)
    return max(0, len(tokens) - n + 1) - len(set(grams))


def doubles(text: str) -> bool:
    """Return whether words are said twice in a row, ``FEWEST_DOUBLED`` or more together."""
    words = [
        word if word.isalpha() else word.strip(_PUNCTUATION) for word in text.casefold().split()
    ]
    if not num_repeats(words, FEWEST_DOUBLED):  # as nearly always
        return False
    places: dict[tuple[str, ...], int] = {}
    for end in range(FEWEST_DOUBLED, len(words) + 1):
        gram = tuple(words[end - FEWEST_DOUBLED : end])
        length = end - places.setdefault(gram, end)
        if (
            length >= FEWEST_DOUBLED
            and words[end - length : end] == words[end - 2 * length : end - length]
        ):
            return any(map(str.isalpha, gram))
        places[gram] = end
    return False


def is_guarded(options: DecodingOptions) -> bool:
    """Return whether a translation is to be reviewed; samples are what was asked for."""
    return options.guard and not options.sampling


def wider(beam_size: int) -> int:
    """The beam with which a translation is sought again."""
    return min(max(RETRY_BEAM_SIZE, 2 * beam_size), MAX_BEAM_SIZE)


def retry(options: DecodingOptions) -> DecodingOptions:
    """Choose the options that a translation with a sign is decoded again with."""
    ngram = min(options.no_repeat_ngram_size or RETRY_NGRAM, RETRY_NGRAM)
    return replace(options, beam_size=wider(options.beam_size), no_repeat_ngram_size=ngram)


def _words(text: str) -> list[str]:
    """Words between white space; not what has digits or punctuation inside, as addresses have."""
    words = (word if word.isalpha() else word.strip(_PUNCTUATION) for word in text.split())
    return [word for word in words if len(word) > 1 and word.isalpha()]


def _telling_words(text: str) -> list[str]:
    """The words of a text that one would translate."""
    words = _words(text)
    small = [word for word in words if word == word.lower()]
    return small or words
