"""Beam search as one would write it on paper: one sentence, plain Python, float64.

`tests/test_search.py` and `tests/test_engine.py` hold the fast search against this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from tformer.model.options import DecodingOptions
from tformer.model.request import Request, Term

Tokens = tuple[int, ...]

NextLogProbs = Callable[[Tokens], Sequence[float]]
"""From the tokens so far, without the beginning, to the log-probability of every next token."""


class Candidate(NamedTuple):
    log_prob: float
    tokens: Tokens
    token: int


class Reference(NamedTuple):
    tokens: Tokens
    score: float
    log_prob: float


def length_penalty(length: int, options: DecodingOptions) -> float:
    if options.length_normalisation == "average":
        return length**options.length_penalty
    return ((5 + length) / 6) ** options.length_penalty


def reference_search(
    next_log_probs: NextLogProbs, request: Request, max_length: int, eos_id: int
) -> list[Reference]:
    """The n-best list, the best first.

    It stops at ``beam_size`` finished hypotheses or at the length limit, without looking at what
    could still be beaten: the shortcut of the fast search may not change a result. Without early
    stopping it goes on while its best hypothesis would beat the worst finished one right now.
    """
    options = request.options
    running: dict[Tokens, float] = {(): 0.0}
    finished: list[Reference] = []
    while running and not is_done(running, finished, options):
        candidates = []
        for tokens, log_prob in running.items():
            for token, log_prob_of_token in enumerate(next_log_probs(tokens)):
                is_end = token == eos_id
                if len(tokens) < len(request.prefix):
                    if token != request.prefix[len(tokens)]:
                        continue
                elif (
                    is_end
                    and (len(tokens) < options.min_length or needed(tokens, request.required))
                ) or (not is_end and len(tokens) == max_length):
                    continue
                candidates.append(Candidate(log_prob + log_prob_of_token, tokens, token))
        candidates = [c for c in candidates if c.log_prob > -math.inf]
        candidates.sort(key=lambda candidate: -candidate.log_prob)
        length = len(next(iter(running)))
        if request.required and len(request.prefix) <= length < max_length:
            candidates = constrained(candidates, request, max_length, eos_id)

        for log_prob, tokens, token in candidates[: options.beam_size]:
            if token == eos_id:
                score = log_prob / length_penalty(len(tokens) + 1, options)
                finished.append(Reference(tokens, score, log_prob))
        going_on = [c for c in candidates[: 2 * options.beam_size] if c.token != eos_id]
        running = {(*c.tokens, c.token): c.log_prob for c in going_on[: options.beam_size]}
    finished.sort(key=lambda hypothesis: -hypothesis.score)
    return finished[: options.n_best]


def is_done(
    running: dict[Tokens, float], finished: list[Reference], options: DecodingOptions
) -> bool:
    if len(finished) < options.beam_size:
        return False
    if options.early_stopping:
        return True
    length, log_prob = len(next(iter(running))), max(running.values())
    kept = sorted((h.score for h in finished), reverse=True)[: options.beam_size]
    return log_prob / length_penalty(length, options) <= kept[-1]


# --- required terms ------------------------------------------------------------------------------


def contains(tokens: Tokens, part: Tokens) -> bool:
    return any(tokens[i : i + len(part)] == part for i in range(len(tokens) - len(part) + 1))


def missing(tokens: Tokens, required: Sequence[Term]) -> list[Term]:
    return [term for term in required if not any(contains(tokens, way) for way in term)]


def begun(tokens: Tokens, way: Tokens) -> list[int]:
    """How many tokens of ``way`` a hypothesis may end with; always also none."""
    return [n for n in range(len(way)) if tokens[len(tokens) - n :] == way[:n]]


def needed(tokens: Tokens, required: Sequence[Term]) -> int:
    """Fewest tokens that complete every missing term, one after the other."""
    shortest, saved = 0, 0
    for term in missing(tokens, required):
        least = min(len(way) for way in term)
        shortest += least
        for way in term:
            saved = max(saved, *(least - (len(way) - n) for n in begun(tokens, way)))
    return shortest - saved


def advances(candidate: Candidate, required: Sequence[Term]) -> bool:
    return any(
        way[n] == candidate.token
        for term in missing(candidate.tokens, required)
        for way in term
        for n in begun(candidate.tokens, way)
    )


def constrained(
    candidates: list[Candidate], request: Request, max_length: int, eos_id: int
) -> list[Candidate]:
    """Of all candidates, the best first, those that dynamic beam allocation considers, in turn."""
    likely = candidates[: 2 * request.options.beam_size]
    best_of_each = {c.tokens: c for c in reversed(candidates)}.values()
    banks: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        if (
            candidate in likely
            or candidate in best_of_each
            or advances(candidate, request.required)
        ):
            tokens = candidate.tokens
            if candidate.token != eos_id:
                tokens = (*tokens, candidate.token)
            lacking = needed(tokens, request.required)
            if len(tokens) + lacking <= max_length:
                banks.setdefault(lacking, []).append(candidate)
    turns = zip_longest(*(banks[lacking] for lacking in sorted(banks)))
    return [candidate for turn in turns for candidate in turn if candidate]
