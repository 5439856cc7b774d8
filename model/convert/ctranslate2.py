"""Models of ours in the format of CTranslate2.

The directory holds what ``ctranslate2.Translator`` loads, and the files of the vocabulary. Its
input is the tokens that `Vocabulary.encode` gives ids to: the tag of the target language if there
are tags, the pieces of the sentence, the end of the sentence.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tformer.model.config import TransformerConfig
from tformer.model.errors import OutputError, UsageError
from tformer.model.files import replacing_directory
from tformer.model.network.torch_checkpoint import load_model
from tformer.model.network.transformer import (
    DecoderLayer,
    EncoderLayer,
    MultiHeadAttention,
    Transformer,
)
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

Quantization = Literal[
    "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16"
]

_ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "silu": "SWISH"}

Array = npt.NDArray[np.float32]


def export_ctranslate2(model: Path, out: Path, quantization: Quantization | None = None) -> None:
    """Write a model directory of ours as one of CTranslate2.

    Args:
        model: our model directory.
        out: where to; it must not exist.
        quantization: how weights are stored; None is float32.

    Raises:
        UsageError: when the package ctranslate2 is not installed.
        ModelError: when the model is missing or damaged.
        OutputError: when ``out`` exists or cannot be written.
    """
    try:
        specs = importlib.import_module("ctranslate2.specs")
    except ImportError:
        raise UsageError(
            "the package ctranslate2 is not installed; run `pip install ctranslate2`"
        ) from None
    if out.exists():
        raise OutputError(f"{out}: exists; name a folder that does not")
    network, vocabulary, _ = load_model(model, torch.device("cpu"), torch.float32)
    check_plain(network.config)
    spec = _specification(specs, network, vocabulary)
    spec.validate()
    spec.optimize(quantization=quantization)
    _write(spec, vocabulary, out)


def check_plain(config: TransformerConfig) -> None:
    """Refuse a network that other programs than ours are not told about.

    Raises:
        UsageError: it departs too far from the paper's.
    """
    if not config.is_common or config.look_back != "attention" or config.embedding_norm:
        raise UsageError("a model of this kind, which departs from the paper's, cannot be exported")


def _write(spec: Any, vocabulary: AnyVocabulary, out: Path) -> None:
    """All of the directory or nothing."""
    try:
        with replacing_directory(out) as folder:
            spec.save(str(folder))
            vocabulary.save(folder)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error})") from error


def _specification(specs: Any, network: Transformer, vocabulary: AnyVocabulary) -> Any:
    """CTranslate2's description of a network, filled with the parameters."""
    config = network.config
    spec = specs.TransformerSpec.from_config(
        (config.num_encoder_layers, config.num_decoder_layers),
        config.num_heads,
        pre_norm=config.norm == "pre",
        activation=specs.Activation[_ACTIVATIONS[config.activation]],
    )
    _fill_ends(spec, network)
    for part, encoder_layer in zip(spec.encoder.layer, network.encoder, strict=True):
        _fill_layer(part, cast(EncoderLayer, encoder_layer))
    for part, layer in zip(spec.decoder.layer, network.decoder, strict=True):
        decoder_layer = cast(DecoderLayer, layer)
        _fill_layer(part, decoder_layer)
        _fill_cross_attention(part.attention, decoder_layer.cross_attention)
        _fill_norm(part.attention.layer_norm, decoder_layer.around_cross_attention.norm)
    _fill_vocabularies(spec, vocabulary, config)
    return spec


def _fill_ends(spec: Any, network: Transformer) -> None:
    """Embeddings, positions, the last normalisations of pre-norm, and the output projection."""
    spec.encoder.embeddings[0].weight = _array(network.embedding.weight)
    spec.decoder.embeddings.weight = _array(network.target_embedding.weight)
    spec.decoder.projection.weight = _array(network.output_weight)
    if network.logits_bias is not None:
        spec.decoder.projection.bias = _array(network.logits_bias)
    for side, norm, positions in (
        (spec.encoder, network.encoder_norm, network.source_positions),
        (spec.decoder, network.decoder_norm, network.target_positions),
    ):
        side.scale_embeddings = network.embedding_scale
        side.position_encodings.encodings = _array(positions)
        if isinstance(norm, nn.LayerNorm):
            _fill_norm(side.layer_norm, norm)


def _fill_layer(part: Any, layer: EncoderLayer | DecoderLayer) -> None:
    """Fill what layers of the encoder and of the decoder have in common."""
    _fill_self_attention(part.self_attention, layer.self_attention)
    _fill_norm(part.self_attention.layer_norm, layer.around_self_attention.norm)
    _fill_linear(part.ffn.linear_0, layer.feed_forward.inner)
    _fill_linear(part.ffn.linear_1, layer.feed_forward.outer)
    _fill_norm(part.ffn.layer_norm, layer.around_feed_forward.norm)


def _fill_self_attention(part: Any, attention: MultiHeadAttention) -> None:
    """One product for queries, keys and values."""
    _fill_linear(part.linear[0], attention.query, attention.key, attention.value)
    _fill_linear(part.linear[1], attention.output)


def _fill_cross_attention(part: Any, attention: MultiHeadAttention) -> None:
    """One product for queries, one for the keys and values of the memory."""
    _fill_linear(part.linear[0], attention.query)
    _fill_linear(part.linear[1], attention.key, attention.value)
    _fill_linear(part.linear[2], attention.output)


def _fill_linear(part: Any, *linears: nn.Linear) -> None:
    """One projection that does the work of several."""
    part.weight = np.concatenate([_array(linear.weight) for linear in linears])
    part.bias = np.concatenate([_array(linear.bias) for linear in linears])


def _fill_norm(part: Any, norm: nn.Module) -> None:
    assert isinstance(norm, nn.LayerNorm)
    part.gamma = _array(norm.weight)
    part.beta = _array(norm.bias)


def _fill_vocabularies(spec: Any, vocabulary: AnyVocabulary, config: TransformerConfig) -> None:
    source, target = vocabulary.source_tokens, vocabulary.target_tokens
    spec.register_source_vocabulary(source)
    spec.register_target_vocabulary(target)
    spec.config.bos_token = target[config.bos_id]
    spec.config.eos_token = target[config.eos_id]
    spec.config.unk_token = "<unk>"
    spec.config.decoder_start_token = target[config.bos_id]


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().numpy())
