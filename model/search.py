"""Beam search over log-probabilities, for many sentences at once, each at its own step.

G sentences have K = ``beam_size`` hypotheses each; tensors are (G, K), or (R,) with R = G * K where
row r is hypothesis r % K of sentence r // K. The search knows no model and no text: it is given the
log-probabilities of the next token and says which row every surviving hypothesis continues.

    beam = Beam(beam_size=4, bos_id=1, eos_id=2)
    beam.extend([options], [max_length])
    while beam.num_sentences:
        rows = beam.advance(scores)         # of R rows, computed from beam.tokens
        ...                                 # row r now continues what was row rows[r]
        finished, remaining = beam.take()

At every step the 2K best continuations of a sentence are its candidates. Of the best K, those that
end the sentence are banked as finished hypotheses, and each gives its place to the next best: the
first K candidates that do not end go on. One K of candidates can end, so K always remain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from tformer.model.device import on_device, on_host
from tformer.model.options import DecodingOptions, LengthNormalisation
from tformer.model.scores import Scores

_OFFSETS: dict[LengthNormalisation, int] = {"paper": 5, "average": 0}
"""Of the length penalty; see :func:`length_penalty`."""


@dataclass(frozen=True)
class FinishedHypothesis:
    """One finished translation, in token ids."""

    tokens: tuple[int, ...]
    """Without the beginning and the end of the sentence."""
    score: float
    """log P(Y|X) / lp(Y), by which hypotheses are ranked."""


def length_penalty(length: Tensor, exponent: Tensor, offset: Tensor) -> Tensor:
    """lp(Y) = ((offset + |Y|) / (offset + 1))^exponent; |Y| counts the end.

    An offset of 5 is equation 14 of Wu et al. (2016), one of 0 is |Y|^exponent.
    """
    return ((offset + length).to(exponent.dtype) / (offset + 1)) ** exponent


def stopped(state: SearchState) -> Tensor:
    """Which sentences need no further step, (G,) bool.

    A sentence stops as soon as one of these holds:

    1. It has banked as many hypotheses as its beam is wide; and, unless it may stop early, its best
       running hypothesis would not beat the worst of the kept ones if it ended at its present
       length: log P / lp(step).
    2. It has banked ``n_best`` hypotheses, and nothing that still runs can beat the worst of these.
       A running hypothesis can at best gain no further cost and be as long as the limit allows:
       log P / lp(max_length + 1). This saves steps and changes no result.
    3. It has passed its length limit, where every running hypothesis had to end.
    """
    running = state.log_probs[:, 0]  # (G,)
    bound_now = running / length_penalty(state.step, state.exponent, state.offset)
    bound = running / length_penalty(state.max_length + 1, state.exponent, state.offset)
    worst_kept = _banked_score(state, state.beam_size)
    worst_wanted = _banked_score(state, state.n_best)
    full = (state.num_banked >= state.beam_size) & (state.stops_early | (worst_kept >= bound_now))
    unbeatable = (worst_wanted > -math.inf) & (worst_wanted >= bound)
    return full | unbeatable | (state.step > state.max_length)


def _banked_score(state: SearchState, rank: Tensor) -> Tensor:
    """The score of every sentence's banked hypothesis number ``rank`` (G,), -inf if too few."""
    return state.bank_scores.gather(1, rank[:, None] - 1)[:, 0]


class SearchState(NamedTuple):
    """Everything that is known of G sentences; every tensor's first dimension is G."""

    step: Tensor
    """(G,) int64, tokens that the running hypotheses have."""
    tokens: Tensor
    """(G, K, T) int64, tokens of the running hypotheses, valid up to ``step``; T is one more than
    the largest ``max_length``."""
    log_probs: Tensor
    """(G, K), log P of the running hypotheses, the best first; -inf where there is none."""
    bank_tokens: Tensor
    """(G, K, T) int64, tokens of the finished hypotheses."""
    bank_lengths: Tensor
    """(G, K) int64, lengths of the finished hypotheses, the end not counted."""
    bank_scores: Tensor
    """(G, K), log P / lp of the finished hypotheses, the best first; -inf where there is none."""
    num_banked: Tensor
    """(G,) int64, hypotheses that have finished, including those that were not kept."""
    beam_size: Tensor
    """(G,) int64, how many of the K places this sentence uses."""
    n_best: Tensor
    """(G,) int64, hypotheses wanted."""
    exponent: Tensor
    """(G,), of the length penalty."""
    offset: Tensor
    """(G,) int64, of the length penalty."""
    stops_early: Tensor
    """(G,) bool, whether a full bank is enough to stop."""
    min_length: Tensor
    """(G,) int64, fewest tokens before the end."""
    max_length: Tensor
    """(G,) int64, most tokens before the end."""

    def select(self, sentences: Tensor) -> SearchState:
        """The sentences with the given indices (G',)."""
        return SearchState(*(part.index_select(0, sentences) for part in self))

    def join(self, other: SearchState) -> SearchState:
        """These sentences, then the ``other`` ones."""
        width = max(self.tokens.shape[2], other.tokens.shape[2])
        pairs = zip(self.resized(width), other.resized(width), strict=True)
        return SearchState(*(torch.cat(pair) for pair in pairs))

    def resized(self, positions: int) -> SearchState:
        """The same with token buffers of ``positions``."""
        missing = positions - self.tokens.shape[2]
        return self._replace(
            tokens=pad(self.tokens, (0, missing)), bank_tokens=pad(self.bank_tokens, (0, missing))
        )


class _Candidates(NamedTuple):
    """The 2K best continuations of every sentence, each (G, 2K), the best first."""

    log_probs: Tensor
    parents: Tensor
    """The hypothesis continued, 0..K-1."""
    tokens: Tensor


class Beam:
    """The running and the finished hypotheses of the sentences in a batch."""

    def __init__(
        self,
        beam_size: int,
        bos_id: int,
        eos_id: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """An empty batch with ``beam_size`` places a sentence; scores are kept in ``dtype``."""
        self.beam_size = beam_size
        self.bos_id = bos_id
        self.eos_id = eos_id
        self._device = device
        self._dtype = dtype
        self._state = self._start([], [])
        # What the host knows of every sentence, so that it need not ask the device.
        self._n_best: list[int] = []
        self._max_lengths: list[int] = []

    @property
    def num_sentences(self) -> int:
        """G."""
        return self._state.step.shape[0]

    @property
    def tokens(self) -> Tensor:
        """(R,) int64, the newest token of every hypothesis: what the network reads next."""
        state = self._state
        last = (state.step - 1).clamp(min=0)[:, None, None].expand(-1, self.beam_size, 1)
        newest = state.tokens.gather(2, last)[:, :, 0]  # (G, K)
        return newest.masked_fill(state.step[:, None] == 0, self.bos_id).flatten()

    @property
    def done(self) -> Tensor:
        """(G,) bool, the sentences for which :func:`stopped` holds."""
        return stopped(self._state)

    def extend(self, options: Sequence[DecodingOptions], max_lengths: Sequence[int]) -> None:
        """Admit sentences behind those already here.

        Args:
            options: of each new sentence; no beam wider than this batch's.
            max_lengths: most tokens of each new sentence's translation, the end not counted.

        Raises:
            ValueError: when a sentence wants a wider beam than the batch has places for.
        """
        if any(wanted.beam_size > self.beam_size for wanted in options):
            raise ValueError(f"this batch has {self.beam_size} places a sentence")
        self._state = self._state.join(self._start(options, max_lengths))
        self._n_best += [wanted.n_best for wanted in options]
        self._max_lengths += max_lengths

    def advance(self, scores: Scores) -> Tensor:
        """Take one step in every sentence; those that are ``done`` must have been taken.

        Args:
            scores: of the token that follows each of R hypotheses; V at least 2.

        Returns:
            (R,) int64: the row whose continuation each row now is.
        """
        candidates = self._candidates(scores)
        self._bank(candidates)
        parents = self._continue(candidates)  # (G, K)
        first = torch.arange(self.num_sentences, device=parents.device) * self.beam_size
        return (first[:, None] + parents).flatten()

    def take(self) -> tuple[list[list[FinishedHypothesis]], list[int]]:
        """Remove the sentences that are done; the one place in a step that waits for the device.

        Returns:
            Their n-best lists, the best first, in the order of the batch; and the indices that
            the remaining sentences had.
        """
        state, most = self._state, max(self._n_best, default=0)
        bank = (state.bank_scores, state.bank_lengths, state.bank_tokens)
        stops, *best = on_host(self.done, *(part[:, :most] for part in bank))
        done = stops.tolist()
        remaining = [index for index, is_done in enumerate(done) if not is_done]
        if len(remaining) == len(done):
            return [], remaining
        leaving = [index for index, is_done in enumerate(done) if is_done]
        wanted = [self._n_best[index] for index in leaving]
        finished = _n_best_lists(wanted, *(part[leaving] for part in best))
        self.keep(remaining)
        return finished, remaining

    def keep(self, sentences: Sequence[int]) -> None:
        """Drop every sentence whose index is not in ``sentences``, done or not."""
        self._n_best = [self._n_best[index] for index in sentences]
        self._max_lengths = [self._max_lengths[index] for index in sentences]
        state = self._state.select(self._integers(sentences))
        self._state = state.resized(max(self._max_lengths, default=0) + 1)

    def _start(self, options: Sequence[DecodingOptions], max_lengths: Sequence[int]) -> SearchState:
        """Sentences before their first step: one empty hypothesis each, the other places void."""
        sentences, places = len(options), self.beam_size

        def reals(fill: float) -> Tensor:
            shape = (sentences, places)
            return torch.full(shape, fill, dtype=self._dtype, device=self._device)

        positions = max(max_lengths, default=0) + 1
        zeros = torch.zeros(sentences, places, positions, dtype=torch.int64, device=self._device)
        log_probs = reals(-math.inf)
        log_probs[:, 0] = 0
        exponents = [wanted.length_penalty for wanted in options]
        offsets = [_OFFSETS[wanted.length_normalisation] for wanted in options]
        stops_early = [wanted.early_stopping for wanted in options]
        return SearchState(
            step=self._integers([0] * sentences),
            tokens=zeros,
            log_probs=log_probs,
            bank_tokens=zeros,
            bank_lengths=zeros[:, :, 0],
            bank_scores=reals(-math.inf),
            num_banked=self._integers([0] * sentences),
            beam_size=self._integers([wanted.beam_size for wanted in options]),
            n_best=self._integers([wanted.n_best for wanted in options]),
            exponent=on_device(torch.tensor(exponents, dtype=self._dtype), self._device),
            offset=self._integers(offsets),
            stops_early=on_device(torch.tensor(stops_early, dtype=torch.bool), self._device),
            min_length=self._integers([wanted.min_length for wanted in options]),
            max_length=self._integers(max_lengths),
        )

    def _integers(self, values: Sequence[int]) -> Tensor:
        return on_device(torch.tensor(values, dtype=torch.int64), self._device)

    def _candidates(self, scores: Scores) -> _Candidates:
        """The best 2K continuations of every sentence."""
        state, places = self._state, self.beam_size
        shape = (self.num_sentences, places)
        endings = state.log_probs + scores.of(self.eos_id).view(shape)  # (G, K)
        # No hypothesis contributes more than 2K, and one more where its end does not count yet.
        width = min(2 * places + 1, scores.vocab_size)
        best, tokens = (part.view(*shape, width) for part in scores.best(width))
        too_short = (state.step < state.min_length)[:, None, None]
        best = best.masked_fill(too_short & (tokens == self.eos_id), -math.inf)
        totals = (state.log_probs[:, :, None] + best).flatten(1)  # (G, K * width)
        best, index = totals.topk(2 * places)  # (G, 2K)
        parents, tokens = index // width, tokens.flatten(1).gather(1, index)

        # At the limit nothing can follow but the end: K candidates, and K void ones behind them.
        best_endings, ending_parents = endings.sort(dim=1, descending=True)
        at_limit = (state.step >= state.max_length)[:, None]
        return _Candidates(
            torch.where(at_limit, pad(best_endings, (0, places), value=-math.inf), best),
            torch.where(at_limit, pad(ending_parents, (0, places)), parents),
            tokens.masked_fill(at_limit, self.eos_id),
        )

    def _bank(self, candidates: _Candidates) -> None:
        """Keep the K best of the finished hypotheses and those that end among the best K now."""
        state, places = self._state, self.beam_size
        log_probs, parents, tokens = (part[:, :places] for part in candidates)
        place = torch.arange(places, device=tokens.device)
        ended = (
            (tokens == self.eos_id) & (place < state.beam_size[:, None]) & (log_probs > -math.inf)
        )
        penalty = length_penalty(state.step + 1, state.exponent, state.offset)[:, None]  # (G, 1)
        scores = (log_probs / penalty).masked_fill(~ended, -math.inf)  # (G, K)

        # The bank and the newcomers side by side, (G, 2K); then the best K of them.
        all_scores = torch.cat([state.bank_scores, scores], 1)
        all_lengths = torch.cat([state.bank_lengths, state.step[:, None].expand(-1, places)], 1)
        all_tokens = torch.cat([state.bank_tokens, _rows_of(state.tokens, parents)], 1)
        bank_scores, best = all_scores.topk(places)
        self._state = state._replace(
            bank_scores=bank_scores,
            bank_lengths=all_lengths.gather(1, best),
            bank_tokens=_rows_of(all_tokens, best),
            num_banked=state.num_banked + ended.sum(1),
        )

    def _continue(self, candidates: _Candidates) -> Tensor:
        """Let the first K candidates that do not end go on; returns their parents (G, K)."""
        places = self.beam_size
        ended = candidates.tokens == self.eos_id
        order = ended.sort(dim=1, stable=True).indices[:, :places]  # those that go on come first
        log_probs, parents, tokens = (part.gather(1, order) for part in candidates)
        place = torch.arange(places, device=order.device)
        void = ended.gather(1, order) | (place >= self._state.beam_size[:, None])
        log_probs = log_probs.masked_fill(void, -math.inf)

        kept = _rows_of(self._state.tokens, parents)  # (G, K, T)
        at = self._state.step[:, None, None].expand(-1, places, 1)
        self._state = self._state._replace(
            tokens=kept.scatter(2, at, tokens[:, :, None]),
            log_probs=log_probs,
            step=self._state.step + 1,
        )
        return parents


def _rows_of(tokens: Tensor, index: Tensor) -> Tensor:
    """Of tokens (G, N, T) those sequences that index (G, M) names: (G, M, T)."""
    return tokens.gather(1, index[:, :, None].expand(-1, -1, tokens.shape[2]))


def _n_best_lists(
    wanted: Sequence[int], scores: Tensor, lengths: Tensor, tokens: Tensor
) -> list[list[FinishedHypothesis]]:
    """The best ``wanted`` of the hypotheses in the banks of some sentences, which are on the host.

    Args:
        wanted: of each sentence, at most N.
        scores, lengths: (G, N).
        tokens: (G, N, T).
    """
    columns = (part.tolist() for part in (scores, lengths, tokens))
    return [
        [
            FinishedHypothesis(tuple(ids[:length]), score)
            for score, length, ids in zip(*(column[:n] for column in bank), strict=True)
            if score > -math.inf
        ]
        for n, *bank in zip(wanted, *columns, strict=True)
    ]
