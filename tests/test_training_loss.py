"""The fused loss against torch's cross-entropy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tformer.model.training import loss as module
from tformer.model.training.loss import smoothed_cross_entropy

VOCABULARY = 23


def arguments(rows: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(rows)
    states = torch.randn(rows, 6, dtype=dtype, requires_grad=True)
    weight = torch.randn(VOCABULARY, 6, dtype=dtype, requires_grad=True)
    return states, weight, torch.randint(VOCABULARY, (rows,))


def reference(states: Tensor, weight: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(states @ weight.T, labels, label_smoothing=smoothing, reduction="sum")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("rows", [1, 8, 9, 30], ids=lambda rows: f"{rows}-rows")
def test_loss_and_gradients_are_torchs(
    rows: int, smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 8)
    states, weight, labels = arguments(rows)
    loss, likelihood = smoothed_cross_entropy(states, weight, labels, smoothing)
    (loss / 7).backward()
    ours = [states.grad, weight.grad]
    states.grad = weight.grad = None
    expected = reference(states, weight, labels, smoothing)
    (expected / 7).backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(likelihood, reference(states, weight, labels, 0.0).detach())
    for mine, theirs in zip(ours, [states.grad, weight.grad], strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_likelihood_has_no_gradient() -> None:
    _, likelihood = smoothed_cross_entropy(*arguments(4), 0.1)
    assert not likelihood.requires_grad


def test_float32_is_close() -> None:
    states, weight, labels = arguments(40, torch.float32)
    loss, _ = smoothed_cross_entropy(states, weight, labels, 0.1)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, reference(states, weight, labels, 0.1))


def test_bfloat16_is_close() -> None:
    """Within its eight bits: 1 % of the loss, 3 % of the gradients' norms."""
    states, weight, labels = arguments(64, torch.bfloat16)
    loss, _ = smoothed_cross_entropy(states, weight, labels, 0.1)
    loss.backward()
    assert loss.dtype == torch.float32
    wide = [tensor.detach().double().requires_grad_() for tensor in (states, weight)]
    expected = reference(*wide, labels, 0.1)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=0.01)
    for mine, theirs in zip((states, weight), wide, strict=True):
        assert mine.grad is not None and theirs.grad is not None
        error = (mine.grad.double() - theirs.grad).norm() / theirs.grad.norm()
        assert float(error) < 0.03


def test_no_rows_are_no_loss() -> None:
    states, weight, labels = arguments(0)
    loss, _ = smoothed_cross_entropy(states, weight, labels, 0.1)
    loss.backward()
    assert loss.item() == 0
    assert weight.grad is not None and not weight.grad.any()
