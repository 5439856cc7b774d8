"""Hypotheses that are to contain terms, ranked by how many they contain."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.terms.glossary import Term, num_said

# The same one to four words three times.
_CIRCLES = re.compile(r"\b(\w+(?:\W+\w+){0,3}?)(?:\W+\1\b){2}")


@dataclass(frozen=True)
class TermCandidate:
    """A hypothesis as text."""

    text: str
    hypothesis: FinishedHypothesis
    whole: bool
    """True if it ended before the length limit and does not repeat itself."""
    said: int
    """Terms that it contains, each as often as it is asked for."""

    @property
    def rank(self) -> tuple[bool, int]:
        """Rank that counts before its score."""
        return self.whole, self.said


@dataclass(eq=False)
class TermCandidates:
    """All hypotheses of a sentence that were found so far."""

    terms: Sequence[Term]
    """Wanted, each as often as it is asked for."""
    max_length: int
    """Most tokens of a hypothesis."""
    n_best: int
    """Hypotheses that are wanted."""
    text: Callable[[tuple[int, ...]], str]
    """Decoder of tokens to text."""
    found: list[TermCandidate] = field(default_factory=list)
    latest: list[TermCandidate] = field(default_factory=list)
    """Candidates of the last search."""

    def add(self, hypotheses: Sequence[FinishedHypothesis]) -> None:
        """Take the answer to a search, the best first, as far as it is needed."""
        self.latest = []
        for hypothesis in hypotheses:
            candidate = self._of(hypothesis)
            self.latest.append(candidate)
            if candidate.rank == (True, len(self.terms)) and self.n_best == 1:
                break
        self.found += self.latest

    def _of(self, hypothesis: FinishedHypothesis) -> TermCandidate:
        text = self.text(hypothesis.tokens)
        whole = len(hypothesis.tokens) < self.max_length and not _CIRCLES.search(text)
        said = num_said(self.terms, text)
        return TermCandidate(text, hypothesis, whole, said)

    @property
    def leading(self) -> TermCandidate:
        """The best of the latest."""
        return max(self.latest, key=lambda c: (*c.rank, c.hypothesis.score))

    @property
    def lacks_terms(self) -> bool:
        """True if the leading hypothesis lacks a term."""
        return self.leading.said < len(self.terms)

    @property
    def best(self) -> tuple[FinishedHypothesis, ...]:
        """Different hypotheses that contain as much as any, the most likely first."""
        rank = max(candidate.rank for candidate in self.found)
        by_tokens = {c.hypothesis.tokens: c for c in self.found if c.rank == rank}
        best = sorted(by_tokens.values(), key=lambda c: -c.hypothesis.score)[: self.n_best]
        return tuple(candidate.hypothesis for candidate in best)
