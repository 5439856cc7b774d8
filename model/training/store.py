"""The token store: a prepared corpus on disk, memory-mapped, so that RAM does not grow with it.

A store is a folder:

    store.json          what was put in, and how it was made
    vocabulary.model    the SentencePiece model
    tokens.bin          token ids of every pair, first language then second, uint16 or uint32
    offsets.bin         (n + 1) int64: pair i is tokens[offsets[i] : offsets[i + 1]]
    lengths.bin         (n, 2) uint16: tokens of either side, without tag and end of sentence
    corpora.bin         (n,) uint16: which entry of the recipe the pair came from
    directions.bin      (n,) uint8: 0 learnt both ways, 1 first to second only, 2 second to first
    validation/         one TSV file a validation set, as text
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tformer.model.errors import ModelError, TrainingError
from tformer.model.training.corpora import Pair, read_pairs
from tformer.model.training.recipe import Recipe
from tformer.model.training.start import Start
from tformer.model.vocabulary.sentencepiece import Vocabulary

VOCABULARY = "vocabulary.model"
"""Its name in a store."""


DIRECTIONS = ("both", "forward", "backward")
"""Directions in which a pair is learnt; forward is from the first language to the second."""


@dataclass(frozen=True)
class TokenStore:
    """A prepared corpus of n pairs."""

    path: Path
    languages: tuple[str, str]
    vocabulary: Vocabulary
    tokens: npt.NDArray[Any]
    """(total,) uint16 or uint32, memory-mapped."""
    offsets: npt.NDArray[np.int64]
    """(n + 1,)"""
    lengths: npt.NDArray[np.uint16]
    """(n, 2)"""
    corpora: npt.NDArray[np.uint16]
    """(n,)"""
    directions: npt.NDArray[np.uint8]
    """(n,): an index of :data:`DIRECTIONS`."""
    fingerprint: str
    """Changes when the tokens do; a run is only resumed on the store that it began with."""
    sources: tuple[str, ...]
    """Paths of the recipe's corpora; ``corpora`` counts in them."""

    def __len__(self) -> int:
        return len(self.corpora)

    @classmethod
    def open(cls, path: Path) -> TokenStore:
        """Map a store that :func:`prepare` made.

        Raises:
            TrainingError: when there is none, or it is damaged.
        """
        try:
            facts = json.loads((path / "store.json").read_text(encoding="utf-8"))
            count = int(facts["pairs"])
            store = cls(
                path=path,
                languages=(facts["languages"][0], facts["languages"][1]),
                vocabulary=Vocabulary(path / VOCABULARY),
                tokens=np.memmap(path / "tokens.bin", dtype=facts["dtype"], mode="r"),
                offsets=np.memmap(path / "offsets.bin", dtype=np.int64, mode="r"),
                lengths=np.memmap(path / "lengths.bin", np.uint16, mode="r").reshape(-1, 2),
                corpora=np.memmap(path / "corpora.bin", dtype=np.uint16, mode="r"),
                directions=_directions(path / "directions.bin", count),
                fingerprint=facts["fingerprint"],
                sources=tuple(corpus["path"] for corpus in facts["corpora"]),
            )
        except (OSError, ValueError, KeyError, IndexError, TypeError, ModelError) as error:
            raise TrainingError(
                f"{path}: not a readable token store ({error}); make it with 'tformer prepare'"
            ) from error
        sizes = (
            len(store.offsets) - 1,
            len(store.lengths),
            len(store.corpora),
            len(store.directions),
        )
        if sizes != (count,) * 4 or store.offsets[-1] != len(store.tokens):
            raise TrainingError(f"{path}: the token store is damaged; run 'tformer prepare' again")
        return store

    def pair(self, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Token ids of both sides of a pair."""
        start, end = self.offsets[index], self.offsets[index + 1]
        middle = start + self.lengths[index, 0]
        return self.tokens[start:middle], self.tokens[middle:end]

    def check(self, recipe: Recipe, start: Start | None = None) -> None:
        """Refuse a recipe that this store was not made from, or a start of other token ids.

        Raises:
            TrainingError: saying what differs.
        """
        for what, stored, wanted in (
            ("languages", self.languages, recipe.languages),
            ("corpora", self.sources, tuple(corpus.path for corpus in recipe.corpora)),
            ("vocabulary size", len(self.vocabulary), recipe.model.vocab_size),
        ):
            if stored != wanted:
                raise TrainingError(
                    f"{self.path}: was made with other {what} than the recipe's; "
                    "run 'tformer prepare' again"
                )
        if start:
            start.check(recipe)
            if (self.path / VOCABULARY).read_bytes() != start.vocabulary.path.read_bytes():
                raise TrainingError(
                    f"{self.path}: has another vocabulary than {start.path}; "
                    f"run 'tformer prepare --from' with that model again"
                )

    def validation_sets(self) -> dict[str, list[Pair]]:
        """Validation pairs by name, as text."""
        files = sorted((self.path / "validation").glob("*.tsv"))
        return {file.stem: list(read_pairs(file)) for file in files}


def _directions(path: Path, count: int) -> npt.NDArray[np.uint8]:
    """Directions of every pair; stores without directions are learnt both ways."""
    if not path.exists():
        return np.zeros(count, np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r")
