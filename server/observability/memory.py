"""Resident memory of this process, for the log."""

from __future__ import annotations

import os
from pathlib import Path

STATM = Path("/proc/self/statm")


def resident_bytes() -> int | None:
    """Bytes of this process that are in memory; None where the system does not tell."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def grown_mib(before: int | None) -> float | None:
    """MiB by which the resident memory has grown since it was ``before`` bytes, if known."""
    now = resident_bytes()
    return None if before is None or now is None else round((now - before) / 2**20, 1)
