"""Parallel text of monolingual text: each line beside its translation by a model.

Back-translation puts the model's side where a model to be trained reads, and distillation where it
writes; which of the two a corpus is for says its ``direction`` in a recipe.

The work is done in parts of so many lines. Each is a file of its own in a folder beside the result
until all are there, so that a run that was killed goes on with the part that it was at. As no
translation depends on what runs beside it, the result is the same file, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from gzip import GzipFile
from itertools import count, islice, takewhile
from lzma import LZMAFile
from pathlib import Path
from typing import BinaryIO

from tformer.model.errors import OutputError, UsageError
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.text.normalization import normalise
from tformer.model.training.corpora import read_lines
from tformer.model.training.recipe import Recipe
from tformer.model.training.settings import SynthesisSettings
from tformer.model.translation import Translation, WarningKind

PART = 2_000
"""Lines whose pairs are written at once."""


@dataclass
class SynthesisTally:
    """Counts of the lines of a text."""

    lines: int = 0
    repeats: int = 0
    unfit: int = 0
    """Blank, or of too few or too many words."""
    flagged: int = 0
    """Translations that the guard or the limit of length marked."""
    pairs: int = 0

    def add(self, other: SynthesisTally) -> None:
        """Add the counts of another part."""
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


def decoding(settings: SynthesisSettings, seed: int) -> DecodingOptions:
    """Decoding options of the settings.

    Raises:
        UsageError: naming the option that is out of range.
    """
    return DecodingOptions(
        beam_size=max(settings.beam_size, settings.n_best),
        length_penalty=settings.length_penalty,
        n_best=settings.n_best,
        sampling=settings.sampling,
        temperature=settings.temperature,
        top_k=settings.top_k,
        seed=seed,
    )


class Synthesis:
    """One text, one model, and how its lines become pairs."""

    def __init__(self, recipe: Recipe, translator: Translator, text: Path, language: str) -> None:
        """Check that the model can do what the recipe says.

        Args:
            recipe: its languages, ``[synthesis]`` and ``training.seed`` count.
            translator: of the model.
            text: a sentence a line, plain, .gz or .xz.
            language: of the text, one of the recipe's.

        Raises:
            UsageError: for a language that is not the recipe's or the model's, and for a tag that
                the vocabulary does not know as one piece.
        """
        if language not in recipe.languages:
            raise UsageError(
                f"the text's language must be one of the recipe's, "
                f"{' or '.join(recipe.languages)}, not {language!r}"
            )
        self.settings = recipe.synthesis
        self.translator = translator
        self.text = text
        self.first = language == recipe.languages[0]
        self.source = language
        self.target = recipe.languages[1 if self.first else 0]
        translator.route(self.source, self.target)
        self.options = decoding(self.settings, recipe.training.seed)
        self._check_tag()

    def _check_tag(self) -> None:
        tag = self.settings.tag
        if tag and len(self.translator.vocabulary.encode_target(tag)) > 2 + (" " not in tag):
            raise UsageError(
                f"synthesis.tag {tag!r} is not one piece of the model's vocabulary; leave it out, "
                "or train a vocabulary with it among vocabulary.symbols"
            )

    def fingerprint(self, model: Path | None) -> str:
        """Everything that decides what the result is."""
        facts = {
            "settings": asdict(self.settings),
            "options": asdict(self.options),
            "source": self.source,
            "target": self.target,
            "text": _digest(self.text),
            "model": _digest(model / "model.safetensors") if model else "",
        }
        return json.dumps(facts, sort_keys=True)

    def parts(self, done: int) -> Iterator[tuple[list[tuple[str, str]], SynthesisTally]]:
        """Pairs of each part of the text in the recipe's order of languages, after ``done`` parts.

        Raises:
            InputError: when the text cannot be read.
        """
        seen: set[bytes] = set()
        lines = read_lines(self.text)
        for number in count():
            part = list(islice(lines, PART))
            if not part:
                return
            tally = SynthesisTally(lines=len(part))
            chosen = list(self._choose(part, seen, tally))
            if number >= done:
                pairs = [pair for line in self._translate(chosen, tally) for pair in line]
                tally.pairs = len(pairs)
                yield pairs, tally

    def _choose(
        self, lines: Sequence[str], seen: set[bytes], tally: SynthesisTally
    ) -> Iterator[str]:
        for line in lines:
            text = normalise(line)
            words = len(text.split())
            if not self.settings.fewest_words <= words <= self.settings.most_words or not text:
                tally.unfit += 1
                continue
            key = hashlib.blake2b(text.encode(), digest_size=8).digest()
            if key in seen:
                tally.repeats += 1
                continue
            seen.add(key)
            yield text

    def _translate(
        self, lines: Sequence[str], tally: SynthesisTally
    ) -> Iterator[list[tuple[str, str]]]:
        translations = self.translator.translate(
            lines, source=self.source, target=self.target, options=self.options
        )
        for line, translation in zip(lines, translations, strict=True):
            if _is_flagged(translation):
                tally.flagged += 1
            else:
                yield list(self._pairs(line, translation))

    def _pairs(self, line: str, translation: Translation) -> Iterator[tuple[str, str]]:
        texts = dict.fromkeys(normalise(entry.text) for entry in translation.hypotheses)
        for text in filter(None, texts):
            made = f"{self.settings.tag} {text}".lstrip()
            yield (line, made) if self.first else (made, line)


def _is_flagged(translation: Translation) -> bool:
    kinds = {getattr(warning, "kind", WarningKind.OTHER) for warning in translation.warnings}
    return bool(kinds & {WarningKind.GUARD, WarningKind.LIMIT, WarningKind.CUT})


def synthesize(
    synthesis: Synthesis,
    output: Path,
    *,
    model: Path | None = None,
    advance: Callable[[int], None] = lambda lines: None,
) -> SynthesisTally:
    """Write the pairs of a text to ``output``, TSV by ``.gz`` or ``.xz`` as its name says.

    What a run that was killed has done is not done again; of a run with another model, text or
    other settings nothing is used.

    Args:
        synthesis: what to do.
        output: the corpus; it is complete or not there.
        model: directory of the model, which a resumed run must share.
        advance: told the number of lines of every part.

    Raises:
        InputError: when the text cannot be read.
        OutputError: when the corpus cannot be written.
    """
    try:
        return _synthesize(synthesis, output, model, advance)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror or error})") from error


def _synthesize(
    synthesis: Synthesis, output: Path, model: Path | None, advance: Callable[[int], None]
) -> SynthesisTally:
    folder = output.with_name(f".{output.name}.parts")
    fingerprint = synthesis.fingerprint(model)
    facts = folder / "facts.json"
    if not (facts.exists() and facts.read_text(encoding="utf-8") == fingerprint):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(facts, fingerprint)
    tallies = [SynthesisTally(**json.loads(path.read_text())) for path in _tallies(folder)]
    for tally in tallies:
        advance(tally.lines)
    for number, (pairs, tally) in enumerate(synthesis.parts(len(tallies)), start=len(tallies)):
        _write(folder / f"{number:06}.tsv", "".join(f"{a}\t{b}\n" for a, b in pairs))
        _write(folder / f"{number:06}.json", json.dumps(asdict(tally)))  # says that it is complete
        tallies.append(tally)
        advance(tally.lines)
    _join(folder, len(tallies), output)
    shutil.rmtree(folder)
    total = SynthesisTally()
    for tally in tallies:
        total.add(tally)
    return total


def _tallies(folder: Path) -> list[Path]:
    """Counts of the complete parts, as far as none is missing."""
    paths = (folder / f"{number:06}.json" for number in count())
    return list(takewhile(Path.exists, paths))


def _join(folder: Path, parts: int, output: Path) -> None:
    """Write all parts, in order, to a file that takes the output's place at the end."""
    partial = folder / output.name
    with partial.open("wb") as raw, _packed(raw, output.suffix) as file:
        for number in range(parts):
            file.write((folder / f"{number:06}.tsv").read_bytes())
    os.replace(partial, output)


def _packed(raw: BinaryIO, suffix: str) -> AbstractContextManager[BinaryIO | GzipFile | LZMAFile]:
    """A file as the suffix of its name wants it; the same text makes the same bytes."""
    if suffix == ".gz":
        return GzipFile(fileobj=raw, mode="wb", filename="", mtime=0)
    return LZMAFile(raw, "wb") if suffix == ".xz" else nullcontext(raw)


def _write(path: Path, text: str) -> None:
    """Write a file that is complete or not there."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
