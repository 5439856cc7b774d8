"""Models of ours as models of the package transformers, so that its `generate` can be measured.

Post-norm networks become a `MarianMTModel`, pre-norm networks an `M2M100ForConditionalGeneration`:
the same layers in the same order. Both compute sinusoidal positions of their own, in another layout
or with other frequencies than the paper's, so ours are kept beside the model in
``positions.safetensors`` and put in their place by :func:`load_transformers`. With these the logits
are ours (tests/test_importers_huggingface.py).
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tformer.model.convert.ctranslate2 import check_plain
from tformer.model.errors import OutputError, UsageError
from tformer.model.network.torch_checkpoint import load_model
from tformer.model.network.transformer import Transformer

POSITIONS = "positions.safetensors"
"""Our positional encodings, (max_length, d_model) float32, in a file of their own."""

_RENAMED = (
    (r"^(encoder|decoder)\.(\d+)\.", r"model.\1.layers.\2."),
    (r"^(encoder|decoder)_norm\.", r"model.\1.layer_norm."),
    (r"\.around_self_attention\.norm\.", ".self_attn_layer_norm."),
    (r"\.around_cross_attention\.norm\.", ".encoder_attn_layer_norm."),
    (r"\.around_feed_forward\.norm\.", ".final_layer_norm."),
    (r"\.self_attention\.", ".self_attn."),
    (r"\.cross_attention\.", ".encoder_attn."),
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"\.output\.", ".out_proj."),
    (r"\.feed_forward\.inner\.", ".fc1."),
    (r"\.feed_forward\.outer\.", ".fc2."),
)

_EMBEDDINGS = ("embedding.weight", "own_target_embedding.weight", "logits_bias")


def export_transformers(model: Path, out: Path) -> None:
    """Write a model directory of ours for :func:`load_transformers`, in float32.

    Raises:
        UsageError: when the package transformers is not installed, or none of its models computes
            what this one does.
        ModelError: when the model is missing or damaged.
        OutputError: when ``out`` cannot be written.
    """
    network, _, _ = load_model(model, torch.device("cpu"), torch.float32)
    theirs = transformers_model(network)
    try:
        theirs.save_pretrained(out)
        save_file({"positions": network.positions.contiguous()}, out / POSITIONS)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error})") from error


def load_transformers(folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """Load the output of :func:`export_transformers`: a model with `generate`, in evaluation
    mode."""
    transformers = _transformers()
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=dtype)
    _set_positions(theirs, load_file(folder / POSITIONS)["positions"])
    return theirs.to(device).eval()


def transformers_model(network: Transformer) -> Any:
    """A network of ours, in float32 on the CPU, as one of theirs with the same logits.

    Raises:
        UsageError: as :func:`export_transformers`.
    """
    transformers = _transformers()
    check_plain(network.config)
    if network.config.own_output or network.config.positions == "learned":
        raise UsageError("transformers is not told of a model with these matrices of its own")
    settings = _settings(network)
    if network.config.norm == "post":
        kind, config = transformers.MarianMTModel, transformers.MarianConfig(**settings)
    else:
        _refuse_what_pre_norm_lacks(network)
        kind, config = (
            transformers.M2M100ForConditionalGeneration,
            transformers.M2M100Config(**settings),
        )
    theirs = kind(config).eval()
    wrong = theirs.load_state_dict(_their_parameters(network), strict=False)
    missing = [name for name in wrong.missing_keys if "embed_positions" not in name]
    assert not missing and not wrong.unexpected_keys, (missing, wrong.unexpected_keys)
    _set_positions(theirs, network.positions)
    return theirs


def _transformers() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError:
        raise UsageError(
            "the package transformers is not installed; run `pip install transformers`"
        ) from None


def _refuse_what_pre_norm_lacks(network: Transformer) -> None:
    if network.own_target_embedding is not None or network.logits_bias is not None:
        raise UsageError(
            "transformers has no pre-norm model with a target vocabulary of its own or a bias on "
            "its logits"
        )


def _settings(network: Transformer) -> dict[str, Any]:
    """Our hyper-parameters in their words."""
    config = network.config
    return {
        "vocab_size": config.vocab_size,
        "decoder_vocab_size": config.target_vocab_size or config.vocab_size,
        "share_encoder_decoder_embeddings": config.target_vocab_size is None,
        "d_model": config.d_model,
        "encoder_layers": config.num_encoder_layers,
        "decoder_layers": config.num_decoder_layers,
        "encoder_attention_heads": config.num_heads,
        "decoder_attention_heads": config.num_heads,
        "encoder_ffn_dim": config.d_ff,
        "decoder_ffn_dim": config.d_ff,
        "activation_function": config.activation,
        "scale_embedding": config.scale_embedding,
        "max_position_embeddings": config.max_length,
        "pad_token_id": config.pad_id,
        "bos_token_id": config.bos_id,
        "eos_token_id": config.eos_id,
        "decoder_start_token_id": config.bos_id,
        "forced_eos_token_id": None,
    }


def _their_parameters(network: Transformer) -> dict[str, Tensor]:
    """Our parameters under their names, with every name that shares a matrix."""
    source, target = network.embedding.weight, network.target_embedding.weight
    parameters = {
        "model.encoder.embed_tokens.weight": source,
        "model.decoder.embed_tokens.weight": target,
        "lm_head.weight": target,
    }
    if network.own_target_embedding is None:
        parameters["model.shared.weight"] = source
    if network.config.norm == "post":
        bias = network.logits_bias
        zeros = torch.zeros(target.size(0))
        parameters["final_logits_bias"] = (zeros if bias is None else bias)[None]
    for name, tensor in network.state_dict().items():
        if name not in _EMBEDDINGS:
            parameters[_their_name(name)] = tensor
    return parameters


def _their_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _set_positions(theirs: Any, positions: Tensor) -> None:
    """Let both sides of their model add ``positions`` (max_length, d_model)."""
    for side in (theirs.model.encoder, theirs.model.decoder):
        table = side.embed_positions
        if hasattr(table, "weights"):  # M2M100 counts from the number of the padding, plus one
            zeros = positions.new_zeros(table.padding_idx + 1, positions.size(1))
            table.weights = torch.cat([zeros, positions]).to(table.weights.dtype)
        else:
            table.weight.data = positions.to(table.weight.dtype)
