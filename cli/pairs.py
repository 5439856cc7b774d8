"""Pairs of files for evaluation: sources and their references, line by line."""

from pathlib import Path

from tformer.cli import lines
from tformer.model.errors import InputError, UsageError


def read_pair(
    source_file: Path, reference_file: Path, limit: int | None = None
) -> tuple[list[str], list[str]]:
    """Sources and their references, at most ``limit`` of them.

    Raises:
        UsageError: one is stdin.
        InputError: one cannot be read, or they are of different length or empty.
    """
    if lines.STDIN in (source_file, reference_file):
        raise UsageError("evaluation reads two files; stdin cannot be one of them")
    lines.check_inputs([source_file, reference_file])
    sources, references = _read(source_file), _read(reference_file)
    if len(sources) != len(references):
        raise InputError(
            f"{source_file} has {len(sources)} lines but {reference_file} has {len(references)}: "
            "each line needs its reference"
        )
    if not sources:
        raise InputError(f"{source_file}: is empty, there is nothing to evaluate")
    return sources[:limit], references[:limit]


def _read(path: Path) -> list[str]:
    return [line.text for run in lines.read_runs(path) for line in run]
