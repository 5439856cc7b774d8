"""The token store: a prepared corpus on disk, memory-mapped, so that RAM does not grow with it.

A store is a folder:

    store.json          what was put in, and how it was made
    vocabulary.model    the SentencePiece model
    tokens.bin          token ids of every pair, first language then second, uint16 or uint32
    offsets.bin         (n + 1) int64: pair i is tokens[offsets[i] : offsets[i + 1]]
    lengths.bin         (n, 2) uint16: tokens of either side, without tag and end of sentence
    corpora.bin         (n,) uint16: which entry of the recipe the pair came from
    validation/         one TSV file a validation set, as text
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tformer.model.errors import InputError, ModelError, OutputError, TrainingError
from tformer.model.text.normalization import normalise
from tformer.model.training.corpora import Pair, Reader, Texts, read_pairs
from tformer.model.training.recipe import Recipe
from tformer.model.training.start import Start
from tformer.model.vocabulary.sentencepiece import Vocabulary

VOCABULARY = "vocabulary.model"
"""Its name in a store."""

CHUNK = 20_000
"""Pairs that are tokenised at once while a store is made."""

Report = Callable[[str], None]


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
                fingerprint=facts["fingerprint"],
                sources=tuple(corpus["path"] for corpus in facts["corpora"]),
            )
        except (OSError, ValueError, KeyError, IndexError, TypeError, ModelError) as error:
            raise TrainingError(
                f"{path}: not a readable token store ({error}); make it with 'tformer prepare'"
            ) from error
        sizes = (len(store.offsets) - 1, len(store.lengths), len(store.corpora))
        if sizes != (count,) * 3 or store.offsets[-1] != len(store.tokens):
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


def prepare(
    recipe: Recipe,
    root: Path,
    output: Path,
    *,
    vocabulary: Vocabulary | None = None,
    readers: Mapping[str, Reader] | None = None,
    threads: int = 1,
    report: Report = print,
) -> None:
    """Read the recipe's corpora under ``root`` and write a token store to ``output``.

    Without a ``vocabulary``, one is learnt from the corpora. ``readers`` are of files that are
    neither TSV nor lines, by suffix.

    Pairs that occur more than once are kept at their first place, and none that has a side in
    common with a validation set is kept. The store is complete or not there: it is built beside
    ``output`` and moved into place.

    Raises:
        InputError: for a corpus that cannot be read, with file and line.
        TrainingError: when ``output`` exists, or the vocabulary cannot be learnt.
        OutputError: when the store cannot be written.
    """
    if output.exists():
        raise TrainingError(f"{output}: exists already; choose another place or remove it")
    texts = Texts(root, recipe.languages, readers or {})
    try:
        with _complete_or_not_there(output) as folder:
            _fill(folder, recipe, texts, vocabulary, threads, report)
    except OSError as error:  # reading raises InputError: what is left is writing
        raise OutputError(f"{output}: cannot be written ({error.strerror or error})") from error


@contextmanager
def _complete_or_not_there(output: Path) -> Iterator[Path]:
    """A folder that becomes ``output`` when nothing goes wrong, and vanishes otherwise."""
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(output)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _fill(
    folder: Path,
    recipe: Recipe,
    texts: Texts,
    vocabulary: Vocabulary | None,
    threads: int,
    report: Report,
) -> None:
    """Write every file of a store."""
    held_out = _write_validation(recipe, texts, folder / "validation")
    if vocabulary:
        shutil.copyfile(vocabulary.path, folder / VOCABULARY)
    else:
        report(f"learning a vocabulary of {recipe.vocabulary.size} pieces")
        vocabulary = Vocabulary.train(
            _vocabulary_sample(recipe, texts),
            folder / VOCABULARY,
            languages=recipe.languages,
            size=recipe.vocabulary.size,
            threads=threads,
        )
    writer = _StoreWriter(folder, vocabulary, recipe, held_out, threads)
    with writer:
        for index, corpus in enumerate(recipe.corpora):
            kept, seen = writer.add(index, texts.pairs(corpus.path, corpus.target_path))
            report(f"{corpus.path}: {kept:,} of {seen:,} pairs kept")
    writer.write_facts()


def _write_validation(recipe: Recipe, texts: Texts, folder: Path) -> set[str]:
    """Write the validation sets as text; returns all their sentences."""
    folder.mkdir()
    held_out: set[str] = set()
    for validation in recipe.validation:
        pairs = list(texts.pairs(validation.path, validation.target_path))
        held_out.update(normalise(side) for pair in pairs for side in pair)
        chosen = pairs[:: max(1, len(pairs) // validation.limit)][: validation.limit]
        normalised = ((normalise(first), normalise(second)) for first, second in chosen)
        lines = (f"{first}\t{second}\n" for first, second in normalised if first and second)
        (folder / f"{validation.name}.tsv").write_text("".join(lines), encoding="utf-8")
    return held_out


def _vocabulary_sample(recipe: Recipe, texts: Texts) -> Iterator[str]:
    """Both sides of about ``vocabulary.sample / 2`` pairs, corpora in proportion to weight."""
    counts = [
        sum(1 for _ in texts.pairs(corpus.path, corpus.target_path)) * min(1.0, corpus.weight)
        for corpus in recipe.corpora
    ]
    share = min(1.0, recipe.vocabulary.sample / 2 / max(1.0, sum(counts)))
    draw = random.Random(recipe.training.seed)
    for corpus in recipe.corpora:
        for pair in texts.pairs(corpus.path, corpus.target_path):
            if draw.random() < share * min(1.0, corpus.weight):
                yield from pair


class _StoreWriter:
    """Tokenises, filters and appends pairs; memory grows by eight bytes a pair, for repeats."""

    def __init__(
        self,
        folder: Path,
        vocabulary: Vocabulary,
        recipe: Recipe,
        held_out: set[str],
        threads: int,
    ) -> None:
        self.folder = folder
        self.vocabulary = vocabulary
        self.recipe = recipe
        self.held_out = held_out
        self.threads = threads
        self.dtype = "uint16" if len(vocabulary) <= 1 << 16 else "uint32"
        self.seen: set[int] = set()
        self.digest = hashlib.sha256()
        self.pairs = 0
        self.total = 0
        self.counts: list[int] = []

    def __enter__(self) -> _StoreWriter:
        with ExitStack() as stack:
            self.files: dict[str, BinaryIO] = {
                name: stack.enter_context((self.folder / f"{name}.bin").open("wb"))
                for name in ("tokens", "offsets", "lengths", "corpora")
            }
            self._closing = stack.pop_all()
        self.files["offsets"].write(np.int64(0).tobytes())
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()  # every file, though flushing one may fail

    def add(self, corpus: int, pairs: Iterator[Pair]) -> tuple[int, int]:
        """Append a corpus; returns pairs kept and pairs seen."""
        before, seen = self.pairs, 0
        while chunk := list(islice(pairs, CHUNK)):
            seen += len(chunk)
            self._append(corpus, [pair for pair in chunk if self._is_new(pair)])
        self.counts.append(self.pairs - before)
        return self.pairs - before, seen

    def _is_new(self, pair: Pair) -> bool:
        sides = (normalise(pair[0]), normalise(pair[1]))
        if sides[0] in self.held_out or sides[1] in self.held_out:
            return False
        digest = hashlib.blake2b("\t".join(sides).encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big")
        if key in self.seen:
            return False
        self.seen.add(key)
        return True

    def _append(self, corpus: int, pairs: list[Pair]) -> None:
        longest = self.recipe.training.max_length
        first = self.vocabulary.pieces_of_many([pair[0] for pair in pairs], self.threads)
        second = self.vocabulary.pieces_of_many([pair[1] for pair in pairs], self.threads)
        kept = [
            (a, b)
            for a, b in zip(first, second, strict=True)
            if 0 < len(a) <= longest - 2 and 0 < len(b) <= longest - 2
        ]
        if not kept:
            return
        lengths = np.array([(len(a), len(b)) for a, b in kept], dtype=np.uint16)
        tokens = np.fromiter((t for pair in kept for side in pair for t in side), self.dtype)
        offsets = self.total + np.cumsum(lengths.sum(1, dtype=np.int64))
        self._write("tokens", tokens)
        self._write("offsets", offsets)
        self._write("lengths", lengths)
        self._write("corpora", np.full(len(kept), corpus, dtype=np.uint16))
        self.pairs += len(kept)
        self.total += len(tokens)

    def _write(self, name: str, values: npt.NDArray[Any]) -> None:
        data = values.tobytes()
        self.digest.update(data)
        self.files[name].write(data)

    def write_facts(self) -> None:
        """The last file, which makes the folder a store."""
        if not self.pairs:
            raise InputError("no pair is left: every one is a repeat, held out or too long")
        facts = {
            "languages": self.recipe.languages,
            "pairs": self.pairs,
            "tokens": self.total,
            "dtype": self.dtype,
            "fingerprint": self.digest.hexdigest(),
            "corpora": [
                {"path": corpus.path, "pairs": count}
                for corpus, count in zip(self.recipe.corpora, self.counts, strict=True)
            ],
        }
        text = json.dumps(facts, indent=2) + "\n"
        (self.folder / "store.json").write_text(text, encoding="utf-8")
