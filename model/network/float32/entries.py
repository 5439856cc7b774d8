"""The compiled functions that Python calls, without what compiles them."""

from __future__ import annotations

from tformer.model.hardware.numba_cache import Kernel

_HERE = f"{__package__}.product"

multiply, lay_out = (Kernel(_HERE, name, nogil=True) for name in ("multiply", "lay_out"))

EXAMPLES = ((multiply, (1,) * 9), (lay_out, (1,) * 5))
"""Functions, and arguments for their types."""
