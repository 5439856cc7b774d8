"""Nearest entries of a datastore for the hypotheses of a sentence, in torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tformer.model.datastore.layout import Subset
from tformer.model.datastore.mixing import MixtureWeights


class TensorSubset(NamedTuple):
    """Entries that a sentence is compared with, M of them."""

    keys: Tensor
    """(M, d) float32"""
    tokens: Tensor
    """(M,) int64"""
    weights: MixtureWeights

    @classmethod
    def of(cls, subset: Subset, device: torch.device) -> TensorSubset:
        """The same on a device."""
        keys = torch.from_numpy(subset.keys).float() * torch.from_numpy(subset.scales)[:, None]
        tokens = torch.from_numpy(subset.tokens).long()
        return cls(keys.to(device), tokens.to(device), subset.weights)


def mixed_logits(logits: Tensor, states: Tensor, subset: TensorSubset) -> Tensor:
    """log p of the mixture (K, V); see `tformer.model.datastore.mixing`.

    Args:
        logits: (K, V) of the network, float32 or wider.
        states: (K, d), what the output projection has read.
        subset: entries to compare with.
    """
    log_probs, weights = logits.log_softmax(-1), subset.weights
    differences = states.to(logits.dtype)[:, None] - subset.keys.to(logits.dtype)
    distances = differences.square().sum(-1)  # (K, M)
    number = min(weights.neighbours, len(subset.tokens))
    near, index = distances.topk(number, largest=False)
    softmax = (-near / weights.temperature).softmax(-1)
    retrieved = torch.zeros_like(log_probs).scatter_add_(1, subset.tokens[index], softmax)
    features = weights.distance * near[:, 0] + weights.confidence * retrieved.amax(1)
    share = weights.trust * (weights.bias + features).sigmoid()[:, None]
    return torch.logaddexp(log_probs + torch.log1p(-share), (share * retrieved).log())
