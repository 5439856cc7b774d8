"""Network and search together: several steps in one call, without the interpreter and its lock.

Of a step of a single sentence, some hundred microseconds, Python's part would be a third; and where
engines run side by side, each waits for the others' Python.
"""

from __future__ import annotations

import numpy as np

from tformer.model.hardware.numba_cache import njit
from tformer.model.network.int8.kernels import decode, follow
from tformer.model.network.int8.knn import find
from tformer.model.network.int8.records import Past
from tformer.model.network.int8.topk import best
from tformer.model.search.candidates import choose
from tformer.model.search.hypotheses import go_on
from tformer.model.search.ngram_bans import banned_inside

_decode, _follow, _find, _best = decode.inner, follow.inner, find.inner, best.inner
_choose, _go_on = choose.inner, go_on.inner


@njit(nogil=True, cache=True)
def run(
    stack,
    count,
    output,
    beam,
    past,
    working,
    recall,
    listed,
    eos_id,
    state,
    width,
    vocab_size,
    most,
    unit,
):
    """Decode and search until a sentence is done, or one needs more room, or ``most`` steps.

    After all steps but the last, ``past`` has followed the beam.

    Args:
        stack, count: table and number of the layers, see `kernels.decode`.
        output: table of the projection to logits.
        beam: K.
        past: `records.Past`, with room for the next position of every sentence.
        working: table of `records.RowBuffers`.
        recall: `neighbours.Recall` of the sentences; None if none has entries.
        listed: `listing.Listed` of the hypotheses; None if all of the vocabulary may be said.
        eos_id: the end.
        state: `hypotheses.State`.
        width: best tokens of every hypothesis that `candidates.choose` needs if none is banned.
        vocab_size: V.
        most: steps, at least one.
        unit: as in `kernels.decode`.

    Returns:
        As `hypotheses.go_on`, of the last step.
    """
    rows = state.rows.shape[0]
    log_probs, tokens = np.empty((rows, width), np.float32), np.empty((rows, width), np.int64)
    ends, end = np.empty((1, rows), np.float32), np.empty(1, np.int64)
    end[0] = eos_id
    here, there = past.ancestors, np.empty(past.ancestors.shape, np.uint32)
    newest, outcome = state.tokens.reshape(-1), (0, False, False)
    for step in range(most):
        _decode(newest, stack, count, beam, Past(past.sentences, here), working, unit)
        for g in range(past.sentences.shape[0]):
            past.sentences[g].steps += 1
        if recall is not None:
            _find(recall, beam, working)
        bans, banned_most = banned_inside(state)
        wanted = min(width + banned_most, vocab_size)
        if wanted != log_probs.shape[1]:
            log_probs, tokens = (
                np.empty((rows, wanted), np.float32),
                np.empty((rows, wanted), np.int64),
            )
        _best(output, end, working, log_probs, tokens, ends, recall, listed)
        _choose(log_probs, tokens, ends[0], eos_id, state, bans)
        outcome = _go_on(eos_id, state)
        full = False
        for g in range(past.sentences.shape[0]):
            full |= past.sentences[g].steps == past.sentences[g].capacity
        if outcome[0] or full or step == most - 1:
            break
        _follow(state.rows, beam, past.sentences, here, there)
        here, there = there, here
    if step % 2:
        for r in range(here.shape[0]):
            for t in range(here.shape[1]):
                past.ancestors[r, t] = here[r, t]
    return outcome
