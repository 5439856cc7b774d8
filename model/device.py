"""Where a model runs and in which arithmetic.

A note on threads: between two parallel loops torch's OpenMP threads spin, so another busy process
on the same cores slows them many times over. On a shared machine give torch fewer threads than
cores (``set_threads``), or start Python with ``OMP_WAIT_POLICY=PASSIVE``, which OpenMP reads once,
when torch is imported.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tformer.model.errors import DeviceError, UsageError
from tformer.model.processor import has_vnni

INT8 = "int8"
"""Not a dtype of torch: a network of its own, `tformer.model.int8`, on the CPU."""

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name``: "cpu", "cuda", "cuda:1"; "auto" is a GPU if there is one.

    Raises:
        UsageError: when there is no device of that name.
        DeviceError: when it is a GPU that this machine, or this build of torch, does not have.
    """
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


def wants_int8(name: str, device: torch.device) -> bool:
    """Whether the dtype called ``name`` is int8; "auto" is, on a CPU that is quick with it.

    Raises:
        UsageError: when int8 is asked for on a GPU.
    """
    if name == INT8 and device.type != "cpu":
        raise UsageError(f"dtype int8 is for the CPU, not {device}; choose bfloat16 or float16")
    if name != "auto" or device.type != "cpu":
        return name == INT8
    return has_vnni()


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype called ``name``; "auto" is float32 on a CPU, bfloat16 on a GPU that has it.

    Raises:
        UsageError: when there is no such dtype.
    """
    if name == "auto":
        if device.type == "cpu":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if name not in DTYPES:
        raise UsageError(f"dtype must be auto, {INT8}, {', '.join(DTYPES)}, not {name!r}")
    return DTYPES[name]


def set_threads(threads: int) -> None:
    """Let torch's CPU kernels of this process use so many threads.

    Raises:
        UsageError: when ``threads`` is less than 1.
    """
    if threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    torch.set_num_threads(threads)


def on_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor of the host on ``device``, without waiting for a GPU to catch up.

    Only a copy from page-locked memory is asynchronous; torch waits for any other
    (``torch.tensor([...], device="cuda")`` among them). Its allocator does not hand the memory out
    again before the copy is done.
    """
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def on_host(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors of one device on the host, for which a GPU is waited for once."""
    copies = tuple(tensor.to("cpu", non_blocking=True) for tensor in tensors)
    if tensors[0].is_cuda:
        torch.cuda.current_stream(tensors[0].device).synchronize()
    return copies
