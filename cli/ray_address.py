"""Address of `--ray`, which may be left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

HERE = "local"
"""Address of a Ray cluster that is started on this machine."""

_ADDRESS = re.compile(r"auto|local|ray://\S+|[\w.-]+:\d+|\[[0-9a-fA-F:]+\]:\d+")


def with_ray_address(arguments: Sequence[str]) -> list[str]:
    """Arguments of a command in which ``--ray`` without an address has one."""
    given: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        given.append(argument)
        if argument == "--ray" and not _ADDRESS.fullmatch(following):
            given[-1] = f"--ray={HERE}"
    return given
