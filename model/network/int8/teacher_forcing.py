"""Targets that are known, read at once instead of a step a token.

To a layer every target position is a hypothesis of a sentence of its own, with a beam of one, whose
keys and values lie where those of the other positions of its target do: the rows of a target come
one after the other, and each finds those before it. So the numbers are, bit for bit, those of as
many steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tformer.model.config import TransformerConfig
from tformer.model.network.int8.kv_cache import Halves, Integers
from tformer.model.network.int8.records import MEMORY, Past, head_width


@dataclass(frozen=True)
class Forced:
    """N positions of targets, one target's after the other's."""

    tokens: Integers
    """(N,), what each position reads."""
    past: Past
    """Keys and values of N sentences with a beam of one."""
    positions: list[Halves]
    """Keys and values of every target, (layers, 2, H, T, D), to be filled."""

    @classmethod
    def of(
        cls,
        config: TransformerConfig,
        targets: Sequence[Sequence[int]],
        cross: Sequence[Halves],
        source_lengths: Sequence[int],
    ) -> Forced:
        """Targets of T tokens each, at least one; and of each what it has to do with its source."""
        lengths = np.array(list(map(len, targets)), np.int64)
        heads, width = config.num_heads, head_width(config.d_model, config.num_heads)
        before = config.num_decoder_layers, 2, heads
        positions = [np.empty((*before, length, width), np.uint16) for length in lengths]
        rows = int(lengths.sum())

        def each(values: Sequence[int] | Integers) -> Integers:
            return np.repeat(np.array(values, np.int64), lengths)

        sentences = np.empty(rows, MEMORY)
        sentences["steps"] = np.arange(rows) - each(np.cumsum(lengths) - lengths)
        sentences["capacity"] = each(lengths)
        sentences["source_length"] = each(source_lengths)
        sentences["positions"] = each([array.ctypes.data for array in positions])
        sentences["cross"] = each([array.ctypes.data for array in cross])
        past = Past(sentences, np.zeros((rows, int(lengths.max())), np.uint32))
        tokens = np.fromiter((token for target in targets for token in target), np.int64, rows)
        return cls(tokens, past, positions)
