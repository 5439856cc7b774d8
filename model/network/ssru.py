"""The decoder whose first sub-layer is a recurrent unit instead of masked self-attention.

The simpler simple recurrent unit of Kim et al. (2019), "From Research to Production and Back:
Ludicrously Fast Neural Machine Translation", as in the small models of Bergamot.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from tformer.model.config import TransformerConfig
from tformer.model.network.kv_cache import DecoderCache
from tformer.model.network.linear import Linear
from tformer.model.network.transformer import DecoderLayer, EncoderStates, Transformer


class SSRU(nn.Module):
    """c_t = f_t c_(t-1) + (1 - f_t) Wx_t and h_t = max(0, c_t), f_t = sigmoid(W_f x_t + b)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.candidate = Linear(config.d_model, config.d_model, bias=False)
        self.forget = Linear(config.d_model, config.d_model)

    def forward(self, entered: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """All T positions.

        Args:
            entered: (B, T, d_model).
            cell: (B, d_model), c before the first.

        Returns:
            h, (B, T, d_model), and the last c, (B, d_model).
        """
        candidates, forget = self.candidate(entered), self.forget(entered).sigmoid()
        outputs = []
        for candidate, kept in zip(candidates.unbind(1), forget.unbind(1), strict=True):
            cell = kept * cell + (1 - kept) * candidate
            outputs.append(cell.relu())
        return torch.stack(outputs, 1), cell


class RecurrentDecoderLayer(DecoderLayer):
    """A recurrent unit, attention to the encoder states, feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        del self.self_attention
        self.recurrence = SSRU(config)

    def look_back(
        self, entered: Tensor, mask: Tensor, record: list[Tensor] | None = None
    ) -> Tensor:
        """The recurrent unit from the first position on; nothing is attended to."""
        outputs, _ = self.recurrence(entered, torch.zeros_like(entered[:, 0]))
        return cast("Tensor", outputs)

    def look_back_once(
        self, entered: Tensor, layer: int, cache: DecoderCache, mask: Tensor
    ) -> Tensor:
        """The recurrent unit at the newest position."""
        outputs, cache.cells[layer] = self.recurrence(entered, cache.cells[layer])
        return cast("Tensor", outputs)


class RecurrentTransformer(Transformer):
    """The encoder of the paper, and a recurrent decoder that attends to the encoder states."""

    DECODER_LAYER = RecurrentDecoderLayer

    def start_cache(self, encoded: EncoderStates, beam_size: int) -> DecoderCache:
        """An empty cache, with cells of zeros."""
        cache = super().start_cache(encoded, beam_size)
        rows, width = cache.num_rows, self.config.d_model
        cache.cells = [encoded.states.new_zeros(rows, width) for _ in self.decoder]
        return cache
