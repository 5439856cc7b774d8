"""Description of the machine."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

from tformer.model.hardware.cpu import level, num_cores

FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "avx_vnni",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "bf16",
    "i8mm",
    "sve",
)
"""Instruction sets, as Linux lists them, on which the speed of a translation depends."""


def hardware() -> dict[str, Any]:
    """The processor, its cores and instruction sets, memory and operating system."""
    facts = _read("/proc/cpuinfo")
    name = re.search(r"^model name\s*:\s*(.+)$", facts, re.MULTILINE)
    listed = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", facts, re.MULTILINE)
    present = set(listed[1].split()) if listed else set()
    return {
        "cpu": name[1] if name else platform.processor() or platform.machine(),
        "cores": num_cores(),
        "level": level().name,
        "flags": [flag for flag in FLAGS if flag in present],
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def slug() -> str:
    """The machine in the name of a file, such as ``amd-epyc-2-cores``."""
    return re.sub(r"[^a-z0-9]+", "-", f"{hardware()['cpu']} {num_cores()} cores".lower()).strip("-")


def peak_memory(process: int) -> int | None:
    """The most bytes that a process and those it started have held in memory; None if unknown.

    That of a process is its high-water mark; pages that several share are counted for each.
    """
    status = _read(f"/proc/{process}/status")
    mark = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    if mark is None:
        return None
    children = _read(f"/proc/{process}/task/{process}/children").split()
    return int(mark[1]) * 1024 + sum(peak_memory(int(child)) or 0 for child in children)


def _memory_gib() -> float | None:
    total = re.search(r"^MemTotal:\s*(\d+) kB$", _read("/proc/meminfo"), re.MULTILINE)
    return round(int(total[1]) / 2**20, 1) if total else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
