"""The hypotheses of a batch: what the running ones have said, and which have finished.

G sentences have K places each. What becomes of them at a step is worked out by a function that
Numba compiles, on arrays in which a sentence, a finished hypothesis and a step of a running one are
a record each; only who has finished becomes an object of Python.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from tformer.model.hardware.numba_cache import inner, njit
from tformer.model.options import LENGTH_PENALTY, DecodingOptions, LengthNormalisation
from tformer.model.search.candidates import Floats, Integers, Records
from tformer.model.search.request import Request
from tformer.model.search.special_state import is_plain

_OFFSETS: dict[LengthNormalisation, int] = {"paper": 5, "average": 0}
"""Offsets of the length penalty; see :func:`length_penalty`."""

SENTENCE = np.dtype(
    [
        ("step", np.int64),  # tokens that its running hypotheses have
        ("slot", np.int64),  # of the history, where they are written down
        ("max_length", np.int64),  # most tokens of a hypothesis, the end not counted
        ("min_length", np.int64),
        ("beam_size", np.int64),
        ("n_best", np.int64),
        ("enough", np.int64),  # finished hypotheses for which it waits
        ("early_stopping", np.int64),
        ("exponent", np.float64),  # of the length penalty
        ("offset", np.float64),
        ("num_kept", np.int64),  # finished hypotheses, at most beam_size
        ("num_finished", np.int64),  # those that were not kept included
        ("done", np.int64),  # whether it needs no further step
        ("ngram", np.int64),  # tokens that it must not say twice in a row; 0 for none
    ]
)
"""A sentence: what was asked for, and how far it is."""

FINISHED = np.dtype(
    [
        ("score", np.float64),
        ("log_prob", np.float64),  # log P of the whole, the end included
        ("length", np.int64),  # tokens, the end not counted
        ("place", np.int64),  # of its last token
    ]
)
"""A finished hypothesis, whose tokens are in the history."""

STEP = np.dtype([("log_prob", np.float64), ("parent", np.int32), ("token", np.int32)])
"""Content of a beam slot after a step: log P, the parent's slot, and the token."""


class State(NamedTuple):
    """G sentences under way."""

    sentences: Records
    """(G,), of :data:`SENTENCE`."""
    log_probs: Floats
    """(G, K), log P of the hypotheses; -inf where nothing runs."""
    tokens: Integers
    """(G, K), their newest tokens."""
    bonus: Floats
    """(G, K), what the score of a hypothesis has besides, if it ends now."""
    finished: Records
    """(G, K), of :data:`FINISHED`, the best first."""
    steps: Records
    """The history (slots, T, K), of :data:`STEP`."""
    chosen: Records
    """Candidates (G, 2K), of `candidates.CANDIDATE`, in the order in which they get places."""
    rows: Integers
    """(R,), the row that each row continues since the last step."""


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


class History:
    """Tokens of hypotheses, step by step; every sentence has a slot of its own."""

    def __init__(self, beam_size: int) -> None:
        """Without sentences."""
        self._free: list[int] = []
        self.steps: Records = np.empty((0, 0, beam_size), STEP)
        """(slots, T, K), of :data:`STEP`."""

    def admit(self, max_lengths: Sequence[int]) -> list[int]:
        """Slots for sentences of so many tokens at most."""
        slots, length, _ = self.steps.shape
        wanted = slots - len(self._free) + len(max_lengths)
        longest = max([length, *(max_length + 1 for max_length in max_lengths)])
        if wanted > slots or longest > length:
            self._grow(slots if wanted <= slots else max(wanted, 2 * slots), longest)
        return [self._free.pop() for _ in max_lengths]

    def begin(self, sentence: np.void, tokens: Sequence[int], log_probs: Sequence[float]) -> float:
        """Take tokens, of these log-probabilities, as the first that a sentence has said; log P."""
        totals = list(accumulate(log_probs))
        steps = self.steps[sentence["slot"], : len(totals)]
        steps[:] = (-math.inf, 0, 0)
        steps["log_prob"][:, 0], steps["token"][:, 0] = totals, tokens
        sentence["step"] = len(totals)
        return totals[-1]

    def release(self, slots: Sequence[int]) -> None:
        """Let others have the slots of sentences that have left; when all have, keep no memory."""
        self._free += slots
        if len(self._free) == len(self.steps):
            self._free, self.steps = [], self.steps[:0, :0].copy()

    def _grow(self, slots: int, length: int) -> None:
        before = self.steps
        self.steps = np.empty((slots, length, before.shape[2]), STEP)
        self.steps[: before.shape[0], : before.shape[1]] = before
        self._free += range(before.shape[0], slots)

    def finished(
        self, sentences: Records, finished: Records, leaving: Integers, most: Sequence[int]
    ) -> list[list[FinishedHypothesis]]:
        """The best hypotheses of L sentences that are ``leaving``, so many of each at ``most``."""
        shape = (len(leaving), finished.shape[1])
        lengths, scores = np.empty(shape, np.int64), np.empty(shape)
        tokens = np.empty((*shape, self.steps.shape[1]), np.int64)
        token_scores = np.empty((*shape, self.steps.shape[1]))
        found = finished, leaving, np.array(most, np.int64)
        trace(self.steps, sentences, *found, lengths, scores, tokens, token_scores)
        return [
            [
                FinishedHypothesis(
                    tuple(tokens[n, k, :length].tolist()),
                    score,
                    tuple(token_scores[n, k, : length + 1].tolist()),
                )
                for k, (length, score) in enumerate(zip(*own, strict=True))
                if length >= 0
            ]
            for n, own in enumerate(zip(lengths.tolist(), scores.tolist(), strict=True))
        ]


def new_sentence(request: Request, max_length: int, slot: int) -> tuple[float, ...]:
    """The record of a sentence that has not begun, of :data:`SENTENCE`."""
    options = request.options
    return (
        0,
        slot,
        max_length,
        options.min_length,
        options.beam_size,
        options.n_best,
        options.enough,
        options.early_stopping,
        *exponent_and_offset(options),
        0,
        0,
        0,
        options.no_repeat_ngram_size if is_plain(request) else 0,
    )


def exponent_and_offset(options: DecodingOptions) -> tuple[float, float]:
    """The exponent and the offset of :func:`length_penalty`."""
    exponent = LENGTH_PENALTY if options.length_penalty is None else options.length_penalty
    return exponent, float(_OFFSETS[options.length_normalisation])


@njit(cache=True)
def length_penalty(length, exponent, offset):
    """lp(Y) = ((offset + |Y|) / (offset + 1))^alpha; |Y| counts the end.

    An offset of 5 is equation 14 of Wu et al. (2016), one of 0 is |Y|^alpha.
    """
    return ((offset + length) / (offset + 1.0)) ** exponent


_penalty = length_penalty.inner


@njit(cache=True)
def stopped(sentence, finished, running):
    """Return whether a sentence needs no further step.

    A sentence stops as soon as one of these holds:

    1. It has as many finished hypotheses as its beam is wide, times its patience; and, unless it
       may stop early, its best running hypothesis would not beat the worst of the kept ones if it
       ended at its present length: log P / lp(step).
    2. It has ``n_best`` finished hypotheses, and nothing that still runs can beat the worst of
       these. A running hypothesis can at best gain no further cost, be as long as the limit allows,
       and cover the whole source: log P / lp(max_length + 1). This saves steps and changes no
       result.
    3. Nothing runs any more, or it has passed its length limit, where everything had to end.

    Args:
        sentence: of :data:`SENTENCE`.
        finished: (K,), of :data:`FINISHED`, the best first.
        running: log P of the best hypothesis that runs.
    """
    if running == -np.inf or sentence.step > sentence.max_length:
        return True
    if sentence.num_kept < sentence.n_best:
        return False
    exponent, offset = sentence.exponent, sentence.offset
    bound = running / _penalty(sentence.max_length + 1, exponent, offset)
    if finished[sentence.n_best - 1].score >= bound:
        return True
    if sentence.num_finished < sentence.enough:
        return False
    if sentence.early_stopping:
        return True
    now = running / _penalty(sentence.step, exponent, offset)
    return finished[sentence.num_kept - 1].score >= now


_stopped = stopped.inner


@njit(cache=True)
def go_on(eos_id, state):
    """Take a step in every sentence: keep the candidates that end, let the first K others go on.

    Only those of the best ``beam_size`` that end count.

    Args:
        eos_id: the end.
        state: :class:`State`, with the candidates of the step.

    Returns:
        How many sentences are done; whether another one is at its limit, and whether one is so
        short that it must not end.
    """
    sentences, finished, steps = state.sentences, state.finished, state.steps
    log_probs, tokens, rows, chosen = state.log_probs, state.tokens, state.rows, state.chosen
    places = log_probs.shape[1]
    num_done, limited, too_short = 0, False, False
    for g in range(sentences.shape[0]):
        sentence, place, running = sentences[g], 0, -np.inf
        for n in range(chosen.shape[1]):
            log_prob, parent, token = chosen[g, n].log_prob, chosen[g, n].parent, chosen[g, n].token
            if token == eos_id:
                if n < sentence.beam_size and log_prob > -np.inf:
                    _finish(sentence, finished[g], log_prob, parent, state.bonus[g, parent])
            elif place < places:
                if place >= sentence.beam_size:
                    log_prob = -np.inf
                running = max(running, log_prob)
                _place(steps[sentence.slot, sentence.step, place], log_prob, parent, token)
                log_probs[g, place], tokens[g, place] = log_prob, token
                rows[g * places + place] = g * places + parent
                place += 1
        for empty in range(place, places):
            _place(steps[sentence.slot, sentence.step, empty], -np.inf, 0, 0)
            log_probs[g, empty], tokens[g, empty] = -np.inf, 0
            rows[g * places + empty] = g * places
        sentence.step += 1
        if _stopped(sentence, finished[g], running):
            sentence.done = 1
            num_done += 1
        else:
            limited |= sentence.step >= sentence.max_length
            too_short |= sentence.step < sentence.min_length
    return num_done, limited, too_short


@inner
def _place(step, log_prob, parent, token):
    step.log_prob, step.parent, step.token = log_prob, parent, token


@inner
def _finish(sentence, finished, log_prob, place, bonus):
    """Keep a hypothesis that has ended, if it is one of the best; of equals, the first is."""
    penalty = _penalty(sentence.step + 1, sentence.exponent, sentence.offset)
    score = log_prob / penalty + bonus
    sentence.num_finished += 1
    at = sentence.num_kept
    while at > 0 and finished[at - 1].score < score:
        at -= 1
    if at == sentence.beam_size:
        return
    sentence.num_kept = min(sentence.num_kept + 1, sentence.beam_size)
    for later in range(sentence.num_kept - 1, at, -1):
        finished[later] = finished[later - 1]
    finished[at].score, finished[at].log_prob = score, log_prob
    finished[at].length, finished[at].place = sentence.step, place


@njit(cache=True)
def trace(steps, sentences, finished, leaving, most, lengths, scores, tokens, token_scores):
    """Fill in the finished hypotheses of L sentences.

    Args:
        steps: the history, see :class:`State`.
        sentences: of :class:`State`.
        finished: of :class:`State`.
        leaving: the sentences (L,).
        most: hypotheses of each, (L,).
        lengths: (L, K) int64, -1 where there is none.
        scores: (L, K).
        tokens: (L, K, T) int64.
        token_scores: (L, K, T), the log-probability of each token and of the end.
    """
    for n in range(leaving.shape[0]):
        sentence = sentences[leaving[n]]
        for k in range(lengths.shape[1]):
            lengths[n, k] = -1
            if k >= min(most[n], sentence.num_kept):
                continue
            found = finished[leaving[n], k]
            lengths[n, k], scores[n, k] = found.length, found.score
            log_prob, place = found.log_prob, found.place
            for t in range(found.length - 1, -1, -1):
                step = steps[sentence.slot, t, place]
                tokens[n, k, t], token_scores[n, k, t + 1] = step.token, log_prob - step.log_prob
                log_prob, place = step.log_prob, step.parent
            token_scores[n, k, 0] = log_prob
