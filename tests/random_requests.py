"""Options at random, all of them, for tests that hold the fast search against the reference."""

from __future__ import annotations

import random

from tformer.model.options import DecodingOptions


def random_options(draw: random.Random, widest: int, limit: int) -> DecodingOptions:
    """Options of a sentence that may have ``limit`` tokens; most of them usually at their default.

    The limit itself is not among them.
    """
    beam_size = draw.randint(1, widest)
    sampling = draw.random() < 0.2
    return DecodingOptions(
        beam_size=beam_size,
        n_best=draw.randint(1, beam_size),
        length_penalty=draw.choice([0, 0.6, 1, 2.5]),
        length_normalisation=draw.choice(["paper", "average"]),
        early_stopping=draw.random() < 0.5,
        patience=draw.choice([1, 1, 0.3, 1.7]),
        min_length=draw.choice([0, 0, draw.randint(0, limit)]),
        coverage_penalty=draw.choice([0, 0, 0, 0.4]),
        no_repeat_ngram_size=draw.choice([0, 0, 1, 2, 3]),
        repetition_penalty=draw.choice([1, 1, 1.3, 0.8]),
        prefix_bias=draw.choice([0, 0, 0.3, 0.9]),
        sampling=sampling,
        temperature=draw.choice([1, 0.7, 1.5]) if sampling else 1,
        top_k=draw.choice([0, 1, 3]) if sampling else 0,
        top_p=draw.choice([1, 0.6, 0.9]) if sampling else 1,
        seed=draw.randrange(2**64),
    )
