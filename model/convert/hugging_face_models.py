"""Models of the Hugging Face hub made ours: NLLB, M2M100, mBART-50, T5, MADLAD, mT5 and umT5.

    config.json                       hyper-parameters
    model.safetensors                 parameters, or pytorch_model.bin
    sentencepiece.bpe.model           what cuts text, or spiece.model
    tokenizer.json, vocab.json, ...   ids of tokens, see `convert.hugging_face_tokens`

`convert.marian` reads those of OPUS-MT. What T5 does not scale, its attention and, of old ones, its
embeddings as output, goes into its parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.checkpoint.weights import parameter_shapes
from tformer.model.config import Activation, TransformerConfig
from tformer.model.convert.frames import Languages
from tformer.model.convert.hugging_face_tokens import read_vocabulary
from tformer.model.convert.marian import read_json, read_licence, read_parameters
from tformer.model.errors import ModelError
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.vocabulary.pieces import PieceVocabulary

_ACTIVATIONS: dict[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}

BART = (
    (r"^model\.(encoder|decoder)\.layers\.", r"\1."),
    (r"^model\.(encoder|decoder)\.layer_norm\.", r"\1_norm."),
    (r"^model\.encoder\.layernorm_embedding\.", "source_embedding_norm."),
    (r"^model\.decoder\.layernorm_embedding\.", "target_embedding_norm."),
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
_T5 = (
    (r"^(encoder|decoder)\.final_layer_norm\.", r"\1_norm."),
    (r"^(encoder|decoder)\.block\.", r"\1."),
    (r"\.layer\.0\.layer_norm\.", ".around_self_attention.norm."),
    (r"^(encoder\.\d+)\.layer\.1\.layer_norm\.", r"\1.around_feed_forward.norm."),
    (r"^(decoder\.\d+)\.layer\.1\.layer_norm\.", r"\1.around_cross_attention.norm."),
    (r"\.layer\.2\.layer_norm\.", ".around_feed_forward.norm."),
    (r"\.layer\.\d\.SelfAttention\.relative_attention_bias\.", ".relative_bias.buckets."),
    (r"\.layer\.\d\.SelfAttention\.", ".self_attention."),
    (r"\.layer\.\d\.EncDecAttention\.", ".cross_attention."),
    (r"\.layer\.\d\.DenseReluDense\.", ".feed_forward."),
    (r"\.q\.", ".query."),
    (r"\.k\.", ".key."),
    (r"\.v\.", ".value."),
    (r"\.o\.", ".output."),
    (r"\.wi(_0)?\.", ".inner."),
    (r"\.wi_1\.", ".gate."),
    (r"\.wo\.", ".outer."),
)
_TIED = re.compile(
    r"(model\.)?(encoder|decoder)\.embed_(tokens|positions)\..*|(model\.)?shared\.weight"
    r"|lm_head\.weight|final_logits_bias"
)

Table = Mapping[str, Any]
Parameters = dict[str, Tensor]


def import_hugging_face(
    directory: Path, out: Path, *, name: str | None = None, languages: Languages | None = None
) -> None:
    """Write a model as one of ours; parameters keep their type.

    Args:
        directory: in the layout above.
        out: where to; an existing model directory is replaced.
        name: of the model; None is that of the directory.
        languages: those of its languages that are wanted, or all if its tokens do not tell.

    Raises:
        ModelError: when a file is missing, damaged or does not fit, or the model is of a kind that
            our network cannot compute; or when nothing tells a language.
        OutputError: when ``out`` cannot be written.
    """
    table, theirs = read_json(directory / "config.json"), read_parameters(directory)
    kind = str(table.get("model_type"))
    if kind not in _FAMILIES:
        raise ModelError(
            f"{directory / 'config.json'}: a model of type {kind!r}; "
            f"those of {', '.join(['marian', *_FAMILIES])} can be imported"
        )
    vocabulary = read_vocabulary(directory, table, languages or Languages())
    describe, convert = _FAMILIES[kind]
    try:
        config = describe(table, vocabulary)
        parameters = convert(theirs, table, config)
    except KeyError as error:
        raise ModelError(f"{directory}: {error} is missing or has an unknown value") from error
    except ModelError as error:
        raise ModelError(f"{directory / 'config.json'}: {error}") from error
    _check(directory, parameters, config)
    facts = ModelFacts(
        name=name or directory.resolve().name,
        languages=vocabulary.languages,
        licence=read_licence(directory / "README.md"),
        training={"imported_from": kind},
    )
    save_model(out, parameters, config, vocabulary, facts, dtype=next(iter(theirs.values())).dtype)


def _check(directory: Path, parameters: Parameters, config: TransformerConfig) -> None:
    wanted = parameter_shapes(config)
    for name in sorted(wanted.keys() | parameters.keys()):
        found = tuple(parameters[name].shape) if name in parameters else None
        if found != wanted.get(name):
            raise ModelError(
                f"{directory}: {name} is {found}, and the network needs {wanted.get(name)}"
            )


# -- M2M100, NLLB, mBART ----------------------------------------------------------------------


def bart_config(table: Table, vocabulary: PieceVocabulary) -> TransformerConfig:
    """The shape of M2M100, NLLB and mBART; KeyError where config.json does not say."""
    for side, other in (("attention_heads", "heads"), ("ffn_dim", "inner widths")):
        if table[f"encoder_{side}"] != table[f"decoder_{side}"]:
            raise ModelError(f"encoder and decoder have other {other}, which ours cannot have")
    learned = table["model_type"] == "mbart"
    return TransformerConfig(
        vocab_size=table["vocab_size"],
        d_model=table["d_model"],
        num_heads=table["encoder_attention_heads"],
        d_ff=table["encoder_ffn_dim"],
        num_encoder_layers=table["encoder_layers"],
        num_decoder_layers=table["decoder_layers"],
        norm="pre",
        activation=_ACTIVATIONS[table["activation_function"]],
        max_length=table["max_position_embeddings"],
        pad_id=table["pad_token_id"],
        bos_id=table["decoder_start_token_id"],
        eos_id=table["eos_token_id"],
        positions="learned" if learned else "tensor2tensor",
        first_position=0 if learned else table["pad_token_id"] + 1,
        scale_embedding=table["scale_embedding"],
        logits_bias=learned,
        embedding_norm=learned,
    )


def _bart_parameters(theirs: Parameters, table: Table, config: TransformerConfig) -> Parameters:
    shared = next(
        theirs[name] for name in ("model.shared.weight", "lm_head.weight") if name in theirs
    )
    found = {"embedding.weight": shared, **_renamed(theirs, BART)}
    if config.logits_bias:
        bias = theirs.get("final_logits_bias", torch.zeros(1, config.vocab_size))
        found["logits_bias"] = bias.flatten()
    if config.positions == "learned":
        for theirs_side, side in (("encoder", "source"), ("decoder", "target")):
            table_of = theirs[f"model.{theirs_side}.embed_positions.weight"]
            found[f"{side}_table.weight"] = table_of[-config.max_length :]  # the first two are idle
    return found


# -- T5 ---------------------------------------------------------------------------------------


def _t5_config(table: Table, vocabulary: PieceVocabulary) -> TransformerConfig:
    kind = str(table.get("feed_forward_proj", "relu"))
    activation = kind.removeprefix("gated-")
    gated = kind != activation
    width = table["d_kv"]
    return TransformerConfig(
        vocab_size=table["vocab_size"],
        d_model=table["d_model"],
        num_heads=table["num_heads"],
        d_ff=table["d_ff"],
        num_encoder_layers=table["num_layers"],
        num_decoder_layers=table.get("num_decoder_layers") or table["num_layers"],
        norm="pre",
        # Where it is gated, they mean the approximation.
        activation="gelu_tanh" if gated and activation == "gelu" else _ACTIVATIONS[activation],
        max_length=512,
        pad_id=table["pad_token_id"],
        bos_id=table.get("decoder_start_token_id", table["pad_token_id"]),
        eos_id=table["eos_token_id"],
        positions="relative",
        scale_embedding=False,
        own_output=True,
        head_width=None if width * table["num_heads"] == table["d_model"] else width,
        norm_kind="rms",
        norm_epsilon=table["layer_norm_epsilon"],
        gated=gated,
        biases=False,
        num_buckets=table["relative_attention_num_buckets"],
        max_distance=table.get("relative_attention_max_distance", 128),
    )


def _t5_parameters(theirs: Parameters, table: Table, config: TransformerConfig) -> Parameters:
    tied = table.get("tie_word_embeddings", True)
    shared = theirs["shared.weight"]
    output = theirs.get("lm_head.weight", shared).clone()
    # The outputs of mT5 never were, those of the others where source and target share a matrix.
    if table.get("scale_decoder_outputs", tied and table["model_type"] != "mt5"):
        output = output * config.d_model**-0.5
    found = {"embedding.weight": shared, "output_matrix.weight": output, **_renamed(theirs, _T5)}
    for name in found:
        if name.endswith(".query.weight"):  # theirs attends without scaling
            found[name] = found[name] * math.sqrt(config.d_k)
    for stack, count in (
        ("encoder", config.num_encoder_layers),
        ("decoder", config.num_decoder_layers),
    ):
        first = found[f"{stack}.0.relative_bias.buckets.weight"]
        for number in range(1, count):  # where all layers share one
            found.setdefault(f"{stack}.{number}.relative_bias.buckets.weight", first.clone())
    return found


def _renamed(theirs: Parameters, rules: tuple[tuple[str, str], ...]) -> Parameters:
    return {
        our_name(name, rules): tensor
        for name, tensor in theirs.items()
        if not _TIED.fullmatch(name)
    }


def our_name(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    """Our name of a parameter."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


Family = tuple[
    Callable[[Table, PieceVocabulary], TransformerConfig],
    Callable[[Parameters, Table, TransformerConfig], Parameters],
]
_FAMILIES: dict[str, Family] = {
    "m2m_100": (bart_config, _bart_parameters),
    "mbart": (bart_config, _bart_parameters),
    "t5": (_t5_config, _t5_parameters),
    "mt5": (_t5_config, _t5_parameters),
    "umt5": (_t5_config, _t5_parameters),
}
