"""The hypotheses of one sentence: what the running ones have said, and those that have finished."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from tformer.model.candidates import Floats
from tformer.model.constraints import Progress
from tformer.model.options import DecodingOptions, LengthNormalisation
from tformer.model.request import Request

_OFFSETS: dict[LengthNormalisation, int] = {"paper": 5, "average": 0}
"""Of the length penalty; see :func:`length_penalty`."""


@dataclass(frozen=True)
class FinishedHypothesis:
    """One finished translation, in token ids."""

    tokens: tuple[int, ...]
    """Without the beginning and the end of the sentence."""
    score: float
    """log P(Y|X) / lp(Y) + cp(X; Y), by which hypotheses are ranked."""
    token_scores: tuple[float, ...]
    """The log-probability of every token and of the end of the sentence, as the search had it;
    their sum is log P(Y|X)."""


class Step(NamedTuple):
    """What every place held after a step, (K,) each."""

    parents: list[int]
    """The place before the step of the hypothesis that was continued."""
    tokens: list[int]
    """With which token."""
    log_probs: list[float]
    """log P of the hypothesis since; -inf for an empty place."""


@dataclass
class Hypotheses:
    """The hypotheses of one sentence."""

    request: Request
    max_length: int
    """Most tokens of a hypothesis, the end not counted."""
    steps: list[Step] = field(default_factory=list)
    finished: list[FinishedHypothesis] = field(default_factory=list)
    """At most ``beam_size``, the best first."""
    num_finished: int = 0
    """Including those that were not kept."""
    progress: list[Progress] = field(default_factory=list)
    """Of every running hypothesis toward the required terms; empty when there are none."""

    _coverage: Floats | None = None
    """How much attention every source token has had from every hypothesis, (K, S)."""

    def __post_init__(self) -> None:
        if self.request.required:
            self.progress = [Progress(self.request.required)]

    @property
    def num_running(self) -> int:
        """Hypotheses that go on; they have the first places."""
        if not self.steps:
            options = self.request.options
            return options.beam_size if options.sampling else 1
        return sum(log_prob > -math.inf for log_prob in self.steps[-1].log_probs)

    @property
    def chooses(self) -> bool:
        """Whether not simply the best continuations are its candidates."""
        return bool(self.forces_prefix or self.request.required or self.request.options.sampling)

    @property
    def forces_prefix(self) -> bool:
        """Whether the next token is one of the prefix."""
        return not self.request.options.prefix_bias and len(self.steps) < len(self.request.prefix)

    def forced(self, eos_id: int) -> int | None:
        """The one token that may come next: of the prefix, or the end at the limit; or None."""
        if self.forces_prefix:
            return self.request.prefix[len(self.steps)]
        return eos_id if len(self.steps) >= self.max_length else None

    def named(self, eos_id: int) -> set[int]:
        """Tokens that are candidates however improbable they are."""
        forced = self.forced(eos_id)
        if forced is not None:
            return {forced}
        return {token for progress in self.progress for token in progress.next_tokens}

    def begin(self, log_probs: Sequence[float], places: int) -> None:
        """Take as said what the prefix begins with, given the log-probability of every token."""
        for token, total in zip(self.request.prefix, accumulate(log_probs), strict=False):
            self.append(Step([0] * places, [token] * places, [total] + [-math.inf] * (places - 1)))

    def attend(self, attention: Floats) -> None:
        """Count what the hypotheses (K, S) attend to in saying the token that comes next."""
        attention = attention[:, : len(self.request.source)]
        self._coverage = attention if self._coverage is None else self._coverage + attention

    def append(self, step: Step) -> None:
        """Let the running hypotheses be those after ``step``."""
        self.steps.append(step)
        if self._coverage is not None:
            self._coverage = self._coverage[step.parents]
        if self.progress:
            self.progress = [
                self.progress[parent].after([token])
                for parent, token, log_prob in zip(*step, strict=True)
                if log_prob > -math.inf
            ]

    def finish(self, place: int, log_prob: float) -> None:
        """Keep what runs in ``place`` as a translation, with the end of log P ``log_prob``."""
        self.num_finished += 1
        options = self.request.options
        score = log_prob / length_penalty(len(self.steps) + 1, options)
        if self._coverage is not None:
            score += coverage_penalty(self._coverage[place], options.coverage_penalty)
        tokens, log_probs = self._past(place)
        log_probs.append(log_prob)
        token_scores = (b - a for a, b in zip([0.0, *log_probs], log_probs, strict=False))
        self.finished.append(FinishedHypothesis(tokens, score, tuple(token_scores)))
        self.finished.sort(key=lambda hypothesis: -hypothesis.score)
        del self.finished[options.beam_size :]

    def tokens(self, place: int) -> tuple[int, ...]:
        """What the hypothesis that runs in ``place`` has said."""
        return self._past(place)[0]

    def _past(self, place: int) -> tuple[tuple[int, ...], list[float]]:
        """Tokens of a running hypothesis, and log P after each of them."""
        tokens, log_probs = [], []
        for step in reversed(self.steps):
            tokens.append(step.tokens[place])
            log_probs.append(step.log_probs[place])
            place = step.parents[place]
        return tuple(reversed(tokens)), log_probs[::-1]


def length_penalty(length: int, options: DecodingOptions) -> float:
    """lp(Y) = ((offset + |Y|) / (offset + 1))^alpha; |Y| counts the end.

    An offset of 5 is equation 14 of Wu et al. (2016), one of 0 is |Y|^alpha.
    """
    offset = _OFFSETS[options.length_normalisation]
    return float(((offset + length) / (offset + 1)) ** options.length_penalty)


def coverage_penalty(coverage: Floats, weight: float) -> float:
    """cp(X; Y) = weight * sum_i log(min(coverage_i, 1)), equation 14 of Wu et al. (2016).

    Args:
        coverage: (S,), the attention that every source token has had. None counts as 1e-12.
        weight: beta.
    """
    return weight * float(np.log(np.clip(coverage, 1e-12, 1)).sum())


def stopped(hypotheses: Hypotheses, running: float) -> bool:
    """Whether a sentence needs no further step; ``running`` is log P of the best that runs.

    A sentence stops as soon as one of these holds:

    1. It has as many finished hypotheses as its beam is wide, times its patience; and, unless it
       may stop early, its best running hypothesis would not beat the worst of the kept ones if it
       ended at its present length: log P / lp(step).
    2. It has ``n_best`` finished hypotheses, and nothing that still runs can beat the worst of
       these. A running hypothesis can at best gain no further cost, be as long as the limit allows,
       and cover the whole source: log P / lp(max_length + 1). This saves steps and changes no
       result.
    3. Nothing runs any more, or it has passed its length limit, where everything had to end.
    """
    step, finished = len(hypotheses.steps), hypotheses.finished
    if running == -math.inf or step > hypotheses.max_length:
        return True
    options = hypotheses.request.options
    if len(finished) < options.n_best:
        return False
    bound = running / length_penalty(hypotheses.max_length + 1, options)
    if finished[options.n_best - 1].score >= bound:
        return True
    if hypotheses.num_finished < options.enough:
        return False
    return options.early_stopping or (finished[-1].score >= running / length_penalty(step, options))
