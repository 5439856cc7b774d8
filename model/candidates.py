"""What may follow the hypotheses of a batch: the scores of a step, read to the host, in NumPy.

G sentences have K hypotheses each; row r = g * K + k is hypothesis k of sentence g.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tformer.model.device import on_host
from tformer.model.scores import Scores

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Candidate(NamedTuple):
    """One hypothesis with one more token."""

    log_prob: float
    """log P of the whole."""
    parent: int
    """The place of the hypothesis that is continued, 0..K-1."""
    token: int


class Candidates(NamedTuple):
    """The 2K best continuations of every sentence, each (G, 2K), the best first."""

    log_probs: Floats
    """log P of the hypothesis with the token; -inf where there is no candidate."""
    parents: Integers
    tokens: Integers

    def take(self, index: Integers) -> Candidates:
        """Those of a flat ``index`` (G, N)."""
        return Candidates(
            self.log_probs.take(index), self.parents.take(index), self.tokens.take(index)
        )

    def replace(self, sentence: int, candidates: Sequence[Candidate]) -> None:
        """Let the candidates of one sentence be these, of which there may be fewer."""
        kept = candidates[: self.tokens.shape[1]]
        self.log_probs[sentence] = -math.inf
        for place, candidate in enumerate(kept):
            for part, value in zip(self, candidate, strict=True):
                part[sentence, place] = value


class Drawn(NamedTuple):
    """The outcome of sampling."""

    rows: Sequence[int]
    """N of them."""
    log_probs: Tensor
    """(N,)"""
    tokens: Tensor
    """(N,) int64"""


class Continuations:
    """The tokens that may follow each of R hypotheses."""

    def __init__(
        self,
        scores: Scores,
        width: int,
        named: Iterable[int] = (),
        drawn: Drawn | None = None,
        attention: Tensor | None = None,
    ) -> None:
        """Read what will be asked for, all at once, which is where a GPU is waited for.

        Args:
            scores: of R rows.
            width: how many of the best of every row; all when there are fewer.
            named: tokens of which :meth:`of` will be asked.
            drawn: the one token that follows in some rows.
            attention: (R, S) to the source in saying the token that follows.
        """
        self.width = min(width, scores.vocab_size)
        named = list(named)
        wanted = [*scores.best(self.width), *(scores.of(token) for token in named)]
        if drawn is not None:
            wanted += [drawn.log_probs, drawn.tokens]
        if attention is not None:
            wanted.append(attention)
        read = [part.numpy() for part in on_host(*wanted)]
        self.attention = read.pop() if attention is not None else None
        self.drawn: dict[int, tuple[float, int]] = {}
        """Log-probability and token, by row."""
        if drawn is not None:
            tokens, log_probs = read.pop().tolist(), read.pop().tolist()
            self.drawn = dict(zip(drawn.rows, zip(log_probs, tokens, strict=True), strict=True))
        self.best, self.tokens, *columns = read
        """Log-probabilities, falling, and tokens, each (R, width)."""
        self._named = dict(zip(named, columns, strict=True))

    def of(self, token: int) -> NDArray[Any]:
        """The log-probability in every row of a token that was named, (R,)."""
        return self._named[token]


@dataclass(frozen=True)
class Outlook:
    """What may follow the hypotheses of one sentence."""

    following: Continuations
    first_row: int
    """Of the sentence."""
    log_probs: Sequence[float]
    """log P of every hypothesis that runs, at most K."""
    eos_id: int
    may_end: bool
    """Whether the hypotheses are long enough."""

    def candidate(self, place: int, token: int) -> Candidate:
        """One hypothesis with one token."""
        log_prob = self.log_probs[place] + float(self.following.of(token)[self.first_row + place])
        return Candidate(log_prob, place, token)

    def only(self, token: int) -> list[Candidate]:
        """All hypotheses with the same token, the best first."""
        candidates = [self.candidate(place, token) for place in range(len(self.log_probs))]
        return sorted(candidates, key=lambda candidate: -candidate.log_prob)

    def drawn(self) -> list[Candidate]:
        """All hypotheses, each with the token that was drawn for it, the best first."""
        candidates = []
        for place, before in enumerate(self.log_probs):
            log_prob, token = self.following.drawn[self.first_row + place]
            candidates.append(Candidate(before + log_prob, place, token))
        return sorted(candidates, key=lambda candidate: -candidate.log_prob)

    def best(self, place: int) -> list[Candidate]:
        """The best candidates of one hypothesis, the best first: 2K, and the end if among them."""
        row = self.first_row + place
        pairs = zip(
            self.following.best[row].tolist(), self.following.tokens[row].tolist(), strict=True
        )
        before = self.log_probs[place]
        return [Candidate(before + log_prob, place, token) for log_prob, token in pairs]
