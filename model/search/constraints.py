"""Lexically constrained search: translations that must contain given terms.

Dynamic beam allocation after Post and Vilar (2018, "Fast Lexically Constrained Decoding with
Dynamic Beam Allocation for Neural Machine Translation"), with alternatives as in Hu et al. (2019)
and Li et al. (2021). The candidates of a step are

1. the best 2K continuations of the sentence,
2. every continuation that begins a missing term or goes on with one, and
3. the best continuation of every hypothesis,

without those after which the tokens that are still :attr:`~Progress.needed` would not fit into the
length limit. Hypotheses that lack less must not crowd out those that lack more, nor the other way
round: candidates stand in banks by what they lack, and the banks take turns in giving their best
one, the fullest first. A hypothesis may end when it lacks nothing.

Post and Vilar give every bank its share of the beam and hand on what a bank cannot fill; taking
turns does both at once. A sentence that requires nothing never comes here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from typing import NamedTuple

from tformer.model.search.candidates import NextCandidate, Outlook
from tformer.model.search.request import Term


class Begun(NamedTuple):
    """The first tokens of an alternative, at the end of a hypothesis."""

    term: int
    alternative: int
    length: int


@dataclass(frozen=True)
class Progress:
    """Progress of a hypothesis toward the required terms."""

    terms: tuple[Term, ...]
    met: frozenset[int] = frozenset()
    """Indices of the terms that it contains."""
    begun: frozenset[Begun] = frozenset()
    """Alternatives of missing terms with which it may go on."""

    def after(self, tokens: Sequence[int]) -> Progress:
        """Progress after ``tokens``."""
        progress = self
        for token in tokens:
            progress = progress._after(token)
        return progress

    @cached_property
    def needed(self) -> int:
        """Fewest tokens with which nothing is missing; 0 when nothing is.

        Terms may share tokens, which is not considered: fewer may do. But one of the
        :attr:`next_tokens` always leaves fewer needed.
        """
        shortest = {term: min(map(len, self.terms[term])) for term in self._missing}
        saved = (
            shortest[begun.term] - len(self._alternative(begun)) + begun.length
            for begun in self.begun
        )
        return sum(shortest.values()) - max(0, *saved, 0)

    @cached_property
    def next_tokens(self) -> tuple[int, ...]:
        """Tokens that begin a missing term or go on with one, each once."""
        first = (way[0] for term in self._missing for way in self.terms[term])
        further = (self._alternative(begun)[begun.length] for begun in sorted(self.begun))
        return tuple(dict.fromkeys(chain(first, further)))

    @property
    def _missing(self) -> list[int]:
        return [term for term in range(len(self.terms)) if term not in self.met]

    def _alternative(self, begun: Begun) -> tuple[int, ...]:
        return self.terms[begun.term][begun.alternative]

    def _after(self, token: int) -> Progress:
        start = (
            Begun(term, alternative, 0)
            for term in self._missing
            for alternative in range(len(self.terms[term]))
        )
        longer = [
            begun._replace(length=begun.length + 1)
            for begun in chain(self.begun, start)
            if self._alternative(begun)[begun.length] == token
        ]
        whole = {b.term for b in longer if b.length == len(self._alternative(b))}
        begun = frozenset(begun for begun in longer if begun.term not in whole)
        return Progress(self.terms, self.met | whole, begun)


def constrained(
    outlook: Outlook, progress: Sequence[Progress], beam_size: int, remaining: int
) -> list[NextCandidate]:
    """The candidates of a sentence that requires terms, in the order in which they get places.

    Args:
        outlook: what may follow its hypotheses.
        progress: of every running hypothesis.
        beam_size: K of this sentence.
        remaining: tokens that fit behind the next one.
    """
    may_end = [outlook.may_end and not had.needed for had in progress]
    likely = [
        [
            candidate
            for candidate in outlook.best(place)
            if may_end[place] or candidate.token != outlook.eos_id
        ]
        for place in range(len(progress))
    ]
    best = sorted(chain.from_iterable(likely), key=_falling)[: 2 * beam_size]
    advancing = (
        outlook.candidate(place, token)
        for place, had in enumerate(progress)
        for token in had.next_tokens
    )
    first = (candidates[0] for candidates in likely if candidates)
    found = {
        (c.parent, c.token): c for c in chain(best, advancing, first) if c.log_prob > -math.inf
    }
    lacking = {
        candidate: 0
        if candidate.token == outlook.eos_id
        else progress[candidate.parent].after([candidate.token]).needed
        for candidate in found.values()
    }
    return allocate({c: needed for c, needed in lacking.items() if needed <= remaining})


def allocate(lacking: Mapping[NextCandidate, int]) -> list[NextCandidate]:
    """Candidates in the order in which they deserve a place.

    Args:
        lacking: of every candidate its bank, the tokens that it still needs.

    Returns:
        The best of every bank, the fullest bank first; then the second of every bank; and so on.
    """
    banks = [
        sorted((c for c, needed in lacking.items() if needed == bank), key=_falling)
        for bank in sorted(set(lacking.values()))
    ]
    turns = chain.from_iterable(zip_longest(*banks))
    return [candidate for candidate in turns if candidate is not None]


def _falling(candidate: NextCandidate) -> float:
    return -candidate.log_prob
