"""Batches of an epoch: a pure function of store, weights, seed and epoch.

Batches are bucketed by length, so that little of them is padding, and hold about the same number
of tokens, not of sentences. Both directions of a pair are examples of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tformer.model.training.store import TokenStore

Examples = npt.NDArray[np.int64]
"""Examples of a batch: 2 * pair + direction, where direction 1 translates second to first."""


@dataclass(frozen=True)
class PaddedBatch:
    """B examples, padded on the right."""

    source: Tensor
    """(B, S) int64: target-language tag, pieces, end of sentence."""
    source_lengths: Tensor | None
    """(B,) int64, or None when every source has length S."""
    target: Tensor
    """(B, T) int64: beginning of sentence, pieces."""
    labels: Tensor
    """(B, T) int64: pieces, end of sentence; what ``target`` should predict."""

    def to(self, device: torch.device) -> PaddedBatch:
        """The same batch on another device."""
        lengths = self.source_lengths
        return PaddedBatch(
            self.source.to(device, non_blocking=True),
            None if lengths is None else lengths.to(device, non_blocking=True),
            self.target.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
        )


def bucket_bounds(longest: int) -> npt.NDArray[np.int64]:
    """Padded lengths: every length up to 16, then steps of about an eighth.

    Few enough shapes for kernels that are compiled per shape, and padding of some 5 %.
    """
    bounds = [1]
    while bounds[-1] < longest:
        bounds.append(bounds[-1] + max(1, bounds[-1] // 8))
    return np.array(bounds)


def plan_epoch(
    store: TokenStore, weights: Sequence[float], tokens_per_batch: int, seed: int, epoch: int
) -> list[Examples]:
    """Batches of one epoch, in training order.

    Args:
        store: of n pairs.
        weights: how often a pair of each corpus is seen; the fraction is a probability.
        tokens_per_batch: bound on source plus target positions of a batch, padding included.
        seed: of the run.
        epoch: from 0; every epoch draws and shuffles anew.
    """
    random = np.random.default_rng((seed, epoch))
    examples = _draw(store, weights, random)
    if not len(examples):
        return []
    lengths = store.lengths[examples // 2].astype(np.int64)  # (m, 2)
    backwards = examples % 2 == 1
    lengths[backwards] = lengths[backwards, ::-1]
    bounds = bucket_bounds(int(lengths.max()) + 2)
    source = bounds[np.searchsorted(bounds, lengths[:, 0] + 2)]  # with tag and end of sentence
    target = bounds[np.searchsorted(bounds, lengths[:, 1] + 1)]  # with end of sentence
    order = np.lexsort((random.random(len(examples)), target, source))
    cuts = _cut(source[order], target[order], tokens_per_batch)
    batches = [examples[order[start:end]] for start, end in cuts]
    return [batches[index] for index in random.permutation(len(batches))]


def _draw(store: TokenStore, weights: Sequence[float], random: np.random.Generator) -> Examples:
    """Every example as often as its corpus' weight says."""
    weight = np.asarray(weights)[store.corpora]  # (n,)
    directions = []
    for direction in (0, 1):
        copies = np.floor(weight + random.random(len(store))).astype(np.int64)
        copies[store.directions == 2 - direction] = 0  # learnt the other way only
        directions.append(2 * np.repeat(np.arange(len(store)), copies) + direction)
    return np.concatenate(directions)


def _cut(
    source: npt.NDArray[np.int64], target: npt.NDArray[np.int64], tokens_per_batch: int
) -> list[tuple[int, int]]:
    """Runs of one padded source length that stay within the bound, as (start, end)."""
    edges = np.flatnonzero(np.diff(source)) + 1
    cuts = []
    for first, last in zip([0, *edges], [*edges, len(source)], strict=True):
        start = int(first)
        while start < last:
            size = max(1, tokens_per_batch // int(source[start] + target[start]))
            end = min(start + size, int(last))
            # Targets grow within the run: the longest decides, and shortening only helps.
            size = max(1, tokens_per_batch // int(source[start] + target[end - 1]))
            end = min(start + size, int(last))
            cuts.append((start, end))
            start = end
    return cuts


class BatchBuilder:
    """Makes tensors of examples."""

    def __init__(self, store: TokenStore) -> None:
        self.store = store
        self.bounds = bucket_bounds(int(store.lengths.max()) + 2)
        self.tags = [store.vocabulary.tag_id(language) for language in reversed(store.languages)]

    def build(self, examples: Examples) -> PaddedBatch:
        """The padded tensors of one batch."""
        vocabulary = self.store.vocabulary
        sources, targets = [], []
        for example in examples.tolist():
            sides = self.store.pair(example // 2)
            direction = example % 2
            sources.append((self.tags[direction], sides[direction]))
            targets.append((vocabulary.bos_id, sides[1 - direction]))
        source, source_lengths = self._pad(sources)
        # Inputs and labels are one sequence, a position apart. An end of sentence that is read
        # as input is followed by padding only, which no label asks about.
        target, _ = self._pad(targets, shift=1)
        uniform = bool((source_lengths == source.size(1)).all())
        lengths = None if uniform else source_lengths
        return PaddedBatch(source, lengths, target[:, :-1].contiguous(), target[:, 1:].contiguous())

    def target_tokens(self, examples: Examples) -> int:
        """Labels that are not padding, counted without building the batch."""
        sides = self.store.lengths[examples // 2].astype(np.int64)
        return int(sides[np.arange(len(examples)), 1 - examples % 2].sum()) + len(examples)

    def _pad(
        self, rows: list[tuple[int, npt.NDArray[Any]]], shift: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Rows of a first token, pieces and the end of sentence, (B, width); and their lengths.

        The width is a bucket's, plus ``shift`` positions that do not count for the bucket.
        """
        lengths = np.array([len(pieces) + 2 for _, pieces in rows])
        width = self.bounds[np.searchsorted(self.bounds, lengths.max() - shift)] + shift
        padded = np.full((len(rows), width), self.store.vocabulary.pad_id, dtype=np.int64)
        for row, (first, pieces) in zip(padded, rows, strict=True):
            row[0] = first
            row[1 : 1 + len(pieces)] = pieces
        padded[np.arange(len(rows)), lengths - 1] = self.store.vocabulary.eos_id
        return torch.from_numpy(padded), torch.from_numpy(lengths)
