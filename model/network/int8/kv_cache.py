"""Keys and values of a batch under way; every sentence has memory of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tformer.model.config import TransformerConfig
from tformer.model.network.int8 import entries
from tformer.model.network.int8.records import MEMORY, Past, aligned, whole_vectors

Integers = NDArray[np.int64]
Halves = NDArray[np.uint16]
"""float16, which Numba does not know, taken for whole numbers."""

BLOCK = 32
"""Target positions by which a sentence's memory grows."""


class Cache:
    """G sentences with K = ``beam_size`` hypotheses each."""

    def __init__(self, config: TransformerConfig, beam_size: int) -> None:
        """Without sentences."""
        self.beam_size = beam_size
        self._layers = config.num_decoder_layers
        self._heads = config.num_heads
        self._width = whole_vectors(config.d_model // config.num_heads)
        # What `past` has the addresses of.
        self._positions: list[Halves] = []
        self._cross: list[Halves] = []
        self.past = Past(np.zeros(0, MEMORY), np.zeros((0, BLOCK), np.uint32))
        self._steps_left = 0  # for which every sentence has room, at least

    @property
    def num_sentences(self) -> int:
        """G."""
        return len(self._cross)

    def admit(
        self,
        lengths: Sequence[int],
        cross: Sequence[Halves | None] | None = None,
        said: Sequence[int] | None = None,
    ) -> Integers:
        """Have memory for sentences of so many source tokens, behind those that are here.

        Args:
            lengths: of the sources.
            cross: keys and values of cross-attention that are there; None: to be filled.
            said: target positions of each that will be filled before the next step, as those of
                its first hypothesis, which all the others continue.

        Returns:
            Addresses of keys and values of cross-attention (G',), to be filled.
        """
        said = said or [0] * len(lengths)
        capacities = [
            _in_blocks(max(length, count) + 1) for length, count in zip(lengths, said, strict=True)
        ]
        given = cross or [None] * len(lengths)
        all_cross = [
            self._new_cross(length) if one is None else one
            for length, one in zip(lengths, given, strict=True)
        ]
        positions = [self._room(capacity) for capacity in capacities]
        self._cross += all_cross
        self._positions += positions
        addresses, (sentences, ancestors) = _addresses(all_cross), self.past
        described = said, capacities, lengths, _addresses(positions).tolist(), addresses.tolist()
        new = np.array(list(zip(*described, strict=True)), MEMORY)
        rows = self.num_sentences * self.beam_size
        ancestors = _grown(ancestors, rows, max([ancestors.shape[1], *capacities]))
        ancestors[rows - self.beam_size * len(lengths) :] = 0
        self.past = Past(np.concatenate([sentences, new]), ancestors)
        self._steps_left = 0
        return addresses

    def encoder_states(self, sentence: int) -> Halves:
        """Keys and values of a sentence's source: (layers, 2, H, whole vectors of S, D)."""
        return self._cross[sentence]

    def positions(self, sentence: int) -> Halves:
        """Keys and values of a sentence's target positions: (layers, 2, H, capacity, K, D)."""
        return self._positions[sentence]

    def make_step(self, most: int = 1) -> None:
        """Have room for another position of every hypothesis, of which ``most`` may be taken."""
        if self._steps_left < 1:
            self._make_room()
        self._steps_left -= most

    def _make_room(self) -> None:
        sentences, ancestors = self.past
        for index in (sentences["steps"] == sentences["capacity"]).nonzero()[0].tolist():
            old = self._positions[index]
            capacity = old.shape[3] + BLOCK
            new = self._positions[index] = self._room(capacity)
            new[:, :, :, : old.shape[3]] = old
            sentences["capacity"][index], sentences["positions"][index] = capacity, new.ctypes.data
            rows, columns = ancestors.shape
            ancestors = _grown(ancestors, rows, max(columns, capacity))
        self.past = Past(sentences, ancestors)
        self._steps_left = int((sentences["capacity"] - sentences["steps"]).min(initial=BLOCK))

    def advance(self) -> None:
        """Count the position that every layer has appended."""
        self.past.sentences["steps"] += 1

    def select(self, rows: Integers, sentences: Sequence[int] | None) -> None:
        """Let row r continue what was row ``rows[r]``; keep ``sentences``, None being all."""
        remaining, ancestors = self.past
        if sentences is not None:
            self._cross = [self._cross[index] for index in sentences]
            self._positions = [self._positions[index] for index in sentences]
            # Many times as fast as an index for an array of records.
            remaining = remaining.take(np.array(sentences, np.int64))
        self.past = Past(remaining, self._followed(rows, remaining, ancestors))

    def _followed(
        self, rows: Integers, remaining: NDArray[np.void], ancestors: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        if not len(remaining):
            return np.empty((0, BLOCK), np.uint32)
        if self.beam_size == 1:  # every hypothesis continues itself, so all are 0
            return ancestors[: len(remaining)]
        followed = np.empty((rows.shape[0], ancestors.shape[1]), np.uint32)
        entries.follow(rows, self.beam_size, remaining, ancestors, followed)
        return followed

    def _new_cross(self, length: int) -> Halves:
        # The end of the last vector is read, and not used.
        shape = self._layers, 2, self._heads, whole_vectors(length), self._width
        return aligned(shape, np.uint16, np.empty)

    def _room(self, capacity: int) -> Halves:
        shape = self._layers, 2, self._heads, capacity, self.beam_size, self._width
        return aligned(shape, np.uint16, np.empty)


def _in_blocks(positions: int) -> int:
    return -(-positions // BLOCK) * BLOCK


def _addresses(arrays: Sequence[Halves]) -> Integers:
    return np.array([array.ctypes.data for array in arrays], np.int64)


def _grown(array: NDArray[np.uint32], rows: int, columns: int) -> NDArray[np.uint32]:
    """The same with at least so many rows and columns; what is new is uninitialised."""
    if array.shape == (rows, columns):
        return array
    grown = np.empty((rows, columns), array.dtype)
    grown[: array.shape[0], : array.shape[1]] = array
    return grown
