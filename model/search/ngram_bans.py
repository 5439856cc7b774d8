"""Bans of repeated n-grams, compiled, for sentences that ask for nothing else.

A sentence whose record has an ``ngram`` of n must not say n tokens in a row that it has said
before. Sentences with a special state find theirs there (`search.special_state.repetitions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tformer.model.hardware.numba_cache import inner, njit
from tformer.model.search.candidates import Integers

if TYPE_CHECKING:
    from tformer.model.search.hypotheses import State


class Bans(NamedTuple):
    """Tokens that must not follow the R hypotheses of a batch."""

    counts: Integers
    """(R,), how many."""
    tokens: Integers
    """(R, at least the largest count), in no order."""


def banned(state: State) -> tuple[Bans, int]:
    """Tokens that would complete an n-gram that their hypothesis has said, and the largest count of
    a hypothesis."""
    steps = state.sentences["step"][state.sentences["ngram"] > 0]
    longest = int(steps.max()) if len(steps) else 0
    counts = np.zeros(state.log_probs.size, np.int64)
    tokens = np.empty((counts.size if longest else 0, longest), np.int64)
    return Bans(counts, tokens), find(state, counts, tokens)


@inner
def banned_inside(state):
    """The same in a compiled function."""
    sentences, longest = state.sentences, 0
    for g in range(sentences.shape[0]):
        if sentences[g].ngram > 0:
            longest = max(longest, sentences[g].step)
    counts = np.zeros(state.log_probs.size, np.int64)
    tokens = np.empty((counts.shape[0] if longest else 0, longest), np.int64)
    most = _find(state, counts, tokens)
    return Bans(counts, tokens), most


@njit(nogil=True, cache=True)
def find(state, counts, tokens):
    """Fill in what is banned, and return the largest count.

    Args:
        state: `hypotheses.State`.
        counts: zeros (R,), as :class:`Bans` has it.
        tokens: (R, at least the tokens of a hypothesis), likewise.
    """
    sentences, log_probs = state.sentences, state.log_probs
    places, most, said = log_probs.shape[1], 0, np.empty(tokens.shape[1], np.int64)
    for g in range(sentences.shape[0]):
        size, length = sentences[g].ngram, sentences[g].step
        if 0 < size <= length:
            for k in range(places):
                if log_probs[g, k] > -np.inf:
                    _trace(state.steps[sentences[g].slot], k, said[:length])
                    row = g * places + k
                    counts[row] = _completions(said[:length], size, tokens[row])
                    most = max(most, counts[row])
    return most


_find = find.inner


@inner
def _trace(steps, place, said):
    """Tokens of a running hypothesis, of which all of ``said`` is filled."""
    for t in range(said.shape[0] - 1, -1, -1):
        said[t] = steps[t, place].token
        place = steps[t, place].parent


@inner
def _completions(said, size, found):
    """Write each token down once that followed the last ``size - 1`` tokens before; the count."""
    count, last = 0, said.shape[0] - size + 1
    for start in range(last):
        same = True
        for i in range(size - 1):
            same &= said[start + i] == said[last + i]
        if same:
            token, is_new = said[start + size - 1], True
            for i in range(count):
                is_new &= found[i] != token
            if is_new:
                found[count] = token
                count += 1
    return count
