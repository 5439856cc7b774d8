"""The compiled functions that Python calls, without what compiles them."""

from __future__ import annotations

from tformer.model.hardware.numba_cache import Kernel


def _of(module: str, name: str) -> Kernel:
    return Kernel(f"{__package__}.{module}", name, nogil=True)


multiply, lay_out = _of("product", "multiply"), _of("product", "lay_out")
attend = _of("attention", "attend")

EXAMPLES = ((multiply, (1,) * 9), (lay_out, (1,) * 5), (attend, (1,) * 3))
"""Functions, and arguments for their types."""
