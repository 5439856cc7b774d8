"""Models of Marian in its own layout, and of Bergamot (Firefox), made ours.

    decoder.yml, config.yml            names the files; without one, each kind is there once
    model.npz                          parameters, or *.bin with int8 matrices
    vocab.spm                          or vocab.yml beside source.spm and target.spm
    lex.*.bin                          which target tokens a source token may ask for

Marian's decoder begins with an embedding of zeros. Ours reads a token that has one, comes last in
the vocabulary and is never written.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from torch import Tensor

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.checkpoint.weights import SCALE, parameter_shapes
from tformer.model.config import Activation, TransformerConfig
from tformer.model.convert.ctranslate2_file import Matrix
from tformer.model.convert.frames import Languages, Words, frame_of
from tformer.model.convert.marian_file import MarianFile, read_marian, read_settings, read_tokens
from tformer.model.errors import ModelError
from tformer.model.network import shortlist
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.vocabulary.pieces import Cutters, PieceVocabulary

START = "<start>"
"""First token that the decoder reads."""

_ACTIVATIONS: dict[str, Activation] = {
    "relu": "relu",
    "swish": "silu",
    "gelu": "gelu",
}
_LANGUAGES = re.compile(r"\.([a-z]{2})-?([a-z]{2})\.")
_WANTED = {
    "type": ("transformer",),
    "transformer-postprocess": ("dan",),
    "transformer-preprocess": ("",),
    "transformer-postprocess-emb": ("d", ""),
    "transformer-postprocess-top": ("",),
    "transformer-decoder-autoreg": ("self-attention", "rnn"),
    "transformer-ffn-depth": ("2",),
    "transformer-train-position-embeddings": ("false",),
    "transformer-no-projection": ("false",),
    "transformer-rnn-projection": ("false",),
    "dec-cell": ("ssru", "gru"),
    "ulr": ("false",),
    "factors-combine": ("sum",),
    "lemma-dim-emb": ("0",),
}
"""Settings of which our network has these alone; the first is that of a model that is silent."""


@dataclass(frozen=True)
class Files:
    """Paths of a model's parts."""

    model: Path
    vocabularies: tuple[Path, Path]
    shortlist: Path | None


def find_files(directory: Path) -> Files:
    """The parts of the model in a directory.

    Raises:
        ModelError: when one is missing, or it is not clear which.
    """
    named = _named(directory)
    models = named["models"] or [
        file
        for pattern in ("*.npz", "*.bin")
        for file in sorted(directory.glob(pattern))
        if not file.name.startswith("lex") and "optimizer" not in file.name
    ]
    vocabularies = named["vocabs"] or [
        file
        for pattern in ("vocab*.spm", "*vocab*.yml")
        for file in sorted(directory.glob(pattern))
    ]
    if not models or not vocabularies:
        raise ModelError(f"{directory}: has no model (.npz, .bin) with a vocabulary (.spm, .yml)")
    lists = sorted(directory.glob("lex*.bin"))
    return Files(models[0], (vocabularies[0], vocabularies[-1]), lists[0] if lists else None)


def _named(directory: Path) -> dict[str, list[Path]]:
    """Files that the settings of a decoder name; only what lies in the directory is read."""
    for file in sorted(directory.glob("*.yml")):
        if file.name == "decoder.yml" or file.name.startswith("config"):
            settings = read_settings(file.read_text(encoding="utf-8", errors="replace"))
            values = {key: settings.get(key) for key in ("models", "vocabs")}
            return {
                key: [directory / Path(name).name for name in names]
                if isinstance(names, list)
                else []
                for key, names in values.items()
            }
    return {"models": [], "vocabs": []}


def import_native(
    directory: Path, out: Path, *, name: str | None = None, languages: Languages | None = None
) -> None:
    """Write the model in ``directory`` as one of ours; int8 matrices are taken as they are.

    Args:
        directory: in the layout above.
        out: where to; an existing model directory is replaced.
        name: of the model; None is that of the directory.
        languages: what it reads and writes; else names of files tell, such as ``vocab.enpt.spm``.

    Raises:
        ModelError: when a file is missing, damaged or does not fit, or the model is of a kind that
            our network cannot compute; or when nothing tells a language.
        OutputError: when ``out`` cannot be written.
    """
    files = find_files(directory)
    marian = read_marian(files.model)
    vocabulary = _vocabulary(directory, files, languages or Languages())
    config = _config(marian, vocabulary)
    parameters = _parameters(marian, config)
    facts = ModelFacts(
        name=name or directory.resolve().name,
        languages=vocabulary.languages,
        training={"imported_from": "marian"},
    )
    save_model(out, parameters, config, vocabulary, facts, dtype=torch.float32)
    if files.shortlist is not None:
        shutil.copyfile(files.shortlist, out / shortlist.FILE)


def _vocabulary(directory: Path, files: Files, said: Languages) -> PieceVocabulary:
    source_file, target_file = files.vocabularies
    joint = source_file == target_file
    source = _tokens(source_file)
    target = source if joint else _tokens(target_file)
    target = [*target, START]
    told = _LANGUAGES.search(source_file.name) or _LANGUAGES.search(files.model.name)
    said = said.or_of(Languages((told[1],), (told[2],)) if told else Languages())
    frame = frame_of(directory, source, said, Words(start=START))
    cutters = (
        Cutters(source_file, None if joint else target_file)
        if source_file.suffix == ".spm"
        else Cutters.of(directory)
    )
    if joint:
        return PieceVocabulary(directory, frame, target, None, cutters)
    return PieceVocabulary(directory, frame, source, target, cutters)


def _tokens(file: Path) -> list[str]:
    if file.suffix != ".spm":
        return read_tokens(file)
    try:
        pieces = sentencepiece.SentencePieceProcessor(model_proto=file.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{file}: not a readable SentencePiece model ({error})") from error
    return [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]


def _config(marian: MarianFile, vocabulary: PieceVocabulary) -> TransformerConfig:
    settings = marian.settings
    for key, values in _WANTED.items():
        if (value := settings.get(key, values[0])) not in values:
            raise ModelError(f"{marian.path}: {key} is {value!r}, which our network cannot compute")
    activation = settings.get("transformer-ffn-activation", "relu")
    try:
        recurrent = settings.get("transformer-decoder-autoreg") == "rnn"
        return TransformerConfig(
            vocab_size=len(vocabulary),
            d_model=_number(settings["dim-emb"]),
            num_heads=_number(settings["transformer-heads"]),
            d_ff=_number(settings["transformer-dim-ffn"]),
            num_encoder_layers=_number(settings["enc-depth"]),
            num_decoder_layers=_number(settings["dec-depth"]),
            activation=_ACTIVATIONS[str(activation)],
            pad_id=vocabulary.eos_id,
            bos_id=vocabulary.bos_id,
            eos_id=vocabulary.eos_id,
            target_vocab_size=None if _is_joint(settings, vocabulary) else vocabulary.target_size,
            positions="tensor2tensor",
            logits_bias=True,
            own_output=not _is_tied(settings),
            norm_epsilon=1e-9,
            look_back="ssru" if recurrent else "attention",
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{marian.path}: its settings are damaged: {error!r}") from error
    except ModelError as error:
        raise ModelError(f"{marian.path}: {error}") from error


def _number(value: str | list[str]) -> int:
    return int(str(value))


def _is_joint(settings: object, vocabulary: PieceVocabulary) -> bool:
    return vocabulary.source_tokens is vocabulary.target_tokens


def _is_tied(settings: object) -> bool:
    assert isinstance(settings, dict)
    return "true" in (settings.get("tied-embeddings-all"), settings.get("tied-embeddings"))


def _parameters(marian: MarianFile, config: TransformerConfig) -> dict[str, Tensor]:
    """Under our names.

    Raises:
        ModelError: when one is missing or does not fit.
    """
    found: dict[str, Tensor] = {}
    for name, matrix in _matrices(marian, config):
        found[name] = torch.from_numpy(np.array(matrix.values, order="C"))
        if matrix.scale is not None:
            found[name + SCALE] = torch.from_numpy(np.array(matrix.scale))
    for name, shape in parameter_shapes(config).items():
        if tuple(found[name].shape) != shape:
            raise ModelError(f"{marian.path}: {name} does not fit the others")
    return found


def _matrices(marian: MarianFile, config: TransformerConfig) -> Iterator[tuple[str, Matrix]]:
    names = marian.matrices
    joint = config.target_vocab_size is None
    source = "Wemb" if "Wemb" in names else "encoder_Wemb"
    target = "Wemb" if "Wemb" in names else "decoder_Wemb"
    embedding = marian.take(source)
    yield "embedding.weight", _with_start(embedding) if joint else embedding
    if not joint:
        yield "own_target_embedding.weight", _with_start(marian.take(target))
    if config.own_output:
        yield "output_matrix.weight", _with_start(marian.take("decoder_ff_logit_out_W"))
    bias = marian.take("decoder_ff_logit_out_b").values
    yield "logits_bias", Matrix(np.append(bias, np.float32(-math.inf)))
    for number in range(config.num_encoder_layers):
        yield from _layer(marian, f"encoder_l{number + 1}", f"encoder.{number}", recurrent=False)
    for number in range(config.num_decoder_layers):
        theirs, ours = f"decoder_l{number + 1}", f"decoder.{number}"
        yield from _layer(marian, theirs, ours, recurrent=config.look_back == "ssru")
        yield from _attention(marian, f"{theirs}_context", f"{ours}.cross_attention")
        norm = f"{ours}.around_cross_attention.norm"
        yield from _norm(marian, f"{theirs}_context_Wo_ln", norm)


def _with_start(embedding: Matrix) -> Matrix:
    """With a row of zeros for what the decoder begins with."""
    values = np.pad(embedding.values, ((0, 1), (0, 0)))
    scale = embedding.scale
    return Matrix(values, None if scale is None else np.append(scale, np.float32(1)))


def _layer(
    marian: MarianFile, theirs: str, ours: str, *, recurrent: bool
) -> Iterator[tuple[str, Matrix]]:
    norm = f"{ours}.around_self_attention.norm"
    if recurrent:
        yield f"{ours}.recurrence.candidate.weight", marian.take(f"{theirs}_rnn_W")
        yield f"{ours}.recurrence.forget.weight", marian.take(f"{theirs}_rnn_Wf")
        yield f"{ours}.recurrence.forget.bias", marian.take(f"{theirs}_rnn_bf")
        yield from _norm(marian, f"{theirs}_rnn_ffn_ln", norm)
    else:
        yield from _attention(marian, f"{theirs}_self", f"{ours}.self_attention")
        yield from _norm(marian, f"{theirs}_self_Wo_ln", norm)
    for number, part in enumerate(("inner", "outer"), start=1):
        yield f"{ours}.feed_forward.{part}.weight", marian.take(f"{theirs}_ffn_W{number}")
        yield f"{ours}.feed_forward.{part}.bias", marian.take(f"{theirs}_ffn_b{number}")
    yield from _norm(marian, f"{theirs}_ffn_ffn_ln", f"{ours}.around_feed_forward.norm")


def _attention(marian: MarianFile, theirs: str, ours: str) -> Iterator[tuple[str, Matrix]]:
    for letter, part in zip("qkvo", ("query", "key", "value", "output"), strict=True):
        yield f"{ours}.{part}.weight", marian.take(f"{theirs}_W{letter}")
        yield f"{ours}.{part}.bias", marian.take(f"{theirs}_b{letter}")


def _norm(marian: MarianFile, theirs: str, ours: str) -> Iterator[tuple[str, Matrix]]:
    yield f"{ours}.weight", marian.take(f"{theirs}_scale")
    yield f"{ours}.bias", marian.take(f"{theirs}_bias")
