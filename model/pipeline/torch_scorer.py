"""Teacher-forced scores and attention from the plain network: all positions at once.

aligner = PlainAligner(transformer, vocabulary, facts.alignment)
attention = aligner.scorer.attend(pairs)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from tformer.model.config import AlignmentHeads
from tformer.model.datastore.states import QuantisedStates, quantised
from tformer.model.network.kv_cache import in_blocks
from tformer.model.network.transformer import Transformer
from tformer.model.passes.alignment import Aligner
from tformer.model.passes.interface import Floats
from tformer.model.search.request import Pair
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

MAX_POSITIONS = 4096
"""Target positions that are read at once, padding included."""


class PlainReader:
    """A Transformer that reads; satisfies `tformer.model.passes.interface.Scorer`."""

    def __init__(self, transformer: Transformer, heads: AlignmentHeads) -> None:
        """A reader in evaluation mode, whose attention is the mean of some heads."""
        self._transformer = transformer.eval()
        self._heads = heads

    @torch.inference_mode()
    def attend(self, pairs: Sequence[Pair]) -> list[Floats]:
        """Cross-attention of each target token, (T, S) of each pair."""
        return _in_batches(pairs, self._attention)

    @torch.inference_mode()
    def log_probs(self, pairs: Sequence[Pair]) -> list[Floats]:
        """Log-probabilities of every target token and of the end, (T + 1,) of each pair."""
        return _in_batches(pairs, self._scores)

    @torch.inference_mode()
    def states(self, pairs: Sequence[Pair]) -> list[QuantisedStates]:
        """Input of the output projection, for every target token and the end of each pair."""
        return list(map(quantised, _in_batches(pairs, self._states)))

    def _states(self, pairs: Sequence[Pair]) -> Iterator[Tensor]:
        states = self._transformer.target_states(*self._padded(pairs))
        for pair, state in zip(pairs, states, strict=True):
            yield state[: len(pair.target) + 1]

    def _attention(self, pairs: Sequence[Pair]) -> Iterator[Tensor]:
        weights = self._transformer.attention_weights(*self._padded(pairs))
        cross = weights.cross[self._heads.layer][:, list(self._heads.heads)]  # (G, heads, T + 1, S)
        first = 1 if self._heads.reads else 0
        for pair, attention in zip(pairs, cross.mean(1), strict=True):
            yield attention[first : first + len(pair.target), : len(pair.source)]

    def _scores(self, pairs: Sequence[Pair]) -> Iterator[Tensor]:
        states = self._transformer.target_states(*self._padded(pairs))
        for pair, state in zip(pairs, states, strict=True):
            said = torch.tensor([*pair.target, self._transformer.config.eos_id])
            log_probs = self._transformer.project(state).log_softmax(-1)  # (T + 1 in blocks, V)
            yield log_probs[torch.arange(len(said)), said.to(log_probs.device)]

    def _padded(self, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor, Tensor]:
        bos_id = self._transformer.config.bos_id
        source, lengths = _padded([pair.source for pair in pairs], self._transformer)
        target, _ = _padded([[bos_id, *pair.target] for pair in pairs], self._transformer)
        return source, lengths, target


class PlainAligner(Aligner):
    """An aligner by a Transformer as it was written down."""

    def __init__(
        self,
        transformer: Transformer,
        vocabulary: AnyVocabulary,
        heads: AlignmentHeads | None = None,
    ) -> None:
        """An aligner with the heads that were measured for a model; None takes the default."""
        self.transformer = transformer.eval()
        self.heads = heads or AlignmentHeads.default(transformer.config)
        super().__init__(PlainReader(self.transformer, self.heads), vocabulary)


def _in_batches(
    pairs: Sequence[Pair], read: Callable[[Sequence[Pair]], Iterable[Tensor]]
) -> list[Floats]:
    """Something of every pair, by reading pairs of one shape together."""
    found: dict[int, Floats] = {}
    for numbers in _batches(pairs):
        results = read([pairs[number] for number in numbers])
        arrays = (result.float().cpu().numpy() for result in results)
        found |= zip(numbers, arrays, strict=True)
    return [found[number] for number in range(len(pairs))]


def _batches(pairs: Sequence[Pair]) -> Iterator[list[int]]:
    """Numbers of pairs that are of one shape once they are padded to whole blocks.

    Padding to the longest of any batch would change the order in which a sum is taken, and the last
    bits with it.
    """

    def shape(number: int) -> tuple[int, int]:
        return in_blocks(len(pairs[number].target) + 1), in_blocks(len(pairs[number].source))

    for (positions, _), group in groupby(sorted(range(len(pairs)), key=shape), key=shape):
        numbers = list(group)
        at_a_time = max(1, MAX_POSITIONS // positions)
        for start in range(0, len(numbers), at_a_time):
            yield numbers[start : start + at_a_time]


def _padded(rows: Sequence[Sequence[int]], transformer: Transformer) -> tuple[Tensor, Tensor]:
    """Token ids (G, L), padded on the right to whole blocks, and lengths (G,)."""
    config = transformer.config
    width = min(in_blocks(max(map(len, rows))), config.max_length)
    device = transformer.positions.device
    padded = [[*row, *[config.pad_id] * (width - len(row))] for row in rows]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return torch.tensor(padded, dtype=torch.int64, device=device), lengths
