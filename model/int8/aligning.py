"""Where targets look in their sources, told by the int8 network that translated them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock

from tformer.model.config import AlignmentHeads
from tformer.model.int8.cache import Halves
from tformer.model.int8.forced import Forced
from tformer.model.int8.network import Int8, Int8Decoding, Room, lots
from tformer.model.int8.products import Floats
from tformer.model.request import Pair


class Int8Attention:
    """Where targets look in their sources; called with pairs, see `alignment.Aligner`."""

    def __init__(self, network: Int8, heads: AlignmentHeads | None = None) -> None:
        """By the mean of the heads that were measured for a model; None takes the default."""
        self._network = network
        self._heads = heads or AlignmentHeads.default(network.config)
        self._room = Room(network.config)
        self._lock = Lock()

    def __call__(self, pairs: Sequence[Pair]) -> list[Floats]:
        """(T, S) of each pair."""
        found: list[Floats] = []
        with self._lock:
            memories = self._memories(pairs)
            for lot in lots(range(len(pairs)), lambda number: len(pairs[number].target) + 1):
                found += self._of([pairs[number] for number in lot], memories)
        return found

    def _memories(self, pairs: Sequence[Pair]) -> dict[tuple[int, ...], Halves]:
        """Keys and values of the sources, which are encoded where they have not been."""
        memories = {tuple(pair.source): pair.memory for pair in pairs}
        new = [source for source, memory in memories.items() if memory is None]
        decoding = Int8Decoding(self._network, 1, self._room)
        decoding.admit(new)
        return memories | {source: decoding.memory(number) for number, source in enumerate(new)}

    def _of(
        self, pairs: Sequence[Pair], memories: Mapping[tuple[int, ...], Halves]
    ) -> Iterator[Floats]:
        config = self._network.config
        forced = Forced.of(
            config,
            [(config.bos_id, *pair.target) for pair in pairs],
            [memories[tuple(pair.source)] for pair in pairs],
            [len(pair.source) for pair in pairs],
        )
        work = self._room.of(len(forced.tokens))
        rows = self._network.decoder.attention(forced, self._heads, work)
        start = 1 if self._heads.reads else 0
        for pair in pairs:
            yield rows[start : start + len(pair.target), : len(pair.source)]
            start += len(pair.target) + 1
