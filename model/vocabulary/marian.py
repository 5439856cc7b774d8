"""The vocabulary of a Marian model: two SentencePiece models that cut, a table that counts.

OPUS-MT cuts source and target each with a SentencePiece model of its own and gives the pieces ids
from a table, ``vocab.json``, which both sides share unless there is a ``target_vocab.json``. What
has no id is unknown; there are no bytes to fall back to. Models of several target languages have a
token such as ``>>fr<<`` for each, which the source begins with.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from tformer.model.errors import ModelError
from tformer.model.text.normalization import normalise

SOURCE_PIECES, TARGET_PIECES = "source.spm", "target.spm"
TABLE, TARGET_TABLE = "vocab.json", "target_vocab.json"

_PAD, _END, _UNKNOWN = "<pad>", "</s>", "<unk>"


def tag(language: str) -> str:
    """The token that asks for a translation into ``language``."""
    return f">>{language}<<"


def tagged_languages(table: Path) -> tuple[str, ...]:
    """The target languages that a table of tokens has a tag for, in the order of their ids.

    Raises:
        ModelError: when the table cannot be read.
    """
    tokens = sorted((identity, token) for token, identity in _read_table(table).items())
    return tuple(token[2:-2] for _, token in tokens if _is_tag(token))


class MarianVocabulary:
    """Text to token ids and back, as `vocabulary.sentencepiece.Vocabulary` does it for our models.

    Text is normalised as ours is and then by the rules inside the SentencePiece model.
    """

    kind = "marian"

    def __init__(
        self, path: Path, source_languages: Sequence[str], target_languages: Sequence[str]
    ) -> None:
        """Load the files of a directory.

        Args:
            path: with source.spm, target.spm, vocab.json and possibly target_vocab.json.
            source_languages: that the model reads; nothing in its files tells.
            target_languages: that it writes; each needs a tag if there are several.

        Raises:
            ModelError: when a file is missing or damaged, or a language has no tag.
        """
        self.path = path
        self.source_languages = tuple(source_languages)
        self.target_languages = tuple(target_languages)
        self._source_pieces = _read_pieces(path / SOURCE_PIECES)
        self._target_pieces = _read_pieces(path / TARGET_PIECES)
        self._source_ids = _read_table(path / TABLE)
        own_table = (path / TARGET_TABLE).is_file()
        self._target_ids = _read_table(path / TARGET_TABLE) if own_table else self._source_ids
        self._target_tokens = list(self._target_ids)
        for language in self.target_languages:
            self._tags(language)

        self.pad_id = self._target_ids[_PAD]
        self.bos_id = self.pad_id
        self.eos_id = self._target_ids[_END]

    def __len__(self) -> int:
        return len(self._source_ids)

    @property
    def target_size(self) -> int:
        """Tokens that the target may consist of."""
        return len(self._target_ids)

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages, those of the source first."""
        return tuple(dict.fromkeys(self.source_languages + self.target_languages))

    def target_start(self, target_language: str) -> tuple[int, ...]:
        """No tokens."""
        return ()

    def encode(
        self, text: str, target_language: str, source_language: str | None = None
    ) -> list[int]:
        """The encoder's input: target-language tag if there are tags, pieces, end of sentence.

        Raises:
            ModelError: when the model does not write the language.
        """
        if target_language not in self.target_languages:
            known = ", ".join(self.target_languages)
            raise ModelError(f"this model does not translate into {target_language!r} ({known})")
        return [*self._tags(target_language), *self.pieces(text), self._source_ids[_END]]

    def encode_target(self, text: str) -> list[int]:
        """Target tokens of ``text``: its pieces and the end of sentence."""
        return [*_ids(self._target_pieces, self._target_ids, text), self.eos_id]

    def pieces(self, text: str) -> list[int]:
        """Source ids of the bare text. A tag spelt in the text is text."""
        return _ids(self._source_pieces, self._source_ids, text)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of target ids; control symbols, tags and unknown tokens vanish."""
        tokens = [self._target_tokens[identity] for identity in ids]
        text: str = self._target_pieces.decode_pieces([t for t in tokens if not _is_silent(t)])
        return text.strip()

    @property
    def source_tokens(self) -> list[str]:
        """Every token of the source, by id."""
        return list(self._source_ids)

    @property
    def target_tokens(self) -> list[str]:
        """Every token of the target, by id."""
        return list(self._target_tokens)

    def save(self, folder: Path) -> None:
        """Copy the files into a directory."""
        for name in (SOURCE_PIECES, TARGET_PIECES, TABLE, TARGET_TABLE):
            if (self.path / name).is_file():
                shutil.copyfile(self.path / name, folder / name)

    def _tags(self, language: str) -> list[int]:
        """Language token at the beginning of the source: at most one."""
        if tag(language) in self._source_ids:
            return [self._source_ids[tag(language)]]
        if len(self.target_languages) > 1:
            raise ModelError(f"{self.path / TABLE}: has no token {tag(language)}")
        return []


def _is_tag(token: str) -> bool:
    return token.startswith(">>") and token.endswith("<<")


def _is_silent(token: str) -> bool:
    return token in (_PAD, _END, _UNKNOWN) or _is_tag(token)


def _ids(
    pieces: sentencepiece.SentencePieceProcessor, table: dict[str, int], text: str
) -> list[int]:
    unknown = table[_UNKNOWN]
    return [table.get(piece, unknown) for piece in pieces.encode(normalise(text), out_type=str)]


def _read_pieces(file: Path) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=file.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{file}: not a readable SentencePiece model ({error})") from error


def _read_table(file: Path) -> dict[str, int]:
    """Token to id, in the order of the ids, which count from 0 without a gap."""
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        ordered = dict(sorted(table.items(), key=lambda entry: entry[1]))
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise ModelError(f"{file}: not a table of tokens ({error})") from error
    if list(ordered.values()) != list(range(len(ordered))):
        raise ModelError(f"{file}: its ids are not 0 to {len(ordered) - 1}")
    if missing := [token for token in (_PAD, _END, _UNKNOWN) if token not in ordered]:
        raise ModelError(f"{file}: has no token {missing[0]}")
    return ordered
