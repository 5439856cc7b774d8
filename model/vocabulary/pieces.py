"""The vocabulary of an imported model: SentencePiece cuts, tables of tokens count.

Source and target are cut by a SentencePiece model each, or by one; where there is none, tokens are
what stands between spaces. A token's id is its place in a table, of which the target may have its
own. What stands around the pieces of a sentence is said by :class:`Frame`; languages are known by
BCP-47 codes, whatever the model's tokens call them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import sentencepiece

from tformer.model.errors import ModelError
from tformer.model.text.normalization import normalise

FILE = "pieces.json"
SOURCE_PIECES, TARGET_PIECES = "source.spm", "target.spm"

Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """Special tokens around the pieces of a sentence."""

    sources: Mapping[str, Tokens]
    """Tokens that the source begins with, by source language."""
    targets: Mapping[str, Tokens]
    """Tokens that the source begins with after those, by target language."""
    target_starts: Mapping[str, Tokens] = field(default_factory=dict)
    """Tokens that every translation begins with, by target language."""
    source_end: Tokens = ()
    start: str = "<s>"
    """First token that the decoder reads."""
    end: str = "</s>"
    unknown: str = "<unk>"
    silent: Tokens = ()
    """Tokens that are no text besides those above."""

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Frame:
        """Read what `dataclasses.asdict` made."""

        def by_language(name: str) -> dict[str, Tokens]:
            return {code: tuple(tokens) for code, tokens in table[name].items()}

        return cls(
            by_language("sources"),
            by_language("targets"),
            by_language("target_starts"),
            tuple(table["source_end"]),
            str(table["start"]),
            str(table["end"]),
            str(table["unknown"]),
            tuple(table["silent"]),
        )

    @property
    def not_text(self) -> frozenset[str]:
        """Every token that is no text."""
        tags = (token for tokens in self.target_starts.values() for token in tokens)
        words = (self.start, self.end, self.unknown)
        return frozenset([*tags, *words, *self.silent])


@dataclass(frozen=True)
class Cutters:
    """SentencePiece models; None where tokens are what stands between spaces."""

    source: Path | None = None
    target: Path | None = None
    """None is that of the source."""

    @classmethod
    def of(cls, folder: Path) -> Cutters:
        """Read the vocabulary of a model directory."""
        files = (folder / SOURCE_PIECES, folder / TARGET_PIECES)
        return cls(*(file if file.is_file() else None for file in files))

    def save(self, folder: Path) -> None:
        """Copy them into a model directory."""
        for file, name in ((self.source, SOURCE_PIECES), (self.target, TARGET_PIECES)):
            if file is not None:
                shutil.copyfile(file, folder / name)


class PieceVocabulary:
    """Text to token ids and back; satisfies `vocabulary.sentencepiece.AnyVocabulary`."""

    kind = "pieces"

    def __init__(
        self,
        path: Path,
        frame: Frame,
        source_tokens: Sequence[str],
        target_tokens: Sequence[str] | None = None,
        cutters: Cutters | None = None,
    ) -> None:
        """A vocabulary of a model in the directory ``path``.

        Args:
            path: for errors, and for ``cutters`` that are not given.
            frame: what stands around pieces.
            source_tokens: by id.
            target_tokens: by id; None is those of the source.
            cutters: what cuts text.

        Raises:
            ModelError: when a file is damaged, or a token of the frame has no id.
        """
        self.path = path
        self.frame = frame
        self.source_tokens = list(source_tokens)
        self.target_tokens = self.source_tokens if target_tokens is None else list(target_tokens)
        self._own_target = target_tokens is not None
        self._source_ids = _ids(self.source_tokens)
        self._target_ids = _ids(self.target_tokens) if self._own_target else self._source_ids
        self._cutters = Cutters.of(path) if cutters is None else cutters
        self._source_pieces = _read_pieces(self._cutters.source)
        own = self._cutters.target
        self._target_pieces = _read_pieces(own) if own else self._source_pieces
        self.source_languages = tuple(frame.sources)
        self.target_languages = tuple(frame.targets)
        for tokens in (*frame.sources.values(), *frame.targets.values(), frame.source_end):
            self._known(tokens, self._source_ids)
        for tokens in frame.target_starts.values():
            self._known(tokens, self._target_ids)
        self.bos_id, self.eos_id = self._known((frame.start, frame.end), self._target_ids)
        self.unk_id = self._target_ids.get(frame.unknown, self.eos_id)

    @classmethod
    def load(cls, path: Path) -> PieceVocabulary:
        """Read a model directory.

        Raises:
            ModelError: when a file is missing or damaged.
        """
        file = path / FILE
        try:
            table = json.loads(file.read_text(encoding="utf-8"))
            frame = Frame.from_dict(table["frame"])
            return cls(path, frame, table["source_tokens"], table["target_tokens"])
        except OSError as error:
            raise ModelError(f"{file}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{file}: not a vocabulary ({error!r})") from error

    def __len__(self) -> int:
        return len(self.source_tokens)

    @property
    def target_size(self) -> int:
        """Tokens that the target may consist of."""
        return len(self.target_tokens)

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages, those of the source first."""
        return tuple(dict.fromkeys(self.source_languages + self.target_languages))

    def encode(
        self, text: str, target_language: str, source_language: str | None = None
    ) -> list[int]:
        """The encoder's input: tags if there are any, pieces, end of sentence if there is one.

        Args:
            text: a sentence.
            target_language: to translate into.
            source_language: of the text; None is the first that the model reads.

        Raises:
            ModelError: when the model does not know a language.
        """
        source = self.source_languages[0] if source_language is None else source_language
        frame, ids = self.frame, self._source_ids
        start = (*_of(source, frame.sources), *_of(target_language, frame.targets))
        return [
            *(ids[token] for token in start),
            *self.pieces(text),
            *(ids[token] for token in frame.source_end),
        ]

    def target_start(self, target_language: str) -> tuple[int, ...]:
        """Beginning of every translation into a language."""
        tokens = self.frame.target_starts.get(target_language, ())
        return tuple(self._target_ids[token] for token in tokens)

    def encode_target(self, text: str) -> list[int]:
        """Target tokens of ``text``: its pieces and the end of sentence."""
        return [*self._cut(text, self._target_pieces, self._target_ids), self.eos_id]

    def pieces(self, text: str) -> list[int]:
        """Source ids of the bare text. A tag spelt in the text is text."""
        return self._cut(text, self._source_pieces, self._source_ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of target ids; control symbols, tags and unknown tokens vanish."""
        tokens = [self.target_tokens[identity] for identity in ids]
        said = [token for token in tokens if token not in self._silent]
        if self._target_pieces is None:
            return " ".join(said)
        return str(self._target_pieces.decode_pieces(said)).strip()

    def save(self, folder: Path) -> None:
        """Write the files into a directory."""
        self._cutters.save(folder)
        table = {
            "frame": asdict(self.frame),
            "source_tokens": self.source_tokens,
            "target_tokens": self.target_tokens if self._own_target else None,
        }
        text = json.dumps(table, ensure_ascii=False)
        (folder / FILE).write_text(text, encoding="utf-8", newline="\n")

    @cached_property
    def _silent(self) -> frozenset[str]:
        return self.frame.not_text

    def _cut(
        self,
        text: str,
        pieces: sentencepiece.SentencePieceProcessor | None,
        ids: Mapping[str, int],
    ) -> list[int]:
        normal = normalise(text)
        tokens = normal.split() if pieces is None else pieces.encode(normal, out_type=str)
        unknown = ids.get(self.frame.unknown, 0)
        return [unknown if token in self._silent else ids.get(token, unknown) for token in tokens]

    def _known(self, tokens: Tokens, ids: Mapping[str, int]) -> list[int]:
        if missing := [token for token in tokens if token not in ids]:
            raise ModelError(f"{self.path}: the vocabulary has no token {missing[0]!r}")
        return [ids[token] for token in tokens]


def _of(language: str, table: Mapping[str, Tokens]) -> Tokens:
    if language not in table:
        known = ", ".join(table)
        raise ModelError(f"language {language!r} is unknown to this model ({known})")
    return table[language]


def _ids(tokens: Sequence[str]) -> dict[str, int]:
    """Ids of tokens; of tokens that are there twice the first counts."""
    return {token: len(tokens) - 1 - n for n, token in enumerate(reversed(tokens))}


def _read_pieces(file: Path | None) -> sentencepiece.SentencePieceProcessor | None:
    if file is None:
        return None
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=file.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{file}: not a readable SentencePiece model ({error})") from error
