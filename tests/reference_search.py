"""Beam search as one would write it on paper: one sentence, plain Python, float64.

`tests/test_search.py` and `tests/test_engine.py` hold the fast search against this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request, Term
from tformer.model.search.sampling import uniform

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


def no_attention(tokens: Tokens) -> Sequence[float]:
    return ()


def reference_search(
    next_log_probs: NextLogProbs,
    request: Request,
    max_length: int,
    eos_id: int,
    attention: NextLogProbs = no_attention,
) -> list[Reference]:
    """The n-best list, the best first.

    It stops when enough hypotheses have finished or at the length limit, without looking at what
    could still be beaten: the shortcut of the fast search may not change a result. Without early
    stopping it goes on while its best hypothesis would beat the worst finished one right now.

    ``attention`` says how much of it every source token has in choosing the token that comes next.
    """
    options = request.options
    running: list[tuple[Tokens, float]] = [((), 0.0)]
    if options.sampling:
        running *= options.beam_size
    finished: list[Reference] = []
    while running and not is_done(running, finished, options):
        length = len(running[0][0])
        forced = length < len(request.prefix) and not options.prefix_bias
        candidates = []
        for place, (tokens, log_prob) in enumerate(running):
            log_probs = list(next_log_probs(tokens))
            if forced:
                possible = [request.prefix[length]]
            else:
                log_probs = processed(log_probs, tokens, request)
                possible = list(range(len(log_probs)))
                if length == max_length:
                    possible = [eos_id]
                elif length < options.min_length or needed(tokens, request.required):
                    possible.remove(eos_id)
                if options.sampling and length < max_length:
                    chance = uniform(request, length)[place]
                    possible = [drawn(log_probs, possible, options, chance)]
            candidates += [Candidate(log_prob + log_probs[t], tokens, t) for t in possible]
        candidates = [c for c in candidates if c.log_prob > -math.inf]
        candidates.sort(key=lambda candidate: -candidate.log_prob)
        if request.required and length < max_length and not forced:
            candidates = constrained(candidates, request, max_length, eos_id)

        for log_prob, tokens, token in candidates[: options.beam_size]:
            if token == eos_id:
                score = log_prob / length_penalty(len(tokens) + 1, options)
                if options.coverage_penalty:
                    score += coverage_penalty(tokens, attention, options)
                finished.append(Reference(tokens, score, log_prob))
        going_on = [c for c in candidates[: 2 * options.beam_size] if c.token != eos_id]
        running = [((*c.tokens, c.token), c.log_prob) for c in going_on[: options.beam_size]]
    finished.sort(key=lambda hypothesis: -hypothesis.score)
    return finished[: options.n_best]


def is_done(
    running: list[tuple[Tokens, float]], finished: list[Reference], options: DecodingOptions
) -> bool:
    if len(finished) < max(options.n_best, math.floor(options.beam_size * options.patience + 0.5)):
        return False
    if options.early_stopping:
        return True
    length, log_prob = len(running[0][0]), max(log_prob for _, log_prob in running)
    kept = sorted((h.score for h in finished), reverse=True)[: options.beam_size]
    return log_prob / length_penalty(length, options) <= kept[-1]


def coverage_penalty(tokens: Tokens, attention: NextLogProbs, options: DecodingOptions) -> float:
    rows = [attention(tokens[:length]) for length in range(len(tokens) + 1)]
    columns = [sum(column) for column in zip(*rows, strict=True)]
    return options.coverage_penalty * sum(math.log(min(column, 1)) for column in columns)


# --- changed probabilities -----------------------------------------------------------------------


def processed(log_probs: list[float], tokens: Tokens, request: Request) -> list[float]:
    options = request.options
    for token in set(tokens):
        log_probs[token] *= options.repetition_penalty
    n = options.no_repeat_ngram_size
    grams = [tokens[i : i + n] for i in range(len(tokens) - n + 1)] if n else []
    for token in range(len(log_probs)):
        if n and (*tokens, token)[-n:] in grams:
            log_probs[token] = -math.inf
    beta, length = options.prefix_bias, len(tokens)
    if beta and length < len(request.prefix) and tokens == request.prefix[:length]:
        probabilities = [(1 - beta) * math.exp(log_prob) for log_prob in log_probs]
        probabilities[request.prefix[length]] += beta
        log_probs = [math.log(p) if p else -math.inf for p in probabilities]
    return log_probs


def drawn(
    log_probs: list[float], possible: list[int], options: DecodingOptions, chance: float
) -> int:
    weights = {token: math.exp(log_probs[token] / options.temperature) for token in possible}
    ranked = sorted(possible, key=lambda token: -weights[token])[: options.top_k or None]
    wanted = options.top_p * sum(weights[token] for token in ranked)
    nucleus: list[int] = []
    while len(nucleus) < len(ranked) and sum(weights[t] for t in nucleus) < wanted:
        nucleus.append(ranked[len(nucleus)])
    left = chance * sum(weights[token] for token in nucleus)
    for token in nucleus:
        left -= weights[token]
        if left < 0:
            return token
    return ranked[-1]


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
