"""Beam search as one would write it on paper: one sentence, plain Python, float64.

`tests/test_search.py` and `tests/test_engine.py` hold the fast search against this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tformer.model.options import DecodingOptions

NextLogProbs = Callable[[tuple[int, ...]], Sequence[float]]
"""From the tokens so far, without the beginning, to the log-probability of every next token."""


def length_penalty(length: int, options: DecodingOptions) -> float:
    if options.length_normalisation == "average":
        return length**options.length_penalty
    return ((5 + length) / 6) ** options.length_penalty


def reference_search(
    next_log_probs: NextLogProbs, options: DecodingOptions, max_length: int, eos_id: int
) -> list[tuple[tuple[int, ...], float]]:
    """The n-best list of (tokens without the end, score), the best first.

    It stops at ``beam_size`` finished hypotheses or at the length limit, without looking at what
    could still be beaten: the shortcut of the fast search may not change a result. Without early
    stopping it goes on while its best hypothesis would beat the worst finished one right now.
    """
    running: dict[tuple[int, ...], float] = {(): 0.0}
    finished: list[tuple[tuple[int, ...], float]] = []
    while running and not is_done(running, finished, options):
        candidates = []
        for tokens, log_prob in running.items():
            for token, log_prob_of_token in enumerate(next_log_probs(tokens)):
                is_end = token == eos_id
                if is_end and len(tokens) < options.min_length:
                    continue
                if not is_end and len(tokens) == max_length:
                    continue
                candidates.append((log_prob + log_prob_of_token, tokens, token))
        candidates = [c for c in candidates if c[0] > -math.inf]
        candidates.sort(key=lambda candidate: -candidate[0])

        for log_prob, tokens, token in candidates[: options.beam_size]:
            if token == eos_id:
                finished.append((tokens, log_prob / length_penalty(len(tokens) + 1, options)))
        going_on = [c for c in candidates[: 2 * options.beam_size] if c[2] != eos_id]
        running = {(*t, token): p for p, t, token in going_on[: options.beam_size]}
    finished.sort(key=lambda hypothesis: -hypothesis[1])
    return finished[: options.n_best]


def is_done(
    running: dict[tuple[int, ...], float],
    finished: list[tuple[tuple[int, ...], float]],
    options: DecodingOptions,
) -> bool:
    if len(finished) < options.beam_size:
        return False
    if options.early_stopping:
        return True
    tokens, log_prob = max(running.items(), key=lambda hypothesis: hypothesis[1])
    kept = sorted((score for _, score in finished), reverse=True)[: options.beam_size]
    return log_prob / length_penalty(len(tokens), options) <= kept[-1]
