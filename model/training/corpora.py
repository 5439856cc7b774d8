"""Parallel text from files: TSV or paired, plain, .gz or .xz, every fault with file and line.

Formats that are not known here, such as TMX, are read by those who know them: a :class:`Texts` is
given a reader for their suffix.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from tformer.model.errors import InputError

Pair = tuple[str, str]

Reader = Callable[[Path, tuple[str, str]], Iterator[Pair]]
"""Pairs of a file in two languages; it raises InputError."""


@dataclass(frozen=True)
class Texts:
    """Paths, languages and readers of parallel text."""

    root: Path
    languages: tuple[str, str]
    readers: Mapping[str, Reader] = field(default_factory=dict)
    """By suffix, with its dot and in small letters."""

    def pairs(self, pattern: str, target_path: str | None = None) -> Iterator[Pair]:
        """Pairs of the files that ``pattern`` names, or of two files line by line.

        Raises:
            InputError: see :func:`read_pairs`.
        """
        if target_path is not None:
            yield from read_pairs(self.root / pattern, self.root / target_path)
            return
        for path in expand(self.root, pattern):
            if reader := self.readers.get(path.suffix.lower()):
                yield from reader(path, self.languages)
            else:
                yield from read_pairs(path)


def expand(root: Path, pattern: str) -> list[Path]:
    """Files that ``pattern`` names under ``root``, sorted.

    Raises:
        InputError: when there is none.
    """
    if not any(character in pattern for character in "*?["):
        return [root / pattern]
    if paths := sorted(root.glob(pattern)):
        return paths
    raise InputError(f"{root / pattern}: no file matches")


def read_pairs(path: Path, target_path: Path | None = None) -> Iterator[Pair]:
    """Sentence pairs of a TSV file, or of two files line by line.

    Raises:
        InputError: for a file that is missing, empty, damaged or not UTF-8, a TSV line without
            exactly one tab, an empty side, or paired files of different length.
    """
    pairs = _read_paired(path, target_path) if target_path else _read_tsv(path)
    number = 0
    for number, pair in enumerate(pairs, start=1):
        for side, text in zip((path, target_path or path), pair, strict=True):
            if not text.strip():
                raise InputError(f"{side}:{number}: one side is empty; remove the pair")
        yield pair
    if not number:
        raise InputError(f"{path}: the file is empty")


def _read_tsv(path: Path) -> Iterator[Pair]:
    for number, line in enumerate(_read_lines(path), start=1):
        columns = line.split("\t")
        if len(columns) != 2:
            found = "no tab" if len(columns) == 1 else f"{len(columns) - 1} tabs"
            raise InputError(f"{path}:{number}: expected source<TAB>target, found {found}")
        yield columns[0], columns[1]


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a text, plain, .gz or .xz, without their ends; only a line feed ends one.

    Raises:
        InputError: for a file that is missing, damaged or not UTF-8.
    """
    return _read_lines(path)


def _read_paired(path: Path, target_path: Path) -> Iterator[Pair]:
    lines = zip_longest(_read_lines(path), _read_lines(target_path))
    for number, (source, target) in enumerate(lines, start=1):
        if source is None or target is None:
            shorter, longer = (path, target_path) if source is None else (target_path, path)
            raise InputError(
                f"{shorter}: ends after line {number - 1}, but {longer} goes on; "
                "paired files need the same number of lines"
            )
        yield source, target


def _read_lines(path: Path) -> Iterator[str]:
    """Lines without their ends; only a line feed (or CR LF) ends one."""
    number = 0
    try:
        with _open(path) as file:
            for number, raw in enumerate(file, start=1):  # noqa: B007
                yield raw.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}:{number}: not UTF-8 ({error.reason})") from error
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path}: damaged after line {number} ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _open(path: Path) -> gzip.GzipFile | lzma.LZMAFile | BinaryIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".xz":
        return lzma.open(path, "rb")
    return path.open("rb")
