"""The static buffers of a batch, and how much of them a step computes.

A CUDA graph reads and writes where its first run did, so everything that lasts from step to step
lies in buffers that do not move: places for P sentences of K hypotheses, T target positions and S
source positions. A sentence takes a place and keeps it until it leaves. What is not in use is
computed along, and thrown away.

**Beams do not move either.** The key and value that hypothesis k of a sentence had at position t
stay in slot (t, k) of its place; a table of ancestors (K, T) says for every running hypothesis
which slot of each position belongs to its past, and reordering beams permutes that table: K x T
bytes a sentence. Attention then has the K hypotheses as queries to all T x K slots of the sentence,
those of others masked. Per sentence, layer and step, with d numbers in a key or value:

    gathering whole caches      reads 2KTd, writes 2KTd, then attention reads 2KTd
    gathering into scratch      the same, in another place
    slots and a mask            attention reads 2KTd

It computes K times as many products, but one row of queries has to be padded to the tile of a
tensor core anyway, and what a step waits for is memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tformer.model.config import TransformerConfig
from tformer.model.hardware.device import on_device
from tformer.model.network.kv_cache import in_blocks


@dataclass(frozen=True)
class PoolShape:
    """A number of places, of target positions and of source positions."""

    places: int
    target: int
    source: int

    def fits(self, other: PoolShape) -> bool:
        """Return whether a pool of the shape ``other`` has room for this."""
        return (
            self.places <= other.places
            and self.target <= other.target
            and self.source <= other.source
        )

    def join(self, other: PoolShape) -> PoolShape:
        """The smallest shape that has room for both."""
        return PoolShape(
            max(self.places, other.places),
            max(self.target, other.target),
            max(self.source, other.source),
        )


@dataclass(frozen=True)
class Buckets:
    """The shapes that steps are computed in: few, because each is recorded.

    Every dimension is rounded up to the next rung of its ladder, and beyond the last to multiples
    of it. A ladder of one rung makes all steps the same whoever is in the batch, see docs/cuda.md.
    """

    places: Sequence[int] = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
    target: Sequence[int] = (32, 64, 96, 128, 192, 256, 384, 512)
    source: Sequence[int] = (32, 64, 96, 128, 192, 256, 384, 512)

    def covering(self, needed: PoolShape) -> PoolShape:
        """The shape to compute where ``needed`` is in use."""
        return PoolShape(
            _rung(self.places, needed.places),
            in_blocks(_rung(self.target, needed.target)),
            in_blocks(_rung(self.source, needed.source)),
        )


def _rung(ladder: Sequence[int], needed: int) -> int:
    index = bisect_left(ladder, needed)
    return ladder[index] if index < len(ladder) else -(-needed // ladder[-1]) * ladder[-1]


class Pool:
    """Buffers of P places and one more, which stands in where a bucket is larger than its use.

    Attributes:
        shape: P, T and S.
        cache: (L, P + 1, 2H, T, K, D), the keys of every decoder layer and head, then the values.
        cross: (L, P + 1, 2H, S, D), keys and values of the encoder states.
        ancestors: (P + 1, K, T) uint8, the slot of every position that a hypothesis descends from.
        book: (5, P) int64, what the host knows of sentences and places. A view each:
            sentence_at: the sentence in a place.
            place_of: the place of a sentence.
            lengths: target positions that a place has filled; a step counts them up.
            source_lengths: real source positions of a place.
            active: 1 where a place is taken.
        tokens: (P, K) int64, the newest token of every hypothesis, by sentence.
        rows: (P, K) int64, the row that every hypothesis continues, by sentence.
        logits: (P * K, V), float32 or wider, of the next token of every hypothesis, by sentence.
        source: (P, S) int64, token ids of sentences that enter.
        entering: (2, P) int64, the places and the lengths of sentences that enter.
        index: int64, 0, 1, 2, ... as far as anything needs to be counted.
    """

    def __init__(
        self,
        config: TransformerConfig,
        beam_size: int,
        shape: PoolShape,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Buffers of zeros, for a masked position still multiplies its value by a weight of zero.

        Raises:
            torch.OutOfMemoryError: when the device has no room.
        """
        self.shape = shape
        self.beam_size = beam_size
        layers, heads, width = config.num_decoder_layers, 2 * config.num_heads, config.d_k
        places, target, source = shape.places, shape.target, shape.source

        def zeros(*size: int, dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.zeros(size, dtype=dtype, device=device)

        self.cache = zeros(layers, places + 1, heads, target, beam_size, width, dtype=dtype)
        self.cross = zeros(layers, places + 1, heads, source, width, dtype=dtype)
        self.ancestors = zeros(places + 1, beam_size, target, dtype=torch.uint8)
        self.book = zeros(5, places)
        self.sentence_at, self.place_of = self.book[0], self.book[1]
        self.lengths, self.source_lengths, self.active = self.book[2], self.book[3], self.book[4]
        self.tokens = zeros(places, beam_size)
        self.rows = zeros(places, beam_size)
        vocab_size = config.target_vocab_size or config.vocab_size
        scores = torch.promote_types(dtype, torch.float32)
        self.logits = zeros(places * beam_size, vocab_size, dtype=scores)
        self.source = zeros(places, source)
        self.entering = zeros(2, places)
        self.index = torch.arange(max(places * beam_size, target, source), device=device)

    @staticmethod
    def num_bytes(
        config: TransformerConfig, beam_size: int, shape: PoolShape, dtype: torch.dtype
    ) -> int:
        """Bytes of the keys, values and logits of a pool."""
        positions = shape.target * beam_size + shape.source
        numbers = config.num_decoder_layers * 2 * config.d_model * positions
        vocab_size = config.target_vocab_size or config.vocab_size
        score_size = torch.promote_types(dtype, torch.float32).itemsize
        logits = shape.places * beam_size * vocab_size * score_size
        return (shape.places + 1) * numbers * dtype.itemsize + logits

    def move(
        self, origin: Pool, moves: Sequence[tuple[int, int]], target: int, source: int
    ) -> None:
        """Take over sentences of ``origin``, which may be this pool, as (from, to) places.

        Args:
            target, source: positions that are in use.
        """
        device = self.cache.device
        before, after = on_device(torch.tensor(moves, dtype=torch.int64).T.contiguous(), device)
        for new, old, places, positions, used in (
            (self.cache, origin.cache, 1, 3, target),
            (self.cross, origin.cross, 1, 3, source),
            (self.ancestors, origin.ancestors, 0, 2, target),
        ):
            moved = old.narrow(positions, 0, used).index_select(places, before)
            new.narrow(positions, 0, used).index_copy_(places, after, moved)
