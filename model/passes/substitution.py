"""Substitution of terms for the words of a hypothesis that stand for them.

    for revision in Substitution(sentence, tokens, text, links, pieces).revisions(spelling, 80):
        settled = revision.settled(log_probs)       # how far it can stand as it is

What stood behind a term stays if it may. It was chosen with other words before it; so the network
reads the whole again, and a token stands if it is then more probable than all others together, as
do those before it. From the first that is not, the sentence is to be said anew.

The piece that follows replaced words stays in any case: a model is tempted to say again what was
replaced, and so it knows that it is behind it, and the term does not become the beginning of a
longer word.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tformer.model.options import DecodingOptions
from tformer.model.passes.term_tokens import Spelling
from tformer.model.search.hypotheses import FinishedHypothesis, exponent_and_offset, length_penalty
from tformer.model.terms.glossary import Found, Term, capitalisations, is_said, num_said
from tformer.model.translation import Link, Span

Tokens = tuple[int, ...]

SURE = math.log(0.5)
"""A token that is more probable has no rival: all others together are less probable."""


MOST_REPLACING = 8
"""Ways to say one term that are each tried in the place of what stands for it, at most."""


@dataclass(frozen=True)
class Replacement:
    """A term and what it replaces."""

    start: int
    """The first replaced token."""
    end: int
    """Behind the last replaced token."""
    said: Tokens
    """The term."""


@dataclass(frozen=True)
class Revision:
    """Hypothesis after substitution."""

    tokens: Tokens
    chosen: tuple[bool, ...]
    """Flags of tokens that stay in any case: terms, the token behind each, the prefix."""

    @classmethod
    def of(cls, tokens: Tokens, replacements: Sequence[Replacement]) -> Revision:
        """Put terms, from left to right and at least one, in their places."""
        revised = list(tokens[: replacements[0].start])
        chosen = [True] * len(revised)
        at = len(revised)
        for number, one in enumerate(replacements):
            between = tokens[at : one.start]
            revised += [*between, *one.said]
            chosen += [False] * len(between) + [True] * len(one.said)
            at = one.end
            following = replacements[number + 1 : number + 2]
            if at < len(tokens) and not (following and following[0].start <= at):
                revised.append(tokens[at])
                chosen.append(True)
                at += 1
        revised += tokens[at:]
        chosen += [False] * (len(revised) - len(chosen))
        return cls(tuple(revised), tuple(chosen))

    @property
    def num_chosen(self) -> int:
        """First tokens that take what stays in any case to be said."""
        return max(number for number, chosen in enumerate(self.chosen) if chosen) + 1

    def up_to(self, length: int) -> Revision:
        """As much as has at most so many tokens."""
        return Revision(self.tokens[:length], self.chosen[:length])

    def settled(self, log_probs: Sequence[float]) -> int:
        """Number of tokens that stand; one more than there are if it may end there too.

        Args:
            log_probs: of every token, and of the end.
        """
        stays = (
            chosen or log_prob > SURE
            for chosen, log_prob in zip((*self.chosen, False), log_probs, strict=True)
        )
        return next((number for number, stands in enumerate(stays) if not stands), len(log_probs))

    def finished(self, log_probs: Sequence[float], options: DecodingOptions) -> FinishedHypothesis:
        """The whole as a hypothesis, scored as a search scores it."""
        penalty = length_penalty(len(log_probs), *exponent_and_offset(options))
        return FinishedHypothesis(self.tokens, sum(log_probs) / penalty, tuple(log_probs))


@dataclass(frozen=True)
class Substitution:
    """A hypothesis that lacks terms of its sentence, and what shows their places."""

    found: Sequence[Found]
    """Terms in the source."""
    tokens: Tokens
    text: str
    links: Sequence[Link]
    """Between the normalised source and the text."""
    pieces: Sequence[Span]
    """Span of each token in the text."""
    num_given: int = 0
    """First tokens that the caller has chosen, in which nothing is replaced."""

    def revisions(self, spelling: Spelling, max_length: int) -> Iterator[Revision]:
        """Put terms in their places; one revision for every way to say the first.

        Terms behind it are replaced too, up to one that can be said in several ways.
        """
        places: list[tuple[int, int, tuple[Tokens, ...]]] = []
        for (start, end), term in sorted(self._places(), key=lambda place: place[0]):
            first, behind = self._num_before(start), self._num_before(end)
            if first < (places[-1][1] if places else self.num_given):
                continue
            ways = tuple(islice(self._ways(spelling, term, start), MOST_REPLACING))
            if places and len(ways) != 1:
                break
            places.append((first, behind, ways))
        if not places:
            return
        start, end, ways = places[0]
        further = [Replacement(start, end, way) for start, end, (way,) in places[1:]]
        for way in ways:
            revision = Revision.of(self.tokens, [Replacement(start, end, way), *further])
            if revision.num_chosen <= max_length:
                yield revision.up_to(max_length)

    def _places(self) -> Iterator[tuple[Span, Term]]:
        """Yield the words that stand for terms that are missing."""
        times = Counter(one.term for one in self.found)
        lacking = {term for term, n in times.items() if num_said([term] * n, self.text) < n}
        for one in self.found:
            linked = sorted(
                target for (start, end), target in self.links if start < one.end and end > one.start
            )
            if linked and one.term in lacking:
                span = _first_run(linked)
                if not is_said(one.term, self.text[slice(*span)]):
                    yield span, one.term

    def _num_before(self, at: int) -> int:
        """Count the pieces that end before a place."""
        ends = enumerate(end for _, end in self.pieces)
        return next((number for number, end in ends if end > at), len(self.pieces))

    def _ways(self, spelling: Spelling, term: Term, at: int) -> Iterator[Tokens]:
        """The tokens of a term in the ways that suit a place in the text."""
        begins = not any(character.isalnum() for character in self.text[:at])
        after = "(" if at and not self.text[at - 1].isspace() else ""
        for target in term.targets:
            phrase = capitalisations(target)[-1] if begins else target
            if way := spelling.phrase(phrase, after=after):
                yield way


def _first_run(spans: Sequence[Span]) -> Span:
    """Join the first of sorted spans with those directly behind it."""
    start, end = spans[0]
    for span in spans[1:]:
        if span[0] > end + 1:
            break
        end = max(end, span[1])
    return start, end
