"""Seeing to it that a translation says what `DecodingOptions.required_terms` ask for.

A text is translated as if nothing were required. A term that some sentence of it says, in all of
its hypotheses, needs nothing more. For those that are missing every sentence is decoded again, by a
search that must say them (`search.constraints`); the sentence that loses least by it, in
score, becomes what that search has found, and the others stay as they were.

The sentences of a text are held back until all of them are translated, and it is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from tformer.model.engine.engine import Finished
from tformer.model.passes.draft import Requirement, Sentence
from tformer.model.passes.term_search import Candidate, Enforcement, Enforcer
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Request
from tformer.model.terms.glossary import Found, Term, is_said


@dataclass(eq=False)
class _Case:
    """A text some of whose sentences are decoded again."""

    requirement: Requirement
    missing: tuple[Term, ...]
    searches: list[_Search] = field(default_factory=list)
    pending: int = 0
    """Searches that have not been answered."""


@dataclass(eq=False)
class _Search:
    """For a translation of one sentence that says what is missing."""

    case: _Case
    sentence: Sentence
    enforcement: Enforcement

    def rank(self, candidate: Candidate) -> tuple[int, bool]:
        """What counts before the score: how much of what was missing it says."""
        said = sum(is_said(term, candidate.text) for term in self.case.missing)
        return said, candidate.whole

    @property
    def best(self) -> list[Candidate]:
        """The hypotheses to take, the most likely first."""
        found = self.enforcement.latest
        most = max(map(self.rank, found))
        best = [candidate for candidate in found if self.rank(candidate) == most]
        best.sort(key=lambda candidate: -candidate.hypothesis.score)
        return best[: self.sentence.options.n_best]

    @property
    def worth(self) -> tuple[tuple[int, bool], float]:
        """By which the searches compare."""
        best = self.best[0]
        gained = best.hypothesis.score - self.sentence.hypotheses[0].score
        return self.rank(best), gained


class Requiring:
    """The sentences that are held back."""

    def __init__(
        self,
        enforcer: Enforcer,
        submit: Callable[[Request], int],
        text: Callable[[tuple[int, ...]], str],
        hand_out: Callable[[Sentence, tuple[FinishedHypothesis, ...], int], Sentence],
    ) -> None:
        """None yet.

        Args:
            enforcer: says how to search.
            submit: gives the engine a request, and a number to the answer.
            text: of tokens.
            hand_out: gives a sentence its hypotheses, of at most so many tokens.
        """
        self._enforcer = enforcer
        self._submit = submit
        self._text = text
        self._hand_out = hand_out
        self._searches: dict[int, _Search] = {}

    def __contains__(self, number: int) -> bool:
        """Whether an answer of the engine belongs here."""
        return number in self._searches

    def settle(self, sentences: Iterable[Sentence]) -> list[Sentence]:
        """Of sentences that were translated, and those held back, the ones that are done."""
        return [done for sentence in sentences for done in self._settle(sentence)]

    def take(self, answer: Finished) -> Sequence[Sentence]:
        """Take an answer that belongs here; the sentences of the text if it was the last."""
        search = self._searches.pop(answer.number)
        texts = [self._text(hypothesis.tokens) for hypothesis in answer.hypotheses]
        search.enforcement.add(texts, answer.hypotheses)
        case = search.case
        case.pending -= 1
        if case.pending:
            return []
        self._choose(case)
        return self._end(case)

    def forget(self, unwanted: set[Sentence]) -> list[int]:
        """Expect no answers about these sentences; the numbers of those that were expected."""
        numbers = [n for n, search in self._searches.items() if search.sentence in unwanted]
        for number in numbers:
            del self._searches[number]
        return numbers

    def _settle(self, sentence: Sentence) -> Sequence[Sentence]:
        requirement = sentence.requirement
        if requirement is None:
            return [sentence]
        requirement.translated += 1
        if requirement.translated < len(requirement.sentences):
            return []
        return self._begin(_Case(requirement, requirement.missing))

    def _begin(self, case: _Case) -> Sequence[Sentence]:
        """Search for what is missing; the sentences if there is nothing to search for."""
        for sentence in case.requirement.sentences if case.missing else ():
            enforcement = _saying(sentence, case.missing)
            for request in self._enforcer.search(enforcement):
                search = _Search(case, sentence, enforcement)
                self._searches[self._submit(request)] = search
                case.searches.append(search)
        case.pending = len(case.searches)
        return [] if case.pending else self._end(case)

    def _choose(self, case: _Case) -> None:
        search = max(case.searches, key=lambda search: search.worth)
        chosen = search.best
        says, _ = search.rank(chosen[0])
        if says:
            hypotheses = tuple(candidate.hypothesis for candidate in chosen)
            self._hand_out(search.sentence, hypotheses, search.sentence.max_length)

    def _end(self, case: _Case) -> Sequence[Sentence]:
        case.requirement.settled = True
        return case.requirement.sentences


def _saying(sentence: Sentence, missing: Sequence[Term]) -> Enforcement:
    """A translation that has to say what is missing, and further the terms of the glossary."""
    found = [Found(term, 0, 0) for term in missing]
    return Enforcement(replace(sentence, found=[*found, *sentence.found]), sentence.max_length)
