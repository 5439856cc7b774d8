"""A recurrent encoder-decoder with attention, as in the work that the paper compares with.

    encoder    bidirectional LSTM layers (Bahdanau et al., 2015), from the second on with a residual
    decoder    LSTM layers; what the last says attends to the encoder states once, and both together
               predict: tanh(W[c; h]) (Luong et al., 2015, "global attention"); no input feeding, so
               that training sees all target positions in one call of `torch.nn.LSTM`

Embeddings, vocabulary, batches, attention function and output are those of the Transformer. What a
configuration says of feed-forward networks, normalisation and positions means nothing here: order
is known by recurrence. A baseline to learn from and to measure against.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from tformer.model.config import TransformerConfig
from tformer.model.network.kv_cache import DecoderCache
from tformer.model.network.linear import ROWS, Linear, linear
from tformer.model.network.transformer import (
    AttentionWeights,
    EncoderStates,
    MultiHeadAttention,
    Transformer,
    padding_mask,
)


class LSTM(nn.LSTM):
    """One layer, whose forget gates begin open."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(width, hidden, batch_first=True)

    def reset_parameters(self) -> None:
        """Uniform in ±1/√hidden, with a bias of the forget gate of 1 (Jozefowicz et al., 2015)."""
        super().reset_parameters()
        with torch.no_grad():
            self.bias_ih_l0[self.hidden_size : 2 * self.hidden_size].fill_(1)

    def whole(self, states: Tensor, begin: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """All positions, (B, L, d) to (B, L, hidden), from h and c (B, hidden) each."""
        first = None if begin is None else (begin[0][None], begin[1][None])
        return cast("Tensor", self(states, first)[0])

    def once(self, states: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One position, (B, d): h and c, (B, hidden) each, of which no row depends on others."""
        gates = linear(states, self.weight_ih_l0, self.bias_ih_l0)
        gates = gates + linear(hidden, self.weight_hh_l0, self.bias_hh_l0)
        entry, forget, candidate, output = gates.chunk(4, -1)
        cell = forget.sigmoid() * cell + entry.sigmoid() * candidate.tanh()
        return output.sigmoid() * cell.tanh(), cell


class BidirectionalLayer(nn.Module):
    """An LSTM from the left and one from the right, half as wide each."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.d_model
        self.forwards, self.backwards = LSTM(width, width // 2), LSTM(width, width // 2)

    def forward(self, states: Tensor, reverse: Tensor) -> Tensor:
        """(G, S, d_model) to (G, S, d_model); ``reverse`` as of :func:`reversed_positions`."""
        if torch.is_grad_enabled():
            return self._read(states, reverse)
        # Of as many sentences as kernels take at a time, so that none depends on its neighbours.
        sentences = states.size(0)
        missing = -sentences % ROWS
        if missing:
            states = torch.cat([states, states.new_zeros(missing, *states.shape[1:])])
            reverse = torch.cat([reverse, reverse[:1].expand(missing, -1)])
        return self._read(states, reverse)[:sentences]

    def _read(self, states: Tensor, reverse: Tensor) -> Tensor:
        index = reverse[..., None]
        turned = states.gather(1, index.expand_as(states))
        found = self.backwards.whole(turned)
        left = self.forwards.whole(states)
        return torch.cat([left, found.gather(1, index.expand_as(found))], -1)


class DecoderLSTMLayer(nn.Module):
    """An LSTM over target positions."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.recurrence = LSTM(config.d_model, config.d_model)


def reversed_positions(lengths: Tensor, width: int) -> Tensor:
    """(G, width) int64: the last real position comes first; padding stays where it is."""
    places = torch.arange(width, device=lengths.device)
    turned = lengths[:, None] - 1 - places
    return torch.where(turned < 0, places, turned)


class RecurrentNetwork(Transformer):
    """The encoder-decoder by recurrence, with the interface of the Transformer."""

    ENCODER_LAYER = BidirectionalLayer
    DECODER_LAYER = DecoderLSTMLayer

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.encoder_norm, self.decoder_norm = nn.Identity(), nn.Identity()
        self.positions = torch.zeros(config.max_length, config.d_model, device="cpu")
        self.beginning = Linear(config.d_model, config.num_decoder_layers * config.d_model)
        self.attention = MultiHeadAttention(config)
        self.combination = Linear(2 * config.d_model, config.d_model)
        self.reset_parameters()

    def encode(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        weights: AttentionWeights | None = None,
    ) -> EncoderStates:
        """Encoder states of G sentences; arguments as of `Transformer.encode`."""
        width = source.size(1)
        lengths = source_lengths
        if lengths is None:
            lengths = torch.full((source.size(0),), width, device=source.device)
        reverse = reversed_positions(lengths, width)
        states = self._embed(self.embedding, source, self.positions[:width])
        for number, layer in enumerate(self.encoder):
            update = layer(states, reverse)
            states = states + self.dropout(update) if number else update
        real = None
        if source_lengths is not None:
            real = torch.arange(width, device=source.device) < source_lengths[:, None]
        return EncoderStates(states, real)

    def target_states(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target: Tensor,
        weights: AttentionWeights | None = None,
    ) -> Tensor:
        """(G, T, d_model), what the output projection reads; only ``weights.cross`` is filled."""
        encoded = self.encode(source, source_lengths, weights)
        states = self._embed_target(target, self.positions[: target.size(1)])
        begin = self._begin(encoded)
        for number, layer in enumerate(self._recurrences()):
            hidden = begin[:, number].contiguous()
            update = layer.whole(states, (hidden, torch.zeros_like(hidden)))
            states = states + self.dropout(update) if number else update
        queries = self.attention.queries(states)
        keys, values = self.attention.keys_values(encoded.states)
        mask = padding_mask(encoded.mask, states.dtype)
        record = weights.cross if weights else None
        context = self.attention.attend(queries, keys, values, mask, record)
        return self._combined(context, states)

    def start_cache(self, encoded: EncoderStates, beam_size: int) -> DecoderCache:
        """A cache with the first h of every layer, and cells of zeros."""
        keys, values = self.attention.keys_values(encoded.states)
        mask = encoded.mask
        if mask is None:
            mask = encoded.states.new_ones(encoded.states.shape[:2], dtype=torch.bool)
        cache = DecoderCache([keys], [values], mask, beam_size)
        begin = self._begin(encoded).repeat_interleave(beam_size, 0)  # (R, layers, d_model)
        for hidden in begin.unbind(1):
            cache.cells += [hidden, torch.zeros_like(hidden)]
        return cache

    def decoded(
        self, tokens: Tensor, cache: DecoderCache, weights: list[Tensor] | None = None
    ) -> Tensor:
        """(R, d_model), what the output projection reads; arguments as of `Transformer.decode`."""
        states = self._embed_target(tokens, self.positions[cache.positions])
        for number, layer in enumerate(self._recurrences()):
            h, c = 2 * number, 2 * number + 1
            update, cache.cells[c] = layer.once(states, cache.cells[h], cache.cells[c])
            cache.cells[h] = update
            states = states + update if number else update
        queries = self.attention.queries(states.unflatten(0, (-1, cache.beam_size)))
        keys, values = cache.cross_keys[0], cache.cross_values[0]
        mask = padding_mask(cache.source_mask, states.dtype)
        context = self.attention.attend(queries, keys, values, mask)
        if weights is not None:
            weights.append(self.attention.function.weights(queries, keys, mask))
        cache.advance()
        return self._combined(context.flatten(0, 1), states)

    def _begin(self, encoded: EncoderStates) -> Tensor:
        """First h of every layer, (G, layers, d_model), from what has read all from the right."""
        begin = self.beginning(encoded.states[:, 0]).tanh()
        return cast("Tensor", begin.unflatten(-1, (-1, self.config.d_model)))

    def _combined(self, context: Tensor, states: Tensor) -> Tensor:
        """tanh(W[c; h]), (..., d_model)."""
        joined = self.combination(torch.cat([context, states], -1)).tanh()
        return cast("Tensor", self.dropout(joined))

    def _recurrences(self) -> list[LSTM]:
        return [cast("DecoderLSTMLayer", layer).recurrence for layer in self.decoder]
