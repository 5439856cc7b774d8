"""Translations that show signs of being none, and their second chance.

    look = SecondLook(start_engine)
    look.take(sentence, request, first)     # shows signs: is decoded again
    for sentence, result in look.step():    # the better of both

The second search is wider than the beam of the engine that made the first, so an engine of its own
does it, which exists only while there is something to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tformer.model.engine.engine import Engine, Finished
from tformer.model.passes import guard
from tformer.model.passes.draft import Sentence
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Request


@dataclass(frozen=True)
class Result:
    """What became of one sentence."""

    hypotheses: tuple[FinishedHypothesis, ...]
    max_length: int
    signs: tuple[guard.Sign, ...] = ()
    memory: Any = field(default=None, compare=False, repr=False)
    """What the network made of the source, see `Request.memory`."""


@dataclass(frozen=True)
class _Case:
    sentence: Sentence
    first: Result


class SecondLook:
    """The sentences that are decoded again."""

    def __init__(
        self,
        start: Callable[[], Engine],
        signs: Callable[[Sentence, FinishedHypothesis], tuple[guard.Sign, ...]],
    ) -> None:
        """None yet; ``start()`` gives a wider engine, and ``signs()`` those of a translation."""
        self._start = start
        self._signs = signs
        self._engine: Engine | None = None
        self._cases: dict[int, _Case] = {}

    @property
    def busy(self) -> bool:
        """Whether a step is to be taken."""
        return self._engine is not None

    @property
    def num_running(self) -> int:
        """Sentences in its batch."""
        return self._engine.num_running if self._engine else 0

    def take(self, sentence: Sentence, request: Request, first: Result) -> None:
        """Decode a sentence again, whose ``first`` translation shows signs."""
        self._engine = self._engine or self._start()
        again = replace(request, options=guard.retry(request.options), memory=first.memory)
        self._cases[self._engine.submit(again)] = _Case(sentence, first)

    def cancel(self, sentences: Iterable[Sentence]) -> None:
        """Forget those of the sentences that are here."""
        unwanted = set(sentences)
        for number in [n for n, case in self._cases.items() if case.sentence in unwanted]:
            assert self._engine is not None
            self._engine.cancel(number)
            del self._cases[number]
        self._rest()

    def step(self) -> list[tuple[Sentence, Result]]:
        """Go on; the sentences that were finished, with the better of their two results.

        Raises:
            ModelError: when the network computes nothing but NaN.
        """
        if self._engine is None:
            return []
        answers = self._engine.step()
        cases = [self._cases.pop(answer.number) for answer in answers]
        self._rest()
        return [
            (case.sentence, self._better(case, _result(answer)))
            for case, answer in zip(cases, answers, strict=True)
        ]

    def _better(self, case: _Case, second: Result) -> Result:
        """The second result if it shows fewer signs, else the first."""
        second = replace(second, signs=self._signs(case.sentence, second.hypotheses[0]))
        return second if len(second.signs) < len(case.first.signs) else case.first

    def _rest(self) -> None:
        if not self._cases:
            self._engine = None


def _result(answer: Finished) -> Result:
    return Result(answer.hypotheses, answer.max_length, memory=answer.memory)
