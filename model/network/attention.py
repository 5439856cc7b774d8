"""Attention functions side by side: softmax(scores)V, which differ in the scores.

    scaled dot-product    q·k / √d_k          Vaswani et al. (2017), section 3.2.1
    dot-product           q·k                 Luong et al. (2015)
    additive              vᵀ tanh(q + k)      Bahdanau et al. (2015), one hidden layer

The paper uses the first. Queries and keys come from projections, which are the W and U of additive
attention; v is a parameter of each head. Shapes are those of `network.transformer`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tformer.model.config import TransformerConfig
from tformer.model.network.linear import whole_rows


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    record: list[Tensor] | None = None,
) -> Tensor:
    """Scaled dot-product attention, softmax(QKᵀ/√d_k)V (section 3.2.1).

    Args:
        query: (..., T, D).
        key: (..., S, D).
        value: (..., S, D).
        mask: additive, broadcastable to (..., T, S); every row needs one position at 0.
        record: when given, the weights (..., T, S) are appended to it.

    Returns:
        (..., T, D), in the dtype of the arguments.
    """
    # The fused kernel cannot return its weights; and on the CPU its backward pass takes five to
    # ten times as long as that of the plain products at the lengths of sentences.
    training_on_cpu = query.requires_grad and query.device.type == "cpu"
    if record is None and not training_on_cpu:
        one_mask = mask is None or mask.size(-2) == 1  # so that rows can be added
        rows = whole_rows(query) if one_mask else query
        return F.scaled_dot_product_attention(rows, key, value, mask)[..., : query.size(-2), :]
    weights = attention_weights(query, key, mask)
    if record is not None:
        record.append(weights)
    return weights @ value  # (..., T, D)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(QKᵀ/√d_k), (..., T, S); arguments as of :func:`attention`."""
    scores = (query * query.size(-1) ** -0.5) @ key.transpose(-2, -1)  # (..., T, S)
    return (scores if mask is None else scores + mask).softmax(-1)


class ScaledDotProductAttention(nn.Module):
    """:func:`attention` as a module, and the signature of the others."""

    def weights(self, query: Tensor, key: Tensor, mask: Tensor | None = None) -> Tensor:
        """Weights (..., T, S); arguments as of :func:`attention`."""
        return attention_weights(query, key, mask)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        record: list[Tensor] | None = None,
    ) -> Tensor:
        """Arguments and result as of :func:`attention`."""
        return attention(query, key, value, mask, record)


class DotProductAttention(ScaledDotProductAttention):
    """softmax(QKᵀ)V, without the factor 1/√d_k."""

    def weights(self, query: Tensor, key: Tensor, mask: Tensor | None = None) -> Tensor:
        """Weights (..., T, S); arguments as of :func:`attention`."""
        scores = self.scores(query, key)
        return (scores if mask is None else scores + mask).softmax(-1)

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Products (..., T, S)."""
        return query @ key.transpose(-2, -1)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        record: list[Tensor] | None = None,
    ) -> Tensor:
        """Arguments and result as of :func:`attention`."""
        one_mask = mask is None or mask.size(-2) == 1  # so that rows can be added
        whole = one_mask and not torch.is_grad_enabled()
        weights = self.weights(whole_rows(query) if whole else query, key, mask)
        if record is not None:
            record.append(weights[..., : query.size(-2), :])
        return (weights @ value)[..., : query.size(-2), :]


class AdditiveAttention(DotProductAttention):
    """softmax(vᵀ tanh(q + k))V for every query q and key k: one hidden layer of width D."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.empty(config.num_heads, config.d_k))
        """v of every head, (H, D)."""
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot-uniform, as a projection from D numbers to one."""
        bound = (6 / (self.vector.size(-1) + 1)) ** 0.5
        nn.init.uniform_(self.vector, -bound, bound)

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Scores (B, H, T, S) of queries (B, H, T, D) and keys (B, H, S, D)."""
        hidden = (query[..., :, None, :] + key[..., None, :, :]).tanh()  # (B, H, T, S, D)
        return (hidden * self.vector[:, None, None]).sum(-1)


def attention_function(config: TransformerConfig) -> ScaledDotProductAttention:
    """The attention function that a configuration names, with new parameters if it has any."""
    if config.attention == "additive":
        return AdditiveAttention(config)
    if config.attention == "dot_product":
        return DotProductAttention()
    return ScaledDotProductAttention()
