"""Options of `tformer translate` that are about columns of datasets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tformer.dataset.columns import PATTERN, Extra
from tformer.model.errors import UsageError

HERE = "local"
"""Address of a Ray cluster that is started on this machine."""

_ADDRESS = re.compile(r"auto|local|ray://\S+|[\w.-]+:\d+|\[[0-9a-fA-F:]+\]:\d+")


@dataclass(frozen=True)
class ColumnOptions:
    """Columns of a dataset and what is made of them, as a user says it."""

    paths: tuple[str, ...]
    pattern: str = PATTERN
    where: str | None = None
    extras: tuple[Extra, ...] = ()
    dialect: str | None = None

    def refuse_alone(self) -> None:
        """Refuse options of datasets where no column is named.

        Raises:
            UsageError: there is one.
        """
        given = {
            "--output-column": self.pattern != PATTERN,
            "--where": self.where is not None,
            "--add": bool(self.extras),
            "--dialect": self.dialect is not None,
        }
        for name, is_given in given.items():
            if is_given and not self.paths:
                raise UsageError(f"{name} is for datasets: name a column with --column")


def with_ray_address(arguments: Sequence[str]) -> list[str]:
    """Arguments of a command in which ``--ray`` without an address has one."""
    given: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        given.append(argument)
        if argument == "--ray" and not _ADDRESS.fullmatch(following):
            given[-1] = f"--ray={HERE}"
    return given
