"""The interface of a pass: reviews the hypotheses of one sentence after the search.

    class Shouting:
        def review(self, sentence: Sentence, result: Result) -> Review:
            if all(found.tokens for found in result.hypotheses):
                return result                            # done
            again = yield from search(Request(...))      # one more request to the engine
            return replace(result, hypotheses=again.hypotheses)

A pass is a generator. What it yields are requests: to the search, to the teacher-forced scorer, or
for the results of the other sentences of its text. It goes on with the answer, and what it returns
is the input of the pass after it. State between two requests is in local variables: a pass object
keeps nothing about a sentence. An exception is an error of that sentence; one that a request caused
is raised where the request was made.

`passes.runner` collects the requests of all sentences of an engine, so that they share its batches.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tformer.model.datastore.states import QuantisedStates
from tformer.model.engine.engine import Finished
from tformer.model.passes.draft import EncoderInput, Requirement, Sentence
from tformer.model.passes.guard import Sign
from tformer.model.passes.prepared import Restored
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Pair, Request
from tformer.model.translation import Link, Notice, PieceScore, RecalledPair

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Result:
    """Hypotheses of a sentence, with what passes have found out about them."""

    hypotheses: tuple[FinishedHypothesis, ...]
    """At least one, the best first."""
    input: EncoderInput
    """Source of the search that found them."""
    max_length: int
    """Most tokens that a hypothesis could have."""
    signs: tuple[Sign, ...] = ()
    """Signs of degenerate output in the best hypothesis."""
    encoder_states: Any = field(default=None, compare=False, repr=False)
    """Encoder states of the input, see `Request.encoder_states`."""
    alternatives: tuple[FinishedHypothesis, ...] = ()
    """Further hypotheses that the search has finished."""
    is_name: bool = False
    """True if the source is a name that stays as it is."""
    restored: tuple[Restored, ...] | None = None
    """Texts of the hypotheses with all literals; None if they are not known."""
    notices: tuple[Notice, ...] = ()
    """Warnings about literals of the best hypothesis."""
    alignments: tuple[tuple[Link, ...], ...] | None = None
    """Word alignments of each hypothesis, if they were asked for."""
    piece_scores: tuple[tuple[PieceScore, ...], ...] | None = None
    """Scores of the pieces of each hypothesis, if they were asked for."""
    recalled: tuple[RecalledPair, ...] = ()
    """Pairs of the datastore that helped with the best hypothesis, if they were asked for."""

    @classmethod
    def of(cls, answer: Finished, source: EncoderInput) -> Result:
        """Result of a search for an input."""
        return cls(
            answer.hypotheses,
            source,
            answer.max_length,
            encoder_states=answer.encoder_states,
            alternatives=answer.alternatives,
        )


class Reading(Enum):
    """Output of the teacher-forced scorer."""

    ATTENTION = "attention"
    """(T, S) of each pair: where each of T target tokens looks among S source tokens."""
    LOG_PROBS = "log_probs"
    """(T + 1,) of each pair: log-probabilities of the target tokens and of the end."""
    STATES = "states"
    """(T + 1, d) of each pair: what the output projection reads for these tokens."""


@dataclass(frozen=True)
class Read:
    """A request to the teacher-forced scorer."""

    reading: Reading
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class Meet:
    """A barrier: waits for all sentences of a text, each of which offers a value."""

    requirement: Requirement
    """That the sentences share."""
    value: Any


class Scorer(Protocol):
    """A network that reads known targets, all positions at once (teacher forcing).

    A pair gets the same numbers in whatever company it is. Used by several threads.
    """

    def attend(self, pairs: Sequence[Pair]) -> Sequence[Floats]:
        """See `Reading.ATTENTION`."""
        ...

    def log_probs(self, pairs: Sequence[Pair]) -> Sequence[Floats]:
        """See `Reading.LOG_PROBS`."""
        ...

    def states(self, pairs: Sequence[Pair]) -> Sequence[QuantisedStates]:
        """See `Reading.STATES`."""
        ...


Asked: TypeAlias = Request | Read | Meet
Review: TypeAlias = Generator[Asked, Any, Result]


class Pass(Protocol):
    """A step after the search, for every sentence by itself."""

    def review(self, sentence: Sentence, result: Result) -> Review:
        """Yield requests, and return the result for the pass after this one.

        Args:
            sentence: not to be changed.
            result: of the search and of the passes before this one.

        Raises:
            Exception: an error of this sentence alone.
        """
        ...


def search(request: Request) -> Generator[Asked, Finished, Finished]:
    """Decode a source.

    Raises:
        UsageError: the network or the engine cannot do what the request asks for.
    """
    return (yield request)


def attention(pairs: Sequence[Pair]) -> Generator[Asked, list[Floats], list[Floats]]:
    """Return (T, S) of each pair, see `Reading.ATTENTION`.

    Raises:
        UsageError: this network has no scorer.
    """
    return (yield Read(Reading.ATTENTION, pairs))


def log_probs(pairs: Sequence[Pair]) -> Generator[Asked, list[Floats], list[Floats]]:
    """Return (T + 1,) of each pair, see `Reading.LOG_PROBS`.

    Raises:
        UsageError: this network has no scorer.
    """
    return (yield Read(Reading.LOG_PROBS, pairs))


def states(
    pairs: Sequence[Pair],
) -> Generator[Asked, list[QuantisedStates], list[QuantisedStates]]:
    """Return (T + 1, d) of each pair, see `Reading.STATES`.

    Raises:
        UsageError: this network has no scorer.
    """
    return (yield Read(Reading.STATES, pairs))


def meet(requirement: Requirement, value: Any) -> Generator[Asked, list[Any], list[Any]]:
    """Wait for the other sentences of the text; returns what all offer, in their order."""
    return (yield Meet(requirement, value))
