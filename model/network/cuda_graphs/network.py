"""A Transformer whose steps are recorded, for the engine; see `tformer.model.network.interface`."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from tformer.model.config import TransformerConfig
from tformer.model.hardware.device import on_device
from tformer.model.network.cuda_graphs.pool import Buckets, Pool, PoolShape
from tformer.model.network.cuda_graphs.recorder import Recorder, Recordings, recorder_for
from tformer.model.network.cuda_graphs.step import DecoderWeights, Ranked
from tformer.model.network.eager import Plain
from tformer.model.network.kv_cache import in_blocks
from tformer.model.network.transformer import Transformer
from tformer.model.search.candidates import Integers
from tformer.model.search.scores import largest_by_chunks

FIRST_POOL = PoolShape(places=16, target=128, source=64)
"""The smallest pool; a larger one has a power of two in every dimension."""

RECORDED_SOURCE = 8192
"""Source tokens, padding counted, up to which encoding is recorded. With more, the device has
enough to do with one kernel to have the next one launched meanwhile."""


class Graphed(Plain):
    """A Transformer in recorded steps: CUDA graphs on a GPU, plain calls on a CPU.

    It may be used by several threads, each with a decoding of its own.
    """

    def __init__(
        self,
        transformer: Transformer,
        *,
        buckets: Buckets | None = None,
        recorder_for: Callable[[torch.device], Recorder] = recorder_for,
        pool_bytes: int | None = None,
    ) -> None:
        """The network of ``transformer``, which is switched to evaluation mode.

        Args:
            transformer: on the device and in the dtype to use.
            buckets: the shapes that steps are computed in.
            recorder_for: makes the recorder of a workspace.
            pool_bytes: how large a pool may grow to hold what earlier batches needed as well as
                this one; None is a quarter of the device's memory.
        """
        super().__init__(transformer)
        self.buckets = buckets or Buckets()
        self.decoder = DecoderWeights(transformer)
        self._recorder_for = recorder_for
        self._pool_bytes = pool_bytes or _memory(self.device) // 4
        self._workspaces: list[Workspace] = []
        self._lock = threading.Lock()

    def start(self, beam_size: int) -> GraphedDecoding:
        """An empty batch. It takes a workspace when sentences enter, and gives it back empty."""
        return GraphedDecoding(self, beam_size)

    def claim(self, owner: GraphedDecoding) -> Workspace:
        """A workspace that no living decoding has, with the recordings of those that had it."""
        with self._lock:
            for workspace in self._workspaces:
                if workspace.beam_size == owner.beam_size and workspace.is_free:
                    break
            else:
                workspace = self._new_workspace(owner.beam_size)
                self._workspaces.append(workspace)
            if workspace.is_abandoned:
                workspace.clear()  # perhaps for want of memory
            workspace.owner = weakref.ref(owner)
            return workspace

    def discard(self, workspace: Workspace) -> None:
        """Give the memory of a workspace back to the device."""
        with self._lock:
            self._workspaces.remove(workspace)
        workspace.clear()

    def _new_workspace(self, beam_size: int) -> Workspace:
        recordings = Recordings(self._recorder_for(self.device))
        return Workspace(
            self.config, beam_size, self._parameter, recordings, self.buckets, self._pool_bytes
        )


class Workspace:
    """A pool, the recordings that point into it, and who has them."""

    def __init__(
        self,
        config: TransformerConfig,
        beam_size: int,
        like: Tensor,
        recordings: Recordings,
        buckets: Buckets,
        pool_bytes: int,
    ) -> None:
        """A workspace without a pool, for tensors ``like`` this one."""
        self.beam_size = beam_size
        self.recordings = recordings
        self.owner: weakref.ref[GraphedDecoding] | None = None
        self._config = config
        self._device, self._dtype = like.device, like.dtype
        self._buckets = buckets
        self._pool_bytes = pool_bytes
        self._pool: Pool | None = None

    @property
    def is_free(self) -> bool:
        """True if no decoding has it."""
        return self.owner is None or self.is_abandoned

    @property
    def is_abandoned(self) -> bool:
        """True if a decoding went away with sentences in it."""
        return self.owner is not None and self.owner() is None

    @property
    def pool(self) -> Pool:
        """The pool, which there is once room was made."""
        assert self._pool is not None
        return self._pool

    def make_room(self, needed: PoolShape, places: Sequence[int], used: PoolShape) -> bool:
        """Replace the pool by a larger one if it is too small for ``needed``.

        Args:
            needed: what must fit.
            places: those that are taken; they become 0, 1, 2, ...
            used: how far their positions are filled.

        Returns:
            Whether the pool was replaced.
        """
        if self._pool is not None and self.bucket(needed).fits(self._pool.shape):
            return False
        before, moves = self._pool, [(old, new) for new, old in enumerate(places)]
        self.recordings.clear()  # they point into the pool
        if not moves:
            self._pool = None  # so that its memory is free for the new one
        grown = Pool(
            self._config, self.beam_size, self._grown(needed, before), self._device, self._dtype
        )
        if before is not None and moves:
            grown.move(before, moves, used.target, used.source)
        self._pool = grown
        return True

    def bucket(self, needed: PoolShape) -> PoolShape:
        """The shape to compute where ``needed`` is in use."""
        shape, longest = self._buckets.covering(needed), in_blocks(self._config.max_length)
        return PoolShape(shape.places, min(shape.target, longest), min(shape.source, longest))

    def clear(self) -> None:
        """Drop the pool and all recordings."""
        self.recordings.clear()
        self._pool = None

    def _grown(self, needed: PoolShape, pool: Pool | None) -> PoolShape:
        """A pool for what is needed now; and for what was needed before, if that is not too much.

        Many short sentences and few long ones need pools of one size; many long places are a
        product that nobody may have asked for.
        """
        bucket, longest = self.bucket(needed).join(FIRST_POOL), in_blocks(self._config.max_length)
        wanted = PoolShape(
            _power_of_two(bucket.places),
            min(_power_of_two(bucket.target), longest),
            min(_power_of_two(bucket.source), longest),
        )
        both = wanted.join(pool.shape) if pool else wanted
        size = Pool.num_bytes(self._config, self.beam_size, both, self._dtype)
        return both if size <= self._pool_bytes else wanted


class GraphedDecoding:
    """A batch in the places of a workspace; the order of its sentences is the engine's.

    After ``torch.OutOfMemoryError`` it has lost its sentences, and the device has the memory back;
    start another.
    """

    def __init__(self, network: Graphed, beam_size: int) -> None:
        """An empty batch."""
        self.beam_size = beam_size
        self._network = network
        self._workspace: Workspace | None = None
        # Of every sentence: its place, its source positions, and its target positions so far.
        self._places: list[int] = []
        self._sources: list[int] = []
        self._targets: list[int] = []
        self._moved = True
        self._rows: Tensor | None = None
        """Rows that ``select`` has asked for since the last step, (R,) int64."""

    @torch.inference_mode()
    def admit(self, sources: Sequence[Sequence[int]]) -> None:
        """Encode sentences into free places; see :meth:`Decoding.admit`."""
        with self._device_memory() as workspace:
            here, lengths = len(self._places), [len(source) for source in sources]
            self._make_room(workspace, here + len(sources), 1, max(lengths))
            taken = set(self._places)
            free = (place for place in range(here + len(sources)) if place not in taken)
            places = [place for place, _ in zip(free, sources, strict=False)]
            self._encode(workspace, places, sources)
            self._continue_themselves(workspace.pool.index, len(sources))
            self._places += places
            self._sources += lengths
            self._targets += [0] * len(sources)
            self._moved = True

    def step(self, tokens: Integers) -> RankedScores:
        """One token further; see :meth:`Decoding.step`."""
        return RankedScores(self._step(tokens, attentive=False), len(tokens))

    def step_with_attention(self, tokens: Integers) -> tuple[RankedScores, Tensor]:
        """One token further; see :meth:`AttentiveDecoding.step_with_attention`."""
        ranked = self._step(tokens, attentive=True)
        assert ranked.attention is not None
        return RankedScores(ranked, len(tokens)), ranked.attention[: len(tokens)]

    @torch.inference_mode()
    def select(self, rows: Integers, sentences: Sequence[int] | None = None) -> None:
        """Follow the beam; see :meth:`Decoding.select`. Nothing moves, before the next step."""
        if sentences is not None:
            for column in (self._places, self._sources, self._targets):
                column[:] = [column[index] for index in sentences]
            self._moved = True
        index = on_device(torch.from_numpy(rows), self._network.device)
        self._rows = index if self._rows is None else self._rows.index_select(0, index)
        if not self._places:
            self._leave()

    @torch.inference_mode()
    def _step(self, tokens: Integers, *, attentive: bool) -> Ranked:
        """Next-token scores of all rows, some of which nobody has."""
        with self._device_memory() as workspace:
            sentences, rows = len(self._places), len(tokens)
            self._make_room(workspace, sentences, max(self._targets) + 1, max(self._sources))
            self._close_up(workspace)
            pool = workspace.pool
            if self._moved:
                self._write_book(pool)
            order = pool.index[:rows] if self._rows is None else self._rows
            newest = on_device(torch.from_numpy(tokens), pool.tokens.device)
            pool.tokens.view(-1)[:rows].copy_(newest)
            pool.rows.view(-1)[:rows].copy_(order)
            self._rows = None
            used = PoolShape(max(self._places) + 1, max(self._targets) + 1, max(self._sources))
            shape, decoder = workspace.bucket(used), self._network.decoder
            width = min(2 * self.beam_size + 1, decoder.vocab_size)
            ranked = workspace.recordings.run(
                ("step", shape, attentive), lambda: decoder.step(pool, shape, width, attentive)
            )
            self._targets = [length + 1 for length in self._targets]
            return ranked

    # -- places ---------------------------------------------------------------------------

    def _make_room(self, workspace: Workspace, places: int, target: int, source: int) -> None:
        """See to it that so many places, and positions in each, can be had."""
        used = PoolShape(
            len(self._places), max(self._targets, default=0), max(self._sources, default=0)
        )
        needed = used.join(PoolShape(places, target, source))
        if workspace.make_room(needed, self._places, used):
            self._places = list(range(len(self._places)))
            self._moved = True

    def _close_up(self, workspace: Workspace) -> None:
        """Move the last sentences into free places where that halves what a step computes."""
        sentences = len(self._places)
        least = workspace.bucket(PoolShape(sentences, 1, 1)).places
        if workspace.bucket(PoolShape(max(self._places) + 1, 1, 1)).places < 2 * least:
            return
        taken = set(self._places)
        free = (place for place in range(sentences) if place not in taken)
        moves = {place: next(free) for place in self._places if place >= sentences}
        used = PoolShape(sentences, max(self._targets), max(self._sources))
        workspace.pool.move(workspace.pool, list(moves.items()), used.target, used.source)
        self._places = [moves.get(place, place) for place in self._places]
        self._moved = True

    def _write_book(self, pool: Pool) -> None:
        """Tell the device who is where; steps count the lengths up by themselves."""
        sentences = len(self._places)
        book = torch.zeros(pool.book.shape, dtype=torch.int64)
        sentence_at, place_of, lengths, source_lengths, active = book
        source_lengths.fill_(1)  # an empty place attends to something, lest it compute NaN
        places = torch.tensor(self._places)
        sentence_at[places] = torch.arange(sentences)
        place_of[:sentences] = places
        lengths[places] = torch.tensor(self._targets)
        source_lengths[places] = torch.tensor(self._sources)
        active[places] = 1
        pool.book.copy_(on_device(book, pool.book.device))
        self._moved = False

    # -- sentences that enter and leave ---------------------------------------------------

    def _encode(
        self, workspace: Workspace, places: Sequence[int], sources: Sequence[Sequence[int]]
    ) -> None:
        """Encode sentences; a bucket's remainder goes to the place that stands in for nothing."""
        pool, config, decoder = workspace.pool, self._network.config, self._network.decoder
        bucket = workspace.bucket(PoolShape(len(sources), 1, max(map(len, sources))))
        size, width = bucket.places, min(bucket.source, config.max_length)
        source = torch.full((size, width), config.pad_id)
        for row, ids in zip(source, sources, strict=False):
            row[: len(ids)] = torch.tensor(ids)
        missing = size - len(sources)
        entering = torch.tensor(
            [
                [*places, *[pool.shape.places] * missing],
                [*map(len, sources), *[1] * missing],
            ]
        )
        pool.source[:size, :width].copy_(on_device(source, pool.source.device))
        pool.entering[:, :size].copy_(on_device(entering, pool.entering.device))

        def work() -> None:
            decoder.encode(pool, size, width)

        if size * width <= RECORDED_SOURCE:
            workspace.recordings.run(("encode", size, width), work)
        else:
            work()

    def _continue_themselves(self, index: Tensor, entering: int) -> None:
        """Let so many sentences that enter behind the others keep the order of their rows."""
        if self._rows is not None:
            first = len(self._rows)
            self._rows = torch.cat([self._rows, index[first : first + entering * self.beam_size]])

    def _leave(self) -> None:
        """Give the workspace back."""
        if self._workspace is not None:
            self._workspace.owner = None
        self._workspace = self._rows = None

    @contextmanager
    def _device_memory(self) -> Iterator[Workspace]:
        """The workspace; where the device has no room, it is given up."""
        try:
            if self._workspace is None:
                self._workspace = self._network.claim(self)
            yield self._workspace
        except torch.OutOfMemoryError:
            if self._workspace is not None:
                self._network.discard(self._workspace)
            self._workspace = self._rows = None
            self._places, self._sources, self._targets = [], [], []
            raise


class RankedScores:
    """Scores of which a step found the best; see `tformer.model.search.scores.Scores`.

    They lie in static buffers and hold until the next step.
    """

    def __init__(self, ranked: Ranked, rows: int) -> None:
        """Scores of the first ``rows``."""
        self._logits = ranked.logits[:rows]
        self._total = ranked.total[:rows]
        self._best = ranked.best[:rows]
        self._tokens = ranked.tokens[:rows]

    @property
    def vocab_size(self) -> int:
        """V."""
        return self._logits.shape[1]

    def best(self, width: int, named: Iterable[int] = ()) -> tuple[Tensor, Tensor]:
        """The most probable tokens; ready, unless a search wants more than beam search does."""
        if width <= self._best.shape[1]:
            return self._best[:, :width], self._tokens[:, :width]
        logits, tokens = largest_by_chunks(self._logits, width)
        return logits - self._total[:, None], tokens

    def of(self, token: int) -> Tensor:
        """One token in every row, (R,)."""
        return self._logits[:, token] - self._total

    def all(self) -> Tensor:
        """Every log-probability, (R, V)."""
        return self._logits - self._total[:, None]


def _power_of_two(number: int) -> int:
    """The next one."""
    return 1 << (number - 1).bit_length()


def _memory(device: torch.device) -> int:
    """Bytes of a device; of the host, on which nothing depends, enough for tests."""
    if device.type != "cuda":
        return 1 << 30
    return torch.cuda.get_device_properties(device).total_memory
