"""Sampling: the next token drawn at random, by numbers that no neighbour has a part in.

The random numbers of a request are a function of its seed, its source and the step (a counter-based
generator: Salmon et al., 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"), so that nothing is
remembered from step to step, and the same request gives the same text whatever runs beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from tformer.model.hardware.device import on_device
from tformer.model.options import DecodingOptions
from tformer.model.search.candidates import Drawn
from tformer.model.search.request import Request
from tformer.model.search.scores import Scores, rows_of
from tformer.model.search.special_state import SpecialState


def uniform(request: Request, step: int) -> list[float]:
    """A number from [0, 1) for every sample of a request at one step."""
    source = crc32(np.asarray(request.source, np.int64).tobytes())
    key = np.array([request.options.seed, source], np.uint64)
    # A step has the counters from step * 2^64 on for itself.
    bits = np.random.Philox(key=key, counter=step << 64)
    return np.random.Generator(bits).random(request.options.beam_size).tolist()


def draw_all(
    scores: Scores, rows: Sequence[int], sentences: Sequence[SpecialState], eos_id: int
) -> Drawn:
    """Draw a token for every running hypothesis of some sentences, which have these rows."""
    options: list[DecodingOptions] = []
    uniforms: list[float] = []
    log_probs = rows_of(scores, rows)
    for sentence in sentences:
        wanted, count = sentence.request.options, sentence.num_running
        if sentence.step < wanted.min_length:
            log_probs[len(options) : len(options) + count, eos_id] = -math.inf
        options += [wanted] * count
        uniforms += uniform(sentence.request, sentence.step)[:count]
    return Drawn(rows, *draw(log_probs, options, uniforms))


def draw(
    log_probs: Tensor, options: Sequence[DecodingOptions], uniforms: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Draw a token for every row, by inverting the cumulative distribution.

    Args:
        log_probs: (N, V), which need not be normalised.
        options: of every row.
        uniforms: of every row, from [0, 1): how far into its distribution it reaches.

    Returns:
        Log-probabilities, which are those of ``log_probs``, and tokens int64, (N,) each.
    """

    def column(values: Sequence[float]) -> Tensor:
        return on_device(torch.tensor(values, dtype=torch.float64), log_probs.device)[:, None]

    temperature = column([wanted.temperature for wanted in options])
    top_k = column([wanted.top_k or log_probs.shape[1] for wanted in options])
    top_p = column([wanted.top_p for wanted in options])

    falling, tokens = (log_probs.double() / temperature).sort(descending=True, stable=True)
    rank = torch.arange(falling.shape[1], device=falling.device)
    probabilities = falling.softmax(1).masked_fill(rank >= top_k, 0)
    probabilities = probabilities / probabilities.sum(1, keepdim=True)
    more_probable = probabilities.cumsum(1) - probabilities
    probabilities = probabilities.masked_fill(more_probable >= top_p, 0)
    cumulative = probabilities.cumsum(1)
    reached = cumulative <= column(uniforms) * cumulative[:, -1:]
    # Where rounding lets a row reach its end, the last token that has a probability is meant.
    last = (probabilities > 0).sum(1, keepdim=True) - 1
    index = torch.minimum(reached.sum(1, keepdim=True), last).clamp(min=0)
    drawn = tokens.gather(1, index)
    return log_probs.gather(1, drawn)[:, 0], drawn[:, 0]
