"""Seeing to it that a translation says the terms of a glossary.

A sentence is translated as if there were no glossary. If its best hypothesis lacks terms, the
words that stand for them are looked up in the alignment, and the terms take their places. The
network reads the result once (`passes.substitution`): what stands behind a term may stay as far
as nothing else is more likely there, and from then on the sentence is decoded anew, with what is
before as its prefix. So a term takes the place of what it replaces, and the rest fits to it. Of
several ways to say a term, that of the most likely translation is taken; terms behind it wait for
the next round.

Where the alignment shows no place, or terms are still missing, a search that requires all of them
(`search.constraints`) takes its turn: it finds a place for every term, though not always a
good one. What goes round in circles is only taken if nothing else is there.

The search is given tokens, but a term is text: a hypothesis with the tokens of "Motor" may go on to
"Motoren". So every hypothesis is looked at as text, and one that says more terms is preferred.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Sentence
from tformer.model.passes.substitution import Replacement, Revision, Tokens
from tformer.model.passes.term_tokens import Spelling
from tformer.model.search import request
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Pair, Request
from tformer.model.terms.glossary import Term, capitalisations, is_said, num_said
from tformer.model.text.normalization import normalise
from tformer.model.translation import Link, Span
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

if TYPE_CHECKING:
    from tformer.model.passes.alignment import Aligner

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
    """Terms that it says, each as often as it is asked for."""

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
    """How often terms were put in their places."""
    searched: bool = False
    """Whether the search that requires every term had its turn."""
    links: Sequence[Link] = ()
    """Between the normalised source and the leading hypothesis."""

    def add(self, texts: Iterable[str], found: Sequence[FinishedHypothesis]) -> None:
        """Take the answer to a request, the best first, as far as it is needed."""
        for text, hypothesis in zip(texts, found, strict=False):
            whole = len(hypothesis.tokens) < self.max_length and not _CIRCLES.search(text)
            said = num_said(self.sentence.wanted, text)
            self.latest.append(Candidate(text, hypothesis, whole, said))
            if whole and said == len(self.sentence.wanted) and self.sentence.options.n_best == 1:
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

    def __init__(
        self,
        vocabulary: AnyVocabulary,
        text: Callable[[tuple[int, ...]], str],
        open_aligner: Callable[[], Aligner],
    ) -> None:
        """An enforcer for a model.

        Args:
            vocabulary: that of the model.
            text: of tokens.
            open_aligner: gives what aligns, or raises a UsageError if nothing does.
        """
        self._spelling = Spelling(vocabulary)
        self._text = text
        self._open_aligner = open_aligner

    def requests(self, enforcements: Sequence[Enforcement]) -> list[list[Request]]:
        """What to try next for each; nothing where the best that was found is to be taken."""
        further: dict[Enforcement, list[Request]] = {}
        while waiting := [one for one in enforcements if one not in further]:
            revised = self._revise([one for one in waiting if _is_to_replace(one)])
            for one in waiting:
                if one not in revised:
                    further[one] = self._last_resort(one)
                elif (request := revised[one]) is not None:
                    further[one] = [request]
        return [further[one] for one in enforcements]

    def _last_resort(self, enforcement: Enforcement) -> list[Request]:
        if enforcement.searched or enforcement.leading.said == len(enforcement.sentence.wanted):
            return []
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

    def _revise(self, enforcements: Sequence[Enforcement]) -> dict[Enforcement, Request | None]:
        """Put terms in their places, where these are known.

        Returns:
            Of every sentence that was revised how to go on; nothing if its leading hypothesis is
            now the revised one.
        """
        self._align(enforcements)
        drafts = {
            one: revisions for one in enforcements if (revisions := list(self._revisions(one)))
        }
        pairs = [
            Pair(one.sentence.tokens, revision.tokens, one.memory)
            for one, revisions in drafts.items()
            for revision in revisions
        ]
        log_probs = iter(self._open_aligner().reader.log_probs(pairs) if pairs else ())
        return {
            one: self._settle(one, [(r, next(log_probs).tolist()) for r in revisions])
            for one, revisions in drafts.items()
        }

    def _settle(
        self, enforcement: Enforcement, read: Sequence[tuple[Revision, list[float]]]
    ) -> Request | None:
        """Take the likeliest revision, or as much of it as can stand."""
        enforcement.num_rounds += 1
        options = self._options(enforcement.sentence.options)
        revision, log_probs = max(read, key=lambda each: each[0].finished(each[1], options).score)
        settled = revision.settled(log_probs)
        if settled <= len(revision.tokens) or not _is_plain(enforcement.sentence.options):
            return self._request(enforcement, prefix=revision.tokens[:settled])
        enforcement.begin(0)
        found = revision.finished(log_probs, options)
        enforcement.add([self._text(found.tokens)], [found])
        return None

    def _revisions(self, enforcement: Enforcement) -> Iterator[Revision]:
        """The leading hypothesis with terms in their places, one for every way to say the first."""
        ids, text = enforcement.leading.hypothesis.tokens, enforcement.leading.text
        spans = self._open_aligner().target_pieces(ids, text) if enforcement.links else []
        places: list[tuple[int, int, tuple[Tokens, ...]]] = []
        for (start, end), term in sorted(_places(enforcement, text), key=lambda place: place[0]):
            first, behind = _num_before(spans, start), _num_before(spans, end)
            if first < (places[-1][1] if places else enforcement.num_given):
                continue
            ways = tuple(islice(self._ways_at(term, text, start), MOST_REPLACING))
            if places and len(ways) != 1:
                break
            places.append((first, behind, ways))
        if not places:
            return
        start, end, ways = places[0]
        further = [Replacement(start, end, way) for start, end, (way,) in places[1:]]
        for way in ways:
            revision = Revision.of(ids, [Replacement(start, end, way), *further])
            if revision.num_chosen <= enforcement.max_length:
                yield revision.up_to(enforcement.max_length)

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
        sentence, memory = enforcement.sentence, enforcement.memory
        options = self._options(sentence.options, forced=bool(prefix))
        return Request(sentence.tokens, options, prefix or sentence.prefix, required, memory)

    @staticmethod
    @lru_cache(64)
    def _options(asked: DecodingOptions, *, forced: bool = True) -> DecodingOptions:
        """How to decode what is ``forced`` to begin with a prefix, or to say terms."""
        options = replace(asked, n_best=asked.beam_size)
        if forced:
            options = replace(options, prefix_bias=0.0)
        if asked.sampling:  # what is drawn by chance cannot be told to say a term
            options = replace(options, sampling=False, temperature=1.0, top_k=0, top_p=1.0, seed=0)
        return options

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
    num_terms = len(enforcement.sentence.wanted)
    leading = enforcement.leading
    return (
        leading.said < num_terms
        and leading.whole
        and not enforcement.searched
        and enforcement.num_rounds < 2 * num_terms
    )


def _is_plain(options: DecodingOptions) -> bool:
    """Whether one hypothesis is asked for, with the score that its tokens have by themselves."""
    changed = options.repetition_penalty != 1 or options.no_repeat_ngram_size
    return options.n_best == 1 and not (changed or options.coverage_penalty or options.min_length)


def _asking(enforcement: Enforcement) -> tuple[Pair, str, str]:
    """The normalised source and the leading hypothesis of a sentence, to be aligned."""
    sentence, leading = enforcement.sentence, enforcement.leading
    pair = Pair(sentence.tokens, leading.hypothesis.tokens, enforcement.memory)
    return pair, normalise(sentence.shown), leading.text


def _places(enforcement: Enforcement, text: str) -> Iterator[tuple[Span, Term]]:
    """Where in the leading hypothesis the words are that stand for terms that it lacks."""
    times = Counter(enforcement.sentence.wanted)
    lacking = {term for term, n in times.items() if num_said([term] * n, text) < n}
    for one in enforcement.sentence.found:
        linked = sorted(
            target
            for (start, end), target in enforcement.links
            if start < one.end and end > one.start
        )
        if linked and one.term in lacking:
            span = _first_run(linked)
            if not is_said(one.term, text[slice(*span)]):
                yield span, one.term


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
