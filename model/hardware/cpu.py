"""What the processor has to offer. No torch here."""

from __future__ import annotations

import os
from functools import cache


@cache
def has_vnni() -> bool:
    """Whether it has the AVX-512 instructions that int8 is quick with."""
    import llvmlite.binding as llvm

    return bool(llvm.get_host_cpu_features().get("avx512vnni"))


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
