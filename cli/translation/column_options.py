"""Options of `tformer translate` that are about columns of datasets."""

from __future__ import annotations

from dataclasses import dataclass

from tformer.dataset.files.columns import PATTERN, Extra
from tformer.model.errors import UsageError


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
