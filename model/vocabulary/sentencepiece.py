"""The joint vocabulary: SentencePiece pieces, byte fallback and a tag per target language."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import sentencepiece

from tformer.model.errors import ModelError, TrainingError
from tformer.model.text.normalization import normalise

FILE = "sentencepiece.model"
"""The vocabulary's name in a model directory."""

RECENT = 256
"""Texts that are remembered between two uses."""

LONG = 1000
"""Characters of a text that is not remembered."""

PAD_ID, BOS_ID, EOS_ID, UNKNOWN_ID = 0, 1, 2, 3

_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "model_type": "bpe",
        "byte_fallback": True,
        "split_digits": True,
        "character_coverage": 0.9998,
        "normalization_rule_name": "identity",
        "pad_id": PAD_ID,
        "bos_id": BOS_ID,
        "eos_id": EOS_ID,
        "unk_id": UNKNOWN_ID,
        "pad_piece": "<pad>",
        "minloglevel": 2,
    }
)
"""Settings of SentencePiece that all vocabularies of ours have in common."""

_TAG = re.compile(r"<2([a-z]{2,3}(?:-[A-Za-z0-9]+)*)>")


def tag(language: str) -> str:
    """The control symbol that asks for a translation into ``language`` (Johnson et al., 2017)."""
    return f"<2{language}>"


class AnyVocabulary(Protocol):
    """Interface of a vocabulary: ours, or that of an imported model."""

    @property
    def kind(self) -> str:
        """By what name ``config.json`` knows it."""

    def __len__(self) -> int:
        """Tokens that the source may consist of."""

    @property
    def target_size(self) -> int:
        """Tokens that the target may consist of."""

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages."""

    @property
    def source_languages(self) -> tuple[str, ...]:
        """Languages that can be translated from."""

    @property
    def target_languages(self) -> tuple[str, ...]:
        """Languages that can be translated into."""

    def encode(
        self, text: str, target_language: str, source_language: str | None = None
    ) -> list[int]:
        """The encoder's input; some vocabularies have a tag for the language of the text, too."""

    def target_start(self, target_language: str) -> tuple[int, ...]:
        """The tokens that every translation into a language begins with."""

    def encode_target(self, text: str) -> list[int]:
        """Target tokens of a text."""

    def pieces(self, text: str) -> list[int]:
        """Source ids of the bare text."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of target ids."""

    @property
    def source_tokens(self) -> list[str]:
        """Every token of the source, by id."""

    @property
    def target_tokens(self) -> list[str]:
        """Every token of the target, by id."""

    def save(self, folder: Path) -> None:
        """Copy the files into a directory."""


class Vocabulary:
    """Text to token ids and back. Every text has ids: what has no piece is spelt in bytes."""

    kind = "sentencepiece"
    pad_id = PAD_ID
    bos_id = BOS_ID
    eos_id = EOS_ID

    def __init__(self, path: Path) -> None:
        """Load a SentencePiece model made by :meth:`train`.

        Raises:
            ModelError: when the file cannot be read or is not a vocabulary of tformer.
        """
        self.path = path
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
        except (OSError, RuntimeError) as error:
            raise ModelError(f"{path}: not a readable SentencePiece model ({error})") from error
        specials = [self._pieces.id_to_piece(i) for i in range(min(4, len(self)))]
        if specials != ["<pad>", "<s>", "</s>", "<unk>"]:
            raise ModelError(f"{path}: not a vocabulary of tformer (its first pieces: {specials})")
        self._tags = self._read_tags()
        # A sentence is measured in tokens when a text is cut, and then read.
        self._read_short = lru_cache(RECENT)(partial(_read, self._pieces))

    def _read_tags(self) -> dict[str, int]:
        tags = {}
        for index in range(UNKNOWN_ID + 1, len(self)):
            match = _TAG.fullmatch(self._pieces.id_to_piece(index))
            if not match:
                break  # the tags come first
            tags[match[1]] = index
        return tags

    def __len__(self) -> int:
        return int(self._pieces.get_piece_size())

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP-47 codes of the languages that there is a tag for."""
        return tuple(self._tags)

    @property
    def source_languages(self) -> tuple[str, ...]:
        """Every language can be translated from."""
        return self.languages

    @property
    def target_languages(self) -> tuple[str, ...]:
        """Every language can be translated into."""
        return self.languages

    @property
    def target_size(self) -> int:
        """Pieces that the target may consist of: those of the source."""
        return len(self)

    def tag_id(self, language: str) -> int:
        """The id of a target language's tag.

        Raises:
            ModelError: when the vocabulary has none.
        """
        try:
            return self._tags[language]
        except KeyError:
            known = ", ".join(self._tags)
            raise ModelError(f"language {language!r} is unknown to this model ({known})") from None

    def encode(
        self, text: str, target_language: str, source_language: str | None = None
    ) -> list[int]:
        """The encoder's input: target-language tag, pieces of ``text``, end of sentence."""
        return [self.tag_id(target_language), *self.pieces(text), EOS_ID]

    def target_start(self, target_language: str) -> tuple[int, ...]:
        """No tokens."""
        return ()

    def encode_target(self, text: str) -> list[int]:
        """Target tokens of ``text``: its pieces and the end of sentence."""
        return [*self.pieces(text), EOS_ID]

    def pieces(self, text: str) -> list[int]:
        """Ids of the bare text. A tag spelt in the text is text."""
        return list(self._read_short(text) if len(text) < LONG else _read(self._pieces, text))

    def pieces_of_many(self, texts: Sequence[str], threads: int = 1) -> list[list[int]]:
        """:meth:`pieces` of many texts at once, in ``threads`` threads."""
        normalised = [normalise(text) for text in texts]
        return self._pieces.encode(normalised, num_threads=threads)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids; control symbols vanish, invalid UTF-8 from bytes becomes U+FFFD."""
        return self._pieces.decode(list(ids))

    def piece(self, token: int) -> str:
        """The piece with id ``token``, as SentencePiece writes it (▁ for a space)."""
        return self._pieces.id_to_piece(token)

    @property
    def source_tokens(self) -> list[str]:
        """Every piece, by id."""
        return [self.piece(token) for token in range(len(self))]

    @property
    def target_tokens(self) -> list[str]:
        """The same: the vocabulary is joint."""
        return self.source_tokens

    def save(self, folder: Path) -> None:
        """Copy the file into a model directory."""
        shutil.copyfile(self.path, folder / FILE)

    @classmethod
    def train(
        cls,
        sentences: Iterable[str],
        path: Path,
        *,
        languages: Sequence[str],
        size: int,
        symbols: Sequence[str] = (),
        threads: int = 1,
    ) -> Vocabulary:
        """Learn a joint byte-pair vocabulary of ``size`` pieces and write it to ``path``.

        Digits are split, so that numbers are copied figure by figure, and every character that
        does not earn a piece falls back to its UTF-8 bytes. Each of ``symbols`` is one piece
        wherever it stands.

        Raises:
            TrainingError: when the sentences cannot support that many pieces. What reading
                ``sentences`` raises is passed on.
            OSError: when ``path`` cannot be written.
        """
        failures: list[Exception] = []

        def normalised() -> Iterator[str]:
            try:
                yield from map(normalise, sentences)
            except Exception as error:  # SentencePiece would make a RuntimeError of it
                failures.append(error)
                raise

        model = io.BytesIO()  # written here: SentencePiece would not notice a full disk
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=normalised(),
                model_writer=model,
                vocab_size=size,
                control_symbols=[tag(language) for language in languages],
                user_defined_symbols=list(symbols),
                num_threads=threads,
                **_SETTINGS,
            )
        except RuntimeError as error:
            if failures:
                raise failures[0] from None
            # "INTERNAL: file(line) [condition] What is wrong."
            reason = str(error).rpartition("] ")[2].strip() or "there are no sentences"
            raise TrainingError(f"cannot learn a vocabulary of {size} pieces: {reason}") from error
        path.write_bytes(model.getvalue())
        return cls(path)


def _read(processor: sentencepiece.SentencePieceProcessor, text: str) -> tuple[int, ...]:
    return tuple(processor.encode(normalise(text)))
