"""Systems to compare with: which are installed, their models, and settings worth trying.

Each is told its threads and the size of its batches by settings, of which :func:`candidates` names
those worth trying. `tformer.model.benchmark.runners` runs them.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import cast

from tformer.model.benchmark.figures import Cell, System
from tformer.model.benchmark.runners import Settings
from tformer.model.hardware.cpu import has_fast_int8

# -- which there are, and how to tune them ----------------------------------------------------

_PACKAGES = {"tformer": "torch", "ctranslate2": "ctranslate2", "transformers": "transformers"}

_ON_GPUS = (
    "tformer:float32",
    "tformer:bfloat16",
    "ctranslate2:float32",
    "ctranslate2:int8",
    "transformers:float32",
)


def installed_systems(device: str) -> list[System]:
    """Default systems of a comparison, as far as they are installed.

    On a CPU each in the dtype that it is quickest with, lest a comparison take half an hour.
    """
    quick = "int8" if has_fast_int8() else "float32"
    on_cpu = (f"tformer:{quick}", "ctranslate2:int8", "transformers:float32")
    systems = [System.parse(name) for name in (on_cpu if device == "cpu" else _ON_GPUS)]
    return [system for system in systems if importlib.util.find_spec(_PACKAGES[system.program])]


def candidates(system: System, cell: Cell, cores: int) -> list[Settings]:
    """Settings among which the fastest is looked for, the most promising first.

    One sentence at a time is tried with one thread and with all; tformer's int8 is given all, as it
    is by default, and takes those that are idle. Of many, tformer gets several budgets of tokens
    and CTranslate2 several sizes of batches for its one-threaded workers, of which there is one a
    core; on many cores also fewer workers of four threads.
    """
    several = sorted({1, cores})
    one_by_one = cell.batch == 1
    if system.program == "tformer":
        if one_by_one:
            several = [cores] if system.dtype == "int8" else several
            return [{"threads": threads, "max_tokens": 8192} for threads in several]
        return [{"threads": cores, "max_tokens": tokens} for tokens in (1024, 8192, 2048, 4096)]
    if system.program == "ctranslate2":
        return _ctranslate2_candidates(cell, cores)
    if one_by_one:
        return [{"threads": cores, "max_batch_size": 1}]
    return [{"threads": cores, "max_batch_size": min(cell.batch or 64, 64)}]


def _ctranslate2_candidates(cell: Cell, cores: int) -> list[Settings]:
    if cell.batch == 1:
        return [
            {"inter_threads": 1, "intra_threads": threads, "max_batch_size": 1}
            for threads in sorted({1, cores})
        ]
    workers = [(cores, 1)] + ([(cores // 4, 4)] if cores >= 8 else [])
    return [
        {"inter_threads": inter, "intra_threads": intra, "max_batch_size": size}
        for inter, intra in workers
        for size in (32, 16, 8, 64)
        if size <= (cell.batch or size)
    ]


def export(system: System, model: Path, folder: Path) -> None:
    """Write a model directory of ours for a system into ``folder``, which does not exist.

    Raises:
        TformerError: when the system is not installed or cannot have this model.
    """
    if system.program == "ctranslate2":
        from tformer.model.convert.ctranslate2 import Quantization, export_ctranslate2

        stored = None if system.dtype == "float32" else cast(Quantization, system.dtype)
        export_ctranslate2(model, folder, stored)
    elif system.program == "transformers":
        from tformer.model.convert.huggingface import export_transformers

        export_transformers(model, folder)


# -- the systems ------------------------------------------------------------------------------
