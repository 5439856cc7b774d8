"""Candidates for continuing the hypotheses of a batch, chosen from the scores of a step in NumPy.

G sentences have K hypotheses each; row r = g * K + k is hypothesis k of sentence g. The few hundred
numbers of a step are gone through by one function that Numba compiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tformer.model.hardware.numba_cache import inner, njit

if TYPE_CHECKING:  # a network that computes on the host needs no torch
    from torch import Tensor

    from tformer.model.search.scores import Scores

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Records = NDArray[np.void]

CANDIDATE = np.dtype([("log_prob", np.float64), ("parent", np.int64), ("token", np.int64)])
"""A :class:`NextCandidate` in an array. Where there is none, log P is -inf, and the others 0."""


class NextCandidate(NamedTuple):
    """One hypothesis with one more token."""

    log_prob: float
    """log P of the whole."""
    parent: int
    """The place of the hypothesis that is continued, 0..K-1."""
    token: int


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
        named = list(named)
        best = scores.best(min(width, scores.vocab_size), named)
        wanted: list[Any] = [*best, *(scores.of(token) for token in named)]
        if drawn is not None:
            wanted += [drawn.log_probs, drawn.tokens]
        if attention is not None:
            wanted.append(attention)
        read = _read(wanted)
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

    def ban(self, banned: Mapping[int, Sequence[int]]) -> None:
        """Make tokens impossible in some rows; among the best they come behind all others."""
        for row, tokens in banned.items():
            is_banned = np.isin(self.tokens[row], tokens)
            order = np.argsort(is_banned, kind="stable")
            self.best[row] = np.where(is_banned, -np.inf, self.best[row])[order]
            self.tokens[row] = self.tokens[row][order]
            for token in self._named.keys() & set(tokens):
                self._named[token][row] = -np.inf


def _read(wanted: Sequence[Any]) -> list[NDArray[Any]]:
    """Tensors, and arrays of the host, as such arrays."""
    tensors = [part for part in wanted if not isinstance(part, np.ndarray)]
    if not tensors:
        return list(wanted)
    from tformer.model.hardware import device

    read = iter([np.ascontiguousarray(part.numpy()) for part in device.on_host(*tensors)])
    return [part if isinstance(part, np.ndarray) else next(read) for part in wanted]


@njit(cache=True)
def choose(best, tokens, ends, eos_id, state, bans):
    """The 2K best continuations of every sentence, the best first.

    Of equals, that of the first hypothesis comes first, and of its own the one with the first rank.
    A sentence at its length limit can only end, one that is shorter than it must be cannot.

    Args:
        best: log-probabilities (R, width) of the best tokens of each row, falling; NaN counts as
            least. The width is at least 2K, and one more where an end does not count and for each
            token that is banned; or V.
        tokens: these tokens, (R, width) int64.
        ends: (R,), the log-probability of the end; only looked at where a sentence is at its limit.
        eos_id: the end.
        state: `hypotheses.State`, which has room for the candidates.
        bans: `ngram_bans.Bans`, of tokens that must not follow.
    """
    sentences, log_probs, chosen = state.sentences, state.log_probs, state.chosen
    places = log_probs.shape[1]
    ranks = np.empty(places, np.int64)
    for g in range(sentences.shape[0]):
        if sentences[g].step >= sentences[g].max_length:
            _choose_ends(ends[g * places : g * places + places], eos_id, log_probs[g], chosen[g])
            continue
        forbidden = eos_id if sentences[g].step < sentences[g].min_length else -1
        for k in range(places):
            ranks[k] = 0
        for n in range(chosen.shape[1]):
            largest, parent = -np.inf, -1
            for k in range(places):
                row = g * places + k
                while ranks[k] < best.shape[1] and (
                    tokens[row, ranks[k]] == forbidden
                    or _is_banned(bans, row, tokens[row, ranks[k]])
                ):
                    ranks[k] += 1
                if ranks[k] < best.shape[1]:
                    total = log_probs[g, k] + best[row, ranks[k]]
                    if total > largest:
                        largest, parent = total, k
            _put(chosen[g, n], largest, 0, 0)
            if parent >= 0:
                chosen[g, n].parent = parent
                chosen[g, n].token = tokens[g * places + parent, ranks[parent]]
                ranks[parent] += 1


@inner
def _is_banned(bans, row, token):
    found = False
    for i in range(bans.counts[row]):
        found |= bans.tokens[row, i] == token
    return found


@inner
def _choose_ends(ends, eos_id, log_probs, chosen):
    """The end of every hypothesis, the best first."""
    left = np.empty(log_probs.shape[0])
    for k in range(left.shape[0]):
        left[k] = log_probs[k] + ends[k]
    for n in range(chosen.shape[0]):
        largest, parent = -np.inf, -1
        for k in range(left.shape[0]):
            if left[k] > largest:
                largest, parent = left[k], k
        _put(chosen[n], largest, 0, 0)
        if parent >= 0:
            _put(chosen[n], largest, parent, eos_id)
            left[parent] = -np.inf


@inner
def _put(candidate, log_prob, parent, token):
    candidate.log_prob, candidate.parent, candidate.token = log_prob, parent, token


def replace(chosen: Records, candidates: Sequence[NextCandidate]) -> None:
    """Let the candidates (2K,) of one sentence be these, of which there may be fewer."""
    chosen[:] = (-math.inf, 0, 0)
    for place, candidate in enumerate(candidates[: len(chosen)]):
        chosen[place] = tuple(candidate)


@dataclass(frozen=True)
class Outlook:
    """Candidates for continuing the hypotheses of one sentence."""

    following: Continuations
    first_row: int
    """First row of the sentence."""
    log_probs: Sequence[float]
    """log P of every hypothesis that runs, at most K."""
    eos_id: int
    may_end: bool
    """True if the hypotheses are long enough."""

    def candidate(self, place: int, token: int) -> NextCandidate:
        """One hypothesis with one token."""
        log_prob = self.log_probs[place] + float(self.following.of(token)[self.first_row + place])
        return NextCandidate(log_prob, place, token)

    def only(self, token: int) -> list[NextCandidate]:
        """All hypotheses with the same token, the best first."""
        candidates = [self.candidate(place, token) for place in range(len(self.log_probs))]
        return sorted(candidates, key=lambda candidate: -candidate.log_prob)

    def drawn(self) -> list[NextCandidate]:
        """All hypotheses, each with the token that was drawn for it, the best first."""
        candidates = []
        for place, before in enumerate(self.log_probs):
            log_prob, token = self.following.drawn[self.first_row + place]
            candidates.append(NextCandidate(before + log_prob, place, token))
        return sorted(candidates, key=lambda candidate: -candidate.log_prob)

    def best(self, place: int) -> list[NextCandidate]:
        """The best candidates of one hypothesis, the best first: 2K, and the end if among them."""
        row = self.first_row + place
        pairs = zip(
            self.following.best[row].tolist(), self.following.tokens[row].tolist(), strict=True
        )
        before = self.log_probs[place]
        return [NextCandidate(before + log_prob, place, token) for log_prob, token in pairs]
