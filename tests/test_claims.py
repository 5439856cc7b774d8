"""The claims of benchmarks/claims, small."""

from __future__ import annotations

from pathlib import Path

import hopfield
import permutation
import pytest
import report
import scale
import torch


def test_products_of_queries_and_keys_have_the_variance_d_k_and_saturate() -> None:
    narrow, wide = scale.measured(16, 500), scale.measured(512, 500)
    for row in (narrow, wide):
        assert row["variance of q·k"] == pytest.approx(row["d_k"], rel=0.1)
    assert wide["entropy, scaled"] == pytest.approx(narrow["entropy, scaled"], abs=0.2)
    assert wide["entropy, unscaled"] < 1 < wide["entropy, scaled"]
    assert wide["gradient, unscaled"] < wide["gradient, scaled"]


@pytest.mark.parametrize("seed", range(4))
def test_attention_without_positions_is_equivariant(seed: int) -> None:
    assert permutation.difference(seed, with_positions=False) < 1e-12
    assert permutation.difference(seed, with_positions=True) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("width", [16, 64, 256])
def test_a_hopfield_update_is_attention_bit_for_bit(dtype: torch.dtype, width: int) -> None:
    assert hopfield.same_bits(dtype, width)


@pytest.mark.parametrize("beta", [0.1, 1.0, 4.0])
def test_the_energy_never_increases(beta: float) -> None:
    assert hopfield.largest_rise(16, 50, beta) < 1e-12


def test_what_the_networks_store() -> None:
    loads = [0.08, 0.12, 0.16, 0.2]
    errors = [hopfield.classical_errors(load, 400, 0) for load in loads]
    assert 0.09 < hopfield.capacity(loads, errors) < 0.17
    assert hopfield.modern_recall(1000, 64, 1.0) > 0.9 > hopfield.modern_recall(1000, 64, 0.125)


def test_a_report_is_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    report.publish("x", [{"a": 1, "b": 0.25}], "holds")
    assert report.table([{"a": 1, "b": 0.25}]).splitlines()[-1] == "| 1 | 0.25 |"
    assert '"verdict": "holds"' in (tmp_path / "x.json").read_text()
