"""GPU detection without torch, whose import takes longer than a short text.

Only torch knows. What is found here is that there can be none; in doubt there may be one, and torch
is asked.
"""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

DEVICES = (
    "dev/nvidia*",  # NVIDIA
    "dev/nvhost*",  # NVIDIA Jetson, of several generations
    "dev/nvmap",
    "dev/nvgpu*",
    "dev/dxg",  # Windows' GPU in its subsystem for Linux
    "dev/kfd",  # AMD
    "proc/driver/nvidia",
)
"""Device files of GPU drivers, as patterns below the root of the file system."""

VENDORS = ("0x10de", "0x1002")
"""NVIDIA and AMD, on the PCI bus: of NVIDIA's the driver may be loaded when it is first asked."""

DISPLAY = "0x03"
"""Prefix of PCI device classes for graphics or computing."""


def may_have_gpu() -> bool:
    """Return whether torch, as it is installed here, may find a GPU.

    On Linux a GPU leaves traces. Of other systems nothing is known but what torch was built for.
    """
    if "torch" in sys.modules:  # asking it costs nothing any more
        return True
    if sys.platform == "linux" and not has_traces_of_gpu(Path("/")):
        return False
    spec = find_spec("torch")
    return spec is not None and is_built_for_gpus(Path(spec.origin or "").parent)


def has_traces_of_gpu(root: Path) -> bool:
    """Return whether a Linux system, whose files are below ``root``, knows of a GPU."""
    if any(next(root.glob(pattern), None) for pattern in DEVICES):
        return True
    devices = root.glob("sys/bus/pci/devices/*")
    return any(
        _said_by(device / "vendor") in VENDORS and _said_by(device / "class").startswith(DISPLAY)
        for device in devices
    )


def is_built_for_gpus(torch: Path) -> bool:
    """Return whether the build of torch in a folder has CUDA or ROCm, as far as it tells."""
    stated = dict(re.findall(r"^(cuda|hip)\b[^=\n]*=(.*)$", _said_by(torch / "version.py"), re.M))
    return not {"cuda", "hip"} <= stated.keys() or any(v.strip() != "None" for v in stated.values())


def _said_by(file: Path) -> str:
    """Content of a file; nothing if it cannot be read."""
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
