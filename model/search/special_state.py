"""Per-sentence state for prefixes, constraints, penalties and sampling.

Most sentences need none of it and have no :class:`SpecialState`; their hypotheses are rows of
arrays (`tformer.model.search.hypotheses`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tformer.model.options import DecodingOptions
from tformer.model.search.candidates import Floats, NextCandidate, Outlook
from tformer.model.search.constraints import Progress, constrained
from tformer.model.search.request import Request

Tokens = tuple[int, ...]


def wishes_of(request: Request, max_length: int) -> SpecialState | None:
    """State of a request; None if it needs none."""
    return None if is_plain(request) else SpecialState(request, max_length)


def is_plain(request: Request) -> bool:
    """Return whether a request asks for the best continuations, but for repeated n-grams."""
    options = request.options
    special = request.prefix or request.required or options.sampling or options.coverage_penalty
    return not (special or options.repetition_penalty != 1)


def changes(request: Request) -> bool:
    """Return whether a request changes probabilities, see `search.logits_processors`."""
    options = request.options
    return bool(
        options.repetition_penalty != 1
        or options.no_repeat_ngram_size
        or (options.prefix_bias and request.prefix)
    )


def only_bans(request: Request) -> bool:
    """Return whether a request rules out tokens and leaves every other probability as it is.

    Then the best continuations but for those are sought, and no probability is written down.
    """
    options = request.options
    changed = options.repetition_penalty != 1 or (options.prefix_bias and request.prefix)
    return bool(options.no_repeat_ngram_size and not options.sampling and not changed)


def repetitions(said: Tokens, size: int) -> list[int]:
    """Tokens with which the last ``size`` tokens would have been said before; size 0 is none."""
    if not 0 < size <= len(said):
        return []
    last = said[len(said) - size + 1 :]
    starts = range(len(said) - size + 1)
    return sorted({said[i + size - 1] for i in starts if said[i : i + size - 1] == last})


def num_first(options: DecodingOptions) -> int:
    """Hypotheses with which a sentence begins."""
    return options.beam_size if options.sampling else 1


@dataclass
class SpecialState:
    """Special state of one sentence and its hypotheses."""

    request: Request
    max_length: int
    """Most tokens of a hypothesis, the end not counted."""
    step: int = 0
    """Tokens of every running hypothesis."""
    said: list[Tokens] = field(default_factory=list)
    """Tokens of the running hypotheses, which have the first places."""
    progress: list[Progress] = field(default_factory=list)
    """Progress of every running hypothesis toward the required terms; empty without any."""

    _coverage: Floats | None = None
    """Attention that every source token has had from every hypothesis, (K, S)."""

    def __post_init__(self) -> None:
        self.said = [()] * num_first(self.request.options)
        if self.request.required:
            self.progress = [Progress(self.request.required)]

    @property
    def num_running(self) -> int:
        """Hypotheses that go on."""
        return len(self.said)

    @property
    def chooses(self) -> bool:
        """True if the candidates are not simply the best continuations."""
        return bool(self.forces_prefix or self.request.required or self.request.options.sampling)

    @property
    def forces_prefix(self) -> bool:
        """True if the next token is one of the prefix."""
        return not self.request.options.prefix_bias and self.step < len(self.request.prefix)

    @property
    def banned(self) -> list[list[int]]:
        """Tokens that must not follow, of every running hypothesis; none within a prefix."""
        size = 0 if self.forces_prefix else self.request.options.no_repeat_ngram_size
        return [repetitions(said, size) for said in self.said]

    @property
    def named(self) -> set[int]:
        """Tokens that are candidates however improbable they are."""
        if self.forces_prefix:
            return {self.request.prefix[self.step]}
        return {token for progress in self.progress for token in progress.next_tokens}

    def candidates(self, outlook: Outlook) -> list[NextCandidate] | None:
        """Candidates other than the best continuations, or the end at the limit."""
        request = self.request
        if self.forces_prefix:
            return outlook.only(request.prefix[self.step])
        if self.step >= self.max_length:
            return None
        if request.options.sampling:
            return outlook.drawn()
        if request.required:
            remaining = self.max_length - self.step - 1
            return constrained(outlook, self.progress, request.options.beam_size, remaining)
        return None

    def begin(self, count: int) -> None:
        """Take as said so many tokens of the prefix."""
        for token in self.request.prefix[:count]:
            self.append([0], [token])

    def attend(self, attention: Floats) -> Floats:
        """Count what the hypotheses (K, S) attend to in saying the token that comes next.

        Returns:
            What their scores have besides if they end with it, (K,).
        """
        attention = attention[:, : len(self.request.source)]
        self._coverage = attention if self._coverage is None else self._coverage + attention
        return coverage_penalty(self._coverage, self.request.options.coverage_penalty)

    def append(self, parents: Sequence[int], tokens: Sequence[int]) -> None:
        """Let the running hypotheses be these, each a former one with one more token."""
        self.step += 1
        pairs = list(zip(parents, tokens, strict=True))
        self.said = [(*self.said[parent], token) for parent, token in pairs]
        if self._coverage is not None:
            places = [*parents, *[0] * (len(self._coverage) - len(pairs))]
            self._coverage = self._coverage[places]
        if self.progress:
            self.progress = [self.progress[parent].after([token]) for parent, token in pairs]


def coverage_penalty(coverage: Floats, weight: float) -> Floats:
    """cp(X; Y) = weight * sum_i log(min(coverage_i, 1)), equation 14 of Wu et al. (2016).

    Args:
        coverage: (K, S), the attention that every source token has had. None counts as 1e-12.
        weight: beta.
    """
    total = np.log(np.clip(coverage, 1e-12, 1)).sum(1)
    return weight * total.astype(np.float64)
