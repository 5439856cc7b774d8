"""Translations and what belongs to them. Needs no torch, so that one may also come from
elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

Span = tuple[int, int]
"""(start, end) in characters, the end not included."""


class Link(NamedTuple):
    """A token of a source and one of its translation that mean the same."""

    source: Span
    """In the text that was translated."""
    target: Span
    """In the hypothesis."""


class PieceScore(NamedTuple):
    """Log-probability of one piece of a hypothesis."""

    span: Span
    """In the hypothesis; empty for the end of a sentence, and for a piece that cannot be seen."""
    log_prob: float
    """log P(piece | source, pieces before it)."""


class WarningKind(StrEnum):
    """Kind of a warning, for programs."""

    CUT = "cut"
    """A sentence was too long and was translated in parts."""
    LIMIT = "limit"
    """A translation reached its limit of tokens and may be incomplete."""
    GUARD = "guard"
    """A translation looked wrong and was made anew, or is doubtful."""
    MARKUP = "markup"
    """Markup, placeholders or numbers of a document are not all where they should be."""
    TERM = "term"
    """A term of the glossary, or one that was required, is not said."""
    LITERAL = "literal"
    """A number, an address or the like could not be kept where it was, and was put in."""
    LANGUAGE = "language"
    """The text is not in the source language, and stays as it is."""
    CONFIDENCE = "confidence"
    """The confidence is lower than was asked for."""
    OTHER = "other"


class Notice(str):
    """A warning: a sentence for people that knows what it is about."""

    kind: WarningKind

    def __new__(cls, kind: WarningKind, text: str) -> Notice:
        """A warning of a kind."""
        notice = super().__new__(cls, text)
        notice.kind = kind
        return notice

    def __reduce__(self) -> tuple[type[Notice], tuple[WarningKind, str]]:
        """Constructor and arguments, for copies."""
        return type(self), (self.kind, str(self))


def kind_of(warning: str) -> WarningKind:
    """Kind of a warning; OTHER if it does not know."""
    return warning.kind if isinstance(warning, Notice) else WarningKind.OTHER


class FinishReason(StrEnum):
    """Reason why a translation ends."""

    END_OF_SENTENCE = "end of sentence"
    """Every sentence came to its end."""
    LENGTH = "length"
    """A sentence reached its limit of tokens; the translation may be incomplete."""
    COPIED = "copied"
    """There was nothing to translate; the text is as it was."""


@dataclass(frozen=True)
class Hypothesis:
    """One possible translation of a text."""

    text: str
    score: float
    """log P / lp as in `DecodingOptions.length_penalty`, summed over the sentences of the text;
    0 for what was not translated."""
    alignment: tuple[Link, ...] | None = None
    """Word alignment, if it was asked for; see `tformer.model.passes.alignment`."""
    piece_scores: tuple[PieceScore, ...] | None = None
    """Scores of every piece and the end of each sentence, if asked for. Their sum is log P."""


@dataclass(frozen=True)
class MemoryMatch:
    """Match of a text in a translation memory."""

    source: str
    target: str
    score: float
    """Similarity of the sources, 0 to 1; 1 is the same text."""
    origin: str = ""
    """Origin of the match, such as the name of a file."""


@dataclass(frozen=True)
class TermUse:
    """Use of a glossary's term in a translation."""

    source: str
    target: str
    """Translation that was asked for; where there are alternatives, the first."""
    honoured: bool
    """True if the translation contains it, or one of the alternatives."""


@dataclass(frozen=True)
class RecalledPair:
    """Sentence pair of a datastore that helped with a translation."""

    source: str
    target: str
    tokens: float
    """Tokens of the translation that came from it: its part of their probabilities, added up."""


@dataclass(frozen=True)
class Translation:
    """Translation of one text."""

    text: str
    """The best hypothesis. It has a line break only where the source has one."""
    source_language: str
    target_language: str
    hypotheses: tuple[Hypothesis, ...]
    """At most ``n_best``, the best first. Those of a text of many sentences are the best
    combinations of the sentences' own."""
    warnings: tuple[str, ...] = ()
    """Warnings for the reader of this translation, a sentence each; see `Notice`."""
    finish_reason: FinishReason = FinishReason.END_OF_SENTENCE
    source_tokens: int = 0
    """Tokens that the encoder read."""
    target_tokens: int = 0
    """Tokens of each sentence's best hypothesis together, the ends not counted."""
    terms: tuple[TermUse, ...] = ()
    """The terms of the glossary that were found in the source."""
    matches: tuple[MemoryMatch, ...] = ()
    """Matches in the translation memory, the most similar first."""
    confidence: float | None = None
    """Calibrated probability, 0 to 1, that a translation such as that of the least certain sentence
    reaches the chrF for which `tformer.model.config.Calibration` was fitted. None where the model
    has no calibration for the direction, or translated nothing."""

    recalled: tuple[RecalledPair, ...] = ()
    """Pairs of the datastore that helped with the best hypothesis, if asked for; those that helped
    most first, at most five of every sentence."""

    @property
    def reused(self) -> bool:
        """True if the text is that of a translation memory."""
        return any(match.score == 1 for match in self.matches)
