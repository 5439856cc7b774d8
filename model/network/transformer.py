"""The Transformer of "Attention Is All You Need" (Vaswani et al., 2017).

All of it is in this file but the function of attention itself, which is in `network.attention`.

Shapes are written with

    G  sentences            S  source positions     H  heads
    R  hypotheses (G * K)   T  target positions     D  width of a head (d_k)
    K  hypotheses a sentence                        V  vocabulary

Training sees whole target sequences (:meth:`Transformer.forward`); decoding encodes a sentence
once (:meth:`Transformer.encode`) and then takes one position of every hypothesis at a time
(:meth:`Transformer.decode`) over a :class:`~network.kv_cache.DecoderCache` that the caller
owns. Masks are additive, 0 where a query may attend and -inf where it may not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tformer.model.config import TransformerConfig
from tformer.model.network.attention import (
    AdditiveAttention,
    ScaledDotProductAttention,
    attention_function,
)
from tformer.model.network.float32.attending import attended, suits
from tformer.model.network.float32.packed import Packed
from tformer.model.network.kv_cache import DecoderCache
from tformer.model.network.linear import Linear, linear
from tformer.model.network.positions import sinusoidal_positions

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
}


@dataclass(frozen=True)
class EncoderStates:
    """Encoder states of G sentences."""

    states: Tensor
    """(G, S, d_model)"""
    mask: Tensor | None
    """(G, S) bool, True at real positions; None when no sentence is padded."""


@dataclass(frozen=True)
class AttentionWeights:
    """Every attention distribution of one forward pass, a tensor a layer; rows sum to one."""

    encoder: list[Tensor] = field(default_factory=list)
    """Encoder self-attention, (G, H, S, S)."""
    decoder: list[Tensor] = field(default_factory=list)
    """Masked decoder self-attention, (G, H, T, T)."""
    cross: list[Tensor] = field(default_factory=list)
    """Encoder-decoder attention, (G, H, T, S)."""


def padding_mask(real: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Additive mask (G, 1, 1, S) that hides padding, from (G, S) bool; None stays None."""
    if real is None:
        return None
    mask = torch.zeros(real.shape, dtype=dtype, device=real.device)
    return mask.masked_fill_(~real, -math.inf)[:, None, None, :]


def causal_mask(length: int, like: Tensor) -> Tensor:
    """Additive mask (length, length): position t sees positions 0..t."""
    mask = torch.full((length, length), -math.inf, dtype=like.dtype, device=like.device)
    return mask.triu_(1)


class MultiHeadAttention(nn.Module):
    """h attention heads on learned projections, joined by a last one (section 3.2.2)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        width = config.num_heads * config.d_k
        self.query = Linear(config.d_model, width, bias=config.biases)
        self.key = Linear(config.d_model, width, bias=config.biases)
        self.value = Linear(config.d_model, width, bias=config.biases)
        self.output = Linear(width, config.d_model, bias=config.biases)
        self.function = attention_function(config)

    def queries(self, states: Tensor) -> Tensor:
        """Project (B, L, d_model) to (B, H, L, D)."""
        return self._split_heads(self.query(states))

    def keys_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Project (B, L, d_model) to keys and values, each (B, H, L, D)."""
        return self._split_heads(self.key(states)), self._split_heads(self.value(states))

    def attend(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        record: list[Tensor] | None = None,
    ) -> Tensor:
        """Attention of (B, H, T, D) to (B, H, S, D), joined and projected: (B, T, d_model)."""
        plain = record is None and type(self.function) is ScaledDotProductAttention
        if plain and self.output.packed is not None and suits(queries, mask):
            return self.output(attended(queries, keys, values, mask))
        context = self.function(queries, keys, values, mask, record)  # (B, H, T, D)
        return self.output(context.transpose(1, 2).flatten(2))

    def _split_heads(self, states: Tensor) -> Tensor:
        return states.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, L, D)


class FeedForward(nn.Module):
    """FFN(x) = max(0, xW₁ + b₁)W₂ + b₂ at every position alike (section 3.3).

    Gated, what the activation leaves is multiplied by a projection xV + c.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.inner = Linear(config.d_model, config.d_ff, bias=config.biases)
        self.gate = (
            Linear(config.d_model, config.d_ff, bias=config.biases) if config.gated else None
        )
        self.outer = Linear(config.d_ff, config.d_model, bias=config.biases)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, states: Tensor) -> Tensor:
        """(..., d_model) to (..., d_model)."""
        active = self.activation(self.inner(states))
        return self.outer(active if self.gate is None else active * self.gate(states))


def normalisation(config: TransformerConfig) -> nn.Module:
    """A layer normalisation, or one by the root mean square."""
    kind = nn.LayerNorm if config.norm_kind == "layer" else nn.RMSNorm
    return kind(config.d_model, eps=config.norm_epsilon)


class Residual(nn.Module):
    """The residual connection and layer normalisation around one sub-layer (section 3.1).

    Post-norm, as in the paper: LayerNorm(x + Dropout(Sublayer(x))).
    Pre-norm: x + Dropout(Sublayer(LayerNorm(x))), which trains without a long warm-up
    (Xiong et al., 2020).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.norm = normalisation(config)
        self.dropout = nn.Dropout(config.dropout)

    def enter(self, states: Tensor) -> Tensor:
        """Input of the sub-layer."""
        return self.norm(states) if self.pre else states

    def leave(self, states: Tensor, update: Tensor) -> Tensor:
        """Input of the next sub-layer, from ``states`` and the sub-layer's output ``update``."""
        states = states + self.dropout(update)
        return states if self.pre else self.norm(states)


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward (section 3.1)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.around_self_attention = Residual(config)
        self.around_feed_forward = Residual(config)

    def forward(
        self, states: Tensor, mask: Tensor | None, record: list[Tensor] | None = None
    ) -> Tensor:
        """(G, S, d_model) to (G, S, d_model)."""
        entered = self.around_self_attention.enter(states)
        queries = self.self_attention.queries(entered)
        keys, values = self.self_attention.keys_values(entered)
        update = self.self_attention.attend(queries, keys, values, mask, record)
        states = self.around_self_attention.leave(states, update)
        update = self.feed_forward(self.around_feed_forward.enter(states))
        return self.around_feed_forward.leave(states, update)


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the encoder states, feed-forward (section 3.1)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.cross_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.around_self_attention = Residual(config)
        self.around_cross_attention = Residual(config)
        self.around_feed_forward = Residual(config)

    def forward(
        self,
        states: Tensor,
        encoded: Tensor,
        mask: Tensor,
        source_mask: Tensor | None,
        weights: AttentionWeights | None = None,
    ) -> Tensor:
        """All target positions at once, (G, T, d_model) to (G, T, d_model)."""
        entered = self.around_self_attention.enter(states)
        update = self.look_back(entered, mask, weights.decoder if weights else None)
        states = self.around_self_attention.leave(states, update)

        queries = self.cross_attention.queries(self.around_cross_attention.enter(states))
        keys, values = self.cross_attention.keys_values(encoded)
        record = weights.cross if weights else None
        update = self.cross_attention.attend(queries, keys, values, source_mask, record)
        states = self.around_cross_attention.leave(states, update)

        update = self.feed_forward(self.around_feed_forward.enter(states))
        return self.around_feed_forward.leave(states, update)

    def step(
        self,
        states: Tensor,
        layer: int,
        cache: DecoderCache,
        self_mask: Tensor,
        source_mask: Tensor | None,
        weights: list[Tensor] | None = None,
    ) -> Tensor:
        """One target position of every hypothesis, (R, 1, d_model) to (R, 1, d_model)."""
        entered = self.around_self_attention.enter(states)
        update = self.look_back_once(entered, layer, cache, self_mask)
        states = self.around_self_attention.leave(states, update)

        # The K hypotheses of a sentence are K queries to the same states, which are never copied.
        entered = self.around_cross_attention.enter(states)
        entered = entered.view(-1, cache.beam_size, entered.size(-1))  # (G, K, d_model)
        queries = self.cross_attention.queries(entered)  # (G, H, K, D)
        keys, values = cache.cross_keys[layer], cache.cross_values[layer]  # (G, H, S, D)
        update = self.cross_attention.attend(queries, keys, values, source_mask)
        if weights is not None:  # beside the fused kernel, so that states do not change by a bit
            weights.append(self.cross_attention.function.weights(queries, keys, source_mask))
        states = self.around_cross_attention.leave(states, update.view_as(states))

        update = self.feed_forward(self.around_feed_forward.enter(states))
        return self.around_feed_forward.leave(states, update)

    def look_back(
        self, entered: Tensor, mask: Tensor, record: list[Tensor] | None = None
    ) -> Tensor:
        """The first sub-layer, of all positions: (G, T, d_model) to (G, T, d_model)."""
        queries = self.self_attention.queries(entered)
        keys, values = self.self_attention.keys_values(entered)
        return self.self_attention.attend(queries, keys, values, mask, record)

    def look_back_once(
        self, entered: Tensor, layer: int, cache: DecoderCache, mask: Tensor
    ) -> Tensor:
        """The first sub-layer, of the newest position: (R, 1, d_model) to (R, 1, d_model)."""
        queries = self.self_attention.queries(entered)  # (R, H, 1, D)
        keys, values = cache.append(layer, *self.self_attention.keys_values(entered))
        return self.self_attention.attend(queries, keys, values, mask)


class Transformer(nn.Module):
    """The encoder-decoder, with one embedding matrix for source, target and output.

    Where the target has a vocabulary of its own, it and the output share a second matrix.
    `network.variants` has what other architectures do otherwise.
    """

    positions: Tensor
    """(max_length, d_model) float32"""
    _packed_output: Packed | None = None
    ENCODER_LAYER: ClassVar[type[nn.Module]] = EncoderLayer
    DECODER_LAYER: ClassVar[type[nn.Module]] = DecoderLayer

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.own_target_embedding = (
            nn.Embedding(config.target_vocab_size, config.d_model)
            if config.target_vocab_size
            else None
        )
        self.logits_bias = (
            nn.Parameter(torch.zeros(self.target_embedding.num_embeddings))
            if config.logits_bias
            else None
        )
        self.embedding_scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
        self.encoder = nn.ModuleList(
            self.ENCODER_LAYER(config) for _ in range(config.num_encoder_layers)
        )
        self.decoder = nn.ModuleList(
            self.DECODER_LAYER(config) for _ in range(config.num_decoder_layers)
        )
        # Pre-norm leaves the last residual sums unnormalised; post-norm needs nothing here.
        pre = config.norm == "pre"
        self.encoder_norm = normalisation(config) if pre else nn.Identity()
        self.decoder_norm = normalisation(config) if pre else nn.Identity()
        self.source_embedding_norm, self.target_embedding_norm = (
            normalisation(config) if config.embedding_norm else nn.Identity() for _ in range(2)
        )
        self.output_matrix = (
            nn.Embedding(config.output_size, config.d_model) if config.own_output else None
        )
        self.dropout = nn.Dropout(config.dropout)
        positions = torch.from_numpy(
            sinusoidal_positions(
                config.max_length, config.d_model, config.positions, config.first_position
            )
        )
        self.register_buffer("positions", positions, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot-uniform projections, zero biases, embeddings N(0, 1/d_model)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm | nn.RMSNorm | AdditiveAttention):
                module.reset_parameters()
        for embedding in [module for module in self.modules() if isinstance(module, nn.Embedding)]:
            nn.init.normal_(embedding.weight, std=self.config.d_model**-0.5)

    def pack(self) -> None:
        """Lay out projections for translation in float32 on the CPU, see `network.float32`.

        Nothing can be learned any more, nor are there parameters to be saved.
        """
        for module in self.modules():
            if isinstance(module, Linear):
                module.pack()
        self._packed_output = Packed(self.output_weight, self.logits_bias)
        if self.output_matrix is not None:
            del self.output_matrix.weight

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The parameters by name, for networks without torch (`checkpoint.weights`)."""
        return {
            name: parameter.detach().to("cpu", torch.float32).numpy()
            for name, parameter in self.named_parameters()
        }

    @property
    def target_embedding(self) -> nn.Embedding:
        """The matrix of the target and the output."""
        return self.embedding if self.own_target_embedding is None else self.own_target_embedding

    @property
    def output_weight(self) -> Tensor:
        """The matrix of the output projection, (V, d_model)."""
        return (self.target_embedding if self.output_matrix is None else self.output_matrix).weight

    @property
    def source_positions(self) -> Tensor:
        """Positional encodings of the source, (max_length, d_model)."""
        return self.positions

    @property
    def target_positions(self) -> Tensor:
        """Positional encodings of the target, (max_length, d_model)."""
        return self.positions

    # -- whole sequences ------------------------------------------------------------------

    def forward(self, source: Tensor, source_lengths: Tensor | None, target: Tensor) -> Tensor:
        """Logits of every next target token, given the ones before it (teacher forcing).

        Args:
            source: (G, S) int64 token ids, padded on the right.
            source_lengths: (G,) int64, or None when no sentence is padded.
            target: (G, T) int64 token ids beginning with ``bos_id``.

        Returns:
            (G, T, V) float32.
        """
        return self.project(self.target_states(source, source_lengths, target))

    def target_states(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        target: Tensor,
        weights: AttentionWeights | None = None,
    ) -> Tensor:
        """Like :meth:`forward`, but (G, T, d_model): what the output projection reads."""
        encoded = self.encode(source, source_lengths, weights)
        positions = self.target_positions[: target.size(1)]
        states = self._embed_target(target, positions)  # (G, T, d_model)
        mask = causal_mask(target.size(1), states)
        source_mask = padding_mask(encoded.mask, states.dtype)
        for layer in self.decoder:
            states = layer(states, encoded.states, mask, source_mask, weights)
        return self.decoder_norm(states)

    def attention_weights(
        self, source: Tensor, source_lengths: Tensor | None, target: Tensor
    ) -> AttentionWeights:
        """Weights of every layer and head for the arguments of :meth:`forward`."""
        weights = AttentionWeights()
        self.target_states(source, source_lengths, target, weights)
        return weights

    # -- decoding, a position at a time ---------------------------------------------------

    def encode(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        weights: AttentionWeights | None = None,
    ) -> EncoderStates:
        """Encode G sentences.

        Args:
            source: (G, S) int64 token ids, padded on the right.
            source_lengths: (G,) int64, or None when no sentence is padded.
            weights: where to record the attention weights, if they are wanted.
        """
        real = None
        if source_lengths is not None:
            real = torch.arange(source.size(1), device=source.device) < source_lengths[:, None]
        positions = self.source_positions[: source.size(1)]
        states = self._embed(self.embedding, source, positions)  # (G, S, d_model)
        states = self.source_embedding_norm(states)
        mask = padding_mask(real, states.dtype)
        for layer in self.encoder:
            states = layer(states, mask, weights.encoder if weights else None)
        return EncoderStates(self.encoder_norm(states), real)

    def start_cache(self, encoded: EncoderStates, beam_size: int) -> DecoderCache:
        """An empty cache for ``beam_size`` hypotheses of each sentence in ``encoded``.

        Keys and values of cross-attention are projected here, once per sentence and layer.
        """
        layers = self._decoder_layers()
        projected = [layer.cross_attention.keys_values(encoded.states) for layer in layers]
        mask = encoded.mask
        if mask is None:
            mask = encoded.states.new_ones(encoded.states.shape[:2], dtype=torch.bool)
        return DecoderCache(
            cross_keys=[keys for keys, _ in projected],
            cross_values=[values for _, values in projected],
            source_mask=mask,
            beam_size=beam_size,
        )

    def decode(
        self, tokens: Tensor, cache: DecoderCache, weights: list[Tensor] | None = None
    ) -> Tensor:
        """Logits of the token after each of ``tokens``; adds one position to ``cache``.

        Args:
            tokens: (R,) int64, the newest token of every hypothesis.
            cache: of the positions before; row r belongs to sentence r // beam_size.
            weights: when given, the encoder-decoder attention (G, H, K, S) of every layer is
                appended to it.

        Returns:
            (R, V) float32.
        """
        return self.project(self.decoded(tokens, cache, weights))

    def decoded(
        self, tokens: Tensor, cache: DecoderCache, weights: list[Tensor] | None = None
    ) -> Tensor:
        """Like :meth:`decode`, but (R, d_model): what the output projection reads."""
        positions = self.target_positions[cache.positions]  # (R, d_model)
        states = self._embed_target(tokens, positions)[:, None]  # (R, 1, d_model)
        self_mask = padding_mask(cache.self_mask(), states.dtype)
        assert self_mask is not None
        source_mask = padding_mask(cache.source_mask, states.dtype)
        for index, layer in enumerate(self._decoder_layers()):
            states = layer.step(states, index, cache, self_mask, source_mask, weights)
        cache.advance()
        return self.decoder_norm(states[:, 0])

    def _decoder_layers(self) -> list[DecoderLayer]:
        return cast("list[DecoderLayer]", list(self.decoder))

    # -- both ends ------------------------------------------------------------------------

    def project(self, states: Tensor) -> Tensor:
        """Logits (..., V) from decoder states (..., d_model), in float32 or wider."""
        if self._packed_output is not None:
            return self._packed_output(states)
        logits = linear(states, self.output_weight, self.logits_bias)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _embed_target(self, tokens: Tensor, positions: Tensor) -> Tensor:
        return self.target_embedding_norm(self._embed(self.target_embedding, tokens, positions))

    def _embed(self, embedding: nn.Embedding, tokens: Tensor, positions: Tensor) -> Tensor:
        """Embeddings times √d_model plus positions (sections 3.4 and 3.5)."""
        embedded = embedding(tokens) * self.embedding_scale
        return self.dropout(embedded + positions.to(embedded.dtype))
