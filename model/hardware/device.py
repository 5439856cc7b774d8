"""Device and arithmetic of a model.

A note on threads: between two parallel loops torch's OpenMP threads spin, so another busy process
on the same cores slows them many times over. On a shared machine give torch fewer threads than
cores (``set_threads``), or start Python with ``OMP_WAIT_POLICY=PASSIVE``, which OpenMP reads once,
when torch is imported.

torch is imported where it is needed, and not to find out that int8 on the CPU is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tformer.model.errors import DeviceError, UsageError
from tformer.model.hardware.cpu import has_fast_int8
from tformer.model.hardware.gpu_probe import may_have_gpu

if TYPE_CHECKING:
    import torch
    from torch import Tensor

INT8 = "int8"
"""Not a dtype of torch: a network of its own, `tformer.model.network.int8`, on the CPU."""

DTYPES = ("float64", "float32", "bfloat16", "float16")
"""Torch dtypes by name."""


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name``: "cpu", "cuda", "cuda:1"; "auto" is a GPU if there is one.

    Raises:
        UsageError: when there is no device of that name.
        DeviceError: when it is a GPU that this machine, or this build of torch, does not have.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(f"device must be auto, cpu or cuda, not {name!r}")
    if device.type == "cuda":
        _check_cuda(device)
    return device


def _check_cuda(device: torch.device) -> None:
    import torch

    if not torch.backends.cuda.is_built():
        raise DeviceError(
            "device cuda: this torch is built for the CPU only; install a CUDA build of torch, "
            "or choose the device cpu"
        )
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= found:
        raise DeviceError(
            f"device {device}: torch finds {found} CUDA devices; check nvidia-smi, "
            "or choose the device cpu"
        )


def wants_int8(dtype: str, device: str) -> bool:
    """Return whether the dtype called ``dtype`` is int8; "auto" is, on a CPU that is quick with it.

    Raises:
        UsageError: when there is no device of that name, or int8 is asked for on a GPU.
        DeviceError: when the device is a GPU that is not there.
    """
    if dtype not in ("auto", INT8):
        return False
    if not (is_cpu := _is_cpu(device)) and dtype == INT8:
        raise UsageError(f"dtype int8 is for the CPU, not {device}; choose bfloat16 or float16")
    return is_cpu and (dtype == INT8 or has_fast_int8())


def _is_cpu(device: str) -> bool:
    """Return whether the device called so is the CPU; torch is only asked if that is not plain."""
    if device == "cpu" or (device == "auto" and not may_have_gpu()):
        return True
    return choose_device(device).type == "cpu"


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype called ``name``; "auto" is float32 on a CPU, bfloat16 on a GPU that has it.

    Raises:
        UsageError: when there is no such dtype.
    """
    import torch

    if name == "auto":
        if device.type == "cpu":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if name not in DTYPES:
        raise UsageError(f"dtype must be auto, {INT8}, {', '.join(DTYPES)}, not {name!r}")
    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)
    return dtype


def set_threads(threads: int) -> None:
    """Let torch's CPU kernels of this process use so many threads.

    Raises:
        UsageError: when ``threads`` is less than 1.
    """
    import torch

    check_threads(threads)
    torch.set_num_threads(threads)


def check_threads(threads: int) -> None:
    """Refuse a number of threads that nobody can have.

    Raises:
        UsageError: when ``threads`` is less than 1.
    """
    if threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")


def on_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor of the host on ``device``, without waiting for a GPU to catch up.

    Only a copy from page-locked memory is asynchronous; torch waits for any other
    (``torch.tensor([...], device="cuda")`` among them). Its allocator does not hand the memory out
    again before the copy is done.
    """
    import torch

    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def on_host(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors of one device on the host, for which a GPU is waited for once."""
    import torch

    copies = tuple(tensor.to("cpu", non_blocking=True) for tensor in tensors)
    if tensors[0].is_cuda:
        torch.cuda.current_stream(tensors[0].device).synchronize()
    return copies
