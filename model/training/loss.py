"""Label-smoothed cross-entropy that never holds the logits of a whole batch.

The logits of a batch, (N, V), are by far its largest tensor. Here the output projection and the
loss are one function: a chunk of rows at a time is projected, normalised, and at once turned into
its part of both gradients.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 1024
"""Rows whose logits exist at once."""


def smoothed_cross_entropy(
    states: Tensor, weight: Tensor, labels: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Sum over rows of the cross-entropy against smoothed labels (section 5.4).

    With ε = ``smoothing``, the target distribution is 1 - ε on the label plus ε / V everywhere.

    Args:
        states: (N, d_model), decoder output.
        weight: (V, d_model), output projection.
        labels: (N,) int64.
        smoothing: ε.

    Returns:
        The loss, a scalar to differentiate, and the sum of negative log-likelihoods, a scalar
        without gradient; both float32 (float64 for float64 states).
    """
    return _SmoothedCrossEntropy.apply(states, weight, labels, smoothing)  # type: ignore


class _SmoothedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, labels: Tensor, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        wide = torch.promote_types(states.dtype, torch.float32)
        loss = torch.zeros((), dtype=wide, device=states.device)
        likelihood = torch.zeros_like(loss)
        mean_weight = weight.mean(0, dtype=wide)  # (d_model)
        grad_states = torch.empty_like(states)
        grad_weight = torch.zeros_like(weight, dtype=wide)
        for rows, label, grad in zip(
            states.split(CHUNK), labels.split(CHUNK), grad_states.split(CHUNK), strict=True
        ):
            scores = rows @ weight.T  # (n, V): logits, log-probabilities, then probabilities
            mean = (rows.to(wide) @ mean_weight).sum()
            index = torch.arange(len(label), device=label.device)
            logit = scores[index, label].to(wide)
            scores = scores.log_softmax(-1)
            negative = -scores[index, label].to(wide)
            likelihood += negative.sum()
            loss += (logit + negative).sum() - (1 - smoothing) * logit.sum() - smoothing * mean
            # d loss / d logits = probabilities - (1 - ε) onehot(label) - ε / V. The last term is
            # the same everywhere and joins both products as a rank-one term below.
            probabilities = scores.exp_()
            probabilities[index, label] -= 1 - smoothing
            torch.mm(probabilities, weight, out=grad)
            grad_weight += probabilities.T @ rows
        if smoothing:
            share = smoothing / weight.size(0)
            grad_states -= (share * weight.sum(0, dtype=wide)).to(grad_states.dtype)
            grad_weight -= share * states.sum(0, dtype=wide)
        ctx.save_for_backward(grad_states, grad_weight.to(weight.dtype))
        ctx.mark_non_differentiable(likelihood)
        return loss, likelihood

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_states, grad_weight = ctx.saved_tensors
        scale = grad_outputs[0].to(grad_states.dtype)
        return grad_states * scale, grad_weight * scale, None, None
