"""Choosing where to compute, and what is said when that is not possible."""

from __future__ import annotations

import pytest
import torch

from tformer.model.errors import DeviceError, UsageError
from tformer.model.hardware import device as device_module
from tformer.model.hardware.device import choose_device, choose_dtype, set_threads, wants_int8


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)


@pytest.mark.usefixtures("no_gpu")
def test_auto_is_the_cpu_where_there_is_no_gpu() -> None:
    assert choose_device("auto") == torch.device("cpu")


@pytest.mark.usefixtures("one_gpu")
def test_auto_is_the_gpu_where_there_is_one() -> None:
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:0") == torch.device("cuda:0")


@pytest.mark.usefixtures("no_gpu")
def test_a_gpu_that_is_not_there_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(DeviceError, match="CPU only; install a CUDA build"):
        choose_device("cuda")
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    with pytest.raises(DeviceError, match="finds 0 CUDA devices"):
        choose_device("cuda")


@pytest.mark.usefixtures("one_gpu")
def test_a_second_gpu_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match="device cuda:1: torch finds 1"):
        choose_device("cuda:1")


@pytest.mark.parametrize("name", ["gpu", "", "meta", "cuda:x"])
def test_names_that_are_no_device(name: str) -> None:
    with pytest.raises(UsageError, match="auto, cpu or cuda"):
        choose_device(name)


def test_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_dtype("auto", cpu) == torch.float32
    assert choose_dtype("bfloat16", cpu) == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert choose_dtype("auto", cuda) == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose_dtype("auto", cuda) == torch.float16
    with pytest.raises(UsageError, match="dtype must be auto, int8, float64"):
        choose_dtype("int3", cpu)


def test_threads() -> None:
    before = torch.get_num_threads()
    try:
        set_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(UsageError, match="threads must be at least 1, not 0"):
        set_threads(0)


def with_fast_int8(monkeypatch: pytest.MonkeyPatch, has: bool) -> None:
    monkeypatch.setattr(device_module, "has_fast_int8", lambda: has)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("device", ["auto", "cpu", "cpu:0"])
def test_int8_is_for_a_cpu_that_is_quick_with_it_unless_asked_for(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_fast_int8(monkeypatch, has=True)
    assert wants_int8("auto", device) and wants_int8("int8", device)
    assert not wants_int8("float32", device)
    with_fast_int8(monkeypatch, has=False)
    assert not wants_int8("auto", device)
    assert wants_int8("int8", device)


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_int8_is_not_for_a_gpu(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_fast_int8(monkeypatch, has=True)
    assert not wants_int8("auto", device)
    with pytest.raises(UsageError, match=f"int8 is for the CPU, not {device}"):
        wants_int8("int8", device)


def test_a_device_that_there_is_not_is_refused_whatever_the_dtype() -> None:
    for dtype in ("auto", "int8"):
        with pytest.raises(UsageError, match="auto, cpu or cuda"):
            wants_int8(dtype, "gpu")
