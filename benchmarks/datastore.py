"""Domain adaptation by a datastore: BLEU and speed with it, without it, and with reuse alone.

    python benchmarks/datastore.py memory.tsv test.en test.de --general news.en news.de

Builds a datastore of memory.tsv in a temporary folder (or in --keep), translates test.en in int8
with beam 4, and prints a JSON object: BLEU without, with, and where texts of the memory that are
the same or alike (best of several thresholds) are reused; BLEU of a general text with and without;
sentences per second, best of rounds that take turns; bytes an entry; and whether the sentences
are translated alike in one batch with and among sentences without the datastore.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from sacrebleu import corpus_bleu

from tformer.documents.terminology.memories import read_memory
from tformer.model.benchmark.machine import hardware
from tformer.model.datastore.layout import Datastore
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.datastore_builder import build_datastore
from tformer.model.pipeline.translator import Translator
from tformer.model.terms.translation_memory import TranslationMemory

THRESHOLDS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Similarities from which on a near match is reused as it is."""

PLAIN, WITH = DecodingOptions(), DecodingOptions(datastore="memory")


def lines_of(path: Path) -> list[str]:
    """Lines of a file."""
    return path.read_text("utf-8").splitlines()


class Trial:
    """One model and one datastore."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Load the model."""
        self.pair = arguments.source, arguments.target
        self.translator = Translator.load(
            arguments.model, device="cpu", dtype="int8", threads=arguments.threads
        )

    def said(self, texts: Sequence[str], options: DecodingOptions) -> list[str]:
        """Translations."""
        source, target = self.pair
        found = self.translator.translate(texts, source=source, target=target, options=options)
        return [each.text for each in found]

    def seconds(self, texts: Sequence[str], options: DecodingOptions) -> float:
        """Duration of translating texts."""
        start = time.perf_counter()
        self.said(texts, options)
        return time.perf_counter() - start


def bleu(said: Sequence[str], references: Sequence[str]) -> float:
    """BLEU as sacreBLEU has it."""
    return round(corpus_bleu(list(said), [list(references)]).score, 2)


def reuse(
    memory: TranslationMemory, texts: Sequence[str], said: Sequence[str], pair: tuple[str, str]
) -> list[list[str]]:
    """Translations in which near matches are reused, for each threshold."""
    near = [memory.near(text, *pair, most=1) for text in texts]
    exact = [memory.find(text, *pair) for text in texts]
    return [
        [
            same.target if same else match[0].target if match and match[0].score >= least else own
            for own, match, same in zip(said, near, exact, strict=True)
        ]
        for least in THRESHOLDS
    ]


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    trial = Trial(arguments)
    texts, references = lines_of(arguments.texts), lines_of(arguments.references)
    units = read_memory(arguments.memory)
    keep = arguments.keep
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        datastore = build_datastore(trial.translator, units, Path(folder), *trial.pair)
        built = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        trial.translator.add_datastore("memory", datastore)
        return {
            "machine": hardware(),
            "model": str(arguments.model),
            "threads": arguments.threads,
            "pairs": datastore.description.num_pairs,
            "entries": len(datastore),
            "bytes_an_entry": round(size / len(datastore), 1),
            "build_seconds": round(built, 1),
            **_quality(trial, datastore, texts, references, TranslationMemory(units)),
            **(_general(trial, *map(lines_of, arguments.general)) if arguments.general else {}),
            **_speed(trial, texts, arguments.rounds),
        }


def _quality(
    trial: Trial,
    datastore: Datastore,
    texts: Sequence[str],
    references: Sequence[str],
    memory: TranslationMemory,
) -> dict[str, Any]:
    plain, adapted = trial.said(texts, PLAIN), trial.said(texts, WITH)
    reused = [bleu(said, references) for said in reuse(memory, texts, plain, trial.pair)]
    return {
        "bleu_without": bleu(plain, references),
        "bleu_reuse": max(reused),
        "bleu_with": bleu(adapted, references),
        **company(trial, texts, plain, adapted),
    }


def company(
    trial: Trial, texts: Sequence[str], plain: Sequence[str], adapted: Sequence[str]
) -> dict[str, int]:
    """Sentences that differ where those with and without a datastore share a batch."""
    source, target = trial.pair
    route = trial.translator.route(source, target)
    drafts = [
        trial.translator.draft(text, route, WITH if number % 2 else PLAIN)
        for number, text in enumerate(texts)
    ]
    trial.translator.complete([one for draft in drafts for one in draft.waiting], 4)
    said = [draft.translation(1).text for draft in drafts]
    alone = [(adapted if number % 2 else plain)[number] for number in range(len(texts))]
    return {
        "texts": len(texts),
        "differ_in_company": sum(a != b for a, b in zip(said, alone, strict=True)),
    }


def _general(trial: Trial, texts: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    return {
        "general_bleu_without": bleu(trial.said(texts, PLAIN), references),
        "general_bleu_with": bleu(trial.said(texts, WITH), references),
    }


def _speed(trial: Trial, texts: Sequence[str], rounds: int) -> dict[str, float]:
    pairs = [(trial.seconds(texts, PLAIN), trial.seconds(texts, WITH)) for _ in range(rounds)]
    if not pairs:
        return {}
    without, adapted = (min(column) for column in zip(*pairs, strict=True))
    return {
        "texts_per_second_without": round(len(texts) / without, 1),
        "texts_per_second_with": round(len(texts) / adapted, 1),
        "speed": round(without / adapted, 3),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("memory", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("references", type=Path)
    parser.add_argument("--general", type=Path, nargs=2, metavar=("TEXTS", "REFERENCES"))
    parser.add_argument("--keep", type=Path, help="folder to keep the datastore in")
    parser.add_argument("--model", default="en-de")
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    print(json.dumps(measured(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
