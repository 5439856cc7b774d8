"""The decoder's key/value cache: a value that the caller owns and passes in.

A batch holds G sentences with K = ``beam_size`` hypotheses each. What belongs to a hypothesis has
R = G * K rows, what belongs to a sentence has G rows, and row r belongs to sentence r // K. Every
row has a length of its own, so sentences at different steps share a batch. Keys and values of
cross-attention are held once per sentence and never copied K times.

The cache knows no vocabulary and no search: ``append`` and ``advance`` serve the network,
``select`` and ``extend`` serve the engine.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

BLOCK = 16
"""Positions come in blocks of so many, the unused ones masked.

A masked position adds exactly zero to a sum, but the number of positions decides in which order a
vectorised sum is taken. In whole blocks the order, and so every bit of the result, is the same
whatever the longest neighbour is. The buffers grow by blocks too."""


def in_blocks(positions: int) -> int:
    """The smallest multiple of ``BLOCK`` that is at least ``positions``."""
    return -(-positions // BLOCK) * BLOCK


class DecoderCache:
    """Self-attention keys and values per hypothesis, cross-attention keys and values per sentence.

    Attributes:
        keys, values: per decoder layer (R, H, capacity, D); zero where nothing was written.
        lengths: (R,) int64, positions cached per row.
        longest: the largest of ``lengths``, kept on the host so that no step waits for the device.
        cross_keys, cross_values: per decoder layer (G, H, S, D).
        source_mask: (G, S) bool, True at real source positions.
        beam_size: K.
        cells: per layer of a recurrent decoder (R, d_model), what it remembers; else none.
    """

    def __init__(
        self,
        cross_keys: list[Tensor],
        cross_values: list[Tensor],
        source_mask: Tensor,
        beam_size: int,
    ) -> None:
        """Start an empty cache for the G sentences whose projected encoder states are given."""
        sentences, heads, _, d_head = cross_keys[0].shape  # (G, H, S, D)
        rows = sentences * beam_size
        self.cross_keys = cross_keys
        self.cross_values = cross_values
        self.source_mask = source_mask
        self.beam_size = beam_size
        # Zeros, not empty: a masked position still multiplies its value by a weight of zero, and
        # zero times an uninitialised NaN is NaN.
        self.keys = [k.new_zeros(rows, heads, BLOCK, d_head) for k in cross_keys]
        self.values = [v.new_zeros(rows, heads, BLOCK, d_head) for v in cross_values]
        self.lengths = torch.zeros(rows, dtype=torch.int64, device=source_mask.device)
        self.longest = 0
        self.cells: list[Tensor] = []
        self._row_index = torch.arange(rows, device=source_mask.device)

    @property
    def num_sentences(self) -> int:
        """G."""
        return self.source_mask.shape[0]

    @property
    def num_rows(self) -> int:
        """R = G * K."""
        return self.lengths.shape[0]

    @property
    def positions(self) -> Tensor:
        """(R,) int64: the position, from 0, of the token that each row decodes now."""
        return self.lengths

    @property
    def width(self) -> int:
        """L, the positions that a step attends to: the longest row and its new one, in blocks."""
        return in_blocks(self.longest + 1)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write one position per row and return what may be attended to.

        Args:
            layer: index of the decoder layer.
            keys, values: (R, H, 1, D), of the token now decoded.

        Returns:
            Keys and values, each (R, H, L, D) with L = ``width``. ``self_mask`` hides what lies
            beyond a row's own length.
        """
        if self.longest == self.keys[layer].shape[2]:
            self.keys[layer] = pad(self.keys[layer], (0, 0, 0, BLOCK))
            self.values[layer] = pad(self.values[layer], (0, 0, 0, BLOCK))
        self.keys[layer][self._row_index, :, self.lengths] = keys.squeeze(2)  # (R, H, D)
        self.values[layer][self._row_index, :, self.lengths] = values.squeeze(2)
        return self.keys[layer][:, :, : self.width], self.values[layer][:, :, : self.width]

    def self_mask(self) -> Tensor:
        """(R, L) bool: True where a row may attend, up to and including the current position."""
        index = torch.arange(self.width, device=self.lengths.device)
        return index <= self.lengths[:, None]  # (R, L)

    def advance(self) -> None:
        """Count the position that every layer has appended in this step."""
        self.lengths = self.lengths + 1
        self.longest += 1

    def select(self, rows: Tensor, sentences: Tensor | None = None) -> None:
        """Keep ``rows`` in the given order: reorders beams and drops finished sentences.

        Args:
            rows: (R',) int64, the old row that each new row continues.
            sentences: (G',) int64 with R' = G' * K, the old sentence of each new sentence;
                None when no sentence leaves, which spares the memory from being moved.
        """
        if sentences is not None:
            self._select_sentences(sentences)
        if rows.shape == self._row_index.shape and torch.equal(rows, self._row_index):
            return
        self.keys = [k.index_select(0, rows) for k in self.keys]
        self.values = [v.index_select(0, rows) for v in self.values]
        self.cells = [cell.index_select(0, rows) for cell in self.cells]
        self.lengths = self.lengths.index_select(0, rows)
        self._row_index = torch.arange(rows.shape[0], device=rows.device)
        if sentences is not None:
            self._trim_capacity()

    def extend(self, other: DecoderCache) -> None:
        """Admit the sentences of ``other`` behind those already here; ``other`` is used up.

        Raises:
            ValueError: if the beam sizes differ.
        """
        if other.beam_size != self.beam_size:
            raise ValueError(f"cannot join beam sizes {self.beam_size} and {other.beam_size}")
        self.keys = _join(self.keys, other.keys)
        self.values = _join(self.values, other.values)
        self.cells = [torch.cat(pair) for pair in zip(self.cells, other.cells, strict=True)]
        self.cross_keys = _join(self.cross_keys, other.cross_keys)
        self.cross_values = _join(self.cross_values, other.cross_values)
        width = max(self.source_mask.shape[1], other.source_mask.shape[1])
        masks = (pad(c.source_mask, (0, width - c.source_mask.shape[1])) for c in (self, other))
        self.source_mask = torch.cat(list(masks))
        self.lengths = torch.cat([self.lengths, other.lengths])
        self.longest = max(self.longest, other.longest)
        self._row_index = torch.arange(self.num_rows, device=self.lengths.device)

    def _select_sentences(self, sentences: Tensor) -> None:
        """Keep ``sentences``, and no more source positions than the longest of them needs."""
        mask = self.source_mask.index_select(0, sentences)
        width = in_blocks(int(mask.sum(1).max())) if mask.shape[0] else 0
        self.source_mask = mask[:, :width]
        self.cross_keys = [k[:, :, :width].index_select(0, sentences) for k in self.cross_keys]
        self.cross_values = [v[:, :, :width].index_select(0, sentences) for v in self.cross_values]

    def _trim_capacity(self) -> None:
        """Give back the positions that only the sentences which left had filled."""
        self.longest = int(self.lengths.max()) if self.num_rows else 0
        if self.width < self.keys[0].shape[2]:
            self.keys = [k[:, :, : self.width].contiguous() for k in self.keys]
            self.values = [v[:, :, : self.width].contiguous() for v in self.values]


def _join(ours: list[Tensor], theirs: list[Tensor]) -> list[Tensor]:
    """Concatenate per-layer buffers (rows, H, positions, D), padding the shorter with zeros."""
    positions = max(ours[0].shape[2], theirs[0].shape[2])
    return [
        torch.cat([pad(part, (0, 0, 0, positions - part.shape[2])) for part in pair])
        for pair in zip(ours, theirs, strict=True)
    ]
