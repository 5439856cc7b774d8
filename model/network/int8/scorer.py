"""Known targets, read by the int8 network that translates, all positions at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import TypeVar

import numpy as np

from tformer.model.config import AlignmentHeads
from tformer.model.datastore.states import QuantisedStates
from tformer.model.network.int8 import entries
from tformer.model.network.int8.kv_cache import Halves
from tformer.model.network.int8.network import Int8, Int8Decoding, Room, lots
from tformer.model.network.int8.packing import unstored
from tformer.model.network.int8.records import Floats, RowBuffers
from tformer.model.network.int8.tables import Table
from tformer.model.network.int8.teacher_forcing import Forced
from tformer.model.search.request import Pair

T = TypeVar("T")


class Int8Reader:
    """A network that reads; satisfies `tformer.model.passes.interface.Scorer`."""

    def __init__(self, network: Int8, heads: AlignmentHeads | None = None) -> None:
        """A reader with the heads that were measured for a model; None takes the default."""
        self._network = network
        self._heads = heads or AlignmentHeads.default(network.config)
        self._room = Room(network.config)
        self._lock = Lock()

    def attend(self, pairs: Sequence[Pair]) -> list[Floats]:
        """Cross-attention of each target token, (T, S) of each pair."""
        return self._in_lots(pairs, self._attention)

    def log_probs(self, pairs: Sequence[Pair]) -> list[Floats]:
        """Log-probabilities of every target token and of the end, (T + 1,) of each pair."""
        return self._in_lots(pairs, self._scores)

    def states(self, pairs: Sequence[Pair]) -> list[QuantisedStates]:
        """Input of the output projection, for every target token and the end of each pair."""
        return self._in_lots(pairs, self._states)

    def _in_lots(
        self,
        pairs: Sequence[Pair],
        read: Callable[[Sequence[Pair], Forced, Table], Iterable[T]],
    ) -> list[T]:
        found: list[T] = []
        with self._lock:
            cross = self._cross(pairs)
            for lot in lots(range(len(pairs)), lambda number: len(pairs[number].target) + 1):
                chosen = [pairs[number] for number in lot]
                forced = self._forced(chosen, cross)
                found += read(chosen, forced, self._room.of(len(forced.tokens)))
        return found

    def _cross(self, pairs: Sequence[Pair]) -> dict[tuple[int, ...], Halves]:
        """Keys and values of the sources, which are encoded where they have not been."""
        cross = {tuple(pair.source): pair.encoder_states for pair in pairs}
        new = [source for source, one in cross.items() if one is None]
        decoding = Int8Decoding(self._network, 1, self._room)
        decoding.admit(new)
        found = {source: decoding.encoder_states(number) for number, source in enumerate(new)}
        return cross | found

    def _forced(self, pairs: Sequence[Pair], cross: Mapping[tuple[int, ...], Halves]) -> Forced:
        config = self._network.config
        return Forced.of(
            config,
            [(config.bos_id, *pair.target) for pair in pairs],
            [cross[tuple(pair.source)] for pair in pairs],
            [len(pair.source) for pair in pairs],
        )

    def _attention(self, pairs: Sequence[Pair], forced: Forced, work: Table) -> Iterator[Floats]:
        rows = self._network.decoder.attention(forced, self._heads, work)
        start = 1 if self._heads.reads else 0
        for pair in pairs:
            yield rows[start : start + len(pair.target), : len(pair.source)]
            start += len(pair.target) + 1

    def _states(
        self, pairs: Sequence[Pair], forced: Forced, work: Table
    ) -> Iterator[QuantisedStates]:
        self._network.decoder(forced.tokens, forced.past, 1, work)
        rows, width = len(forced.tokens), self._network.config.d_model
        stored = RowBuffers(*work.parts)
        signed = unstored(stored.entered[:rows], width)
        ends = np.cumsum([len(pair.target) + 1 for pair in pairs])[:-1]
        scales = stored.entered_scale[:rows].copy()
        parts = np.split(signed, ends), np.split(scales, ends)
        return map(QuantisedStates, *parts)

    def _scores(self, pairs: Sequence[Pair], forced: Forced, work: Table) -> Iterator[Floats]:
        eos_id, decoder = self._network.config.eos_id, self._network.decoder
        decoder(forced.tokens, forced.past, 1, work)
        said = np.array([token for pair in pairs for token in (*pair.target, eos_id)], np.int64)
        log_probs = np.empty(len(said), np.float32)
        entries.of_tokens(decoder.output.numbers, said, work.numbers, log_probs, None)
        ends = np.cumsum([len(pair.target) + 1 for pair in pairs])
        return iter(np.split(log_probs, ends[:-1]))
