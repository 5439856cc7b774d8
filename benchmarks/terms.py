"""Cost of glossaries and translation memories: CPU milliseconds a sentence, and memory.

    python benchmarks/terms.py [--entries 100000] [--dtype int8]

Every configuration translates the same 200 sentences (tests/data/terms) on one thread and is timed
four times; the figure is the least of the last three. The 100,000 terms are random words, so that
nothing is found, or what the small glossary has, among them; of the units of the memory many share
words with the sentences, so that near matches are looked for.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tformer.documents.terminology.glossaries import read_glossary
from tformer.model import Translator
from tformer.model.pipeline.tm_translator import MemoryTranslator
from tformer.model.terms.glossary import Entry, Glossary
from tformer.model.terms.translation_memory import TranslationMemory, Unit
from tformer.model.translation import Translation

DATA = Path(__file__).parent.parent / "tests" / "data" / "terms"
DIRECTION = {"source": "en", "target": "de"}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--dtype", default="auto")
    arguments = parser.parse_args()
    lines = (DATA / "sentences.en.txt").read_text("utf-8").splitlines()
    translator = Translator.load("en-de", threads=1, dtype=arguments.dtype)
    terms = read_glossary(DATA / "glossary.csv")
    unrelated = [Entry(phrase, "x") for phrase in random_phrases(arguments.entries, english=0)]
    foreign, both = Glossary(unrelated), Glossary([*terms, *unrelated])
    alike = random_phrases(arguments.entries, english=200)
    memory = TranslationMemory([Unit(phrase, "x") for phrase in alike])
    configurations: dict[str, Callable[[], Iterator[Translation]]] = {
        "nothing": lambda: translator.translate(lines, **DIRECTION),
        f"glossary of {len(foreign):,}, none in the text": lambda: translator.translate(
            lines, **DIRECTION, glossary=foreign
        ),
        f"glossary of {len(both):,}, in every sentence": lambda: translator.translate(
            lines, **DIRECTION, glossary=both
        ),
        f"memory of {len(memory):,}, exact matches": lambda: MemoryTranslator(
            translator, memory
        ).translate(lines, **DIRECTION),
        f"memory of {len(memory):,}, near matches too": lambda: MemoryTranslator(
            translator, memory, num_near=3
        ).translate(lines, **DIRECTION),
    }
    print(f"network in {translator.network.dtype}, one thread, {len(lines)} sentences")
    for name, run in configurations.items():
        started = time.process_time()
        translations = list(run())
        first = time.process_time() - started
        times = sorted(timed(run) for _ in range(3))
        print(f"{name:45} {1000 * times[0] / len(lines):6.2f} ms a sentence  (first {first:.2f} s)")
        if uses := [use for translation in translations for use in translation.terms]:
            honoured = sum(use.honoured for use in uses)
            warned = sum(len(translation.warnings) for translation in translations)
            print(f"    {honoured} of {len(uses)} terms honoured, {warned} warnings")


def timed(run: Callable[[], Iterator[Translation]]) -> float:
    """CPU seconds of a translation."""
    started = time.process_time()
    list(run())
    return time.process_time() - started


def random_phrases(number: int, *, english: int) -> Iterator[str]:
    """Two to seven words each, of 20,000 that mean nothing and ten English ones, so many times."""
    chance = random.Random(1)
    syllables = ["ka", "lo", "mi", "tur", "bin", "ven", "sto", "ra", "ge", "pla", "nor", "qui"]
    words = ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(20_000)]
    words += ["the", "old", "is", "of", "we", "near", "this", "without", "brother", "my"] * english
    for _ in range(number):
        yield " ".join(chance.choices(words, k=chance.randint(2, 7)))


if __name__ == "__main__":
    main()
