"""Shortlist: target tokens that a sentence may be translated with, as in Bergamot's models.

    uint64 magic, checksum, first, best, number of offsets and of tokens
    uint64 offsets; uint32 tokens, of which source token s asks for offsets[s] … offsets[s + 1]

Besides, every sentence has the first tokens of the vocabulary and, where source and target share
it, its own tokens. The projection to the vocabulary needs no other columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tformer.model.errors import ModelError
from tformer.model.files import replacing

FILE = "shortlist.bin"
"""The name in a model directory."""

_MAGIC = 0xF11A48D5013417F5
_HEADER = 6


class Shortlist:
    """The tokens that each source token asks for."""

    def __init__(
        self, first: int, offsets: NDArray[np.uint64], tokens: NDArray[np.uint32], *, joint: bool
    ) -> None:
        """A list by source token.

        Args:
            first: so many tokens of the target are in every list.
            offsets: (source tokens + 1,), rising.
            tokens: those of all lists, one after the other.
            joint: whether source and target share a vocabulary.
        """
        self._first = np.arange(first, dtype=np.int64)
        self._offsets = offsets
        self._tokens = tokens
        self._joint = joint

    def __len__(self) -> int:
        """Target tokens of all lists together."""
        return len(self._tokens)

    @property
    def num_sources(self) -> int:
        """Source tokens, with or without a list."""
        return len(self._offsets) - 1

    def allowed(self, source: Sequence[int], demanded: Sequence[int] = ()) -> NDArray[np.int64]:
        """The ids of the tokens that a sentence of these source ids has, rising.

        ``demanded`` are target ids that it must be able to say besides.
        """
        known = [token for token in set(source) if token + 1 < len(self._offsets)]
        lists = [self._tokens[self._offsets[s] : self._offsets[s + 1]] for s in known]
        own = np.array([*(known if self._joint else ()), *demanded], np.int64)
        return np.unique(np.concatenate([self._first, own, *lists]).astype(np.int64))

    def write(self, path: Path) -> None:
        """Write a file that :meth:`read` reads; Bergamot's checksum in it is zero.

        Raises:
            OSError: when it cannot be written.
        """
        longest = int(np.diff(self._offsets.astype(np.int64)).max(initial=0))
        numbers = _MAGIC, 0, len(self._first), longest, len(self._offsets), len(self._tokens)
        with replacing(path) as stream:
            for values in (numbers, self._offsets):
                stream.write(np.asarray(values, "<u8").tobytes())
            stream.write(self._tokens.astype("<u4").tobytes())

    @classmethod
    def of(cls, first: int, lists: Sequence[Sequence[int]], *, joint: bool) -> Shortlist:
        """Make one of a list for every source token; see the class."""
        offsets = np.cumsum([0, *map(len, lists)], dtype=np.uint64)
        tokens = np.fromiter((token for each in lists for token in sorted(each)), np.uint32)
        return cls(first, offsets, tokens, joint=joint)

    @classmethod
    def read(cls, path: Path, target_size: int, *, joint: bool) -> Shortlist:
        """Read a file.

        Args:
            path: of the file.
            target_size: tokens of the target.
            joint: whether source and target share a vocabulary.

        Raises:
            ModelError: when it is damaged or not for such a target.
        """
        try:
            header = np.fromfile(path, "<u8", _HEADER)
            if len(header) < _HEADER or int(header[0]) != _MAGIC:
                raise ModelError(f"{path}: not a shortlist; fetch it again")
            first, _, num_offsets, num_tokens = (int(number) for number in header[2:])
            if path.stat().st_size != 8 * _HEADER + 8 * num_offsets + 4 * num_tokens:
                raise ModelError(f"{path}: damaged (its size); fetch it again")
            offsets = np.fromfile(path, "<u8", num_offsets, offset=8 * _HEADER)
            tokens = np.fromfile(path, "<u4", num_tokens, offset=8 * (_HEADER + num_offsets))
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error})") from error
        rising = len(offsets) and (np.diff(offsets.astype(np.int64)) >= 0).all()
        fits = first <= target_size and (not len(tokens) or int(tokens.max()) < target_size)
        if not rising or int(offsets[-1]) != len(tokens) or not fits:
            raise ModelError(f"{path}: damaged (its tokens); fetch it again")
        return cls(first, offsets, tokens, joint=joint)

    @classmethod
    def beside(cls, folder: Path, target_size: int, *, joint: bool) -> Shortlist | None:
        """That of a model directory, if it has one; arguments and errors as of :meth:`read`."""
        file = folder / FILE
        return cls.read(file, target_size, joint=joint) if file.is_file() else None
