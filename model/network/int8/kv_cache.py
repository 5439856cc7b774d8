"""Keys and values of a batch under way; every sentence has memory of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tformer.model.config import TransformerConfig
from tformer.model.network.int8 import entries
from tformer.model.network.int8.records import Past, aligned, whole_vectors

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
        none = np.zeros(0, np.int64)
        self.past = Past(none, none, none, none, none, np.zeros((0, BLOCK), np.uint32))

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
        addresses, past = _addresses(all_cross), self.past
        rows = self.num_sentences * self.beam_size
        self.past = Past(
            steps=_joined(past.steps, said),
            capacities=_joined(past.capacities, capacities),
            source_lengths=_joined(past.source_lengths, lengths),
            positions=_joined(past.positions, _addresses(positions)),
            cross=_joined(past.cross, addresses),
            ancestors=_grown(past.ancestors, rows, max([past.ancestors.shape[1], *capacities])),
        )
        self.past.ancestors[rows - self.beam_size * len(lengths) :] = 0
        return addresses

    def encoder_states(self, sentence: int) -> Halves:
        """Keys and values of a sentence's source: (layers, 2, H, whole vectors of S, D)."""
        return self._cross[sentence]

    def positions(self, sentence: int) -> Halves:
        """Keys and values of a sentence's target positions: (layers, 2, H, capacity, K, D)."""
        return self._positions[sentence]

    def make_step(self) -> None:
        """Have room for another position of every hypothesis."""
        past = self.past
        for index in (past.steps == past.capacities).nonzero()[0].tolist():
            old = self._positions[index]
            capacity = old.shape[3] + BLOCK
            new = self._positions[index] = self._room(capacity)
            new[:, :, :, : old.shape[3]] = old
            past.capacities[index], past.positions[index] = capacity, new.ctypes.data
            rows, columns = past.ancestors.shape
            past = past._replace(ancestors=_grown(past.ancestors, rows, max(columns, capacity)))
        self.past = past

    def advance(self) -> None:
        """Count the position that every layer has appended."""
        self.past.steps[:] += 1

    def select(self, rows: Integers, sentences: Sequence[int] | None) -> None:
        """Let row r continue what was row ``rows[r]``; keep ``sentences``, None being all."""
        past = self.past
        kept = np.arange(self.num_sentences)
        if sentences is not None:
            kept = np.array(sentences, np.int64)
        columns = past.ancestors.shape[1] if len(kept) else BLOCK
        ancestors = np.empty((rows.shape[0], columns), np.uint32)
        entries.follow(rows, self.beam_size, kept, past.steps, past.ancestors, ancestors)
        if sentences is not None:
            self._cross = [self._cross[index] for index in sentences]
            self._positions = [self._positions[index] for index in sentences]
            past = past._replace(
                steps=past.steps[kept],
                capacities=past.capacities[kept],
                source_lengths=past.source_lengths[kept],
                positions=past.positions[kept],
                cross=past.cross[kept],
            )
        self.past = past._replace(ancestors=ancestors)

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


def _joined(here: Integers, new: Sequence[int] | Integers) -> Integers:
    return np.concatenate([here, np.asarray(new, np.int64)])


def _grown(array: NDArray[np.uint32], rows: int, columns: int) -> NDArray[np.uint32]:
    """The same with at least so many rows and columns; what is new is uninitialised."""
    if array.shape == (rows, columns):
        return array
    grown = np.empty((rows, columns), array.dtype)
    grown[: array.shape[0], : array.shape[1]] = array
    return grown
