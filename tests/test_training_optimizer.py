"""Schedules, Muon, and the float32 masters of a network in low precision."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tiny import tiny_transformer
from torch import Tensor, nn

from tformer.model.errors import TrainingError
from tformer.model.training.optimizer import (
    MasterParameters,
    Muon,
    learning_rate_factor,
    orthogonalise,
    peak_learning_rate,
)
from tformer.model.training.settings import TrainingSettings

# -- schedules ----------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 17, 3999, 4000, 4001, 100_000])
def test_the_default_schedule_is_section_5_3(step: int) -> None:
    settings, d_model = TrainingSettings(), 512
    ours = peak_learning_rate(settings, d_model) * learning_rate_factor(settings, step)
    assert ours == pytest.approx(d_model**-0.5 * min(step**-0.5, step * 4000**-1.5))


def test_a_trapezoid_rises_stays_and_falls_to_zero() -> None:
    settings = TrainingSettings(
        schedule="trapezoid", warmup_steps=4, decay_steps=5, max_steps=20, learning_rate=0.5
    )
    factors = [learning_rate_factor(settings, step) for step in range(1, 23)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1]
    assert factors[4:16] == [1] * 12
    assert factors[16:] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0, 0])
    assert peak_learning_rate(settings, 512) == 0.5


@pytest.mark.parametrize("schedule", ["inverse-sqrt", "trapezoid"])
def test_no_warmup_and_no_decay(schedule: Any) -> None:
    settings = TrainingSettings(schedule=schedule, warmup_steps=0, max_steps=9)
    assert learning_rate_factor(settings, 1) == 1
    assert math.isfinite(peak_learning_rate(settings, 512))


# -- Muon ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(24, 24), (16, 40), (40, 16)], ids=str)
def test_singular_values_are_driven_to_about_one(shape: tuple[int, int]) -> None:
    """The quintic's known range is about [0.7, 1.2]; bfloat16 rounds on top of it."""
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    result = orthogonalise(matrix).float()
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6 and values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    similarity = (result * (u @ v)).sum() / result.norm() / (u @ v).norm()
    assert similarity > 0.97


def test_the_size_of_a_gradient_does_not_matter() -> None:
    matrix = torch.randn(8, 12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(orthogonalise(matrix), orthogonalise(256 * matrix))
    assert not orthogonalise(torch.zeros(8, 12)).any()


def test_muon_is_torchs() -> None:
    torch.manual_seed(3)
    shapes = [(12, 12), (8, 20), (20, 8)]
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(matrix.detach().clone()) for matrix in ours]
    optimizers = (
        Muon(ours, lr=0.02, momentum=0.95),
        torch.optim.Muon(
            theirs,
            lr=0.02,
            momentum=0.95,
            weight_decay=0.0,
            nesterov=True,
            adjust_lr_fn="match_rms_adamw",
        ),
    )
    for _ in range(4):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other in zip(ours, theirs, strict=True):
        # Four steps of 0.02 x 0.2 an entry, each rounded to bfloat16.
        torch.testing.assert_close(mine, other, rtol=0, atol=4 * 0.004 * 2**-5)


# -- masters ------------------------------------------------------------------------------


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    return tiny_transformer(1, dtype=dtype)


def give_gradients(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)


def settings(**changes: Any) -> TrainingSettings:
    return TrainingSettings(**{"learning_rate": 0.01, "warmup_steps": 0, **changes})


def test_adam_on_masters_is_adam() -> None:
    ours, theirs = network(), network()
    masters = MasterParameters(ours, settings(), 0.01)
    adam = torch.optim.Adam(theirs.parameters(), betas=(0.9, 0.98), eps=1e-9)
    for step in (1, 2, 3):
        for module in (ours, theirs):
            give_gradients(module, step)
        masters.collect()
        masters.step(step)
        for group in adam.param_groups:
            group["lr"] = 0.01 * step**-0.5
        adam.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_muon_moves_matrices_and_adam_the_rest() -> None:
    module = network()
    masters = MasterParameters(module, settings(optimizer="muon"), 0.01)
    adam, muon = masters.optimizers
    assert isinstance(muon, Muon)
    chosen = {id(matrix) for matrix in muon.param_groups[0]["params"]}
    by_name = dict(zip(masters.names, masters.masters, strict=True))
    assert {name for name, master in by_name.items() if id(master) in chosen} == {
        name for name, master in by_name.items() if master.dim() == 2 and name != "embedding.weight"
    }
    assert len(adam.param_groups[0]["params"]) + len(chosen) == len(by_name)


def test_steps_below_the_resolution_of_bfloat16_add_up() -> None:
    module = nn.Linear(4, 4, bias=False)
    nn.init.ones_(module.weight)
    masters = MasterParameters(module, settings(), 1e-5)
    module.bfloat16()
    for step in range(1, 201):
        module.weight.grad = torch.ones(4, 4, dtype=torch.bfloat16)
        masters.collect()
        masters.step(step)
    (master,) = masters.masters
    # Under a constant gradient every step of Adam is the learning rate.
    expected = 1 - 1e-5 * sum(step**-0.5 for step in range(1, 201))
    torch.testing.assert_close(master, torch.full((4, 4), expected), rtol=0, atol=2e-5)
    assert torch.equal(module.weight, master.bfloat16())


def test_gradients_of_micro_batches_add_up_in_float32() -> None:
    module = network(torch.bfloat16)
    masters = MasterParameters(module, settings(), 0.01)
    total = [torch.zeros(master.shape) for master in masters.masters]
    for seed in range(3):
        give_gradients(module, seed)
        for entry, parameter in zip(total, module.parameters(), strict=True):
            assert parameter.grad is not None
            entry += parameter.grad.float()
        masters.collect()
        assert all(parameter.grad is None for parameter in module.parameters())
    torch.testing.assert_close(masters.gradient, torch.cat([t.flatten() for t in total]))
    norm = float(masters.gradient.norm())
    assert masters.step(1) == norm
    assert not masters.gradient.any()


def after_one_step(scale: float, **changes: Any) -> Tensor:
    module = network()
    before = MasterParameters(module, settings(**changes), 0.01)
    give_gradients(module, 1)
    for parameter in module.parameters():
        assert parameter.grad is not None
        parameter.grad *= scale
    before.collect()
    before.step(1)
    adam = before.optimizers[0]
    return torch.cat([adam.state[m]["exp_avg"].flatten() for m in before.masters])


def test_clipping_bounds_the_norm_of_the_whole_gradient() -> None:
    mean = after_one_step(100.0, clip_norm=0.5)
    assert float(mean.norm()) == pytest.approx(0.1 * 0.5, rel=1e-5)  # (1 - beta1) g
    assert float(after_one_step(1e-4, clip_norm=0.5).norm()) < 0.01
    assert float(after_one_step(100.0).norm()) > 100


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(value: float) -> None:
    module = network()
    masters = MasterParameters(module, settings(), 0.01)
    before = [master.clone() for master in masters.masters]
    give_gradients(module, 1)
    next(module.parameters()).grad[0, 0] = value  # type: ignore[index]
    masters.collect()
    with pytest.raises(TrainingError, match="the gradient is not finite at step 4"):
        masters.step(4)
    assert all(map(torch.equal, before, masters.masters))


def test_the_moving_average_follows_the_masters() -> None:
    module = network()
    masters = MasterParameters(module, settings(ema_decay=0.6), 0.01)
    expected = [master.clone() for master in masters.masters]
    for step in range(1, 9):
        give_gradients(module, step)
        masters.collect()
        masters.step(step)
        decay = min(0.6, (1 + step) / (10 + step))
        expected = [
            decay * mean + (1 - decay) * master
            for mean, master in zip(expected, masters.masters, strict=True)
        ]
    for name, mean in zip(masters.names, expected, strict=True):
        torch.testing.assert_close(masters.averaged()[name], mean)


def test_without_an_average_the_masters_are_it() -> None:
    masters = MasterParameters(network(), settings(ema_decay=0.0), 0.01)
    assert all(map(torch.equal, masters.averaged().values(), masters.masters))


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_state_goes_on_bit_for_bit(optimizer: Any) -> None:
    def take(masters: MasterParameters, module: nn.Module, steps: range) -> None:
        for step in steps:
            give_gradients(module, step)
            masters.collect()
            masters.step(step)

    chosen = settings(optimizer=optimizer)
    whole, first, second = network(), network(), network()
    through = MasterParameters(whole, chosen, 0.01)
    take(through, whole, range(1, 6))
    half = MasterParameters(first, chosen, 0.01)
    take(half, first, range(1, 3))
    rest = MasterParameters(second, chosen, 0.01)
    rest.load_state_dict(half.state_dict())
    take(rest, second, range(3, 6))
    for mine, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(mine, other)
    assert all(map(torch.equal, through.average, rest.average))
