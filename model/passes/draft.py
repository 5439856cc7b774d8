"""Texts on their way to their translations: from which language to which, in what sentences.

A `Route` says from which language to which a text goes. A `Draft` is a text cut into sentences,
which are translated one by one in any order, and put together again. No torch here, no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tformer.model.config import Calibration
from tformer.model.options import DecodingOptions
from tformer.model.passes.guard import BROKEN, Sign
from tformer.model.passes.prepared import Prepared
from tformer.model.terms.glossary import (
    Found,
    Glossary,
    Term,
    is_said,
    uses_of,
    warnings_about,
)
from tformer.model.text.offsets import tokens
from tformer.model.text.segmentation import Piece, detect
from tformer.model.translation import (
    FinishReason,
    Hypothesis,
    Link,
    Notice,
    PieceScore,
    RecalledPair,
    Span,
    Translation,
    WarningKind,
)
from tformer.model.vocabulary.language_choice import LanguageChoice


class Route:
    """Language pair of every text of one call."""

    def __init__(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        source: str | None,
        target: str | None,
    ) -> None:
        """A route from one of ``sources`` to one of ``targets``; None for what is to be found out.

        Raises:
            UsageError: when a language is not among them or the choice is unclear.
        """
        self.choice = LanguageChoice.among(sources, targets, source, target)
        if not self.choice.is_clear:
            self.choice.toward("")
        self.believes = self.choice.source is not None
        """True if the caller named the source language; else each sentence is looked at."""
        self.languages = self.choice.languages

    def of(self, text: str) -> tuple[str, str]:
        """Source and target language of one text."""
        possible = self.choice.possible_sources
        source = possible[0] if len(possible) == 1 else detect(text, possible).language
        direction = self.choice.toward(source)
        return direction.source, direction.target


@dataclass(frozen=True, eq=False)
class Requirement:
    """Terms that the sentences of one text must say together, each in any of them."""

    terms: tuple[Term, ...]
    sentences: Sequence[Sentence] = field(repr=False)
    """Sentences of the text that are translated."""


@dataclass(frozen=True, eq=False)
class EncoderInput:
    """A sentence as the encoder reads it."""

    tokens: Sequence[int]
    text: str
    """Text that the tokens spell."""
    found: Sequence[Found] = ()
    """Terms of the glossary in the text."""
    prepared: Prepared | None = None
    """Made of the sentence; None if it is read as it is."""

    @property
    def wanted(self) -> tuple[Term, ...]:
        """Terms of the glossary, each as often as it is in the text."""
        return tuple(one.term for one in self.found)

    @property
    def terms(self) -> tuple[Term, ...]:
        """Terms of the glossary, each once."""
        return tuple(dict.fromkeys(self.wanted))


@dataclass(eq=False)
class Sentence:
    """A sentence of a text, and its hypotheses once they are known."""

    piece: Piece
    tokens: Sequence[int]
    """Input of the encoder; empty for a piece that stays as it is."""
    options: DecodingOptions
    languages: tuple[str, str] | None = None
    """Source and target; without them the output is not checked."""
    prepared: Prepared | None = None
    """Input of the encoder, if that is not the piece as it is."""
    glossary: Glossary | None = None
    """To look for terms in; None for a sentence that has none."""
    spared: Sequence[Span] = ()
    """Places of the piece in which nothing is a literal."""
    prefix: tuple[int, ...] = ()
    """First tokens of its hypotheses, see `Request.prefix`."""
    requirement: Requirement | None = None
    """Terms to be said by it and the others of its text."""
    hypotheses: list[Hypothesis] = field(default_factory=list)
    """The best first; empty until they are known."""
    said: str | None = None
    """Best hypothesis before literals were put back, once it is known."""
    target_ids: list[tuple[int, ...]] = field(default_factory=list)
    """Tokens of each hypothesis, the end not counted."""
    log_probs: tuple[float, ...] = ()
    """Log-probability of every token of the best hypothesis and of the end."""
    limit: int | None = None
    """Most tokens of a hypothesis, if the best reached it."""
    signs: tuple[Sign, ...] = ()
    """Signs of degenerate output in the best hypothesis."""
    notices: Sequence[Notice] = ()
    """Warnings about the best hypothesis."""
    recalled: Sequence[RecalledPair] = ()
    """Pairs of a datastore that helped with the best hypothesis, if asked for."""
    error: Exception | None = None
    """Error, if it could not be translated."""

    @property
    def plainly_said(self) -> str:
        """The best hypothesis before literals were put back, or the piece that was kept."""
        return self.hypotheses[0].text if self.said is None else self.said

    @cached_property
    def input(self) -> EncoderInput:
        """Input of the encoder in the first search."""
        return self.reading(self.prepared, self.tokens)

    @property
    def wanted(self) -> tuple[Term, ...]:
        """Terms of the glossary, each as often as it is in the sentence."""
        return self.input.wanted

    def reading(self, prepared: Prepared | None, tokens: Sequence[int]) -> EncoderInput:
        """Return the sentence as the encoder reads it if it is prepared in some way."""
        text = prepared.shown if prepared else self.piece.text
        found: Sequence[Found] = ()
        if self.glossary and self.languages:
            found = self.glossary.find(text, *self.languages)
        return EncoderInput(tokens, text, found, prepared)

    def __post_init__(self) -> None:
        if not self.tokens:
            self.hypotheses = [self._copy()]

    def _copy(self) -> Hypothesis:
        """The piece as it is, each of its tokens linked to itself."""
        links = (Link(span, span) for span in tokens(self.piece.text))
        return Hypothesis(
            self.piece.text,
            0.0,
            alignment=tuple(links) if self.options.alignments else None,
            piece_scores=() if self.options.token_scores else None,
        )

    @property
    def target_tokens(self) -> int:
        """Tokens of the best hypothesis."""
        return len(self.target_ids[0]) if self.target_ids else 0


@dataclass(eq=False)
class Draft:
    """A text on its way to its translation."""

    source_language: str
    target_language: str
    sentences: list[Sentence]
    warnings: list[str]
    options: DecodingOptions = field(default_factory=DecodingOptions)
    """Tokens of its sentences."""
    calibration: Calibration | None = None
    """Source of the confidence; None if there is none for the direction."""

    @property
    def waiting(self) -> list[Sentence]:
        """The sentences that have no translation yet."""
        return [sentence for sentence in self.sentences if not sentence.hypotheses]

    @property
    def shares_state(self) -> bool:
        """True if its sentences are settled together, and so by one engine."""
        return any(sentence.requirement for sentence in self.sentences)

    @property
    def complete(self) -> bool:
        """True once every sentence has been translated."""
        return all(sentence.hypotheses for sentence in self.sentences)

    @property
    def source_tokens(self) -> int:
        """Tokens that the encoder reads for it."""
        return sum(len(sentence.tokens) for sentence in self.sentences)

    def translation(self, n_best: int) -> Translation:
        """The sentences put together; they must be complete."""
        best = self._combinations(n_best)
        termed = [s for s in self.sentences if s.wanted]
        terms = tuple(use for s in termed for use in uses_of(s.wanted, s.plainly_said))
        lost = dict.fromkeys((*warnings_about(terms), *self._unsaid(best[0].text)))
        return Translation(
            text=best[0].text,
            source_language=self.source_language,
            target_language=self.target_language,
            hypotheses=tuple(best),
            warnings=(*self._warnings(), *lost),
            finish_reason=self._finish_reason(),
            source_tokens=self.source_tokens,
            target_tokens=sum(sentence.target_tokens for sentence in self.sentences),
            terms=terms,
            confidence=self._confidence,
            recalled=tuple(pair for s in self.sentences for pair in s.recalled),
        )

    @property
    def _confidence(self) -> float | None:
        """Confidence of the least certain sentence."""
        if self.calibration is None:
            return None
        of = self.calibration.probability
        told = [
            0.0 if BROKEN & set(sentence.signs) else of(sentence.log_probs)
            for sentence in self.sentences
            if sentence.log_probs
        ]
        return min(told, default=None)

    def _combinations(self, n_best: int) -> list[Hypothesis]:
        nothing = Hypothesis(
            "",
            0.0,
            alignment=() if self.options.alignments else None,
            piece_scores=() if self.options.token_scores else None,
        )
        if n_best == 1 and nothing.alignment is None and nothing.piece_scores is None:
            return [self._best()]
        best = [nothing]
        at = 0
        for sentence in self.sentences:
            longer = [(a.score + b.score, a, b) for a in best for b in sentence.hypotheses]
            longer.sort(key=lambda pair: -pair[0])
            space = sentence.piece.separator
            best = [_joined(start, end, space, at) for _, start, end in longer[:n_best]]
            at += len(sentence.piece.text + space)
        return best

    def _best(self) -> Hypothesis:
        """The best hypothesis without what belongs to places: in time linear in the sentences."""
        ranked = [max(s.hypotheses, key=lambda one: one.score) for s in self.sentences]
        pieces = (s.piece.separator for s in self.sentences)
        text = "".join(one.text + space for one, space in zip(ranked, pieces, strict=True))
        return Hypothesis(text, sum((one.score for one in ranked), 0.0))

    def _warnings(self) -> Iterator[str]:
        yield from self.warnings
        yield from self._limit_warnings()
        yield from self._guard_warnings()
        for sentence in self.sentences:
            yield from sentence.notices

    def _limit_warnings(self) -> list[Notice]:
        return [
            Notice(
                WarningKind.LIMIT,
                f"a translation reached its limit of {sentence.limit} tokens and may be incomplete",
            )
            for sentence in self.sentences
            if sentence.limit is not None
        ]

    def _guard_warnings(self) -> list[Notice]:
        return [
            Notice(WarningKind.GUARD, sign)
            for sentence in self.sentences
            for sign in sentence.signs
        ]

    def _unsaid(self, text: str) -> Iterator[Notice]:
        """A warning for every required term that the translation does not say."""
        requirement = next((s.requirement for s in self.sentences if s.requirement), None)
        for term in requirement.terms if requirement else ():
            if not is_said(term, text):
                yield Notice(WarningKind.TERM, f"the required term {term.source!r} is not said")

    def _finish_reason(self) -> FinishReason:
        if not self.source_tokens:
            return FinishReason.COPIED
        if any(sentence.limit is not None for sentence in self.sentences):
            return FinishReason.LENGTH
        return FinishReason.END_OF_SENTENCE


def _joined(start: Hypothesis, end: Hypothesis, space: str, source_at: int) -> Hypothesis:
    """Two hypotheses one behind the other; that which follows is of the source from a place on."""
    at = len(start.text)
    alignment = piece_scores = None
    if start.alignment is not None and end.alignment is not None:
        moved = (Link(_moved(a, source_at), _moved(b, at)) for a, b in end.alignment)
        alignment = (*start.alignment, *moved)
    if start.piece_scores is not None and end.piece_scores is not None:
        scored = (PieceScore(_moved(span, at), p) for span, p in end.piece_scores)
        piece_scores = (*start.piece_scores, *scored)
    text = start.text + end.text + space
    return Hypothesis(text, start.score + end.score, alignment, piece_scores)


def _moved(span: Span, by: int) -> Span:
    return span[0] + by, span[1] + by
