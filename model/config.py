"""The shape of a Transformer, in the paper's terms, and the presets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from tformer.model.errors import ModelError

NormPlacement = Literal["post", "pre"]
NormKind = Literal["layer", "rms"]
Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]
PositionLayout = Literal["interleaved", "concatenated", "tensor2tensor", "learned", "relative"]
LookBack = Literal["attention", "ssru"]
AttentionFunction = Literal["scaled_dot_product", "dot_product", "additive"]
Architecture = Literal["transformer", "recurrent"]


@dataclass(frozen=True)
class TransformerConfig:
    """Hyper-parameters of the encoder-decoder of "Attention Is All You Need".

    The defaults are the paper's base model (Table 3). What only models of other programs depart
    from comes last.
    """

    vocab_size: int
    """Entries in the joint source-target vocabulary, or in that of the source."""
    d_model: int = 512
    """Width of embeddings and of every sub-layer's output."""
    num_heads: int = 8
    """Attention heads h; each works in d_k = d_v = d_model / h dimensions."""
    d_ff: int = 2048
    """Inner width of the position-wise feed-forward network."""
    num_encoder_layers: int = 6
    num_decoder_layers: int = 6
    dropout: float = 0.1
    """P_drop: on each sub-layer's output and on the sums of embeddings and positions."""
    norm: NormPlacement = "post"
    """Layer normalisation after the residual sum (the paper) or before each sub-layer."""
    activation: Activation = "relu"
    """Non-linearity of the feed-forward network; the paper's is max(0, x)."""
    max_length: int = 512
    """Longest sequence, in vocabulary pieces, for which positions are defined."""
    pad_id: int = 0
    bos_id: int = 1
    """First token that the decoder reads."""
    eos_id: int = 2
    target_vocab_size: int | None = None
    """Entries in a target vocabulary with embeddings of its own; None: source and target share."""
    positions: PositionLayout = "interleaved"
    """Sines and cosines in turn (the paper), all sines before all cosines, the latter with the
    frequencies of tensor2tensor, tables that were learned, or none but a bias of self-attention
    that depends on the distance (T5)."""
    first_position: int = 0
    """First of the computed positions."""
    scale_embedding: bool = True
    """Embeddings times √d_model."""
    logits_bias: bool = False
    """A learned bias a target token on the output projection."""
    own_output: bool = False
    """The output projection has a matrix of its own, not that of the target's embeddings."""
    head_width: int | None = None
    """d_k; None is d_model / h."""
    norm_kind: NormKind = "layer"
    """Layer normalisation, or by the root mean square alone (Zhang & Sennrich, 2019)."""
    norm_epsilon: float = 1e-5
    """Added to the variance in a normalisation."""
    embedding_norm: bool = False
    """Embeddings with their positions are normalised, too."""
    gated: bool = False
    """Inner activations are multiplied by a second projection (Shazeer, 2020)."""
    biases: bool = True
    """Projections have a bias."""
    num_buckets: int = 32
    """Distances that relative positions tell apart."""
    max_distance: int = 128
    """From which on all are one to relative positions."""
    look_back: LookBack = "attention"
    """The decoder's way to look at target positions: masked self-attention (the paper), or the
    simpler simple recurrent unit of Kim et al. (2019)."""
    attention: AttentionFunction = "scaled_dot_product"
    """Scores of attention: q·k/√d_k (the paper), q·k, or vᵀ tanh(q + k) (Bahdanau et al., 2015)."""
    architecture: Architecture = "transformer"
    """The paper's, or LSTM layers with one attention to the source (`network.recurrent`), which
    have no use for ``d_ff``, ``norm`` and ``positions``."""

    def __post_init__(self) -> None:
        """Refuse shapes that no Transformer can have."""
        for name in _COUNTS:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ModelError(f"{name} must be a whole number of at least 1, not {value!r}")
        for name in _OPTIONAL_COUNTS:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ModelError(f"{name} must be at least 1, not {value!r}")
        for name, values in _CHOICES.items():
            if (value := getattr(self, name)) not in values:
                raise ModelError(f"{name} must be one of {', '.join(values)}, not {value!r}")
        if self.d_model % self.num_heads and self.head_width is None:
            raise ModelError(
                f"d_model ({self.d_model}) must be a multiple of num_heads ({self.num_heads})"
            )
        if self.d_model % 2:
            raise ModelError(f"d_model ({self.d_model}) must be even for sinusoidal positions")
        for name in ("dropout", "norm_epsilon"):
            value = getattr(self, name)
            if not isinstance(value, float | int) or not 0 <= value < 1:
                raise ModelError(f"{name} must be in [0, 1), not {value!r}")

    @property
    def d_k(self) -> int:
        """Width of one head's queries, keys and values."""
        return self.head_width or self.d_model // self.num_heads

    @property
    def output_size(self) -> int:
        """Target tokens that there is a logit for, V."""
        return self.target_vocab_size or self.vocab_size

    @property
    def is_common(self) -> bool:
        """True if the networks for CUDA graphs and int8 compute it, and not the eager one alone."""
        return (
            self.biases
            and not self.gated
            and self.norm_kind == "layer"
            and self.positions != "relative"
            and self.d_k * self.num_heads == self.d_model
            and self.attention == "scaled_dot_product"
            and self.architecture == "transformer"
        )

    @property
    def num_cross_layers(self) -> int:
        """Layers of the decoder that attend to the source."""
        return self.num_decoder_layers if self.architecture == "transformer" else 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TransformerConfig:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ModelError: for an unknown or a missing hyper-parameter, so that a model of a newer
                version is refused rather than misread.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise ModelError(f"unknown hyper-parameter {unknown[0]!r}: made by a newer version?")
        try:
            return cls(**values)
        except TypeError as error:
            raise ModelError(f"incomplete model configuration: {error}") from error


@dataclass(frozen=True)
class AlignmentHeads:
    """Cross-attention heads of the decoder that align words."""

    layer: int
    """From 0, the lowest."""
    heads: tuple[int, ...]
    """From 0; their weights are averaged."""
    reads: bool
    """True if a target piece is aligned by the position that reads it (Chen et al., 2020, "Accurate
    Word Alignment Induction from Neural Machine Translation") rather than by the one before, which
    predicts it."""

    @classmethod
    def default(cls, config: TransformerConfig) -> AlignmentHeads:
        """Heads for a model without measurements: all of a layer, where they predict.

        Of six layers it is the fifth, as in Garg et al. (2019), "Jointly Learning to Align and
        Translate with Transformer Models"; of two the second.
        """
        return cls(config.num_cross_layers * 2 // 3, tuple(range(config.num_heads)), reads=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any], config: TransformerConfig) -> AlignmentHeads:
        """Read an entry of ``config.json``.

        Raises:
            ModelError: when the network has no such heads.
        """
        heads = cls(values["layer"], tuple(values["heads"]), values["reads"])
        if not (
            heads.heads
            and isinstance(heads.reads, bool)
            and heads.layer in range(config.num_cross_layers)
            and all(head in range(config.num_heads) for head in heads.heads)
        ):
            raise ModelError(f"alignment {values}: the network has no such heads")
        return heads


@dataclass(frozen=True)
class Calibration:
    """Logistic model of the probability that a sentence is translated well, of one direction.

    P = 1 / (1 + exp(-(offset + per_token a + per_log_length ln n))), where n is the number of
    target tokens, the end included, and a the mean of their log-probabilities: Platt scaling
    (Platt, 1999) of the length-normalised score, with 1 / per_token as its temperature.
    """

    source: str
    """Language that is translated from."""
    target: str
    """Language that is translated into."""
    offset: float
    per_token: float
    per_log_length: float
    threshold: float
    """chrF, 0 to 100, from which on a translation counts as good."""
    segments: int = 0
    """Sentences that it was fitted to."""

    def probability(self, log_probs: Sequence[float]) -> float:
        """Confidence, 0 to 1, from the log-probability of every token and of the end."""
        length = len(log_probs)
        mean = sum(log_probs) / length
        logit = self.offset + self.per_token * mean + self.per_log_length * math.log(length)
        return round(1 / (1 + math.exp(-min(max(logit, -50.0), 50.0))), 4)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """Read an entry of ``config.json``.

        Raises:
            ModelError: when it is none.
        """
        try:
            found = cls(**values)
            numbers = (found.offset, found.per_token, found.per_log_length, found.threshold)
            if all(map(math.isfinite, numbers)):
                return found
        except TypeError:
            pass
        raise ModelError(f"confidence {values}: no calibration, or one of a newer version")


_COUNTS = (
    "vocab_size",
    "d_model",
    "num_heads",
    "d_ff",
    "num_encoder_layers",
    "num_decoder_layers",
    "max_length",
    "num_buckets",
    "max_distance",
)
_OPTIONAL_COUNTS = ("target_vocab_size", "head_width")
_CHOICES: dict[str, tuple[str, ...]] = {
    "norm": get_args(NormPlacement),
    "norm_kind": get_args(NormKind),
    "activation": get_args(Activation),
    "positions": get_args(PositionLayout),
    "look_back": get_args(LookBack),
    "attention": get_args(AttentionFunction),
    "architecture": get_args(Architecture),
}

_BASE = TransformerConfig(vocab_size=37_000)

PRESETS: dict[str, TransformerConfig] = {
    "base": _BASE,
    "big": replace(_BASE, d_model=1024, num_heads=16, d_ff=4096, dropout=0.3),
    "small": replace(
        _BASE,
        vocab_size=8_000,
        d_model=256,
        num_heads=4,
        d_ff=1024,
        num_decoder_layers=2,
        norm="pre",
    ),
}
"""``base`` and ``big`` of the paper's Table 3, with its joint vocabulary of 37,000; ``small`` is
the shape that the model that ships began with: a deep encoder and a shallow decoder, quick on a
plain CPU."""
