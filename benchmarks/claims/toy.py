"""A small translation task with a grammar, and a plain training loop, for claims about networks.

A source has one to three clauses: a conjunction, adjectives, a noun, a verb, adjectives, a noun.
Translated, the verb goes to the end of its clause, an article before a noun agrees with its gender,
the verb ends as the number of its subject demands, and a conjunction reverses what it stands before
or not. So words depend on words that are some way off, in both directions, and order counts.

Quality is measured on sentences that training does not draw: bits a token given the ones before,
and the share of sentences of which greedy decoding makes every token right, which is that of the
sentences whose tokens are all the most probable ones after the right ones before.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from statistics import fmean, stdev

import torch
import torch.nn.functional as F
from torch import Tensor

from tformer.model.config import TransformerConfig
from tformer.model.network.transformer import Transformer
from tformer.model.network.variants import build

PAD, BOS, EOS = 0, 1, 2
CONJUNCTIONS, ADJECTIVES, NOUNS, VERBS = 4, 16, 32, 16
SINGULAR, PLURAL, ARTICLES = 3, 4, 5
"""Tokens of the target: endings of verbs, and three articles."""
FIRST = 8
"""First token of a word; a word and its translation are one token each."""
VOCABULARY = FIRST + 2 * (CONJUNCTIONS + ADJECTIVES + NOUNS + VERBS)

CONFIG = TransformerConfig(
    vocab_size=VOCABULARY,
    d_model=64,
    num_heads=4,
    d_ff=128,
    num_encoder_layers=2,
    num_decoder_layers=2,
    dropout=0.0,
    norm="pre",
    max_length=160,
)

Pair = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Batch:
    """Pairs, padded on the right."""

    source: Tensor
    """(B, S) int64"""
    lengths: Tensor
    """(B,) int64, of the sources."""
    read: Tensor
    """(B, T) int64: the beginning, then the target."""
    labels: Tensor
    """(B, T) int64: the target, then the end; ``PAD`` where nothing counts."""


def batch_of(pairs: list[Pair]) -> Batch:
    """Pairs as tensors."""
    sources = [torch.tensor([*source, EOS]) for source, _ in pairs]
    read = [torch.tensor([BOS, *target]) for _, target in pairs]
    labels = [torch.tensor([*target, EOS]) for _, target in pairs]
    lengths = torch.tensor([len(source) for source in sources])
    padded = (
        torch.nn.utils.rnn.pad_sequence(each, batch_first=True) for each in (sources, read, labels)
    )
    source, before, after = padded
    return Batch(source, lengths, before, after)


def sentence(draw: random.Random, clauses: int) -> Pair:
    """A source and its translation, each in tokens."""
    made = [_clause(draw) for _ in range(clauses)]
    return list(chain.from_iterable(s for s, _ in made)), list(
        chain.from_iterable(t for _, t in made)
    )


def _clause(draw: random.Random) -> Pair:
    conjunction = draw.randrange(CONJUNCTIONS)
    phrases = [_phrase(draw), _phrase(draw)]
    verb = CONJUNCTIONS + ADJECTIVES + NOUNS + draw.randrange(VERBS)
    (subject, subject_said, number), (thing, thing_said, _) = phrases
    source = [_word(conjunction), *subject, _word(verb), *thing]
    said = [thing_said, subject_said] if conjunction % 2 else [subject_said, thing_said]
    ending = PLURAL if number % 2 else SINGULAR
    return source, [_said(conjunction), *said[0], *said[1], _said(verb), ending]


def _phrase(draw: random.Random) -> tuple[list[int], list[int], int]:
    """Adjectives and a noun, what they become, and the number of the noun."""
    adjectives = [CONJUNCTIONS + draw.randrange(ADJECTIVES) for _ in range(draw.randrange(3))]
    noun = draw.randrange(NOUNS)
    word = CONJUNCTIONS + ADJECTIVES + noun
    article = ARTICLES + noun % 3
    said = [article, _said(word), *map(_said, reversed(adjectives))]
    return [*map(_word, adjectives), _word(word)], said, noun


def _word(number: int) -> int:
    return FIRST + 2 * number


def _said(number: int) -> int:
    return FIRST + 2 * number + 1


def batches(seed: int, size: int = 32, clauses: tuple[int, int] = (1, 3)) -> Iterator[Batch]:
    """Batches without end, each of sentences of equally many clauses."""
    draw = random.Random(seed)
    while True:
        number = draw.randint(*clauses)
        yield batch_of([sentence(draw, number) for _ in range(size)])


def test_batches(clauses: int, number: int = 8) -> list[Batch]:
    """The sentences that everything is measured on."""
    return list(islice(batches(10**6 + clauses, 32, (clauses, clauses)), number))


test_batches.__test__ = False  # type: ignore[attr-defined]


def loss_of(network: Transformer, batch: Batch) -> Tensor:
    """Mean cross-entropy of the labels, in nats."""
    logits = network(batch.source, batch.lengths, batch.read)
    return F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=PAD)


def train(
    network: Transformer,
    data: Iterable[Batch],
    *,
    steps: int = 10**9,
    seconds: float = math.inf,
    rate: float = 2e-3,
    warmup: int = 50,
    watch: Callable[[int, float], None] = lambda step, spent: None,
) -> int:
    """Adam with a rate that rises over ``warmup`` steps and falls as 1/√step; returns the steps.

    Args:
        network: is changed.
        data: batches, one a step.
        steps: to take at most.
        seconds: of this process' CPU time to take at most.
        rate: the highest.
        warmup: steps until then.
        watch: told the step and the seconds of training so far, its own time left out.
    """
    optimizer = torch.optim.Adam(network.parameters(), betas=(0.9, 0.98), eps=1e-9)
    network.train()
    spent, step = 0.0, 0
    for step, batch in enumerate(islice(data, steps), start=1):
        begin = time.process_time()
        factor = min(step / warmup, (warmup / step) ** 0.5)
        optimizer.param_groups[0]["lr"] = rate * factor
        optimizer.zero_grad(set_to_none=True)
        loss_of(network, batch).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        spent += time.process_time() - begin
        watch(step, spent)
        if spent >= seconds:
            break
    return step


@dataclass(frozen=True)
class Quality:
    """Quality on held-out sentences."""

    bits: float
    """Cross-entropy a token, in bits."""
    exact: float
    """Share of the sentences that greedy decoding gets right."""


@torch.inference_mode()
def quality(network: Transformer, held_out: list[Batch]) -> Quality:
    """Measure a network."""
    network.eval()
    bits = [float(loss_of(network, batch)) / math.log(2) for batch in held_out]
    right = []
    for batch in held_out:
        best = network(batch.source, batch.lengths, batch.read).argmax(-1)
        right += ((best == batch.labels) | (batch.labels == PAD)).all(1).tolist()
    network.train()
    return Quality(fmean(bits), fmean(right))


def trained(seed: int, steps: int, rate: float = 2e-3, **shape: object) -> Transformer:
    """A network of :data:`CONFIG` with changes, trained on the task."""
    torch.manual_seed(seed)
    network = build(replace(CONFIG, **shape))  # type: ignore[arg-type]
    train(network, batches(seed), steps=steps, rate=rate)
    return network


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Mean, and the standard error of it."""
    return fmean(values), stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
