"""The tokens of a model of the Hugging Face hub by id, and its vocabulary.

``tokenizer.json`` has them all. Where there is none, ``vocab.json`` does, or the SentencePiece
model in the order of fairseq (``<s> <pad> </s> <unk>`` and then its pieces) or, of T5, as it is;
tokens for languages follow, as ``special_tokens_map.json`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sentencepiece

from tformer.model.convert.frames import Languages, Words, frame_of
from tformer.model.convert.marian import read_json
from tformer.model.errors import ModelError
from tformer.model.vocabulary.pieces import Cutters, Frame, PieceVocabulary

_PIECES = ("sentencepiece.bpe.model", "spiece.model", "sentencepiece.model", "tokenizer.model")
_FAIRSEQ = ["<s>", "<pad>", "</s>", "<unk>"]


def read_vocabulary(
    directory: Path, table: Mapping[str, Any], languages: Languages
) -> PieceVocabulary:
    """The vocabulary of the model in ``directory``, whose ``config.json`` is ``table``.

    Raises:
        ModelError: when a file is missing or damaged, or nothing tells a language.
    """
    file = next((directory / name for name in _PIECES if (directory / name).is_file()), None)
    if file is None:
        raise ModelError(f"{directory}: has no SentencePiece model ({', '.join(_PIECES)})")
    try:
        pieces = sentencepiece.SentencePieceProcessor(model_proto=file.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{file}: not a readable SentencePiece model ({error})") from error
    tokens = _tokens(directory, table, pieces)
    try:
        start, end = tokens[table["decoder_start_token_id"]], tokens[table["eos_token_id"]]
    except (KeyError, IndexError) as error:
        raise ModelError(f"{directory / 'config.json'}: no start or end of a sentence") from error
    words = Words(start, end)
    prompts = _prompts(table, pieces)
    if prompts and not languages.targets:
        frame = Frame({"en": ()}, prompts, source_end=(end,), start=start, end=end)
    else:
        codes = table.get("model_type") in ("m2m_100", "mbart")
        frame = frame_of(directory, tokens, languages, words, has_codes=codes)
    return PieceVocabulary(directory, frame, tokens, None, Cutters(file))


def _tokens(
    directory: Path, table: Mapping[str, Any], pieces: sentencepiece.SentencePieceProcessor
) -> list[str]:
    """As many as there are embeddings."""
    if (file := directory / "tokenizer.json").is_file():
        tokens = _of_tokenizer(file)
    elif (file := directory / "vocab.json").is_file():
        tokens = _by_id(read_json(file).items()) + _additional(directory)
    else:
        own = [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]
        fairseq = table.get("model_type") in ("m2m_100", "mbart")
        tokens = [*_FAIRSEQ, *own[3:], *_additional(directory)] if fairseq else own
    size = int(table["vocab_size"])
    if len(tokens) > size:
        raise ModelError(f"{directory}: has {len(tokens)} tokens for {size} embeddings")
    return [*tokens, *(f"<unused {number}>" for number in range(len(tokens), size))]


def _of_tokenizer(file: Path) -> list[str]:
    table = read_json(file)
    try:
        vocabulary = table["model"]["vocab"]
        listed = isinstance(vocabulary, list)
        found = (
            {token: number for number, (token, _) in enumerate(vocabulary)}
            if listed
            else dict(vocabulary)
        )
        found |= {added["content"]: added["id"] for added in table.get("added_tokens", [])}
        return _by_id(found.items())
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{file}: not a tokenizer ({error!r})") from error


def _by_id(pairs: Iterable[tuple[str, int]]) -> list[str]:
    """Gaps are filled by tokens that are never met."""
    by_id = {number: token for token, number in pairs}
    size = max(by_id, default=-1) + 1
    if size > 2 * len(by_id) + 1000:
        raise ModelError(f"a vocabulary of {len(by_id)} tokens has an id {size - 1}")
    return [by_id.get(number, f"<unused {number}>") for number in range(size)]


def _additional(directory: Path) -> list[str]:
    file = directory / "special_tokens_map.json"
    listed = read_json(file).get("additional_special_tokens", []) if file.is_file() else []
    return [str(token["content"] if isinstance(token, dict) else token) for token in listed]


def _prompts(
    table: Mapping[str, Any], pieces: sentencepiece.SentencePieceProcessor
) -> dict[str, tuple[str, ...]]:
    """Prompts of a T5: "translate English to German: "."""
    tasks = table.get("task_specific_params") or {}
    return {
        name.removeprefix("translation_en_to_"): tuple(
            pieces.encode(str(task.get("prefix", "")), out_type=str)
        )
        for name, task in tasks.items()
        if name.startswith("translation_en_to_")
    }
