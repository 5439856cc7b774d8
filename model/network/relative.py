"""Self-attention that knows of positions by a bias on its scores (Raffel et al., 2020, "T5")."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from tformer.model.config import TransformerConfig
from tformer.model.network.kv_cache import DecoderCache
from tformer.model.network.transformer import DecoderLayer, EncoderLayer, Transformer


class RelativeBias(nn.Module):
    """A learned number for each head and bucket of distances."""

    def __init__(self, config: TransformerConfig, *, both_ways: bool) -> None:
        super().__init__()
        self.buckets = nn.Embedding(config.num_buckets, config.num_heads)
        self._half = config.num_buckets // 2 if both_ways else config.num_buckets
        self._both_ways = both_ways
        self._max_distance = config.max_distance

    def forward(self, distances: Tensor) -> Tensor:
        """Biases (..., H, T, S) of distances (..., T, S) int64, from the query to the key."""
        return cast("Tensor", self.buckets(self._bucket(distances)).movedim(-1, -3))

    def _bucket(self, distances: Tensor) -> Tensor:
        """Short distances have a bucket each, longer ones share more and more."""
        if self._both_ways:
            side, apart = (distances > 0).long() * self._half, distances.abs()
        else:
            side, apart = torch.zeros_like(distances), (-distances).clamp(min=0)
        exact = self._half // 2
        growth = (apart.float().clamp(min=1) / exact).log() / math.log(self._max_distance / exact)
        shared = exact + (growth * (self._half - exact)).long()
        return side + torch.where(apart < exact, apart, shared.clamp(max=self._half - 1))


def _distances(length: int, device: torch.device) -> Tensor:
    """(length, length), from each position to every other."""
    places = torch.arange(length, device=device)
    return places[None, :] - places[:, None]


class RelativeEncoderLayer(EncoderLayer):
    """An encoder layer with a bias of its own."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.relative_bias = RelativeBias(config, both_ways=True)

    def forward(
        self, states: Tensor, mask: Tensor | None, record: list[Tensor] | None = None
    ) -> Tensor:
        """(G, S, d_model) to (G, S, d_model)."""
        bias = self.relative_bias(_distances(states.size(1), states.device))[None]
        return super().forward(states, bias if mask is None else bias + mask, record)


class RelativeDecoderLayer(DecoderLayer):
    """A decoder layer with a bias of its own in self-attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.relative_bias = RelativeBias(config, both_ways=False)

    def look_back(
        self, entered: Tensor, mask: Tensor, record: list[Tensor] | None = None
    ) -> Tensor:
        """Masked self-attention of all positions."""
        bias = self.relative_bias(_distances(entered.size(1), entered.device))
        return super().look_back(entered, bias + mask, record)

    def look_back_once(
        self, entered: Tensor, layer: int, cache: DecoderCache, mask: Tensor
    ) -> Tensor:
        """Masked self-attention of the newest position."""
        keys = torch.arange(cache.width, device=entered.device)
        bias = self.relative_bias((keys - cache.positions[:, None])[:, None])  # (R, H, 1, L)
        return super().look_back_once(entered, layer, cache, bias + mask)


class RelativeTransformer(Transformer):
    """A Transformer whose embeddings know no positions."""

    ENCODER_LAYER = RelativeEncoderLayer
    DECODER_LAYER = RelativeDecoderLayer

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.positions = torch.zeros(config.max_length, config.d_model, device="cpu")
