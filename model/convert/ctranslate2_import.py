"""Models of CTranslate2 made ours: the directories that its `Translator` loads, of any version.

    model.bin                  parameters, see `convert.ctranslate2_file`
    shared_vocabulary.json     or .txt; or those of source and target
    config.json                tokens with a task, of newer models
    source.spm, target.spm     or sentencepiece.model and the like: what cuts text, put there by
                               whoever converted the model

Matrices in int8 are taken as they are. Positions that no formula of ours computes become tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.convert.ctranslate2_file import read_variables
from tformer.model.convert.ctranslate2_network import Described
from tformer.model.convert.frames import Languages, Words, frame_of
from tformer.model.errors import ModelError
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.vocabulary.pieces import Cutters, PieceVocabulary

BINARY = "model.bin"

_SOURCE_PIECES = ("source.spm", "src.spm.model", "source.model")
_TARGET_PIECES = ("target.spm", "tgt.spm.model", "target.model")
_JOINT_PIECES = ("sentencepiece.model", "sentencepiece.bpe.model", "spiece.model", "spm.model")
_LARGEST_TABLE = 64 << 20
"""Bytes of a vocabulary."""


def import_ctranslate2(
    directory: Path,
    out: Path,
    *,
    name: str | None = None,
    languages: Languages | None = None,
    cutters: Cutters | None = None,
) -> None:
    """Write the CTranslate2 model in ``directory`` as a model of ours.

    Args:
        directory: in the layout above.
        out: where to; an existing model directory is replaced.
        name: of the model; None is that of the directory.
        languages: what it reads and writes, where its tokens do not tell.
        cutters: what cuts text, if it does not lie in the directory.

    Raises:
        ModelError: when a file is missing, damaged or does not fit, or the model is of a kind that
            our network cannot compute; or when nothing tells a language.
        OutputError: when ``out`` cannot be written.
    """
    described = Described(directory / BINARY, read_variables(directory / BINARY))
    source, target = _tables(directory)
    cutters = cutters or _cutters(directory)
    words = _words(directory, source if target is None else target, cutters)
    for tokens in (source, target):
        if tokens is not None and words.unknown not in tokens:
            tokens.append(words.unknown)  # as the library does
    frame = frame_of(directory, source, languages or Languages(), words)
    vocabulary = PieceVocabulary(directory, frame, source, target, cutters)
    sizes = (len(vocabulary), vocabulary.target_size)
    padding = 0 if vocabulary.bos_id or vocabulary.eos_id else 1
    config = described.config(sizes, (padding, vocabulary.bos_id, vocabulary.eos_id))
    parameters = described.parameters(config)
    facts = ModelFacts(
        name=name or directory.resolve().name,
        languages=vocabulary.languages,
        training={"imported_from": "ctranslate2"},
    )
    wide = parameters["decoder.0.feed_forward.outer.weight"].dtype == torch.float32
    dtype = torch.float32 if wide else torch.float16
    save_model(out, parameters, config, vocabulary, facts, dtype=dtype)


def _tables(directory: Path) -> tuple[list[str], list[str] | None]:
    """The tokens of source and target, by id; one table of both is given once."""
    if (shared := _table(directory, "shared_vocabulary")) is not None:
        return shared, None
    source, target = (_table(directory, f"{side}_vocabulary") for side in ("source", "target"))
    if source is None or target is None:
        raise ModelError(f"{directory}: has no shared_vocabulary, nor one of source and target")
    return source, target


def _table(directory: Path, name: str) -> list[str] | None:
    if (file := directory / f"{name}.json").is_file():
        tokens = read_json(file)
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise ModelError(f"{file}: damaged: no list of tokens")
        return tokens
    if (file := directory / f"{name}.txt").is_file():
        return _text(file).removesuffix("\n").split("\n")
    return None


def _words(directory: Path, target: list[str], cutters: Cutters) -> Words:
    """Settings of config.json; defaults where it is silent or missing."""
    file = directory / "config.json"
    config = read_json(file) if file.is_file() else {}
    if not isinstance(config, dict):
        raise ModelError(f"{file}: damaged: no table")
    end = str(config.get("eos_token", "</s>"))
    # Models of Marian end the source; who calls the library does it, and the file does not tell.
    ends = bool(config.get("add_source_eos")) or cutters.target is not None
    start = config.get("decoder_start_token") or ("</s>" if "<s>" not in target else "<s>")
    return Words(start, end, str(config.get("unk_token", "<unk>")), ends)


def _cutters(directory: Path) -> Cutters:
    source, target, joint = (
        next((directory / name for name in names if (directory / name).is_file()), None)
        for names in (_SOURCE_PIECES, _TARGET_PIECES, _JOINT_PIECES)
    )
    return Cutters(source or joint, target)


def read_json(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        ModelError: when it cannot be read, or is too large to be read.
    """
    try:
        return json.loads(_text(file))
    except ValueError as error:
        raise ModelError(f"{file}: damaged ({error}); fetch it again") from error


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST_TABLE:
            raise ModelError(f"{file}: too large to be what it is called")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: damaged ({error}); fetch it again") from error
