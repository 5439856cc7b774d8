"""Datastore on disk, and in memory what of it a sentence needs.

datastore.json   description: model, languages, sizes, weights of the mixture
keys.bin         (entries, d) int8, what the output projection reads of each target token
scales.bin       (entries,) float32, of the keys
tokens.bin       (entries,) int32, the target tokens, and the end of each sentence
starts.bin       (pairs + 1,) int64, of each pair's entries
texts.tsv        source and translation of each pair, for people
lines.bin        (pairs + 1,) int64, where in texts.tsv each line begins
index.*.bin      `retrieval.Postings`

Everything but the description is memory-mapped: processes share it, and it is read as needed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tformer.model.datastore.mixing import Floats, MixtureWeights
from tformer.model.datastore.retrieval import Postings, most_similar
from tformer.model.errors import InputError, UsageError

FORMAT = 1
"""Version of the layout above."""

DESCRIPTION = "datastore.json"

NUM_PAIRS = 64
"""Pairs of a datastore whose entries a sentence is compared with."""

UNLIKE, ALIKE = 0.15, 0.25
"""Similarity of the most similar source (`retrieval.most_similar`) up to which entries are not used
at all, and from which on they are used in full. Chosen on 300 sentences of newstest2013: with
datastores of a shop manual, of office help and of dialogue they lose 0.1 BLEU, and 5 to 10 without
regard to similarity."""

ARRAYS: dict[str, Any] = {
    "keys": np.int8,
    "scales": np.float32,
    "tokens": np.int32,
    "starts": np.int64,
    "lines": np.int64,
    "index.terms": np.int64,
    "index.ends": np.uint32,
    "index.pairs": np.uint32,
    "index.weights": np.float16,
}
"""Files of numbers, and their dtypes."""


@dataclass(frozen=True)
class DatastoreDescription:
    """Content of ``datastore.json``."""

    model: str
    """Fingerprint of the model whose representations these are."""
    source_language: str
    target_language: str
    num_pairs: int
    num_entries: int
    width: int
    """d."""
    first_token: int
    """First token of every source, such as the tag of the target language; -1 if they differ."""
    weights: MixtureWeights
    format: int = FORMAT

    def write(self, directory: Path) -> None:
        """Write it as JSON."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        (directory / DESCRIPTION).write_text(text, "utf-8")

    @classmethod
    def read(cls, directory: Path) -> DatastoreDescription:
        """Read it.

        Raises:
            InputError: it is missing, unfinished, damaged, or newer than this program.
        """
        try:
            record = json.loads((directory / DESCRIPTION).read_text("utf-8"))
            found = cls(**record | {"weights": MixtureWeights(**record["weights"])})
        except FileNotFoundError:
            raise InputError(
                f"{directory}: no datastore, or one that is unfinished: "
                "`tformer memory build` makes it, and goes on with what was begun"
            ) from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{directory / DESCRIPTION}: {error}: build it anew") from error
        if found.format != FORMAT:
            raise InputError(f"{directory}: format {found.format} is unknown: build it anew")
        return found


@dataclass(frozen=True, eq=False)
class Subset:
    """Entries that a sentence is compared with, M of them."""

    keys: NDArray[np.int8]
    """(M, d)"""
    scales: Floats
    """(M,)"""
    tokens: NDArray[np.int32]
    """(M,)"""
    entries: NDArray[np.int64]
    """(M,), their numbers in the datastore."""
    weights: MixtureWeights


class Datastore:
    """An opened datastore."""

    def __init__(self, directory: Path, told: DatastoreDescription | None = None) -> None:
        """Open ``directory``; one that is not yet described is what it is ``told`` to be.

        Raises:
            InputError: it is missing, unfinished or damaged.
        """
        self.directory = directory
        self.description = told or DatastoreDescription.read(directory)
        try:
            arrays = {name: _mapped(directory, name) for name in ARRAYS}
        except (OSError, ValueError) as error:
            raise InputError(f"{directory}: {error}: build it anew") from error
        self.starts, self._lines = arrays["starts"], arrays["lines"]
        self.scales, self.tokens = arrays["scales"], arrays["tokens"]
        self._postings = Postings(*(arrays[f"index.{field}"] for field in Postings._fields))
        self._check(arrays)
        self.keys = arrays["keys"].reshape(-1, self.description.width)

    def __len__(self) -> int:
        return self.description.num_entries

    def _check(self, arrays: dict[str, NDArray[Any]]) -> None:
        told, pairs, entries = self.description, len(self.starts) - 1, len(self.tokens)
        sizes = len(arrays["keys"]) == entries * told.width and len(self.scales) == entries
        if not sizes or (pairs, entries) != (told.num_pairs, told.num_entries):
            raise InputError(f"{self.directory}: files of different sizes: build it anew")

    def check_model(self, fingerprint: str) -> None:
        """Refuse the representations of another model.

        Raises:
            UsageError: it was built with another one.
        """
        if self.description.model != fingerprint:
            raise UsageError(
                f"{self.directory}: built with another model: `tformer memory build` again with -m"
            )

    def subset(
        self, source: Sequence[int], weight: float | None = None, without: int = -1
    ) -> Subset | None:
        """Entries of the pairs with the most similar sources; None if nothing is similar.

        Args:
            source: what the encoder reads.
            weight: lambda; None for that of the distances.
            without: a pair that does not count.
        """
        told = self.description
        if told.first_token >= 0 and source[0] != told.first_token:
            return None
        most = NUM_PAIRS + (without >= 0)
        pairs, similarities = most_similar(self._postings, told.num_pairs, source, most)
        others = pairs != without
        pairs, similarities = pairs[others], similarities[others]
        if weight is not None and len(pairs):
            return self.entries_of(pairs, told.weights.fixed(weight))
        trust = (similarities.max(initial=0) - UNLIKE) / (ALIKE - UNLIKE)
        if trust <= 0:
            return None
        return self.entries_of(pairs, replace(told.weights, trust=min(float(trust), 1.0)))

    def entries_of(
        self, pairs: Sequence[int] | NDArray[np.int64], weights: MixtureWeights
    ) -> Subset:
        """Entries of some pairs."""
        spans = [(int(self.starts[pair]), int(self.starts[pair + 1])) for pair in pairs]
        entries = np.concatenate([np.arange(start, end) for start, end in spans])
        return Subset(
            np.concatenate([self.keys[start:end] for start, end in spans]),
            self.scales[entries],
            self.tokens[entries],
            entries,
            weights,
        )

    def pair_of(self, entry: int) -> int:
        """The pair that an entry is of."""
        return int(np.searchsorted(self.starts, entry, side="right")) - 1

    def texts(self, pair: int) -> tuple[str, str]:
        """Source and translation of a pair."""
        start, end = int(self._lines[pair]), int(self._lines[pair + 1])
        with (self.directory / "texts.tsv").open("rb") as stream:
            stream.seek(start)
            source, _, target = (
                stream.read(end - start).decode("utf-8").rstrip("\n").partition("\t")
            )
        return source, target


def _mapped(directory: Path, name: str) -> NDArray[Any]:
    path = directory / f"{name}.bin"
    if not path.stat().st_size:
        return np.zeros(0, ARRAYS[name])
    return np.asarray(np.memmap(path, ARRAYS[name], "r"))
