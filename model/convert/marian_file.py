"""The parameters of a Marian model in its own files: ``.npz``, and ``.bin`` as Bergamot has it.

    uint64 version (1) and count; of each part the uint64 length of its name, type, rank and size
    every name; every shape, int32 extents; a uint64 offset and as many bytes; then the data

Of an int8 matrix (type intgemm8) the rows of its transpose come one after the other, and then a
float32 that was multiplied with; of the embeddings the rows themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tformer.model.convert.binary import BinaryFile
from tformer.model.convert.ctranslate2_file import Matrix
from tformer.model.errors import ModelError

Settings = Mapping[str, str | list[str]]

_CONFIG = "special:model.yml"
_FLOAT32, _INT8, _INTGEMM8 = 0x404, 0x101, 0x4101
_LARGEST = 8 << 30
"""Bytes that the parts of an archive may have unpacked."""


@dataclass(frozen=True)
class MarianFile:
    """Content of the file."""

    path: Path
    settings: Settings
    """With which the model was trained."""
    matrices: Mapping[str, Matrix]
    """Weights (out, in), whatever way round the file has them; vectors (n,)."""

    def take(self, name: str) -> Matrix:
        """A parameter.

        Raises:
            ModelError: when there is none of this name.
        """
        if name not in self.matrices:
            raise ModelError(f"{self.path}: has no parameter {name}")
        return self.matrices[name]


def read_marian(path: Path) -> MarianFile:
    """Read ``.npz`` or ``.bin``.

    Raises:
        ModelError: when it is damaged or no model of Marian.
    """
    arrays = _archive(path) if path.suffix == ".npz" else _binary(path)
    if _CONFIG not in arrays:
        raise ModelError(f"{path}: has no {_CONFIG}; not a model of Marian")
    text = arrays.pop(_CONFIG).values.astype(np.uint8).tobytes().rstrip(b"\0")
    return MarianFile(path, read_settings(text.decode("utf-8", "replace")), arrays)


def _archive(path: Path) -> dict[str, Matrix]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if sum(entry.file_size for entry in archive.zip.infolist()) > _LARGEST:
                raise ModelError(f"{path}: too large unpacked")
            return {name: _plain(name, archive[name]) for name in archive.files}
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        raise ModelError(f"{path}: damaged ({error}); fetch it again") from error


def _binary(path: Path) -> dict[str, Matrix]:
    file = BinaryFile(path)
    if (version := file.number("Q")) != 1:
        raise file.damaged(f"is of version {version}, not of 1")
    heads = [[int(file.number("Q")) for _ in range(4)] for _ in range(file.count("Q", smallest=32))]
    names = [file.name(length) for length, *_ in heads]
    shapes = [_shape(file, rank) for *_, rank, _ in heads]
    file.take(int(file.number("Q")))
    found = {}
    for name, shape, (_, kind, _, size) in zip(names, shapes, heads, strict=True):
        data = file.take(size)
        if not name.endswith("_QuantMultA"):  # of activations, whose scales we find ourselves
            found[name] = _part(file, name, shape, kind, data)
    return found


def _shape(file: BinaryFile, rank: int) -> tuple[int, ...]:
    if rank > 8:
        raise file.damaged(f"has an array of {rank} dimensions")
    return tuple(int(file.number("i")) for _ in range(rank))


def _part(
    file: BinaryFile, name: str, shape: tuple[int, ...], kind: int, data: NDArray[np.uint8]
) -> Matrix:
    count = int(np.prod(shape, dtype=np.int64))
    width = {_FLOAT32: 4, _INT8: 1, _INTGEMM8: 1}.get(kind)
    if width is None:
        raise file.damaged(f"has numbers of an unknown type ({kind:#x})")
    if not 0 <= count * width + 4 * (kind == _INTGEMM8) <= len(data):
        raise file.damaged(f"has {len(data)} bytes for {name}")
    if kind == _FLOAT32:
        return _plain(name, data[: 4 * count].view("<f4").reshape(shape))
    if kind == _INT8:
        return Matrix(data[:count])
    divisor = data[count : count + 4].view("<f4")[0]
    rows = shape if name.endswith("Wemb") else shape[::-1]
    values = data[:count].view(np.int8).reshape(rows)
    return Matrix(values, np.full(rows[0], 1 / divisor, np.float32))


def _plain(name: str, array: NDArray[Any]) -> Matrix:
    """A matrix the way round that we have it; a vector without its other dimension."""
    if array.ndim == 2 and array.shape[0] == 1 and not name.endswith("Wemb"):
        return Matrix(array[0])
    return Matrix(array if array.ndim != 2 or name.endswith("Wemb") else array.T)


# -- YAML, as far as Marian writes it ---------------------------------------------------------


def read_settings(text: str) -> dict[str, str | list[str]]:
    """Values and lists of values by key; what is deeper belongs to nobody."""
    settings: dict[str, str | list[str]] = {}
    key = ""
    for line in text.splitlines():
        if item := line.strip().removeprefix("- ") if line.strip().startswith("- ") else "":
            values = settings.get(key)
            settings[key] = [*(values if isinstance(values, list) else []), _word(item)]
        elif line and not line[0].isspace() and ":" in line:
            key, _, value = line.partition(":")
            settings[key] = _word(value.strip())
    return settings


def read_tokens(path: Path) -> list[str]:
    """The tokens of ``vocab.yml``, by id.

    Raises:
        ModelError: when it cannot be read, or its ids have gaps.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        pairs = [line.rpartition(":") for line in lines if line.strip()]
        ids = {int(number): _word(token.strip()) for token, _, number in pairs}
        return [ids[number] for number in range(len(ids))]
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a vocabulary ({error})") from error
    except KeyError as error:
        raise ModelError(f"{path}: not a vocabulary: nothing has the id {error}") from error


def _word(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return str(json.loads(text))
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text
