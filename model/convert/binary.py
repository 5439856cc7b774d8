"""Binary files of other programs, read within bounds: nothing that a header says is believed."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tformer.model.errors import ModelError

LONGEST_NAME = 512
"""Bytes of a name, at most."""

MOST_PARTS = 100_000
"""Arrays in a file, at most."""


class BinaryFile:
    """Numbers, names and arrays of a little-endian file, one after the other.

    The file is mapped, so that what nobody reads costs no memory.

    Raises:
        ModelError: by every method, where the file ends before what it announces, or announces what
            no model has.
    """

    def __init__(self, path: Path) -> None:
        """Open a file at its beginning."""
        self.path = path
        try:
            self._bytes = np.memmap(path, np.uint8, mode="r")
        except (OSError, ValueError) as error:  # an empty file cannot be mapped
            raise ModelError(f"{path}: cannot be read ({error})") from error
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes up to the end."""
        return int(self._bytes.size) - self.position

    def number(self, code: str) -> Any:
        """A number, by its letter in the module struct."""
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")).tobytes())[0]

    def count(self, code: str, smallest: int, most: int = MOST_PARTS) -> int:
        """Read a number of items, of at least ``smallest`` bytes each."""
        count = int(self.number(code))
        if not 0 <= count <= min(most, self.remaining // smallest):
            raise self.damaged(f"announces {count} parts")
        return count

    def name(self, length: int) -> str:
        """Text of so many bytes; what follows a zero does not count."""
        if not 0 <= length <= LONGEST_NAME:
            raise self.damaged(f"has a name of {length} bytes")
        try:
            return self.take(length).tobytes().partition(b"\0")[0].decode("utf-8")
        except UnicodeDecodeError:
            raise self.damaged("has a name that is no text") from None

    def array(self, dtype: str, shape: tuple[int, ...], size: int | None = None) -> NDArray[Any]:
        """An array that lies in the file; ``size`` is how many bytes it is said to have."""
        needed = math.prod(shape) * np.dtype(dtype).itemsize
        if size is not None and size != needed:
            raise self.damaged(f"has {size} bytes for an array that needs {needed}")
        return self.take(needed).view(dtype).reshape(shape)

    def take(self, size: int) -> NDArray[np.uint8]:
        """So many bytes."""
        if not 0 <= size <= self.remaining:
            raise self.damaged(f"ends before {size} bytes that it announces")
        self.position += size
        return self._bytes[self.position - size : self.position]

    def damaged(self, what: str) -> ModelError:
        """An error that says where."""
        return ModelError(f"{self.path}: damaged: {what}, at byte {self.position}; fetch it again")
