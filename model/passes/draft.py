"""Texts on their way to their translations: from which language to which, in what sentences.

A `Route` says from which language to which a text goes. A `Draft` is a text cut into sentences,
which are translated one by one in any order, and put together again. No torch here, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tformer.model.literals.rewriting import Rewritten
from tformer.model.options import DecodingOptions
from tformer.model.passes.guard import Sign
from tformer.model.passes.preparation import Prepared
from tformer.model.terms.glossary import Found, Term, is_said, uses_of, warnings_about
from tformer.model.text.offsets import tokens
from tformer.model.text.segmentation import Piece, detect
from tformer.model.translation import (
    FinishReason,
    Hypothesis,
    Link,
    Notice,
    PieceScore,
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
        """Whether the source language was named, and is not looked at in each sentence."""
        self.languages = self.choice.languages

    def of(self, text: str) -> tuple[str, str]:
        """Source and target language of one text."""
        possible = self.choice.possible_sources
        source = possible[0] if len(possible) == 1 else detect(text, possible).language
        direction = self.choice.toward(source)
        return direction.source, direction.target


@dataclass(eq=False)
class Requirement:
    """What the sentences of one text must say together, each term in any of them."""

    terms: tuple[Term, ...]
    sentences: Sequence[Sentence]
    """Those of the text that are translated."""
    translated: int = 0
    """How many of them have been."""
    settled: bool = False
    """Whether nothing more is tried."""

    @property
    def missing(self) -> tuple[Term, ...]:
        """The terms that no sentence says in all of its hypotheses."""
        return tuple(term for term in self.terms if not any(map(_says(term), self.sentences)))


def _says(term: Term) -> Callable[[Sentence], bool]:
    return lambda sentence: all(is_said(term, each.text) for each in sentence.hypotheses)


@dataclass(eq=False)
class Sentence:
    """A piece of a text, and what it can be translated to once that is known."""

    piece: Piece
    tokens: list[int]
    """What the encoder reads; empty for a piece that stays as it is."""
    options: DecodingOptions
    languages: tuple[str, str] | None = None
    """Of the piece, and of what it is translated to; what has none is not guarded."""
    hypotheses: list[Hypothesis] = field(default_factory=list)
    """The best first; empty as long as the engine works on it."""
    target_ids: list[tuple[int, ...]] = field(default_factory=list)
    """The tokens of each hypothesis, the end not counted."""
    token_scores: list[tuple[float, ...]] = field(default_factory=list)
    """The log-probability of each of these and of the end."""
    limit: int | None = None
    """Most tokens of a hypothesis, if the best reached it."""
    signs: tuple[Sign, ...] = ()
    """That the best hypothesis is no translation."""
    found: Sequence[Found] = ()
    """Terms of the glossary that are in the piece."""
    prefix: tuple[int, ...] = ()
    """The first tokens of its hypotheses, see `Request.prefix`."""
    requirement: Requirement | None = None
    """What it must say together with the others of its text."""
    max_length: int = 0
    """Most tokens that a hypothesis could have had, once it has been translated."""
    error: Exception | None = None
    """Why it could not be translated."""
    prepared: Prepared | None = None
    """What the encoder reads, if that is not the piece as it is."""
    spared: Sequence[Span] = ()
    """Places of the piece in which nothing is a literal."""
    attempts: list[Any] = field(default_factory=list)
    """Ways in which it was decoded, where the first was not sound; the best is the last."""
    said: list[str] = field(default_factory=list)
    """What the network said, of each hypothesis."""
    rewritten: list[Rewritten | None] = field(default_factory=list)
    """What became of that, of each hypothesis; None where nothing was changed."""
    stays: bool = False
    """Whether it is a name, for all that the network knows."""
    notices: list[Notice] = field(default_factory=list)
    """What a reader should know of the best hypothesis."""

    @property
    def plainly_said(self) -> str:
        """The best hypothesis, as the network said it if it did."""
        return self.said[0] if self.said else self.hypotheses[0].text

    @property
    def shown(self) -> str:
        """What the encoder reads, as text."""
        return self.prepared.shown if self.prepared else self.piece.text

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
    def done(self) -> bool:
        """Whether its hypotheses are there, and stay."""
        settled = self.requirement is None or self.requirement.settled
        return bool(self.hypotheses) and settled

    @property
    def unexplained(self) -> bool:
        """Whether its hypotheses are there, and not all that is to be told of them."""
        return self.done and (
            (self.options.alignments and self.hypotheses[0].alignment is None)
            or (self.options.token_scores and self.hypotheses[0].piece_scores is None)
        )

    @property
    def wanted(self) -> tuple[Term, ...]:
        """What the glossary asks for, each as often as it is in the piece."""
        return tuple(one.term for one in self.found)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """What the glossary asks for, each once."""
        return tuple(dict.fromkeys(one.term for one in self.found))

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
    """Those of its sentences."""

    @property
    def waiting(self) -> list[Sentence]:
        """The sentences that have no translation yet."""
        return [sentence for sentence in self.sentences if not sentence.hypotheses]

    @property
    def shares_state(self) -> bool:
        """Whether its sentences are settled together, and so by one engine."""
        return any(sentence.requirement for sentence in self.sentences)

    @property
    def complete(self) -> bool:
        """Whether every sentence has been translated."""
        return all(sentence.done for sentence in self.sentences)

    @property
    def source_tokens(self) -> int:
        """Tokens that the encoder reads for it."""
        return sum(len(sentence.tokens) for sentence in self.sentences)

    def translation(self, n_best: int) -> Translation:
        """The sentences put together; they must be complete."""
        best = self._combinations(n_best)
        terms = tuple(use for s in self.sentences for use in uses_of(s.wanted, s.plainly_said))
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
        )

    def _combinations(self, n_best: int) -> list[Hypothesis]:
        nothing = Hypothesis(
            "",
            0.0,
            alignment=() if self.options.alignments else None,
            piece_scores=() if self.options.token_scores else None,
        )
        best = [nothing]
        at = 0
        for sentence in self.sentences:
            longer = [(a.score + b.score, a, b) for a in best for b in sentence.hypotheses]
            longer.sort(key=lambda pair: -pair[0])
            space = sentence.piece.separator
            best = [_joined(start, end, space, at) for _, start, end in longer[:n_best]]
            at += len(sentence.piece.text + space)
        return best

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
