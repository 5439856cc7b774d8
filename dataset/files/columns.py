"""Columns to translate, and the names of the columns that are made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tformer.model.errors import UsageError

PATTERN = "{column}_{target}"
"""Default pattern of the names of output columns."""


class Extra(StrEnum):
    """Optional column beside a translation."""

    SCORE = "score"
    """Score of the translation, summed over its lines."""
    LANGUAGE = "language"
    """Source language, detected if it was not given."""
    WARNINGS = "warnings"
    """Warnings about the translation, a list."""


@dataclass(frozen=True)
class Column:
    """A column to translate."""

    path: str
    """Name; fields of structures and objects behind dots. Lists on the way are gone through."""
    pattern: str = PATTERN
    """Pattern of the output's name, with ``{column}``, ``{source}`` and ``{target}``."""
    source: str = ""
    """Source language; "" if it is detected."""
    target: str = ""
    """Target language."""
    extras: tuple[Extra, ...] = ()

    def output(self, name: str) -> str:
        """Name of the translation's column, beside the column of this name."""
        return self.pattern.format(column=name, source=self.source, target=self.target)

    def outputs(self, name: str) -> Iterator[tuple[Extra | None, str]]:
        """The columns that are made, by what they hold; None is the translation."""
        output = self.output(name)
        yield None, output
        for extra in self.extras:
            yield extra, f"{output}_{extra}"

    def splits(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Ways to read the path: a first name, which may have dots in it, and the rest."""
        yield from splits(tuple(self.path.split(".")))


def splits(steps: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Ways to read names behind dots: the longest first name comes first."""
    for length in range(len(steps), 0, -1):
        yield ".".join(steps[:length]), steps[length:]


def columns_of(
    paths: Sequence[str],
    pattern: str,
    languages: tuple[str | None, str],
    extras: Sequence[Extra] = (),
) -> tuple[Column, ...]:
    """Columns as a user names them.

    Args:
        paths: their names.
        pattern: of the outputs' names.
        languages: source, None to detect it, and target.
        extras: optional columns.

    Raises:
        UsageError: a name is given twice, or the pattern has unknown parts.
    """
    source, target = languages
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise UsageError(f"--column {twice} is given more than once")
    kept = tuple(dict.fromkeys(extras))
    columns = tuple(Column(path, pattern, source or "", target, kept) for path in paths)
    try:
        names = [column.output(column.path) for column in columns]
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise UsageError(
            f"--output-column {pattern}: may hold {{column}}, {{source}} and {{target}}, nothing "
            "else in braces"
        ) from error
    if len(set(names)) < len(names) or not all(names):
        raise UsageError(
            f"--output-column {pattern}: gives several columns one name: put {{column}} into it"
        )
    return columns


def refuse_taken(names: Sequence[str], column: Column, name: str, where: str) -> None:
    """Refuse names of outputs that other columns have.

    Args:
        names: of all columns beside the one to translate, itself included.
        column: to translate.
        name: of it in its place.
        where: file, for the message.

    Raises:
        UsageError: one is taken, but for the column's own, which is replaced.
    """
    for _, output in column.outputs(name):
        if output in names and output != name:
            raise UsageError(
                f"{where}: has a column {output} already: choose another name with "
                "--output-column, such as '{column}_new'"
            )
