"""The Transformer in int8 on the CPU: the same network as `tformer.model.transformer`, held to it
by tests, as products of int8 matrices with one kernel between each two.

Keys and values of a hypothesis stay where they were written. A beam that is reordered moves a table
of small numbers, which says for every hypothesis and position whose keys these are; the hypotheses
of a sentence share their common past. Sentences that come take free places, those that leave give
theirs back, and nobody else is moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tformer.model.config import TransformerConfig
from tformer.model.int8 import kernels
from tformer.model.int8.cache import Cache, Integers
from tformer.model.int8.kernels import Norm, Shape, Work
from tformer.model.int8.products import Floats, Linear, filled, quantised
from tformer.model.transformer import DecoderLayer, EncoderLayer, MultiHeadAttention, Transformer

ENCODED_TOGETHER = 512
"""Source tokens, about: so many that products are quick, so few that they stay in the cache."""

_ACTIVATIONS = {"relu": kernels.RELU, "gelu": kernels.GELU, "silu": kernels.SILU}


class Int8:
    """A Transformer's weights in int8; satisfies `tformer.model.decoding.Network`."""

    device = torch.device("cpu")
    dtype = "int8"

    def __init__(self, transformer: Transformer) -> None:
        """Quantise the weights of ``transformer``, which is not needed afterwards.

        Raises:
            ModelError: when they hold NaN or infinities.
        """
        self.config = transformer.config
        self.encoder = _Encoder(transformer)
        self.decoder = _Decoder(transformer)

    def start(self, beam_size: int) -> Int8Decoding:
        """An empty batch."""
        return Int8Decoding(self, beam_size)


def _linear(module: torch.nn.Linear) -> Linear:
    return quantised((module.weight, module.bias))


def _projections(attention: MultiHeadAttention, *names: str) -> Linear:
    """Projections of one input, side by side."""
    modules = [getattr(attention, name) for name in names]
    return quantised(*((module.weight, module.bias) for module in modules))


def _norm(module: torch.nn.Module) -> Norm:
    if isinstance(module, torch.nn.Identity):
        return Norm(np.ones(0, np.float32), np.zeros(0, np.float32))
    weight, bias = (getattr(module, name).detach().float() for name in ("weight", "bias"))
    return Norm(weight.numpy(), bias.numpy())


class _Stack:
    """What encoder and decoder have in common: embeddings, and sub-layers with norms."""

    def __init__(
        self, transformer: Transformer, embedding: Tensor, norms: list[torch.nn.Module]
    ) -> None:
        """A stack with the ``norms`` of its sub-layers and its last one, which may be none."""
        config = transformer.config
        pre = config.norm == "pre"
        self.shape = Shape(config.num_heads, pre, _ACTIVATIONS[config.activation])
        self._embedding: Floats = embedding.detach().float().numpy()
        self._encodings: Floats = transformer.positions.numpy()
        self._scale = np.float32(transformer.embedding_scale)
        self._first = _norm(norms[0])
        # Sub-layer i is followed by its own normalisation or, where that comes before, the next's.
        self.after = iter([_norm(norm) for norm in (norms[1:] if pre else norms[:-1])])

    def enter(self, tokens: Integers, positions: Integers, work: Work) -> None:
        """Begin with the embeddings of ``tokens`` (N,) at ``positions`` (N,)."""
        table, encodings, scale = self._embedding, self._encodings, self._scale
        kernels.enter(tokens, positions, table, encodings, scale, self.shape, self._first, work)


class _Encoder(_Stack):
    """Sentences, one after the other without padding, to their memory."""

    def __init__(self, transformer: Transformer) -> None:
        modules = cast("list[EncoderLayer]", list(transformer.encoder))
        norms = [
            around.norm
            for layer in modules
            for around in (layer.around_self_attention, layer.around_feed_forward)
        ]
        last = transformer.encoder_norm
        super().__init__(transformer, transformer.embedding.weight, [*norms, last])
        self._layers = [
            kernels.EncoderLayer(
                _projections(layer.self_attention, "query", "key", "value"),
                _linear(layer.self_attention.output),
                _linear(layer.feed_forward.inner),
                _linear(layer.feed_forward.outer),
                next(self.after),
                next(self.after),
            )
            for layer in modules
        ]

    def __call__(self, tokens: Integers, offsets: Integers, work: Work) -> None:
        """Leave in ``work`` the memory of ``tokens`` (N,), of sentence g from offsets[g] on."""
        positions = np.arange(tokens.shape[0]) - np.repeat(offsets[:-1], np.diff(offsets))
        self.enter(tokens, positions, work)
        for layer in self._layers:
            kernels.encoder_layer(layer, self.shape, offsets, work)


class _Decoder(_Stack):
    """One position of every hypothesis, to the scores of the next token."""

    def __init__(self, transformer: Transformer) -> None:
        modules = cast("list[DecoderLayer]", list(transformer.decoder))
        norms = [
            around.norm
            for layer in modules
            for around in (
                layer.around_self_attention,
                layer.around_cross_attention,
                layer.around_feed_forward,
            )
        ]
        embedding = transformer.target_embedding.weight
        super().__init__(transformer, embedding, [*norms, transformer.decoder_norm])
        self._layers = [
            kernels.DecoderLayer(
                _projections(layer.self_attention, "query", "key", "value"),
                _linear(layer.self_attention.output),
                _linear(layer.cross_attention.query),
                _linear(layer.cross_attention.output),
                _linear(layer.feed_forward.inner),
                _linear(layer.feed_forward.outer),
                next(self.after),
                next(self.after),
                next(self.after),
            )
            for layer in modules
        ]
        self._memory = [_projections(layer.cross_attention, "key", "value") for layer in modules]
        self.output = quantised((embedding, transformer.logits_bias))
        self.vocab_size: int = embedding.shape[0]
        self.eos_id = transformer.config.eos_id

    def remember(self, offsets: Integers, memories: Integers, work: Work) -> None:
        """Project the memory in ``work`` to the addresses ``memories`` (G,) of its sentences."""
        for number, linear in enumerate(self._memory):
            kernels.remember(number, linear, offsets, memories, work)

    def __call__(self, tokens: Integers, cache: Cache, work: Work) -> None:
        """Leave in ``work`` what the output projection reads of each hypothesis."""
        past, beam = cache.past, cache.beam_size
        self.enter(tokens, np.repeat(past.steps, beam), work)
        for number, layer in enumerate(self._layers):
            kernels.decoder_layer(number, layer, self.shape, beam, past, work)
        cache.advance()


class _Room:
    """Memory for work that grows with the widest batch; fresh pages cost more than sums."""

    def __init__(self, config: TransformerConfig) -> None:
        self._config = config
        self._work: Work | None = None

    def of(self, rows: int) -> Work:
        """Memory for so many rows at least."""
        if self._work is None or self._work.states.shape[0] < rows:
            self._work = self._allocated(max(rows, kernels.TOGETHER))
        return self._work

    def _allocated(self, rows: int) -> Work:
        config = self._config
        d, d_ff = filled(config.d_model), filled(config.d_ff)
        vocabulary = filled(config.target_vocab_size or config.vocab_size)
        # Queries, keys and values of all rows; inner activations or logits of a few.
        widest = max(3 * d * rows, kernels.TOGETHER * d_ff, kernels.LOGITS_TOGETHER * vocabulary)

        def activations(width: int) -> tuple[NDArray[np.uint8], Floats]:
            return np.zeros((rows, width), np.uint8), np.zeros(rows, np.float32)

        states = np.zeros((rows, config.d_model), np.float32)
        sums = np.empty(widest, np.int32)
        return Work(states, *activations(d), *activations(d), *activations(d_ff), sums)


class Int8Decoding:
    """A batch under way; satisfies `tformer.model.decoding.Decoding`."""

    def __init__(self, network: Int8, beam_size: int) -> None:
        """An empty batch."""
        self._network = network
        self._cache = Cache(network.config, beam_size)
        self._room = _Room(network.config)

    def admit(self, sources: Sequence[Sequence[int]]) -> None:
        """Encode sentences, a few hundred tokens at a time."""
        for lot in _lots(sources):
            offsets = np.cumsum([0, *map(len, lot)])
            tokens = np.fromiter((token for source in lot for token in source), np.int64)
            work = self._room.of(len(tokens))
            self._network.encoder(tokens, offsets, work)
            memories = self._cache.admit(list(map(len, lot)))
            self._network.decoder.remember(offsets, memories, work)

    def step(self, tokens: Tensor) -> Int8Scores:
        """One token further."""
        work = self._room.of(len(tokens))
        self._cache.make_step()
        self._network.decoder(tokens.numpy(), self._cache, work)
        return Int8Scores(self._network.decoder, work, len(tokens))

    def select(self, rows: Tensor, sentences: Sequence[int] | None = None) -> None:
        """Follow the beam."""
        self._cache.select(rows.numpy(), sentences)


def _lots(sources: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """Sentences in lots of ``ENCODED_TOGETHER`` tokens; a longer one is a lot of its own."""
    lot: list[Sequence[int]] = []
    tokens = 0
    for source in sources:
        if lot and tokens + len(source) > ENCODED_TOGETHER:
            yield lot
            lot, tokens = [], 0
        lot.append(source)
        tokens += len(source)
    yield lot


class Int8Scores:
    """Scores that are computed when they are asked for; `tformer.model.scores.Scores`."""

    def __init__(self, decoder: _Decoder, work: Work, rows: int) -> None:
        """Scores of the hypotheses whose states ``work`` holds in its first ``rows``."""
        self._decoder = decoder
        self._work = work
        self._rows = rows
        self._end: Tensor | None = None
        self._whole: Tensor | None = None

    @property
    def vocab_size(self) -> int:
        """V."""
        return self._decoder.vocab_size

    def best(self, width: int) -> tuple[Tensor, Tensor]:
        """The most probable tokens, and on the way the end of the sentence."""
        log_probs, self._end = torch.empty(self._rows, width), torch.empty(self._rows)
        tokens = torch.empty(self._rows, width, dtype=torch.int64)
        decoder = self._decoder
        kernels.best(
            decoder.output,
            decoder.vocab_size,
            decoder.eos_id,
            self._work,
            log_probs.numpy(),
            tokens.numpy(),
            self._end.numpy(),
        )
        return log_probs, tokens

    def of(self, token: int) -> Tensor:
        """One token in every row, (R,); the end of the sentence costs nothing after ``best``.

        Any other costs as much as all, the first time.
        """
        if token == self._decoder.eos_id and self._end is not None:
            return self._end
        if self._whole is None:
            self._whole = self.all()
        return self._whole[:, token]

    def all(self) -> Tensor:
        """Every log-probability, (R, V)."""
        logits = torch.empty(self._rows, self.vocab_size)
        kernels.logits(self._decoder.output, self._work, logits.numpy())
        return logits.log_softmax(-1)
