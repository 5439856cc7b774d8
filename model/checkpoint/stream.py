"""Parameters written a few rows at a time, and read so: for networks that are larger than memory.

A file of safetensors is the uint64 length of a header, the header in JSON, and the data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tformer.model.errors import ModelError, OutputError

ROWS_BYTES = 16 << 20
"""Bytes of a matrix that are in memory at a time, about."""

_TYPES = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I8": "i1"}
_LONGEST_HEADER = 100 << 20


@dataclass(frozen=True)
class Part:
    """An array to be written."""

    name: str
    kind: str
    """F32, F16 or I8."""
    shape: tuple[int, ...]
    rows: Callable[[], Iterator[NDArray[Any]]]
    """Gives it, a few rows at a time, when its turn has come."""


def write_parts(path: Path, parts: Sequence[Part]) -> None:
    """Write arrays in their order.

    Raises:
        OutputError: when it cannot be written.
    """
    header, at = {}, 0
    for part in parts:
        end = at + math.prod(part.shape) * np.dtype(_TYPES[part.kind]).itemsize
        header[part.name] = {"dtype": part.kind, "shape": part.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    try:
        with path.open("wb") as stream:
            stream.write(len(text).to_bytes(8, "little") + text)
            for part in parts:
                for rows in part.rows():
                    stream.write(np.ascontiguousarray(rows, f"<{_TYPES[part.kind]}").data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error})") from error


class StoredParts:
    """The arrays of a file of safetensors, of which no more is in memory than is asked for."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            ModelError: when the file cannot be read or is damaged.
        """
        self.path = path
        try:
            size = path.stat().st_size
            with path.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                if length > min(size, _LONGEST_HEADER):
                    raise ModelError(f"{path}: damaged (its header); fetch it again")
                header = json.loads(stream.read(length))
            self._start = 8 + length
            header.pop("__metadata__", None)
            self._entries = {name: _entry(entry) for name, entry in header.items()}
            ends = [end for *_, (_, end) in self._entries.values()]
            if self._start + max(ends, default=0) > size:
                raise ModelError(f"{path}: damaged: it ends too early; fetch it again")
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path}: damaged ({error!r}); fetch it again") from error

    @property
    def names(self) -> list[str]:
        """Names of all arrays."""
        return list(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array; KeyError if there is none."""
        return self._entries[name][1]

    def mapped(self, name: str) -> NDArray[Any]:
        """One as it is stored, in the pages of the file: what is not read takes no memory."""
        kind, shape, (start, _) = self._entries[name]
        if not math.prod(shape):
            return np.zeros(shape, _TYPES[kind])
        return np.memmap(self.path, f"<{_TYPES[kind]}", "r", self._start + start, shape)

    def rows(self, name: str, skip: int = 0) -> Iterator[NDArray[np.float32]]:
        """One in float32, a few rows at a time, without the first ``skip`` of them."""
        kind, shape, (start, _) = self._entries[name]
        item, width = np.dtype(_TYPES[kind]).itemsize, math.prod(shape[1:])
        step = max(1, ROWS_BYTES // max(1, 4 * width))
        for first in range(skip, shape[0], step):
            count = min(step, shape[0] - first)
            offset = self._start + start + first * width * item
            raw = np.fromfile(self.path, f"<{_TYPES[kind]}", count * width, offset=offset)
            if raw.size < count * width:
                raise ModelError(f"{self.path}: damaged: {name} ends too early")
            if kind == "BF16":  # the upper half of a float32
                raw = (raw.astype(np.uint32) << 16).view(np.float32)
            yield raw.astype(np.float32, copy=False).reshape(count, *shape[1:])


def _entry(entry: dict[str, Any]) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    kind, shape = entry["dtype"], tuple(int(extent) for extent in entry["shape"])
    start, end = map(int, entry["data_offsets"])
    if kind not in _TYPES or end - start != math.prod(shape) * np.dtype(_TYPES[kind]).itemsize:
        raise ValueError(f"{kind} {shape} in {end - start} bytes")
    return kind, shape, (start, end)


def in_int8(
    name: str, shape: tuple[int, ...], rows: Callable[[], Iterator[NDArray[np.float32]]]
) -> list[Part]:
    """A matrix in int8 and the scales of its rows; read once, in this order."""
    scales: list[NDArray[np.float32]] = []

    def whole() -> Iterator[NDArray[np.int8]]:
        for part in rows():
            largest = np.abs(part).max(1)
            scale = (largest / np.float32(127)).astype(np.float32)
            scales.append(scale)
            yield np.rint(part / np.maximum(scale, 1e-30)[:, None]).astype(np.int8)

    def of_rows() -> Iterator[NDArray[np.float32]]:
        yield from scales

    return [Part(name, "I8", shape, whole), Part(f"{name}_scale", "F32", shape[:1], of_rows)]
