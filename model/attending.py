"""Where a target looks: one forced pass of the plain network.

    aligner = PlainAligner(transformer, vocabulary, facts.alignment)
    aligner.explain(sentences)

The network reads a source and the hypothesis that was found for it, all positions at once, as it
does in training; so nothing that decodes has to keep its attention.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

import torch
from torch import Tensor

from tformer.model.alignment import Aligner, Floats
from tformer.model.cache import in_blocks
from tformer.model.config import AlignmentHeads
from tformer.model.request import Pair
from tformer.model.transformer import Transformer
from tformer.model.vocabulary import AnyVocabulary

MAX_POSITIONS = 4096
"""Target positions of a forced pass, padding included."""


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
        super().__init__(partial(attend, self.transformer, heads=self.heads), vocabulary)


@torch.inference_mode()
def attend(transformer: Transformer, pairs: Sequence[Pair], heads: AlignmentHeads) -> list[Floats]:
    """Where each of T target tokens looks among S source tokens, by the heads that align.

    A pair gets the same numbers in whatever company it is.

    Args:
        transformer: in evaluation mode.
        pairs: each within the positions of the network.
        heads: those that align.

    Returns:
        (T, S) of each pair.
    """
    found: dict[int, Floats] = {}
    for numbers in _batches(pairs):
        batch = [pairs[number] for number in numbers]
        found |= zip(numbers, _attend_batch(transformer, batch, heads), strict=True)
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


def _attend_batch(
    transformer: Transformer, pairs: Sequence[Pair], heads: AlignmentHeads
) -> Iterator[Floats]:
    bos_id = transformer.config.bos_id
    source, lengths = _padded([pair.source for pair in pairs], transformer)
    target, _ = _padded([[bos_id, *pair.target] for pair in pairs], transformer)
    weights = transformer.attention_weights(source, lengths, target)
    attention = weights.cross[heads.layer][:, list(heads.heads)].mean(1).float()  # (G, T + 1, S)
    first = 1 if heads.reads else 0
    for number, pair in enumerate(pairs):
        rows = slice(first, first + len(pair.target))
        yield attention[number, rows, : len(pair.source)].cpu().numpy()


def _padded(rows: Sequence[Sequence[int]], transformer: Transformer) -> tuple[Tensor, Tensor]:
    """Token ids (G, L), padded on the right to whole blocks, and lengths (G,)."""
    config = transformer.config
    width = min(in_blocks(max(map(len, rows))), config.max_length)
    device = transformer.positions.device
    padded = [[*row, *[config.pad_id] * (width - len(row))] for row in rows]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return torch.tensor(padded, dtype=torch.int64, device=device), lengths
