"""Corpora: what is read, and that every fault names its file and line."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from tformer.model.errors import InputError
from tformer.model.training.corpora import expand, read_pairs

PAIRS = [("a dog", "ein Hund"), ("é\u2028ü", "zwei\u0085Zeilen?"), ("c", "d ")]
TSV = "".join(f"{first}\t{second}\n" for first, second in PAIRS).encode()

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
}

kinds = pytest.mark.parametrize("suffix", COMPRESS, ids=["plain", "gz", "xz"])


def write(path: Path, text: bytes) -> Path:
    compress = COMPRESS.get(path.suffix, bytes)
    path.write_bytes(compress(text))
    return path


@kinds
def test_tsv_is_read(tmp_path: Path, suffix: str) -> None:
    assert list(read_pairs(write(tmp_path / f"c.tsv{suffix}", TSV))) == PAIRS


@kinds
def test_paired_files_are_read_line_by_line(tmp_path: Path, suffix: str) -> None:
    first = write(tmp_path / f"c.en{suffix}", b"one\r\ntwo\tand a tab\n")
    second = write(tmp_path / "c.de", b"eins\nzwei")
    assert list(read_pairs(first, second)) == [("one", "eins"), ("two\tand a tab", "zwei")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a\tb\nno tab here\n", ":2: expected source<TAB>target, found no tab"),
        (b"a\tb\tc\n", ":1: expected source<TAB>target, found 2 tabs"),
        (b"a\tb\n\n", ":2: expected source<TAB>target, found no tab"),
        (b"a\tb\nc\t \n", ":2: one side is empty; remove the pair"),
        (b"a\tb\nc\t\xff\n", r":2: not UTF-8 \(invalid start byte\)"),
        (b"", ": the file is empty"),
    ],
    ids=["no-tab", "two-tabs", "blank-line", "empty-side", "not-utf-8", "empty-file"],
)
@kinds
def test_a_fault_names_file_and_line(
    tmp_path: Path, suffix: str, text: bytes, message: str
) -> None:
    name = f"c.tsv{suffix}"
    with pytest.raises(InputError, match=name + message):
        list(read_pairs(write(tmp_path / name, text)))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (b"a\nb\n", b"c\n", "c.de: ends after line 1, but .*c.en goes on"),
        (b"a\n", b"c\nd\n", "c.en: ends after line 1, but .*c.de goes on"),
        (b"", b"c\n", "c.en: ends after line 0"),
        (b"", b"", "c.en: the file is empty"),
        (b"a\nb\n", b"c\n\n", "c.de:2: one side is empty"),
        (b"a\n\n", b"c\nd\n", "c.en:2: one side is empty"),
        (b"a\nb\n", b"c\n\xe4\n", "c.de:2: not UTF-8"),
    ],
    ids=[
        "second-shorter",
        "first-shorter",
        "first-empty",
        "both-empty",
        "empty-target",
        "empty-source",
        "not-utf-8",
    ],
)
def test_a_fault_of_paired_files_names_the_file_at_fault(
    tmp_path: Path, first: bytes, second: bytes, message: str
) -> None:
    paths = write(tmp_path / "c.en", first), write(tmp_path / "c.de", second)
    with pytest.raises(InputError, match=message):
        list(read_pairs(*paths))


def noisy_lines() -> bytes:
    """Lines that do not compress to nothing, so that damage leaves some of them whole."""
    return b"".join(b"%d\t%d\n" % (i * 7919 % 10007, i * 104729 % 10009) for i in range(20_000))


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_damage_names_the_last_good_line(tmp_path: Path, suffix: str, damage: str) -> None:
    path = write(tmp_path / f"c.tsv{suffix}", noisy_lines())
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] if damage == "truncated" else data[:half] + b"\x55" * half)
    read = []
    # Bytes in the middle of a stream may decompress to nonsense before the damage is noticed.
    with pytest.raises(InputError, match=rf"c\.tsv\{suffix}(: damaged after line \d+|:\d+: )"):
        read.extend(read_pairs(path))


def test_a_file_that_is_not_what_its_name_says(tmp_path: Path) -> None:
    for name in ("c.tsv.gz", "c.tsv.xz"):
        (tmp_path / name).write_bytes(b"a\tb\n")
        with pytest.raises(InputError, match=f"{name}: damaged after line 0"):
            list(read_pairs(tmp_path / name))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tsv: cannot be read \(No such file"):
        list(read_pairs(tmp_path / "none.tsv"))
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        list(read_pairs(tmp_path))


def test_reading_is_lazy(tmp_path: Path) -> None:
    pairs = read_pairs(write(tmp_path / "c.tsv", b"a\tb\nbroken\n"))
    assert next(pairs) == ("a", "b")


def test_globs_are_sorted_and_must_match(tmp_path: Path) -> None:
    for name in ("b.tsv", "a.tsv", "c.txt"):
        (tmp_path / name).touch()
    assert expand(tmp_path, "*.tsv") == [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    assert expand(tmp_path, "c.txt") == [tmp_path / "c.txt"]
    with pytest.raises(InputError, match=r"\*\.xz: no file matches"):
        expand(tmp_path, "*.xz")
