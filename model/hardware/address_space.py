"""The limit of a process's addresses (``ulimit -v``), looked at before libraries meet it.

gRPC, LLVM and the C library end the process when they get no memory, some without a word. A limit
of a container is another matter: there the kernel ends a process that takes too much.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tformer.model.errors import DeviceError

MIB = 1 << 20

SERVER = 1100 * MIB
"""Bytes of addresses that a server takes beside its models: libraries, threads and their heaps. On
two cores one starts with 1,100 MiB in all, and not with 1,050."""


def check_address_space(models: Iterable[Path], beside: int = SERVER) -> None:
    """See that models can be served within the limit of addresses, if there is one.

    Args:
        models: folders of the models.
        beside: bytes that the program takes without them.

    Raises:
        DeviceError: the limit is too low.
    """
    limit = _limit()
    needed = beside + sum(_size(model) for model in models)
    if limit is not None and limit < needed:
        raise DeviceError(
            f"this process may have {limit // MIB:,} MiB of addresses (ulimit -v), and takes about "
            f"{needed // MIB:,}: raise the limit, or bound its memory by a container's"
        )


def _limit() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _size(model: Path) -> int:
    return sum(path.stat().st_size for path in model.iterdir() if path.is_file())
