"""The arithmetic of a step, and of encoding, over the static buffers of a pool.

Both are work for a recorder: what they need they find in the pool, what lasts they leave there, and
nothing here waits for the device or depends on anything but shapes. Shapes are written as in
`tformer.model.network.transformer`, and G is the number of places that are computed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from tformer.model.network.attention import attention_weights
from tformer.model.network.cuda_graphs.pool import Pool, PoolShape
from tformer.model.network.transformer import (
    DecoderLayer,
    Transformer,
    padding_mask,
)
from tformer.model.search.scores import largest_by_chunks

KERNELS = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Attention kernels of a GPU; the second stands in where the first does not know a dtype.

Of the fused ones, flash attention takes no mask, and which version of cuDNN's is tried first has
changed from release to release. The memory-efficient one takes any mask, and keys with any strides,
so that slots are read where they lie."""

_CHOOSING = threading.Lock()


class Ranked(NamedTuple):
    """Best next tokens of R hypotheses."""

    logits: Tensor
    """(R, V), float32 or wider."""
    total: Tensor
    """(R,), their log-sum-exp."""
    best: Tensor
    """(R, width), the largest log-probabilities, falling."""
    tokens: Tensor
    """(R, width) int64, the tokens that have them."""
    attention: Tensor | None = None
    """(R, S), to the source, if it was asked for; see `AttentiveDecoding`."""


class DecoderWeights:
    """The weights of a Transformer as a step wants them: projections of one input side by side."""

    def __init__(self, transformer: Transformer) -> None:
        """Copies the decoder's attention weights; those of ``transformer`` stay as they are."""
        self._transformer = transformer
        self._heads = transformer.config.num_heads
        self._layers = cast("list[DecoderLayer]", list(transformer.decoder))
        self_attention = [layer.self_attention for layer in self._layers]
        self._self_projections = [_side_by_side([a.query, a.key, a.value]) for a in self_attention]
        self._source_projection = _side_by_side(
            [
                projection
                for layer in self._layers
                for projection in (layer.cross_attention.key, layer.cross_attention.value)
            ]
        )

    @property
    def vocab_size(self) -> int:
        """Tokens that may follow, V."""
        return self._transformer.target_embedding.num_embeddings

    # -- sentences that enter -------------------------------------------------------------

    def encode(self, pool: Pool, sentences: int, width: int) -> None:
        """Encode the first sentences of ``pool.source`` into their places in the pool.

        Every sentence has a mask, padded or not: without one another kernel would do the work, and
        which one does may not depend on the neighbours.
        """
        places, lengths = pool.entering[:, :sentences]
        with attention_kernels(pool.cache.device):
            encoded = self._transformer.encode(pool.source[:sentences, :width], lengths).states
        projected = F.linear(encoded, *self._source_projection)  # (n, S, L * 2 * d_model)
        layers = projected.unflatten(-1, (len(self._layers), 2 * self._heads, -1))
        layers = layers.permute(2, 0, 3, 1, 4)  # (L, n, 2H, S, D)
        pool.cross[:, :, :, :width].index_copy_(1, places, layers)
        if pool.cache.dtype == torch.float16:
            # It overflows, and what a sentence left behind is masked by a weight of zero, which
            # infinity survives.
            pool.cache.index_fill_(1, places, 0)

    # -- one token further ----------------------------------------------------------------

    def step(self, pool: Pool, shape: PoolShape, width: int, attentive: bool = False) -> Ranked:
        """Move all places on by ``pool.tokens``, after ``pool.rows`` have reordered the beams.

        Args:
            pool: the batch.
            shape: what is computed of it.
            width: how many of the best tokens are found.
            attentive: whether the attention of the last layer is returned.

        Returns:
            The ``width`` best tokens of shape.places * K rows, in the order of the sentences.
        """
        places, beam_size = shape.places, pool.beam_size
        sentences, lengths = pool.sentence_at[:places], pool.lengths[:places]
        self_mask = ancestry_mask(inherit(pool, shape), lengths, pool.cache.dtype)
        source_mask = self._source_mask(pool, shape)

        tokens = pool.tokens.index_select(0, sentences)  # (G, K)
        states = self._embed(tokens, lengths)  # (G, K, d_model)
        weights: list[Tensor] | None = [] if attentive else None
        with attention_kernels(pool.cache.device):
            for index in range(len(self._layers)):
                states = self._layer(index, states, pool, shape, self_mask, source_mask, weights)
        lengths.add_(pool.active[:places])

        def by_sentence(of_places: Tensor) -> Tensor:
            return of_places.index_select(0, pool.place_of[:places]).view(places * beam_size, -1)

        states = by_sentence(self._transformer.decoder_norm(states))
        weight, bias = self._transformer.output_weight, self._transformer.logits_bias
        # In a buffer that all shapes share; as an output, every graph would hold one of its own.
        logits = pool.logits[: len(states)].copy_(F.linear(states, weight, bias))
        ranked = rank(logits, width)
        if weights is None:
            return ranked
        return ranked._replace(attention=by_sentence(weights[-1].to(ranked.total.dtype)))

    def _embed(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Embeddings (G, K, d_model) of tokens (G, K) at the positions (G,)."""
        embedded = self._transformer.target_embedding(tokens) * self._transformer.embedding_scale
        positions = self._transformer.target_positions.index_select(0, lengths)
        embedded = embedded + positions[:, None].to(embedded.dtype)
        return cast("Tensor", self._transformer.target_embedding_norm(embedded))

    def _source_mask(self, pool: Pool, shape: PoolShape) -> Tensor:
        """(G, 1, 1, S)"""
        real = pool.index[: shape.source] < pool.source_lengths[: shape.places, None]
        mask = padding_mask(real, pool.cross.dtype)
        assert mask is not None
        return mask

    def _layer(
        self,
        index: int,
        states: Tensor,
        pool: Pool,
        shape: PoolShape,
        self_mask: Tensor,
        source_mask: Tensor,
        weights: list[Tensor] | None,
    ) -> Tensor:
        """One decoder layer, (G, K, d_model) to (G, K, d_model)."""
        layer, heads, places = self._layers[index], self._heads, shape.places
        entered = layer.around_self_attention.enter(states)
        projected = F.linear(entered, *self._self_projections[index])  # (G, K, 3 * d_model)
        split = projected.unflatten(-1, (3 * heads, -1)).transpose(1, 2)  # (G, 3H, K, D)
        cache = pool.cache[index, :places]  # (G, 2H, T, K, D)
        cache[pool.index[:places], :, pool.lengths[:places]] = split[:, heads:]
        slots = cache[:, :, : shape.target].flatten(2, 3)  # (G, 2H, T * K, D)
        context = F.scaled_dot_product_attention(
            split[:, :heads], slots[:, :heads], slots[:, heads:], self_mask
        )
        update = layer.self_attention.output(context.transpose(1, 2).flatten(2))
        states = layer.around_self_attention.leave(states, update)

        queries = layer.cross_attention.queries(layer.around_cross_attention.enter(states))
        cross = pool.cross[index, :places, :, : shape.source]  # (G, 2H, S, D)
        context = F.scaled_dot_product_attention(
            queries, cross[:, :heads], cross[:, heads:], source_mask
        )
        if weights is not None:
            found = attention_weights(queries, cross[:, :heads], source_mask)
            weights.append(found.mean(1))  # (G, H, K, S) to (G, K, S)
        update = layer.cross_attention.output(context.transpose(1, 2).flatten(2))
        states = layer.around_cross_attention.leave(states, update)

        update = layer.feed_forward(layer.around_feed_forward.enter(states))
        return layer.around_feed_forward.leave(states, update)


def inherit(pool: Pool, shape: PoolShape) -> Tensor:
    """Reorder the table of ancestors by ``pool.rows``, and enter the position decoded now.

    Returns:
        (G, K, T) uint8, of which positions beyond the present one mean nothing.
    """
    sentences, lengths = pool.sentence_at[: shape.places], pool.lengths[: shape.places]
    parents = pool.rows.index_select(0, sentences) % pool.beam_size  # (G, K)
    table = pool.ancestors[: shape.places, :, : shape.target]
    inherited = table.gather(1, parents[:, :, None].expand_as(table))
    present = lengths[:, None, None].expand(-1, pool.beam_size, 1)  # (G, K, 1)
    slots = pool.index[: pool.beam_size].to(torch.uint8)[:, None].expand_as(present)
    inherited.scatter_(2, present, slots)
    table.copy_(inherited)
    return inherited


def ancestry_mask(ancestors: Tensor, lengths: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive mask (G, 1, K, T * K): hypothesis k sees the slots (t, j) of its own past.

    Args:
        ancestors: (G, K, T) uint8, slots.
        lengths: (G,) int64, the present position, which is seen.
        dtype: of the mask.
    """
    beam_size, positions = ancestors.shape[1:]
    slots = torch.arange(beam_size, dtype=torch.uint8, device=ancestors.device)
    index = torch.arange(positions, device=ancestors.device)
    past = (index <= lengths[:, None])[:, None, :, None]  # (G, 1, T, 1)
    seen = (ancestors[:, :, :, None] == slots) & past  # (G, K, T, K)
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, -math.inf).flatten(2)[:, None]


def rank(logits: Tensor, width: int) -> Ranked:
    """Normalise logits (R, V) and find the best, so that a search need not read them."""
    total = logits.logsumexp(-1)
    best, tokens = largest_by_chunks(logits, width)
    return Ranked(logits, total, best - total[:, None], tokens)


@contextmanager
def attention_kernels(device: torch.device) -> Iterator[None]:
    """Choose the kernel of ``scaled_dot_product_attention`` rather than let torch choose.

    The choice belongs to the process, so two threads must not make and undo it at once.
    """
    if device.type != "cuda":
        yield
        return
    with _CHOOSING, sdpa_kernel(KERNELS):
        yield


def _side_by_side(projections: list[torch.nn.Linear]) -> tuple[Tensor, Tensor]:
    """Weight and bias of a projection to the outputs of several, one after the other."""
    return (
        torch.cat([projection.weight.detach() for projection in projections]),
        torch.cat([projection.bias.detach() for projection in projections]),
    )
