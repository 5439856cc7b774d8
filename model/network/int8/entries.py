"""The compiled functions of the network that Python calls, without what compiles them."""

from __future__ import annotations

from tformer.model.hardware.numba_cache import Kernel

_HERE = __package__


def _of(module: str, name: str) -> Kernel:
    return Kernel(f"{_HERE}.{module}", name, nogil=True)


encode = _of("kernels", "encode")
decode = _of("kernels", "decode")
look = _of("kernels", "look")
project_source = _of("kernels", "project_source")
follow = _of("kernels", "follow")
run = _of("fused_search", "run")
find = _of("knn", "find")
best = _of("topk", "best")
of_tokens = _of("topk", "of_tokens")
of_all = _of("topk", "of_all")
assist = _of("products", "assist")
