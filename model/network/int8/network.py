"""The Transformer in int8 on the CPU: the same network as `network.transformer`, held to it
by tests, as products of int8 matrices with one kernel between each two.

Keys and values of a hypothesis stay where they were written. A beam that is reordered moves a table
of small numbers, which says for every hypothesis and position whose keys these are; the hypotheses
of a sentence share their common past. Sentences that come take free places, those that leave give
theirs back, and nobody else is moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from tformer.model.checkpoint.weights import SCALE, Arrays, Weights
from tformer.model.config import AlignmentHeads, TransformerConfig
from tformer.model.datastore.layout import Subset
from tformer.model.errors import ModelError
from tformer.model.network.int8 import entries, neighbours, records
from tformer.model.network.int8.kv_cache import Cache, Halves, Integers
from tformer.model.network.int8.listing import Listed, PackedList, lists_of
from tformer.model.network.int8.neighbours import PackedSubset, Recall
from tformer.model.network.int8.packing import (
    Projection,
    by_inputs,
    filled,
    filled_to,
    quantised,
    stored_row,
)
from tformer.model.network.int8.records import (
    FEED_TOGETHER,
    Beginning,
    DecoderLayerWeights,
    EncoderLayerWeights,
    Floats,
    Norm,
    Numbers,
    PackedLinear,
    Past,
    RowBuffers,
    Shape,
    aligned,
    whole_vectors,
)
from tformer.model.network.int8.simd.dot import QUAD
from tformer.model.network.int8.simd.tiles import SPARSE
from tformer.model.network.int8.simd.vectors import COLUMNS, LANES, LOWEST
from tformer.model.network.int8.tables import Table
from tformer.model.network.int8.teacher_forcing import Forced
from tformer.model.network.int8.workers import Board
from tformer.model.network.shortlist import Shortlist
from tformer.model.search.hypotheses import State
from tformer.model.search.request import Request

if TYPE_CHECKING:
    from torch import Tensor

Doubles = NDArray[np.float64]

ENCODED_TOGETHER = 512
"""Source tokens, about: so many that products are quick, so few that they stay in the cache."""

_KEPT_IN_FILE = 64 << 20
"""Bytes from which on embeddings in int8 are not copied into memory."""

_ACTIVATIONS = {
    "relu": records.RELU,
    "gelu": records.GELU,
    "silu": records.SILU,
    "gelu_tanh": records.GELU_TANH,
}


class Int8:
    """A Transformer's weights in int8; satisfies `tformer.model.network.interface.Network`."""

    device = "cpu"
    dtype = "int8"
    out_of_memory = MemoryError

    def __init__(self, weights: Weights, shortlist: Shortlist | None = None) -> None:
        """Quantise ``weights``, be they in a file or a Transformer's; they are not kept.

        Args:
            weights: of the network.
            shortlist: the tokens that a sentence may be translated with; None is all.

        Raises:
            ModelError: when they hold NaN or infinities, or cannot be read.
        """
        self.config = weights.config
        self.shortlist = shortlist
        self._rooms: list[Room] = []
        if not self.config.is_common:
            raise ModelError("int8 does not compute a network of this kind: take float32")
        arrays = weights.arrays()
        source, target = positional_encodings(self.config, arrays)
        has_own = self.config.target_vocab_size is not None
        embeddings = _embeddings(arrays, "embedding")
        self.encoder = _Encoder(self.config, arrays, embeddings, source)
        if has_own:
            embeddings = _embeddings(arrays, "own_target_embedding")
        self.decoder = _Decoder(self.config, arrays, embeddings, target)

    def computing(self) -> AbstractContextManager[None]:
        """Nothing is to be switched on."""
        return nullcontext()

    def give_back_memory(self) -> None:
        """Keep no memory of batches that have ended."""
        self._rooms.clear()

    def start(self, beam_size: int) -> Int8Decoding:
        """An empty batch, in the memory of one that has ended if there is some."""
        try:
            room = self._rooms.pop()
        except IndexError:
            room = Room(self.config)
        decoding = Int8Decoding(self, beam_size, room)
        finalize(decoding, self._rooms.append, room).atexit = False
        return decoding


def positional_encodings(config: TransformerConfig, arrays: Arrays) -> tuple[Floats, Floats]:
    """Positional encodings of source and target, (max_length, d_model) each.

    Section 3.5 of the paper, to the bit as `network.transformer` computes it. Only sums, products
    and quotients are taken, which are the same on every processor; a library's sines need not be.
    """
    if config.positions == "learned":
        return _table(arrays, "source_table"), _table(arrays, "target_table")
    width = max(config.d_model - 2 * (config.positions == "tensor2tensor"), 1)
    step = -math.log(10_000.0) / width
    powers = (float(Decimal(i * step).exp()) for i in range(0, config.d_model, 2))
    frequency = np.fromiter(powers, np.float64)
    counted = np.arange(config.first_position, config.first_position + config.max_length)
    sines, cosines = _sines_and_cosines(counted[:, None] * frequency)
    if config.positions == "interleaved":
        pairs = np.stack([sines, cosines], 2, dtype=np.float32)
        encodings: Floats = pairs.reshape(config.max_length, config.d_model)
    else:
        encodings = np.concatenate([sines, cosines], 1, dtype=np.float32)
    return encodings, encodings


def _table(arrays: Arrays, module: str) -> Floats:
    """An embedding matrix in float32."""
    weight, _, scale = _projection(arrays, module)
    if scale is None:
        return np.asarray(weight, np.float32)
    return np.multiply(weight, scale[:, None], dtype=np.float32)


class _Embeddings(NamedTuple):
    """An embedding matrix as `records.Beginning` has it."""

    table: Floats
    stored: NDArray[np.int8]
    scale: Floats


def _embeddings(arrays: Arrays, module: str) -> _Embeddings:
    weight, _, scale = _projection(arrays, module)
    if scale is None:
        return _Embeddings(
            _in_vectors(np.asarray(weight)), np.zeros((0, 0), np.int8), np.zeros(0, np.float32)
        )
    # What is in a file's pages stays there, if it is large: few of its rows are ever read.
    stored = weight if weight.nbytes >= _KEPT_IN_FILE else np.array(weight)
    return _Embeddings(np.zeros((0, 0), np.float32), stored, np.asarray(scale, np.float32))


def _projection(arrays: Arrays, module: str) -> Projection:
    """As it is stored, with a bias if it has one."""
    weight = f"{module}.weight"
    return Projection(arrays[weight], arrays.get(f"{module}.bias"), arrays.get(weight + SCALE))


_QUARTER = (1.5707963109016418, 1.5893254712295857e-08, 6.123233995736766e-17)
"""A quarter of a circle as a sum, of which the first two have no more than 26 bits."""


def _sines_and_cosines(angle: Doubles) -> tuple[Doubles, Doubles]:
    """Sines and cosines of angles from 0 to some thousands, by Taylor's series within an eighth of
    a circle."""
    quarters = np.rint(angle / math.tau * 4)
    x = angle - quarters * _QUARTER[0] - quarters * _QUARTER[1] - quarters * _QUARTER[2]
    square, sine, cosine = x * x, np.ones_like(x), np.ones_like(x)
    for n in range(16, 0, -2):
        cosine = 1 - cosine * square / (n * (n - 1))
        sine = 1 - sine * square / (n * (n + 1))
    sine *= x
    is_odd = quarters % 2 == 1
    first, second = np.where(is_odd, cosine, sine), np.where(is_odd, sine, cosine)
    first[quarters % 4 >= 2] *= -1
    second[(quarters + 1) % 4 >= 2] *= -1
    return first, second


def _linear(arrays: Arrays, module: str) -> PackedLinear:
    return quantised(_projection(arrays, module))


def _second(arrays: Arrays, module: str, config: TransformerConfig) -> PackedLinear:
    """The second projection of a feed-forward network, by inputs where zeros are left out."""
    linear = _linear(arrays, module)
    return by_inputs(linear) if _has_zeros(config) else linear


def _has_zeros(config: TransformerConfig) -> bool:
    """Return whether the second product of feed-forward networks leaves zeros out."""
    return SPARSE and config.activation == "relu"


def _projections(arrays: Arrays, attention: str, heads: int, *names: str) -> PackedLinear:
    """Projections of one input to heads, side by side."""
    stored = [_projection(arrays, f"{attention}.{name}") for name in names]
    return quantised(*(_with_heads(each, heads) for each in stored))


def _with_heads(stored: Projection, heads: int) -> Projection:
    bias, scale = (
        None if part is None else _in_heads(part, heads) for part in (stored.bias, stored.scale)
    )
    return Projection(_in_heads(stored.weight, heads), bias, scale)


def _output(arrays: Arrays, attention: str, heads: int) -> PackedLinear:
    """The projection of what the heads have found."""
    stored = _projection(arrays, f"{attention}.output")
    return quantised(stored._replace(weight=_in_heads(stored.weight.T, heads).T))


def _recurrence(arrays: Arrays, module: str) -> PackedLinear:
    """Candidate state of a recurrent unit, and its forget gate."""
    names = ("candidate", "forget")
    return quantised(*(_projection(arrays, f"{module}.{name}") for name in names))


def _in_heads(parameter: Numbers, heads: int) -> Numbers:
    """The same with rows (H * D, ...) in which every head has the width of whole vectors."""
    by_head = np.asarray(parameter).reshape(heads, -1, *parameter.shape[1:])
    missing = -by_head.shape[1] % LANES
    if not missing:
        return parameter
    wider = np.pad(by_head, [(0, 0), (0, missing), *[(0, 0)] * (parameter.ndim - 1)])
    return wider.reshape(-1, *parameter.shape[1:])


def _to_logits(stored: Projection) -> PackedLinear:
    """The projection to the vocabulary, filled up by tokens that are never said."""
    size = stored.weight.shape[0]
    wider = np.full(filled_to(size, COLUMNS), LOWEST, np.float32)
    wider[:size] = 0 if stored.bias is None else stored.bias
    return quantised(stored._replace(bias=wider))


def _norm(arrays: Arrays, module: str) -> Norm:
    weight, bias = (_in_vectors(arrays[f"{module}.{part}"]) for part in Norm._fields)
    return Norm(weight, bias)


def _in_vectors(parameter: Numbers) -> Floats:
    """The same with zeros behind every row, to whole vectors."""
    missing = -parameter.shape[-1] % LANES
    if not missing:
        return np.ascontiguousarray(parameter, np.float32)
    filling = [(0, 0)] * (parameter.ndim - 1) + [(0, missing)]
    return np.pad(np.asarray(parameter, np.float32), filling)


class _Stack:
    """Base of encoder and decoder: embeddings, and sub-layers with norms."""

    FIRST: ClassVar[str]
    """The normalisation of embeddings, where there is one."""
    LAST: ClassVar[str]
    """The normalisation after the last layer, where it comes before sub-layers."""

    def __init__(
        self,
        config: TransformerConfig,
        arrays: Arrays,
        embeddings: _Embeddings,
        encodings: Floats,
        sub_layers: Sequence[str],
    ) -> None:
        """A stack of ``sub_layers`` that reads ``embeddings`` (V, d) and ``encodings`` (T, d)."""
        pre = config.norm == "pre"
        self.shape = Shape(config.d_model, config.num_heads, pre, _ACTIVATIONS[config.activation])
        norms = [_norm(arrays, f"{around}.norm") for around in sub_layers]
        scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
        own = _norm(arrays, self.FIRST) if config.embedding_norm else Norm(*np.zeros((2, 0), "f4"))
        self.beginning = Beginning(
            *embeddings,
            _in_vectors(encodings),
            np.array([scale], np.float32),
            norms[0],
            own,
        )
        # Sub-layer i is followed by its own normalisation or, where that comes before, the next's.
        self.after = iter([*norms[1:], _norm(arrays, self.LAST)] if pre else norms)


class _Encoder(_Stack):
    """Sentences, one after the other without padding, to their encoder states."""

    FIRST, LAST = "source_embedding_norm", "encoder_norm"

    def __init__(
        self,
        config: TransformerConfig,
        arrays: Arrays,
        embeddings: _Embeddings,
        encodings: Floats,
    ) -> None:
        names = [f"encoder.{number}" for number in range(config.num_encoder_layers)]
        kinds = ("self_attention", "feed_forward")
        around = [f"{layer}.around_{kind}" for layer in names for kind in kinds]
        super().__init__(config, arrays, embeddings, encodings, around)
        heads = config.num_heads
        layers = tuple(
            EncoderLayerWeights(
                _projections(arrays, f"{layer}.self_attention", heads, "query", "key", "value"),
                _output(arrays, f"{layer}.self_attention", heads),
                _linear(arrays, f"{layer}.feed_forward.inner"),
                _second(arrays, f"{layer}.feed_forward.outer", config),
                next(self.after),
                next(self.after),
            )
            for layer in names
        )
        self._num_layers, self._table = len(layers), Table(self.shape, self.beginning, layers)

    def __call__(self, tokens: Integers, offsets: Integers, work: Table) -> None:
        """Leave in ``work`` the states of ``tokens`` (N,), of sentence g from offsets[g] on."""
        entries.encode(tokens, offsets, self._table.numbers, self._num_layers, work.numbers)


class _Decoder(_Stack):
    """One position of every hypothesis, to the scores of the next token."""

    FIRST, LAST = "target_embedding_norm", "decoder_norm"

    def __init__(
        self,
        config: TransformerConfig,
        arrays: Arrays,
        embeddings: _Embeddings,
        encodings: Floats,
    ) -> None:
        names = [f"decoder.{number}" for number in range(config.num_decoder_layers)]
        kinds = ("self_attention", "cross_attention", "feed_forward")
        around = [f"{layer}.around_{kind}" for layer in names for kind in kinds]
        super().__init__(config, arrays, embeddings, encodings, around)
        heads, self._unit = config.num_heads, True if config.look_back == "ssru" else None
        layers = tuple(
            DecoderLayerWeights(
                *self._look_back(arrays, layer),
                _projections(arrays, f"{layer}.cross_attention", heads, "query"),
                _output(arrays, f"{layer}.cross_attention", heads),
                _linear(arrays, f"{layer}.feed_forward.inner"),
                _second(arrays, f"{layer}.feed_forward.outer", config),
                next(self.after),
                next(self.after),
                next(self.after),
            )
            for layer in names
        )
        self._num_layers, self._table = len(layers), Table(self.shape, self.beginning, layers)
        self._source_projection = Table(
            *(
                _projections(arrays, f"{layer}.cross_attention", heads, "key", "value")
                for layer in names
            )
        )
        has_own = config.target_vocab_size is not None
        module = "own_target_embedding" if has_own else "embedding"
        output = _projection(arrays, "output_matrix" if config.own_output else module)
        self.to_logits = _to_logits(output._replace(bias=arrays.get("logits_bias")))
        self.output = Table(self.to_logits)
        self.vocab_size = config.output_size
        self.eos_id = config.eos_id

    def _look_back(self, arrays: Arrays, layer: str) -> tuple[PackedLinear, PackedLinear]:
        """The projections of the first sub-layer, in and out."""
        if self._unit:
            nothing = np.zeros((1, self.shape.width), np.float32)
            return _recurrence(arrays, f"{layer}.recurrence"), quantised(Projection(nothing))
        attention, heads = f"{layer}.self_attention", self.shape.heads
        projections = _projections(arrays, attention, heads, "query", "key", "value")
        return projections, _output(arrays, attention, heads)

    def project_source(self, offsets: Integers, cross: Integers, work: Table) -> None:
        """Project the states in ``work`` to the addresses ``cross`` (G,) of its sentences."""
        stack, layers = self._table.numbers, self._num_layers
        tables = self._source_projection.numbers, layers, stack
        entries.project_source(*tables, offsets, cross, work.numbers)

    def __call__(self, tokens: Integers, past: Past, beam: int, work: Table) -> None:
        """Leave in ``work`` what the output projection reads of each hypothesis."""
        stack, count = self._table.numbers, self._num_layers
        entries.decode(tokens, stack, count, beam, past, work.numbers, self._unit)

    def search(
        self,
        past: Past,
        beam: int,
        work: Table,
        found: Recall | None,
        listed: Listed | None,
        state: State,
        width: int,
        most: int,
    ) -> tuple[int, bool, bool]:
        """Go on with every hypothesis, and search; see `fused_search.run`."""
        parts = self._table.numbers, self._num_layers, self.output.numbers
        search = beam, past, work.numbers, found, listed, self.eos_id, state
        return entries.run(*parts, *search, width, self.vocab_size, most, self._unit)

    def attention(self, forced: Forced, heads: AlignmentHeads, work: Table) -> Floats:
        """Cross-attention of each of N positions, mean of some heads, (N, at least S)."""
        past, stack, working = forced.past, self._table.numbers, work.numbers
        chosen = np.zeros(self.shape.heads, np.float32)
        chosen[list(heads.heads)] = 1 / len(heads.heads)
        widest = whole_vectors(past.sentences["source_length"].max())
        out = np.empty((len(past.sentences), widest), np.float32)
        entries.decode(forced.tokens, stack, heads.layer, 1, past, working, self._unit)
        entries.look(heads.layer, stack, past, chosen, working, out, self._unit)
        return out


class Room:
    """Memory for work that grows with the widest batch; fresh pages cost more than sums."""

    def __init__(self, config: TransformerConfig) -> None:
        self._config = config
        self._rows = 0
        self._work = Table()
        self.board = Board()
        """Board on which products that are computed in it are offered to workers."""

    def of(self, rows: int) -> Table:
        """The table of a :class:`RowBuffers` for so many rows at least."""
        if self._rows < rows:
            self._rows = max(rows, FEED_TOGETHER)
            self._work = Table(*self._allocated(self._rows))
        return self._work

    def _allocated(self, rows: int) -> RowBuffers:
        config = self._config
        d, d_ff = filled(config.d_model), filled(config.d_ff)
        has_zeros = _has_zeros(config)
        heads = filled(config.num_heads * whole_vectors(config.d_model // config.num_heads))
        logits = records.room_for(filled_to(config.output_size, COLUMNS))
        # Queries, keys and values of all rows; inner activations or logits of a few.
        widest = max(3 * heads * rows, FEED_TOGETHER * d_ff, logits)

        def activations(width: int) -> tuple[NDArray[np.uint8], Floats]:
            return aligned((rows, stored_row(width)), np.uint8), np.zeros(rows, np.float32)

        states = aligned((rows, whole_vectors(config.d_model)), np.float32)
        outputs = aligned((widest,), np.float32, np.empty)
        stored = *activations(d), *activations(heads), *activations(0 if has_zeros else d_ff)
        listed = FEED_TOGETHER * (d_ff + QUAD) + LANES if has_zeros else 0
        lists = np.empty(listed, np.uint8), np.empty(listed, np.int32)
        return RowBuffers(states, *stored, *lists, outputs, self.board.numbers)


class Int8Decoding:
    """A batch under way; satisfies `tformer.model.network.interface.ResumingDecoding`
    and `~tformer.model.network.interface.SearchingDecoding`."""

    def __init__(self, network: Int8, beam_size: int, room: Room) -> None:
        """An empty batch, which works in a room that no other one works in meanwhile."""
        self._network = network
        self._cache = Cache(network.config, beam_size)
        self._room = room
        self._subsets: list[PackedSubset | None] = []
        self._recall: Recall | None = None
        self._lists: list[PackedList] = []
        self._listed: Listed | None = None

    def admit(self, sources: Sequence[Sequence[int]]) -> None:
        """Encode sentences, a few hundred tokens at a time."""
        self._encode(sources, self._cache.admit(list(map(len, sources))))
        self._list(sources, [()] * len(sources))
        self.recall([None] * len(sources))

    def resume(self, requests: Sequence[Request]) -> list[list[float]]:
        """Encode what has not been, and read prefixes."""
        sources = [request.source for request in requests]
        said = [request.prefix if request.begins_alike else () for request in requests]
        addresses = self._cache.admit(
            list(map(len, sources)),
            [request.encoder_states for request in requests],
            list(map(len, said)),
        )
        new = [number for number, request in enumerate(requests) if request.encoder_states is None]
        self._encode([sources[number] for number in new], addresses[new])
        self._list(sources, [request.demanded for request in requests])
        log_probs: list[list[float]] = [[] for _ in requests]
        first = self._cache.num_sentences - len(requests)
        begun = [number for number, tokens in enumerate(said) if tokens]
        for lot in lots(begun, lambda number: len(said[number])):
            found = self._read([said[number] for number in lot], [first + n for n in lot])
            for number, scores in zip(lot, found, strict=True):
                log_probs[number] = scores
        self.recall([request.subset for request in requests])
        return log_probs

    def recall(self, subsets: Sequence[Subset | None]) -> None:
        """Compare the sentences that were admitted last with entries of datastores."""
        packed = [None if subset is None else PackedSubset(subset) for subset in subsets]
        before = self._cache.num_sentences - len(packed)
        self._subsets = self._subsets[:before] + packed
        self._recall = neighbours.recall_of(self._subsets, self._cache.beam_size)

    def encoder_states(self, sentence: int) -> Halves:
        """Keys and values of a source, which nobody writes to again."""
        return self._cache.encoder_states(sentence)

    def step(self, tokens: Integers) -> Int8Scores:
        """One token further."""
        work = self._room.of(len(tokens))
        self._cache.make_step()
        self._network.decoder(tokens, self._cache.past, self._cache.beam_size, work)
        self._cache.advance()
        if self._recall is not None:
            entries.find(self._recall, self._cache.beam_size, work.numbers)
        return Int8Scores(self._network.decoder, work, len(tokens), self._recall, self._listed)

    def share_work(self, workers: int) -> None:
        """Have idle cores compute parts of products, or no longer."""
        if workers:
            self._room.board.open(workers)
        else:
            self._room.board.close()

    def search(self, state: State, width: int, most: int) -> tuple[int, bool, bool]:
        """Several tokens further."""
        cache, decoder = self._cache, self._network.decoder
        work = self._room.of(len(state.rows))
        cache.make_step(most)
        beam = cache.beam_size
        tables = self._recall, self._listed
        with self._room.board.watched():
            return decoder.search(cache.past, beam, work, *tables, state, width, most)

    def select(self, rows: Integers, sentences: Sequence[int] | None = None) -> None:
        """Follow the beam."""
        self._cache.select(rows, sentences)
        if sentences is not None:
            self._subsets = [self._subsets[index] for index in sentences]
            self._recall = neighbours.recall_of(self._subsets, self._cache.beam_size)
            if self._lists:
                self._lists = [self._lists[index] for index in sentences]
                self._listed = lists_of(self._lists, self._owners(len(sentences)))

    def _list(self, sources: Sequence[Sequence[int]], demanded: Sequence[Sequence[int]]) -> None:
        """Let the sentences that were admitted last say what their shortlists have."""
        shortlist, whole = self._network.shortlist, self._network.decoder.to_logits
        if shortlist is not None:
            pairs = zip(sources, demanded, strict=True)
            new = [PackedList(whole, shortlist.allowed(*pair)) for pair in pairs]
            self._lists = self._lists + new
            self._listed = lists_of(self._lists, self._owners(len(self._lists)))

    def _owners(self, count: int) -> Integers:
        return np.repeat(np.arange(count), self._cache.beam_size)

    def _encode(self, sources: Sequence[Sequence[int]], cross: Integers) -> None:
        """Fill the keys and values of cross-attention at addresses (G,)."""
        for lot in lots(range(len(sources)), lambda number: len(sources[number])):
            offsets = np.cumsum([0, *(len(sources[number]) for number in lot)])
            tokens = np.fromiter((t for number in lot for t in sources[number]), np.int64)
            work = self._room.of(len(tokens))
            with self._room.board.watched():
                self._network.encoder(tokens, offsets, work)
                self._network.decoder.project_source(offsets, cross[lot], work)

    def _read(
        self, prefixes: Sequence[Sequence[int]], sentences: Sequence[int]
    ) -> list[list[float]]:
        """Read what sentences of the batch have said, and tell how probable every token was."""
        cache, config, decoder = self._cache, self._network.config, self._network.decoder
        forced = Forced.of(
            config,
            [(config.bos_id, *prefix[:-1]) for prefix in prefixes],
            [cache.encoder_states(sentence) for sentence in sentences],
            [int(cache.past.sentences["source_length"][sentence]) for sentence in sentences],
        )
        work = self._room.of(len(forced.tokens))
        decoder(forced.tokens, forced.past, 1, work)
        for sentence, positions in zip(sentences, forced.positions, strict=True):
            cache.positions(sentence)[:, :, :, : positions.shape[3], 0] = positions
        log_probs = np.empty(len(forced.tokens), np.float32)
        said = np.fromiter((token for prefix in prefixes for token in prefix), np.int64)
        owners = np.repeat(np.array(sentences, np.int64), list(map(len, prefixes)))
        listed = None if self._listed is None else self._listed._replace(owners=owners)
        entries.of_tokens(decoder.output.numbers, said, work.numbers, log_probs, listed)
        ends = np.cumsum(list(map(len, prefixes)))
        return [part.tolist() for part in np.split(log_probs, ends[:-1])]


def lots(numbers: Iterable[int], length: Callable[[int], int]) -> Iterator[list[int]]:
    """Sentences in lots of ``ENCODED_TOGETHER`` tokens; a longer one is a lot of its own."""
    lot: list[int] = []
    tokens = 0
    for number in numbers:
        if lot and tokens + length(number) > ENCODED_TOGETHER:
            yield lot
            lot, tokens = [], 0
        lot.append(number)
        tokens += length(number)
    if lot:
        yield lot


class Int8Scores:
    """Scores that are computed when they are asked for; `tformer.model.search.scores.Scores`."""

    def __init__(
        self,
        decoder: _Decoder,
        work: Table,
        rows: int,
        found: Recall | None,
        listed: Listed | None,
    ) -> None:
        """Scores of the hypotheses whose states ``work`` holds in its first ``rows``."""
        self._recall = found
        self._listed = listed
        self._decoder = decoder
        self._work = work
        self._rows = rows
        self._named: dict[int, Floats] = {}
        self._whole: Floats | None = None

    @property
    def vocab_size(self) -> int:
        """V."""
        return self._decoder.vocab_size

    def best(self, width: int, named: Iterable[int] = ()) -> tuple[Floats, Integers]:
        """The most probable tokens, and on the way the named ones and the end of the sentence."""
        rows, output, working = self._rows, self._decoder.output.numbers, self._work.numbers
        log_probs, tokens = np.empty((rows, width), np.float32), np.empty((rows, width), np.int64)
        wanted = list(dict.fromkeys((self._decoder.eos_id, *named)))
        chosen, ids = np.empty((len(wanted), rows), np.float32), np.array(wanted, np.int64)
        tables = self._recall, self._listed
        entries.best(output, ids, working, log_probs, tokens, chosen, *tables)
        self._named = dict(zip(wanted, chosen, strict=True))
        return log_probs, tokens

    def of(self, token: int) -> Floats:
        """One token in every row, (R,).

        The end of the sentence and what ``best`` was told of cost nothing after it; any other as
        much as all, the first time.
        """
        if token in self._named:
            return self._named[token]
        if self._whole is None:
            self._whole = self._log_probs()
        return self._whole[:, token]

    def all(self) -> Tensor:
        """Every log-probability, (R, V), for options that want a tensor."""
        import torch

        return torch.from_numpy(self._log_probs())

    def _log_probs(self) -> Floats:
        """All of them, (R, V); a row's do not depend on the other rows."""
        log_probs = np.empty((self._rows, self.vocab_size), np.float32)
        entries.of_all(self._decoder.output.numbers, self._work.numbers, log_probs, self._listed)
        neighbours.mix_whole(self._recall, log_probs)
        return log_probs
