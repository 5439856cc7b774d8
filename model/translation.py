"""What a translation is. Needs no torch, so that one may also come from elsewhere."""

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
    """How sure the model was of one piece of a hypothesis."""

    span: Span
    """In the hypothesis; empty for the end of a sentence, and for a piece that cannot be seen."""
    log_prob: float
    """log P(piece | source, pieces before it)."""


class WarningKind(StrEnum):
    """What a warning is about, for programs."""

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
        """What a copy is made of."""
        return type(self), (self.kind, str(self))


def kind_of(warning: str) -> WarningKind:
    """What a warning is about; OTHER if it does not know."""
    return warning.kind if isinstance(warning, Notice) else WarningKind.OTHER


class FinishReason(StrEnum):
    """Why a translation ends where it does."""

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
    """Which tokens became which, if it was asked for; see `tformer.model.passes.alignment`."""
    piece_scores: tuple[PieceScore, ...] | None = None
    """Of every piece and the end of each sentence, if they were asked for. Their sum is log P."""


@dataclass(frozen=True)
class MemoryMatch:
    """What a translation memory has for a text."""

    source: str
    target: str
    score: float
    """How much the sources are alike, 0 to 1; 1 is the same text."""
    origin: str = ""
    """Where it comes from, such as the name of a file."""


@dataclass(frozen=True)
class TermUse:
    """What became of a glossary's term."""

    source: str
    target: str
    """What was asked for; where there are alternatives, the first."""
    honoured: bool
    """Whether the translation says it, or one of the alternatives."""


@dataclass(frozen=True)
class Translation:
    """What became of one text."""

    text: str
    """The best hypothesis. It has a line break only where the source has one."""
    source_language: str
    target_language: str
    hypotheses: tuple[Hypothesis, ...]
    """At most ``n_best``, the best first. Those of a text of many sentences are the best
    combinations of the sentences' own."""
    warnings: tuple[str, ...] = ()
    """What the reader of this translation should know, a sentence each; see `Notice`."""
    finish_reason: FinishReason = FinishReason.END_OF_SENTENCE
    source_tokens: int = 0
    """Tokens that the encoder read."""
    target_tokens: int = 0
    """Tokens of each sentence's best hypothesis together, the ends not counted."""
    terms: tuple[TermUse, ...] = ()
    """The terms of the glossary that were found in the source."""
    matches: tuple[MemoryMatch, ...] = ()
    """What the translation memory has, the most alike first."""

    @property
    def reused(self) -> bool:
        """Whether the text is that of a translation memory."""
        return any(match.score == 1 for match in self.matches)
