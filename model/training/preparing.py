"""From the corpora of a recipe to a token store: text is read, chosen, tokenised and written."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tformer.model.errors import InputError, OutputError, TrainingError
from tformer.model.files import replacing_directory
from tformer.model.text.normalization import normalise
from tformer.model.training.augmentation import Example, augmented
from tformer.model.training.corpora import Pair, Reader, Texts
from tformer.model.training.filters import Filtered, Filters
from tformer.model.training.recipe import Recipe
from tformer.model.training.store import DIRECTIONS, VOCABULARY
from tformer.model.vocabulary.sentencepiece import Vocabulary

CHUNK = 20_000
"""Pairs that are tokenised at once while a store is made."""

Report = Callable[[str], None]

Show = Callable[[str, Filtered], None]
"""Gets a corpus' path and what the filters left out of it."""


def prepare(
    recipe: Recipe,
    root: Path,
    output: Path,
    *,
    vocabulary: Vocabulary | None = None,
    readers: Mapping[str, Reader] | None = None,
    threads: int = 1,
    report: Report = print,
    examples: int = 0,
    show: Show = lambda path, left: None,
) -> None:
    """Read the recipe's corpora under ``root`` and write a token store to ``output``.

    Without a ``vocabulary``, one is learnt from the corpora. ``readers`` are of files that are
    neither TSV nor lines, by suffix.

    Pairs that occur more than once are kept at their first place, and none that has a side in
    common with a validation set is kept. Of what the recipe's filters leave out of a corpus,
    ``show`` gets up to ``examples`` a filter. The store is complete or not there: it is built
    beside ``output`` and moved into place.

    Raises:
        InputError: for a corpus that cannot be read, with file and line.
        TrainingError: when ``output`` exists, or the vocabulary cannot be learnt.
        OutputError: when the store cannot be written.
    """
    if output.exists():
        raise TrainingError(f"{output}: exists already; choose another place or remove it")
    texts = Texts(root, recipe.languages, readers or {})
    try:
        with replacing_directory(output) as folder:
            held_out = _write_validation(recipe, texts, folder / "validation")
            vocabulary = _write_vocabulary(folder, recipe, texts, vocabulary, threads, report)
            with _StoreWriter(folder, vocabulary, recipe, held_out, threads) as writer:
                _write_corpora(writer, recipe, texts, report, examples, show)
            writer.write_facts()
    except OSError as error:  # reading raises InputError: what is left is writing
        raise OutputError(f"{output}: cannot be written ({error.strerror or error})") from error


def _write_corpora(
    writer: _StoreWriter, recipe: Recipe, texts: Texts, report: Report, examples: int, show: Show
) -> None:
    """Append every corpus as the recipe's filters leave it."""
    filters = Filters(recipe.languages)
    for index, corpus in enumerate(recipe.corpora):
        left = Filtered(examples)
        names = recipe.filter if corpus.filter is None else corpus.filter
        pairs = filters.apply(names, texts.pairs(corpus.path, corpus.target_path), left)
        kept, copies = writer.add(index, pairs)
        line = f"{corpus.path}: {kept:,} of {left.seen:,} pairs kept"
        line += f", left out for {left}" if left.counts else ""
        report(line + (f"; {copies:,} changed copies added" if copies else ""))
        show(corpus.path, left)


def _write_vocabulary(
    folder: Path,
    recipe: Recipe,
    texts: Texts,
    vocabulary: Vocabulary | None,
    threads: int,
    report: Report,
) -> Vocabulary:
    """Copy the vocabulary, or learn it from the corpora."""
    if vocabulary:
        shutil.copyfile(vocabulary.path, folder / VOCABULARY)
        return vocabulary
    report(f"learning a vocabulary of {recipe.vocabulary.size} pieces")
    return Vocabulary.train(
        _vocabulary_sample(recipe, texts),
        folder / VOCABULARY,
        languages=recipe.languages,
        size=recipe.vocabulary.size,
        symbols=recipe.vocabulary.symbols,
        threads=threads,
    )


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


_FILES = ("tokens", "offsets", "lengths", "corpora", "directions")


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
                for name in _FILES
            }
            self._closing = stack.pop_all()
        self.files["offsets"].write(np.int64(0).tobytes())
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()  # every file, though flushing one may fail

    def add(self, corpus: int, pairs: Iterator[Pair]) -> tuple[int, int]:
        """Append a corpus; returns how many pairs are kept, and how many changed copies added."""
        settings, before, copies = self.recipe.corpora[corpus], self.pairs, 0
        while chunk := list(islice(pairs, CHUNK)):
            new = [Example(*pair, settings.direction) for pair in chunk if self._is_new(pair)]
            self._append(corpus, new)
            if settings.augment:
                copies -= self.pairs
                self._append(corpus, list(self._augmented(new)))
                copies += self.pairs
        self.counts.append(self.pairs - before)
        return self.pairs - before - copies, copies

    def _augmented(self, examples: list[Example]) -> Iterator[Example]:
        settings = self.recipe.augmentation
        if any(vars(settings).values()):
            for example in examples:
                yield from augmented(example, settings, self.recipe.training.seed)

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

    def _append(self, corpus: int, pairs: list[Example]) -> None:
        longest = self.recipe.training.max_length
        first = self.vocabulary.pieces_of_many([pair[0] for pair in pairs], self.threads)
        second = self.vocabulary.pieces_of_many([pair[1] for pair in pairs], self.threads)
        kept = [
            (a, b, DIRECTIONS.index(pair.direction))
            for a, b, pair in zip(first, second, pairs, strict=True)
            if 0 < len(a) <= longest - 2 and 0 < len(b) <= longest - 2
        ]
        if not kept:
            return
        lengths = np.array([(len(a), len(b)) for a, b, _ in kept], dtype=np.uint16)
        tokens = np.fromiter((t for a, b, _ in kept for side in (a, b) for t in side), self.dtype)
        offsets = self.total + np.cumsum(lengths.sum(1, dtype=np.int64))
        self._write("tokens", tokens)
        self._write("offsets", offsets)
        self._write("lengths", lengths)
        self._write("corpora", np.full(len(kept), corpus, dtype=np.uint16))
        self._write("directions", np.array([ways for _, _, ways in kept], dtype=np.uint8))
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
