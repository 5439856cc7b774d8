"""Formats of dataset files, by their names."""

from __future__ import annotations

from pathlib import Path

TABLES = frozenset({".csv", ".tsv", ".tab"})
JSON_LINES = frozenset({".jsonl", ".ndjson", ".json"})
PARQUET = frozenset({".parquet", ".pq"})
ARROW = frozenset({".arrow", ".feather", ".ipc"})

COMPRESSED = frozenset({".gz", ".zst"})
"""Endings of compressed files, behind that of their format."""

FORMATS = "Parquet, Arrow, Feather, JSON Lines (.gz, .zst), CSV and TSV (.gz, .zst)"


def format_suffix(path: Path) -> str:
    """Ending of a file's name that tells its format: `.jsonl` of `a.jsonl.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if len(suffixes) > 1 and suffixes[-1] in COMPRESSED:
        return suffixes[-2]
    return suffixes[-1] if suffixes else ""


def is_dataset(path: Path) -> bool:
    """Return whether a file is one of a dataset, by its name."""
    return format_suffix(path) in TABLES | JSON_LINES | PARQUET | ARROW


def needs_column(path: Path) -> bool:
    """Return whether a file can be nothing but a dataset: no document and no lines."""
    binary_or_records = PARQUET | ARROW | JSON_LINES - {".json"}
    return format_suffix(path) in binary_or_records or path.suffix.lower() == ".zst"
