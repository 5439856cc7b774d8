"""Keys and values of a batch under way, in places that nobody is moved from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tformer.model.config import TransformerConfig
from tformer.model.int8 import kernels
from tformer.model.int8.kernels import Past

Integers = NDArray[np.int64]

BLOCK = 32
"""Positions by which a batch grows."""

KEPT_WHEN_EMPTY = 16 * 2**20
"""Bytes that a batch without sentences may hold on to for the next ones."""


class Cache:
    """G sentences with K = ``beam_size`` hypotheses each; shapes as in `kernels.Past`."""

    def __init__(self, config: TransformerConfig, beam_size: int) -> None:
        """Without sentences and without memory."""
        self.beam_size = beam_size
        self._num_layers = config.num_decoder_layers
        self._width = config.d_model
        self._clear()

    def _clear(self) -> None:
        """Give back all memory."""
        none, width = np.zeros(0, np.int64), self._width
        positions = np.zeros((0, BLOCK, self.beam_size, width), np.float32)
        past = Past(
            places=none,
            steps=none,
            source_lengths=none,
            ancestors=np.zeros((0, BLOCK), np.uint32),
            keys=positions,
            values=positions,
            memory_keys=np.zeros((0, width, 0), np.float32),
            memory_values=np.zeros((0, 0, width), np.float32),
        )
        self.layers = [past] * self._num_layers

    @property
    def num_sentences(self) -> int:
        """G."""
        return int(self.layers[0].places.shape[0])

    @property
    def steps(self) -> Integers:
        """(G,), target positions that each sentence has."""
        return self.layers[0].steps

    def make_room(self, sentences: int, source_length: int) -> None:
        """Have places for so many more sentences, of so many source tokens."""
        past = self.layers[0]
        places, needed = past.keys.shape[0], self.num_sentences + sentences
        if needed > places:
            places = max(needed, 2 * places if places > 1 else 1)
        self._grow(places, past.keys.shape[1], max(past.memory_values.shape[1], source_length))

    def make_step(self) -> None:
        """Have room for another position of every hypothesis."""
        past = self.layers[0]
        if past.steps.max() == past.keys.shape[1]:
            self._grow(past.keys.shape[0], past.keys.shape[1] + 1, past.memory_values.shape[1])

    def _grow(self, places: int, steps: int, source_length: int) -> None:
        """Have at least so many places, target positions and source positions."""
        steps, length = _in_blocks(steps), _in_blocks(source_length)
        beam, width = self.beam_size, self._width
        ancestors = _grown(self.layers[0].ancestors, self.num_sentences * beam, steps)
        self.layers = [
            past._replace(
                ancestors=ancestors,
                keys=_grown(past.keys, places, steps, beam, width),
                values=_grown(past.values, places, steps, beam, width),
                memory_keys=_grown(past.memory_keys, places, width, length),
                memory_values=_grown(past.memory_values, places, length, width),
            )
            for past in self.layers
        ]

    def admit(self, lengths: Integers) -> Integers:
        """Give free places to sentences of so many source tokens, behind those that are here."""
        past = self.layers[0]
        taken = np.zeros(past.keys.shape[0], bool)
        taken[past.places] = True
        new: Integers = np.flatnonzero(~taken)[: lengths.shape[0]]
        rows = (past.places.shape[0] + new.shape[0]) * self.beam_size
        self._set(
            places=np.concatenate([past.places, new]),
            steps=np.concatenate([past.steps, np.zeros_like(new)]),
            source_lengths=np.concatenate([past.source_lengths, lengths]),
            ancestors=_grown(past.ancestors, rows, past.ancestors.shape[1]),
        )
        return new

    def advance(self) -> None:
        """Count the position that every layer has appended."""
        self._set(steps=self.steps + 1)

    def select(self, rows: Integers, sentences: Sequence[int] | None) -> None:
        """Let row r continue what was row ``rows[r]``; keep ``sentences``, None being all."""
        past = self.layers[0]
        kept = np.array(range(self.num_sentences) if sentences is None else sentences, np.int64)
        ancestors = np.empty((rows.shape[0], past.ancestors.shape[1]), np.uint32)
        kernels.follow(rows, self.beam_size, kept, past.steps, past.ancestors, ancestors)
        self._set(ancestors=ancestors)
        if sentences is not None:
            self._set(
                places=past.places[kept],
                steps=past.steps[kept],
                source_lengths=past.source_lengths[kept],
            )

    def give_back(self) -> bool:
        """Free the memory of a batch that is empty, if it is much; whether it was."""
        much = sum(_size_of(past) for past in self.layers) > KEPT_WHEN_EMPTY
        if much and not self.num_sentences:
            self._clear()
        return much and not self.num_sentences

    def _set(self, **arrays: NDArray[Any]) -> None:
        """Replace what all layers share."""
        self.layers = [past._replace(**arrays) for past in self.layers]


def _size_of(past: Past) -> int:
    arrays = (past.keys, past.values, past.memory_keys, past.memory_values)
    return sum(array.nbytes for array in arrays)


def _in_blocks(positions: int) -> int:
    return -(-positions // BLOCK) * BLOCK


def _grown(array: NDArray[Any], *shape: int) -> NDArray[Any]:
    """The same with at least ``shape``; what is new is uninitialised."""
    if array.shape == shape:
        return array
    grown = np.empty(shape, array.dtype)
    grown[tuple(slice(size) for size in array.shape)] = array
    return grown
