"""Files of a call and where each goes: one file, or those in a folder.

A folder may be one of the `datasets` library: shards such as `train-00000-of-00004.parquet`, or
what `save_to_disk` writes. Descriptions beside the shards are copied, and those that list columns
get the new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tformer.dataset.files.formats import FORMATS, format_suffix, is_dataset
from tformer.model.errors import InputError, UsageError

DESCRIPTIONS = frozenset(
    {
        "README.md",
        "dataset_dict.json",
        "dataset_info.json",
        "dataset_infos.json",
        "state.json",
        ".gitattributes",
    }
)
"""Files of the `datasets` library beside its shards."""


@dataclass(frozen=True)
class ShardFile:
    """A file to be translated, and its output."""

    source: Path
    output: Path


@dataclass(frozen=True)
class DatasetFiles:
    """All files of a call."""

    shards: Sequence[ShardFile]
    copies: Sequence[ShardFile] = ()
    """Files to copy as they are, or with new columns in them."""
    folder: Path | None = None
    """Folder that all outputs are in, if there is one."""


def plan_files(inputs: Sequence[Path], output: Path, *, others: bool = False) -> DatasetFiles:
    """Find the files of a call.

    Args:
        inputs: files and folders.
        output: a file if there is one input file, else a folder, which need not be there.
        others: whether files of other kinds are copied too.

    Raises:
        InputError: an input is not there, or no file of a dataset.
        UsageError: outputs would be one file, or an input.
    """
    for path in inputs:
        if not path.exists():
            raise InputError(f"{path}: there is no such file")
    if len(inputs) == 1 and inputs[0].is_file() and not output.is_dir():
        return DatasetFiles([_one(inputs[0], output)])
    found = [pair for path in inputs for pair in _below(path, output)]
    shards = [ShardFile(*pair) for pair in found if _is_shard(pair[0])]
    if not shards:
        listed = ", ".join(map(str, inputs))
        raise InputError(f"{listed}: has no file of a dataset: {FORMATS}")
    copied = [ShardFile(*pair) for pair in found if not _is_shard(pair[0])]
    if not others:
        copied = [one for one in copied if one.source.name in DESCRIPTIONS]
    _refuse_clashes([*shards, *copied])
    return DatasetFiles(shards, copied, output)


def _one(source: Path, output: Path) -> ShardFile:
    if not is_dataset(source):
        raise InputError(f"{source}: is no dataset by its name: {FORMATS}")
    if format_suffix(source) != format_suffix(output):
        raise UsageError(
            f"{output}: a dataset keeps its format: give --output a name that ends in "
            f"{format_suffix(source)}"
        )
    if source.resolve() == output.resolve():
        raise UsageError(f"{output}: is the input: name another file with --output")
    return ShardFile(source, output)


def _below(path: Path, output: Path) -> list[tuple[Path, Path]]:
    """Files of an input with their outputs, in the order of their names."""
    if path.is_file():
        return [(path, output / path.name)]
    inside = output.resolve()
    found = sorted(one for one in path.rglob("*") if one.is_file())
    return [
        (one, output / one.relative_to(path))
        for one in found
        if inside not in one.resolve().parents and not _is_hidden(one.relative_to(path))
    ]


def _is_hidden(place: Path) -> bool:
    return any(part.startswith(".") for part in place.parts) and place.name not in DESCRIPTIONS


def _is_shard(path: Path) -> bool:
    """Return whether a file of a folder is data; `.json` may be anything and is named alone."""
    return is_dataset(path) and path.suffix != ".json"


def _refuse_clashes(files: Sequence[ShardFile]) -> None:
    seen: dict[Path, Path] = {}
    for file in files:
        output = file.output.resolve()
        if output in seen:
            raise UsageError(f"{file.source} and {seen[output]} would both become {file.output}")
        if output == file.source.resolve():
            raise UsageError(f"{file.output}: is an input: name another folder with --output")
        seen[output] = file.source
