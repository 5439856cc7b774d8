"""Marian models as the Hugging Face hub has them, such as Helsinki-NLP/opus-mt-en-de.

    config.json              hyper-parameters
    model.safetensors        parameters, or pytorch_model.bin
    source.spm, target.spm   SentencePiece models
    vocab.json               tokens and ids; with target_vocab.json of the source only
    tokenizer_config.json    languages, for models of two
    generation_config.json   tokens that are never produced

The network is the paper's with normalisation after the residual sum; it differs in the order of its
positional encodings and in a bias on the logits. The decoder begins with the padding symbol, which
is none of Marian's tokens: it is given a bias of -inf, so that it cannot be produced and takes no
share of probability (transformers: ``bad_words_ids`` with ``renormalize_logits``).
"""

from __future__ import annotations

import json
import math
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.config import Activation, TransformerConfig
from tformer.model.errors import ModelError
from tformer.model.network.torch_checkpoint import assemble, save_model
from tformer.model.vocabulary.marian import TABLE, MarianVocabulary, tagged_languages

_ACTIVATIONS: dict[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
}

# What the network would have to do otherwise; no published model asks for it.
_UNSUPPORTED = ("normalize_before", "normalize_embedding", "add_final_layer_norm")

# One number in our network, two in theirs.
_EQUAL = (
    ("encoder_attention_heads", "decoder_attention_heads"),
    ("encoder_ffn_dim", "decoder_ffn_dim"),
)

_RENAMED = (
    (r"^model\.(encoder|decoder)\.layers\.", r"\1."),
    (r"\.self_attn\.", ".self_attention."),
    (r"\.encoder_attn\.", ".cross_attention."),
    (r"\.q_proj\.", ".query."),
    (r"\.k_proj\.", ".key."),
    (r"\.v_proj\.", ".value."),
    (r"\.out_proj\.", ".output."),
    (r"\.self_attn_layer_norm\.", ".around_self_attention.norm."),
    (r"\.encoder_attn_layer_norm\.", ".around_cross_attention.norm."),
    (r"\.final_layer_norm\.", ".around_feed_forward.norm."),
    (r"\.fc1\.", ".feed_forward.inner."),
    (r"\.fc2\.", ".feed_forward.outer."),
)

_SHARED = "model.shared.weight"
_SOURCE = "model.encoder.embed_tokens.weight"
_TARGET = "model.decoder.embed_tokens.weight"
_OUTPUT = "lm_head.weight"
_BIAS = "final_logits_bias"
_COMPUTED = ("model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight")


def import_marian(
    directory: Path,
    out: Path,
    *,
    name: str | None = None,
    source_languages: Sequence[str] = (),
    target_languages: Sequence[str] = (),
) -> None:
    """Write the Marian model in ``directory`` as a model of ours; parameters keep their type.

    Args:
        directory: in the layout above.
        out: where to; an existing model directory is replaced.
        name: of the model; None is that of the directory.
        source_languages: what the model reads; none is what tokenizer_config.json says.
        target_languages: what it writes; none is every language that it has a token for, such as
            ``>>fr<<``, or else what tokenizer_config.json says.

    Raises:
        ModelError: when a file is missing, damaged or does not fit, or the model is of a kind that
            our network cannot compute; or when nothing tells a language.
        OutputError: when ``out`` cannot be written.
    """
    table = read_json(directory / "config.json")
    config = _network_config(directory, table)
    parameters = _our_parameters(directory, config, _never_produced(directory, table))
    assemble(config, parameters, directory, torch.device("cpu"))
    vocabulary = _vocabulary(directory, source_languages, target_languages)
    _check_vocabulary(directory, vocabulary, config)
    facts = ModelFacts(
        name=name or directory.resolve().name,
        languages=vocabulary.languages,
        licence=read_licence(directory / "README.md"),
        training={"imported_from": "marian"},
    )
    dtype = parameters["embedding.weight"].dtype
    save_model(out, parameters, config, vocabulary, facts, dtype=dtype)


def _network_config(directory: Path, table: dict[str, Any]) -> TransformerConfig:
    """Our hyper-parameters for theirs."""
    file = directory / "config.json"
    if (kind := table.get("model_type")) != "marian":
        raise ModelError(f"{file}: a model of type {kind!r}; only 'marian' can be imported")
    for name in _UNSUPPORTED:
        if table.get(name):
            raise ModelError(f"{file}: {name} is set, which our network cannot compute")
    for one, other in _EQUAL:
        if table.get(one) != table.get(other):
            raise ModelError(f"{file}: {one} and {other} differ, which our network cannot have")
    try:
        pad_id = table["pad_token_id"]
        shared = table.get("share_encoder_decoder_embeddings", True)
        return TransformerConfig(
            vocab_size=table["vocab_size"],
            d_model=table["d_model"],
            num_heads=table["encoder_attention_heads"],
            d_ff=table["encoder_ffn_dim"],
            num_encoder_layers=table["encoder_layers"],
            num_decoder_layers=table["decoder_layers"],
            dropout=table.get("dropout", 0.1),
            norm="post",
            activation=_ACTIVATIONS[table["activation_function"]],
            max_length=table["max_position_embeddings"],
            pad_id=pad_id,
            bos_id=table.get("decoder_start_token_id", pad_id),
            eos_id=table["eos_token_id"],
            target_vocab_size=None if shared else _target_vocab_size(table),
            positions="concatenated",
            scale_embedding=table.get("scale_embedding", False),
            logits_bias=True,
        )
    except KeyError as error:
        raise ModelError(f"{file}: {error} is missing or has an unknown value") from error
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error


def _target_vocab_size(table: dict[str, Any]) -> int:
    return table.get("decoder_vocab_size") or table["vocab_size"]


def _never_produced(directory: Path, table: dict[str, Any]) -> list[int]:
    """Tokens that the decoder may not write: the padding, and single tokens that are forbidden."""
    file = directory / "generation_config.json"
    settings = read_json(file) if file.is_file() else {}
    forbidden = settings.get("bad_words_ids") or table.get("bad_words_ids") or []
    return [table["pad_token_id"], *(words[0] for words in forbidden if len(words) == 1)]


def _our_parameters(
    directory: Path, config: TransformerConfig, never_produced: list[int]
) -> dict[str, Tensor]:
    """Their parameters under our names; those that are computed or tied are left out."""
    theirs = read_parameters(directory)
    embeddings = _embeddings(directory, theirs, shared=config.target_vocab_size is None)
    try:
        bias = theirs.pop(_BIAS).flatten().clone()  # (1, V) to (V,)
        bias[never_produced] = -math.inf
    except (KeyError, IndexError) as error:
        raise ModelError(f"{directory}: {_BIAS} is missing or too short") from error
    for name in (*_COMPUTED, _SHARED, _SOURCE, _TARGET, _OUTPUT):
        theirs.pop(name, None)
    renamed = {_our_name(name): tensor for name, tensor in theirs.items()}
    return {**embeddings, "logits_bias": bias, **renamed}


def _embeddings(directory: Path, theirs: dict[str, Tensor], shared: bool) -> dict[str, Tensor]:
    """The embedding matrices, of which a file need hold only one of those that are equal."""
    target = next((theirs[n] for n in (_SHARED, _TARGET, _OUTPUT) if n in theirs), None)
    source = target if shared else theirs.get(_SOURCE)
    if source is None or target is None:
        raise ModelError(f"{directory}: the embeddings are missing from the parameters")
    output = theirs.get(_OUTPUT, target)
    if not torch.equal(output, target):
        raise ModelError(
            f"{directory}: the output has a matrix of its own ({_OUTPUT}); "
            "in our network it is that of the target embeddings"
        )
    if shared:
        return {"embedding.weight": source}
    return {"embedding.weight": source, "own_target_embedding.weight": target}


def _our_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def read_parameters(directory: Path) -> dict[str, Tensor]:
    """The parameters in a directory of the hub; code in pickled ones is refused.

    Raises:
        ModelError: when there are none, or they are damaged.
    """
    file = directory / "model.safetensors"
    try:
        if file.is_file():
            return load_file(file)
        file = directory / "pytorch_model.bin"
        parameters: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
        return parameters
    except FileNotFoundError as error:
        raise ModelError(f"{directory}: has no model.safetensors or pytorch_model.bin") from error
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = next(iter(str(error).splitlines()), repr(error))
        raise ModelError(f"{file}: damaged ({reason}); fetch it again") from error


def _vocabulary(
    directory: Path, source_languages: Sequence[str], target_languages: Sequence[str]
) -> MarianVocabulary:
    file = directory / "tokenizer_config.json"
    stated = read_json(file) if file.is_file() else {}
    sources = source_languages or _stated(stated, "source_lang")
    targets = (
        target_languages or tagged_languages(directory / TABLE) or _stated(stated, "target_lang")
    )
    for side, languages in (("source", sources), ("target", targets)):
        if not languages:
            raise ModelError(f"{directory}: nothing tells its {side} language; name it (--{side})")
    return MarianVocabulary(directory, sources, targets)


def _stated(table: dict[str, Any], key: str) -> tuple[str, ...]:
    return (table[key],) if table.get(key) else ()


def _check_vocabulary(
    directory: Path, vocabulary: MarianVocabulary, config: TransformerConfig
) -> None:
    """The sizes are told apart only where the two sides have embeddings of their own."""
    if config.pad_id >= config.vocab_size:
        raise ModelError(f"{directory / TABLE}: the source has no id {config.pad_id} for padding")
    ours = (vocabulary.target_size, vocabulary.pad_id, vocabulary.eos_id)
    theirs = (config.target_vocab_size or config.vocab_size, config.pad_id, config.eos_id)
    if ours != theirs or len(vocabulary) != config.vocab_size:
        raise ModelError(
            f"{directory / TABLE}: does not fit config.json: {len(vocabulary)} tokens, "
            f"and of the target (size, <pad>, </s>) {ours}, not {theirs}"
        )


def read_licence(card: Path) -> str | None:
    """Licence in the front matter of a model card."""
    try:
        found = re.search(r"(?m)^license: *(\S+)", card.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found[1] if found else None


def read_json(file: Path) -> dict[str, Any]:
    """A table in a file of JSON.

    Raises:
        ModelError: when it cannot be read or is none.
    """
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ModelError(f"{file}: damaged ({error}); fetch it again") from error
    if not isinstance(table, dict):
        raise ModelError(f"{file}: damaged (no table); fetch it again")
    return table
