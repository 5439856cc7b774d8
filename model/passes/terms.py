"""The pass that makes a translation contain terms: of a glossary, and `required_terms`.

**Glossary.** A sentence is translated as if there were no glossary. If its best hypothesis lacks
terms, they take the places of the words that stand for them (`passes.substitution`). The network
reads the result once: what stands behind a term may stay as far as nothing else is more likely
there, and from then on the sentence is decoded anew, with what is before as its prefix. So a term
takes the place of what it replaces, and the rest fits to it. Of several ways to say a term, that of
the most likely translation is taken; terms behind it wait for the next round.

Where the alignment shows no place, or terms are still missing, a search that requires all of them
(`search.constraints`) takes its turn: it finds a place for every term, though not always a
good one. Repetitive hypotheses are a last resort.

The search is given tokens, but a term is text: a hypothesis with the tokens of "Motor" may go on to
"Motoren". So every hypothesis is looked at as text, and one that contains more terms is preferred.

**Required terms** may be anywhere in a text. A term that some sentence of it contains, in all of
its hypotheses, needs nothing more. For those that are missing every sentence is decoded again, by
the same constrained search; the sentence that loses least by it, in score, becomes what that search
has found, and the others stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.passes.alignment import Aligner
from tformer.model.passes.draft import EncoderInput, Requirement, Sentence
from tformer.model.passes.interface import (
    Asked,
    Result,
    Review,
    attention,
    log_probs,
    meet,
    search,
)
from tformer.model.passes.redecoding import OutputCheck
from tformer.model.passes.substitution import Revision, Substitution
from tformer.model.passes.term_candidates import TermCandidate, TermCandidates
from tformer.model.passes.term_tokens import Spelling
from tformer.model.search import request
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Pair, Request
from tformer.model.terms.glossary import Term, capitalisations, is_said
from tformer.model.text.normalization import normalise
from tformer.model.translation import Link
from tformer.model.vocabulary.sentencepiece import AnyVocabulary


class TermEnforcement:
    """Puts terms into translations."""

    def __init__(
        self,
        vocabulary: AnyVocabulary,
        text: Callable[[tuple[int, ...]], str],
        open_aligner: Callable[[], Aligner],
        check: OutputCheck,
        read: Callable[[Sentence, Result], Sequence[str]],
    ) -> None:
        """A pass for a model.

        Args:
            vocabulary: that of the model.
            text: of tokens.
            open_aligner: returns what aligns, or raises a UsageError if nothing does.
            check: of hypotheses that take the place of others.
            read: returns the hypotheses of a result as people read them.
        """
        self._spelling = Spelling(vocabulary)
        self._text = text
        self._open_aligner = open_aligner
        self._check = check
        self._read = read

    def review(self, sentence: Sentence, result: Result) -> Review:
        """Enforce the terms of the glossary, then those of the text; see `Pass.review`."""
        if result.input.found:
            result = yield from self._enforce(sentence, result)
        if sentence.requirement:
            # Encoder states are large, and a text may have many sentences.
            result = replace(result, encoder_states=None)
            result = yield from self._require(sentence, sentence.requirement, result)
        return result

    def _result(
        self, sentence: Sentence, found: Sequence[FinishedHypothesis], old: Result
    ) -> Result:
        signs = self._check.signs(sentence, old.input, found[0])
        return replace(old, hypotheses=tuple(found), signs=signs, restored=None)

    # --- glossary --------------------------------------------------------------------------------

    def _enforce(self, sentence: Sentence, result: Result) -> Review:
        found = self._candidates(sentence, result.input.wanted, result)
        found.add(result.hypotheses)
        for _ in range(2 * len(found.terms)):
            if not (found.lacks_terms and found.leading.whole):
                break
            revisions = yield from self._revisions(sentence, found, result)
            if not revisions:
                break
            yield from self._revise(sentence, found, revisions, result)
        if found.lacks_terms:
            yield from self._search(sentence, found, result)
        return self._result(sentence, found.best, result)

    def _candidates(
        self, sentence: Sentence, terms: Sequence[Term], result: Result
    ) -> TermCandidates:
        return TermCandidates(terms, result.max_length, sentence.options.n_best, self._text)

    def _revisions(
        self, sentence: Sentence, found: TermCandidates, result: Result
    ) -> Generator[Asked, Any, list[Revision]]:
        """Put terms into the leading hypothesis, in one or more ways; none where nothing aligns."""
        tokens, text = found.leading.hypothesis.tokens, found.leading.text
        pair = Pair(result.input.tokens, tokens, result.encoder_states)
        try:
            aligner = self._open_aligner()
            (weights,) = yield from attention([pair])
        except UsageError:
            return []
        links: Sequence[Link] = aligner.links(pair, normalise(result.input.text), text, weights)
        pieces = aligner.target_pieces(tokens, text)
        given = 0 if sentence.options.prefix_bias else len(sentence.prefix)
        substitution = Substitution(result.input.found, tokens, text, links, pieces, given)
        return list(substitution.revisions(self._spelling, result.max_length))

    def _revise(
        self,
        sentence: Sentence,
        found: TermCandidates,
        revisions: Sequence[Revision],
        result: Result,
    ) -> Generator[Asked, Any, None]:
        """Take the likeliest revision, or as much of it as can stand."""
        tokens = result.input.tokens
        pairs = [Pair(tokens, each.tokens, result.encoder_states) for each in revisions]
        read = yield from log_probs(pairs)
        options = _options(sentence.options)
        scored = [(each, scores.tolist()) for each, scores in zip(revisions, read, strict=True)]
        revision, scores = max(scored, key=lambda each: each[0].finished(each[1], options).score)
        settled = revision.settled(scores)
        if settled <= len(revision.tokens) or not _is_plain(sentence.options):
            answer = yield from search(_request(sentence, result, prefix=revision.tokens[:settled]))
            found.add(answer.hypotheses)
        else:
            found.add([revision.finished(scores, options)])

    # --- required terms --------------------------------------------------------------------------

    def _require(self, sentence: Sentence, requirement: Requirement, result: Result) -> Review:
        texts = yield from meet(requirement, self._read(sentence, result))
        missing = [term for term in requirement.terms if not _is_said(term, texts)]
        if not missing:
            return result
        found = self._candidates(sentence, (*missing, *result.input.wanted), result)
        yield from self._search(sentence, found, result)
        offer = _Offer.of(found.latest, missing, result)
        offers: list[_Offer | None] = yield from meet(requirement, offer)
        best = max(filter(None, offers), key=lambda each: each.worth, default=None)
        if offer is None or offer is not best or not offer.said:
            return result
        return self._result(sentence, offer.hypotheses[: sentence.options.n_best], result)

    # --- constrained search ----------------------------------------------------------------------

    def _search(
        self, sentence: Sentence, found: TermCandidates, result: Result
    ) -> Generator[Asked, Any, None]:
        """Search for hypotheses that contain every term that fits, if one does."""
        limit = result.max_length - len(sentence.prefix)
        fitting = []
        for term in dict.fromkeys(found.terms):
            ways = self._spelling.ways(_phrases(term), touching=_touches(result.input, term))
            shortest = min(map(len, ways), default=limit + 1)
            if shortest <= limit:
                fitting.append(ways)
                limit -= shortest
        if fitting:
            answer = yield from search(_request(sentence, result, required=tuple(fitting)))
            found.add(answer.hypotheses)


def _is_said(term: Term, texts: Sequence[Sequence[str]]) -> bool:
    """Return whether some sentence contains a term in all of its hypotheses."""
    return any(all(is_said(term, each) for each in hypotheses) for hypotheses in texts)


@dataclass(frozen=True)
class _Offer:
    """Revisions of one sentence that contain the terms that its text lacks."""

    said: int
    """Number of the missing terms that it contains."""
    hypotheses: tuple[FinishedHypothesis, ...]
    """The most likely first."""
    worth: tuple[tuple[int, bool], float]
    """By which the sentences of a text compare; last what the score gains."""

    @classmethod
    def of(
        cls, found: Sequence[TermCandidate], missing: Sequence[Term], old: Result
    ) -> _Offer | None:
        """Choose among candidates; None where there is none."""
        if not found:
            return None

        def rank(candidate: TermCandidate) -> tuple[int, bool]:
            said = sum(is_said(term, candidate.text) for term in missing)
            return said, candidate.whole

        most = max(map(rank, found))
        best = [candidate.hypothesis for candidate in found if rank(candidate) == most]
        best.sort(key=lambda hypothesis: -hypothesis.score)
        gained = best[0].score - old.hypotheses[0].score
        return cls(most[0], tuple(best), (most, gained))


def _request(
    sentence: Sentence,
    result: Result,
    prefix: tuple[int, ...] = (),
    required: tuple[request.Term, ...] = (),
) -> Request:
    """A request for all hypotheses, since the best may be one that contains no whole word."""
    options = _options(sentence.options, forced=bool(prefix))
    tokens = result.input.tokens
    return Request(tokens, options, prefix or sentence.prefix, required, result.encoder_states)


@lru_cache(64)
def _options(asked: DecodingOptions, *, forced: bool = True) -> DecodingOptions:
    """Choose the options of a search that is ``forced`` to have a prefix or terms."""
    options = replace(asked, n_best=asked.beam_size)
    if forced:
        options = replace(options, prefix_bias=0.0)
    if asked.sampling:  # what is drawn by chance cannot be told to contain a term
        options = replace(options, sampling=False, temperature=1.0, top_k=0, top_p=1.0, seed=0)
    return options


def _is_plain(options: DecodingOptions) -> bool:
    """Return whether one hypothesis is asked for, with the plain score of its tokens."""
    changed = options.repetition_penalty != 1 or options.no_repeat_ngram_size
    return options.n_best == 1 and not (changed or options.coverage_penalty or options.min_length)


def _phrases(term: Term) -> tuple[str, ...]:
    return tuple(way for target in term.targets for way in capitalisations(target))


def _touches(source: EncoderInput, term: Term) -> bool:
    return any(one.touches for one in source.found if one.term == term)
