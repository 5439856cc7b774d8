"""Readers of dataset files by format."""

from __future__ import annotations

from pathlib import Path

from tformer.dataset.files.blocks import Shard
from tformer.dataset.files.delimited import DelimitedShard
from tformer.dataset.files.dialects import TableDialect
from tformer.dataset.files.formats import (
    ARROW,
    FORMATS,
    JSON_LINES,
    PARQUET,
    TABLES,
    format_suffix,
)
from tformer.dataset.files.ipc import IpcShard
from tformer.dataset.files.jsonl import JsonlShard
from tformer.dataset.files.parquet import ParquetShard
from tformer.model.errors import InputError


def open_shard(path: Path, dialect: TableDialect | None = None) -> Shard:
    """Open a file of a dataset; nothing is read yet.

    Raises:
        InputError: its name is of no format.
    """
    suffix = format_suffix(path)
    if suffix in PARQUET:
        return ParquetShard(path)
    if suffix in ARROW:
        return IpcShard(path)
    if suffix in JSON_LINES:
        return JsonlShard(path)
    if suffix in TABLES:
        return DelimitedShard(path, dialect)
    raise InputError(f"{path}: is no dataset by its name: {FORMATS}")
