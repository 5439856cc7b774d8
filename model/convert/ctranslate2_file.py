"""The variables of a CTranslate2 model, from ``model.bin`` of every binary version, 1 to 6.

    uint32 version; from 2 on the name of the specification and its uint32 revision
    uint32 count, then each variable: name, uint8 rank, uint32 extents, uint8 type, uint32 size,
    and its data
    from 3 on: uint32 count, then each alias: its name and that of the variable

Names are a uint16 length and as many bytes. Up to version 3 the type is the size of a number in
bytes, and the size is counted in numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tformer.model.convert.binary import BinaryFile

NEWEST = 6
"""Binary version."""

_TYPES = ("f4", "i1", "i2", "i4", "f2", "bf16")
_TYPES_BY_SIZE = {4: "f4", 2: "i2", 1: "i1"}
_INT16_SCALE = np.float32(1000)
"""Scale of int16 matrices without one, in old models."""


@dataclass(frozen=True)
class Matrix:
    """A weight as it is stored."""

    values: NDArray[Any]
    """(rows, columns) or (rows,), floating or int8."""
    scale: NDArray[np.float32] | None = None
    """(rows,), what rows of int8 are to be multiplied with."""

    def rows(self, start: int, stop: int) -> Matrix:
        """Some of them."""
        part = slice(start, stop)
        return Matrix(self.values[part], None if self.scale is None else self.scale[part])

    def floating(self) -> NDArray[np.float32]:
        """The numbers themselves."""
        values = self.values.astype(np.float32)
        return values if self.scale is None else values * self.scale[:, None]


@dataclass(frozen=True)
class Variables:
    """Variables of the file, by name."""

    specification: str
    revision: int
    arrays: dict[str, NDArray[Any]]

    def matrix(self, name: str) -> Matrix:
        """A weight; int16 comes as float32.

        Raises:
            KeyError: when there is none.
        """
        values = self.arrays[name]
        scale = self.arrays.get(f"{name}_scale")
        if values.dtype == np.int16:
            divisor = _INT16_SCALE if scale is None else scale.astype(np.float32)
            return Matrix(values.astype(np.float32) / divisor)
        if values.dtype == np.int8:
            factors = np.float32(1) / self.arrays[f"{name}_scale"].astype(np.float32)
            return Matrix(values, np.broadcast_to(factors, values.shape[:1]))
        return Matrix(values)


def read_variables(path: Path) -> Variables:
    """Read ``model.bin``.

    Raises:
        ModelError: when it is damaged, or newer than this.
    """
    file = BinaryFile(path)
    version = file.number("I")
    if not 1 <= version <= NEWEST:
        raise file.damaged(f"is of version {version}, not of 1 to {NEWEST}")
    specification, revision = (_name(file), file.number("I")) if version > 1 else ("", 1)
    arrays: dict[str, NDArray[Any]] = {}
    for _ in range(file.count("I", smallest=8)):
        name = _name(file)
        arrays[name] = _array(file, version)
    if version >= 3:
        for _ in range(file.count("I", smallest=4)):
            alias, name = _name(file), _name(file)
            if name not in arrays:
                raise file.damaged(f"has no variable {name!r}")
            arrays[alias] = arrays[name]
            if f"{name}_scale" in arrays:
                arrays[f"{alias}_scale"] = arrays[f"{name}_scale"]
    if revision == 1:
        arrays = {_newer_name(name): array for name, array in arrays.items()}
    return Variables(specification, revision, arrays)


def _name(file: BinaryFile) -> str:
    return file.name(file.number("H"))


def _array(file: BinaryFile, version: int) -> NDArray[Any]:
    rank = file.number("B")
    shape = tuple(int(file.number("I")) for _ in range(rank))
    kind, size = file.number("B"), int(file.number("I"))
    if version < 4:
        known = _TYPES_BY_SIZE.get(kind)
        size *= kind
    else:
        known = _TYPES[kind] if kind < len(_TYPES) else None
    if known is None:
        raise file.damaged(f"has numbers of an unknown type ({kind})")
    if known == "bf16":  # the upper half of a float32
        halves = file.array("<u2", shape, size)
        return (halves.astype(np.uint32) << 16).view(np.float32)
    return file.array(f"<{known}", shape, size)


_FIRST_NAMES = (
    ("transformer/", ""),
    (":0", ""),
    ("w_embs", "embeddings/weight"),
    ("kernel", "weight"),
    ("LayerNorm", "layer_norm"),
    ("dense", "projection"),
    ("conv1d_", "linear_"),
    ("conv1d/", "linear_0/"),
)
"""Names of OpenNMT-tf, in models of version 1."""


def _newer_name(name: str) -> str:
    for old, new in _FIRST_NAMES:
        name = name.replace(old, new, 1)
    if name.startswith("encoder"):
        return name.replace("multi_head", "self_attention")
    return name.replace("masked_multi_head", "self_attention").replace("multi_head", "attention")
