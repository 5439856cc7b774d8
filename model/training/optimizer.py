"""Optimisation: float32 masters of low-precision parameters, Adam, Muon and the schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tformer.model.errors import TrainingError
from tformer.model.training.settings import TrainingSettings

# Coefficients of the quintic iteration that drives singular values to about one (Jordan et al.,
# "Muon: An optimizer for hidden layers in neural networks", 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)


def learning_rate_factor(settings: TrainingSettings, step: int) -> float:
    """Learning rate of a step (from 1) as a share of the peak.

    ``inverse-sqrt`` is section 5.3 divided by its peak: min(step / warmup, √(warmup / step)).
    """
    warmup = max(1, settings.warmup_steps)
    if settings.schedule == "inverse-sqrt":
        return min(step / warmup, (warmup / step) ** 0.5)
    left = (settings.max_steps - step + 1) / max(1, settings.decay_steps)
    return max(0.0, min(step / warmup, 1.0, left))


def peak_learning_rate(settings: TrainingSettings, d_model: int) -> float:
    """Adam's highest learning rate; section 5.3 unless the recipe sets one."""
    if settings.learning_rate is not None:
        return settings.learning_rate
    return float((d_model * max(1, settings.warmup_steps)) ** -0.5)


class Muon(torch.optim.Optimizer):
    """Momentum whose update of every matrix is replaced by the nearest orthogonal one.

    Unlike ``torch.optim.Muon`` it divides the orthogonalisation, most of its cost, among the
    processes of a data-parallel run. The update is scaled to the size of Adam's, 0.2 per entry
    (Liu et al., "Muon is scalable for LLM training", 2025), so both share a learning rate.
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95, iterations: int = 5
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})
        self.iterations = iterations

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix from its gradient, which all processes hold alike."""
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            updates = self._orthogonal([self._momentum(m, group["momentum"]) for m in matrices])
            for matrix, update in zip(matrices, updates, strict=True):
                scale = 0.2 * max(matrix.shape) ** 0.5
                matrix.add_(update.to(matrix.dtype), alpha=-group["lr"] * scale)

    def _momentum(self, matrix: Tensor, momentum: float) -> Tensor:
        """Nesterov's look-ahead on the running mean of gradients."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        mean = state["momentum"].lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(mean, momentum)

    def _orthogonal(self, updates: list[Tensor]) -> list[Tensor]:
        """Each process takes every n-th matrix; a sum with the others' zeros shares them."""
        rank, world = _rank_and_world()
        flat = torch.zeros(
            sum(u.numel() for u in updates), dtype=torch.bfloat16, device=updates[0].device
        )
        parts = [
            part.view_as(update)
            for part, update in zip(flat.split([u.numel() for u in updates]), updates, strict=True)
        ]
        for index in range(rank, len(updates), world):
            parts[index].copy_(orthogonalise(updates[index], self.iterations))
        if world > 1:
            dist.all_reduce(flat)
        return parts


def orthogonalise(matrix: Tensor, iterations: int = 5) -> Tensor:
    """About UVᵀ of the singular value decomposition UΣVᵀ, in bfloat16, by matrix products only."""
    a, b, c = _QUINTIC
    wide = matrix.size(0) <= matrix.size(1)
    x = (matrix if wide else matrix.T).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T


class MasterParameters:
    """Float32 copies of a network's parameters, and the optimizers that move them.

    The network may compute in bfloat16: its gradients are added to float32 ones, the optimizers
    work on the float32 copies, and :meth:`publish` rounds these back into the network.
    """

    def __init__(self, network: nn.Module, settings: TrainingSettings, peak: float) -> None:
        self.settings = settings
        self.names = [name for name, _ in network.named_parameters()]
        self.network: list[Tensor] = [parameter for _, parameter in network.named_parameters()]
        self.masters = [p.detach().float().clone() for p in self.network]
        self.gradient = torch.zeros(
            sum(m.numel() for m in self.masters), device=self.masters[0].device
        )
        pieces = self.gradient.split([m.numel() for m in self.masters])
        for master, piece in zip(self.masters, pieces, strict=True):
            master.grad = piece.view_as(master)
        self.average = [m.clone() for m in self.masters] if settings.ema_decay else self.masters
        self.optimizers, self.peaks = self._optimizers(peak)

    def _optimizers(self, peak: float) -> tuple[list[torch.optim.Optimizer], list[float]]:
        settings = self.settings
        matrices = [
            master
            for name, master in zip(self.names, self.masters, strict=True)
            if settings.optimizer == "muon" and master.dim() == 2 and "embedding" not in name
        ]
        chosen = {id(matrix) for matrix in matrices}
        adam = torch.optim.Adam(
            [master for master in self.masters if id(master) not in chosen],
            lr=peak,
            betas=(settings.adam_beta1, settings.adam_beta2),
            eps=settings.adam_epsilon,
            foreach=True,
        )
        if not matrices:
            return [adam], [peak]
        rate = settings.muon_learning_rate
        return [adam, Muon(matrices, lr=rate)], [peak, rate]

    def collect(self) -> None:
        """Add the network's gradients to the float32 ones and clear them."""
        for master, parameter in zip(self.masters, self.network, strict=True):
            assert master.grad is not None
            assert parameter.grad is not None
            master.grad.add_(parameter.grad)
            parameter.grad = None

    def step(self, step: int) -> float:
        """One optimizer step (counted from 1) from the collected gradients; returns their norm.

        Raises:
            TrainingError: when the gradient is not finite; the parameters are as before.
        """
        if dist.is_initialized():
            self._all_reduce()
        norm = float(self.gradient.norm())
        if not math.isfinite(norm):
            raise TrainingError(
                f"the gradient is not finite at step {step}; "
                "lower the learning rate or train in float32"
            )
        if self.settings.clip_norm and norm > self.settings.clip_norm:
            self.gradient.mul_(self.settings.clip_norm / norm)
        factor = learning_rate_factor(self.settings, step)
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * factor
            optimizer.step()
        if self.settings.ema_decay:
            # Young averages forget faster, or the random start would stay in them for long.
            decay = min(self.settings.ema_decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.average, self.masters, 1 - decay)
        self.gradient.zero_()
        self.publish()
        return norm

    def _all_reduce(self) -> None:
        """Sum the gradients of all processes, sent in the type of the settings."""
        if self.settings.all_reduce == "float32":
            dist.all_reduce(self.gradient)
            return
        sent = self.gradient.bfloat16()
        dist.all_reduce(sent)
        self.gradient.copy_(sent)

    def publish(self) -> None:
        """Copy the masters into the network, in its dtype."""
        with torch.no_grad():
            torch._foreach_copy_(self.network, self.masters)

    def averaged(self) -> dict[str, Tensor]:
        """The averaged parameters by name, float32; what is validated and exported."""
        return dict(zip(self.names, self.average, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Everything that :meth:`load_state_dict` needs to go on bit for bit."""
        return {
            "masters": dict(zip(self.names, self.masters, strict=True)),
            "average": self.averaged(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state of the same network and the same optimizers."""
        with torch.no_grad():
            for kind, tensors in (("masters", self.masters), ("average", self.average)):
                for name, tensor in zip(self.names, tensors, strict=True):
                    tensor.copy_(state[kind][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.publish()


def _rank_and_world() -> tuple[int, int]:
    if not dist.is_initialized():
        return 0, 1
    return dist.get_rank(), dist.get_world_size()
