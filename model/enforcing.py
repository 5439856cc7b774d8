"""Seeing to it that a translation says the terms of a glossary.

A sentence is translated as if there were no glossary. If its best hypothesis lacks a term, the
words that stand for it are looked up in the alignment, and decoding starts anew from there: the
hypothesis up to these words is kept as a prefix, the term and the piece that follows these words
come next, and the model goes on from what has been said. So a term takes the place of what it
replaces, and the rest fits to it. Of several ways to say a term, that of the most likely
translation is taken. One term is replaced after the other, from left to right.

Where the alignment shows no place, or terms are still missing, a search that requires all of them
(`tformer.model.constraints`) takes its turn: it finds a place for every term, though not always a
good one. What goes round in circles is only taken if nothing else is there.

The search is given tokens, but a term is text: a hypothesis with the tokens of "Motor" may go on to
"Motoren". So every hypothesis is looked at as text, and one that says more terms is preferred.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from tformer.model import request
from tformer.model.drafts import Sentence
from tformer.model.errors import UsageError
from tformer.model.glossary import Term, capitalisations, is_said
from tformer.model.hypotheses import FinishedHypothesis
from tformer.model.normalisation import normalise
from tformer.model.request import Pair, Request
from tformer.model.spelling import Spelling
from tformer.model.translation import Link, Span
from tformer.model.vocabulary import AnyVocabulary

if TYPE_CHECKING:
    from tformer.model.alignment import Aligner

MOST_REPLACING = 8
"""Ways to say one term that are each tried in the place of what stands for it, at most."""


# The same one to four words three times.
_CIRCLES = re.compile(r"\b(\w+(?:\W+\w+){0,3}?)(?:\W+\1\b){2}")


@dataclass(frozen=True)
class Candidate:
    """A hypothesis as text."""

    text: str
    hypothesis: FinishedHypothesis
    whole: bool
    """Whether it ended before the length limit and does not go round in circles."""
    said: int
    """Terms that it says."""

    @property
    def rank(self) -> tuple[bool, int]:
        """What counts before its score."""
        return self.whole, self.said


@dataclass(eq=False)
class Enforcement:
    """A sentence on its way to a translation that says its terms."""

    sentence: Sentence
    max_length: int = 0
    """Most tokens of a hypothesis."""
    memory: Any = None
    """What the network made of the source."""
    pending: int = 0
    """Requests that have not been answered."""
    candidates: list[Candidate] = field(default_factory=list)
    """All that were found."""
    latest: list[Candidate] = field(default_factory=list)
    """Those of the last requests."""
    num_rounds: int = 0
    searched: bool = False
    """Whether the search that requires every term had its turn."""
    links: Sequence[Link] = ()
    """Between the normalised source and the leading hypothesis."""

    def add(self, texts: Iterable[str], found: Sequence[FinishedHypothesis]) -> None:
        """Take the answer to a request, the best first, as far as it is needed."""
        for text, hypothesis in zip(texts, found, strict=False):
            whole = len(hypothesis.tokens) < self.max_length and not _CIRCLES.search(text)
            said = sum(is_said(term, text) for term in self.sentence.terms)
            self.latest.append(Candidate(text, hypothesis, whole, said))
            if whole and said == len(self.sentence.terms) and self.sentence.options.n_best == 1:
                break

    def begin(self, num_requests: int) -> None:
        """Get ready for the answers to further requests."""
        self.candidates += self.latest
        self.latest = []
        self.pending = num_requests

    @property
    def num_given(self) -> int:
        """First tokens that the caller has chosen, in which nothing is replaced."""
        sentence = self.sentence
        return 0 if sentence.options.prefix_bias else len(sentence.prefix)

    @property
    def leading(self) -> Candidate:
        """The best of the latest."""
        return max(self.latest, key=lambda c: (*c.rank, c.hypothesis.score))

    def best(self, most: int) -> list[Candidate]:
        """Different hypotheses that say as much as any, the most likely first."""
        everything = [*self.candidates, *self.latest]
        rank = max(candidate.rank for candidate in everything)
        by_tokens = {c.hypothesis.tokens: c for c in everything if c.rank == rank}
        return sorted(by_tokens.values(), key=lambda c: -c.hypothesis.score)[:most]


class Enforcer:
    """Says what to ask of the engine next."""

    def __init__(self, vocabulary: AnyVocabulary, open_aligner: Callable[[], Aligner]) -> None:
        """An enforcer for a model.

        Args:
            vocabulary: that of the model.
            open_aligner: gives what aligns, or raises a UsageError if nothing does.
        """
        self._spelling = Spelling(vocabulary)
        self._open_aligner = open_aligner

    def requests(self, enforcements: Sequence[Enforcement]) -> list[list[Request]]:
        """What to try next for each; nothing where the best that was found is to be taken."""
        replacing = [enforcement for enforcement in enforcements if _is_to_replace(enforcement)]
        self._align(replacing)
        return [self._further(enforcement) for enforcement in enforcements]

    def _further(self, enforcement: Enforcement) -> list[Request]:
        if enforcement.searched or enforcement.leading.said == len(enforcement.sentence.terms):
            return []
        if _is_to_replace(enforcement):
            enforcement.num_rounds += 1
            if found := self._replacing(enforcement, enforcement.leading):
                return found
        return self.search(enforcement)

    def search(self, enforcement: Enforcement) -> list[Request]:
        """What to ask for a translation that says every term that fits; nothing if none does."""
        enforcement.searched = True
        limit = enforcement.max_length - len(enforcement.sentence.prefix)
        fitting = []
        for term in enforcement.sentence.terms:
            touching = _touches(enforcement.sentence, term)
            ways = self._spelling.ways(_phrases(term), touching=touching)
            shortest = min(map(len, ways), default=limit + 1)
            if shortest <= limit:
                fitting.append(ways)
                limit -= shortest
        return [self._request(enforcement, required=tuple(fitting))] if fitting else []

    def _replacing(self, enforcement: Enforcement, leading: Candidate) -> list[Request]:
        """Prefixes up to the first missing term and with it, if its place is known.

        And with the piece that follows the replaced words, which a model is tempted to say again:
        so it knows that it is behind them, and the term does not become the beginning of a word.
        """
        ids, text = leading.hypothesis.tokens, leading.text
        spans = self._open_aligner().target_pieces(ids, text) if enforcement.links else []
        places = [
            place
            for place in sorted(_places(enforcement, text), key=lambda place: place[0])
            if _num_before(spans, place[0][0]) >= enforcement.num_given
        ]
        if not places:
            return []
        (start, end), term = places[0]
        kept, behind = ids[: _num_before(spans, start)], _num_before(spans, end)
        ways = islice(self._ways_at(term, text, start), MOST_REPLACING)
        prefixes = (kept + way + ids[behind : behind + 1] for way in ways)
        return [
            self._request(enforcement, prefix=prefix)
            for prefix in prefixes
            if len(prefix) <= enforcement.max_length
        ]

    def _align(self, enforcements: Sequence[Enforcement]) -> None:
        """Look up which tokens of the normalised sources became which; none if nothing aligns."""
        if not enforcements:
            return
        try:
            aligner = self._open_aligner()
        except UsageError:
            return
        links = aligner.links([_asking(enforcement) for enforcement in enforcements])
        for enforcement, found in zip(enforcements, links, strict=True):
            enforcement.links = found

    def _request(
        self,
        enforcement: Enforcement,
        prefix: tuple[int, ...] = (),
        required: tuple[request.Term, ...] = (),
    ) -> Request:
        """A request for all hypotheses, since the best may be one that says no whole word."""
        asked = enforcement.sentence.options
        options = replace(asked, n_best=asked.beam_size)
        if prefix:
            options = replace(options, prefix_bias=0.0)
        if asked.sampling:  # what is drawn by chance cannot be told to say a term
            options = replace(options, sampling=False, temperature=1.0, top_k=0, top_p=1.0, seed=0)
        sentence, memory = enforcement.sentence, enforcement.memory
        return Request(sentence.tokens, options, prefix or sentence.prefix, required, memory)

    def _ways_at(self, term: Term, text: str, at: int) -> Iterator[tuple[int, ...]]:
        """The tokens of a term in the ways that suit a place in a text."""
        begins = not any(character.isalnum() for character in text[:at])
        after = "(" if at and not text[at - 1].isspace() else ""
        for target in term.targets:
            phrase = capitalisations(target)[-1] if begins else target
            if way := self._spelling.phrase(phrase, after=after):
                yield way


def _is_to_replace(enforcement: Enforcement) -> bool:
    """Whether the leading hypothesis is fit for having words replaced by terms that it lacks."""
    num_terms = len(enforcement.sentence.terms)
    leading = enforcement.leading
    return (
        leading.said < num_terms
        and leading.whole
        and not enforcement.searched
        and enforcement.num_rounds < 2 * num_terms
    )


def _asking(enforcement: Enforcement) -> tuple[Pair, str, str]:
    """The normalised source and the leading hypothesis of a sentence, to be aligned."""
    sentence, leading = enforcement.sentence, enforcement.leading
    pair = Pair(sentence.tokens, leading.hypothesis.tokens, enforcement.memory)
    return pair, normalise(sentence.piece.text), leading.text


def _places(enforcement: Enforcement, text: str) -> Iterator[tuple[Span, Term]]:
    """Where in the leading hypothesis the words are that stand for terms that it lacks."""
    for one in enforcement.sentence.found:
        linked = sorted(
            target
            for (start, end), target in enforcement.links
            if start < one.end and end > one.start
        )
        if linked and not is_said(one.term, text):
            yield _first_run(linked), one.term


def _first_run(spans: Sequence[Span]) -> Span:
    """What the first of sorted spans covers together with those directly behind it."""
    start, end = spans[0]
    for span in spans[1:]:
        if span[0] > end + 1:
            break
        end = max(end, span[1])
    return start, end


def _num_before(spans: Sequence[Span], at: int) -> int:
    """How many pieces end before a place."""
    return next((number for number, (_, end) in enumerate(spans) if end > at), len(spans))


def _phrases(term: Term) -> tuple[str, ...]:
    return tuple(way for target in term.targets for way in capitalisations(target))


def _touches(sentence: Sentence, term: Term) -> bool:
    return any(one.touches for one in sentence.found if one.term == term)
