"""Measure the alignment error rate of a model, against links that were made by hand.

    python benchmarks/alignment.py model/pretrained/en-de TESTSETS [--choose [--write]]

aligns 200 sentences of the sets in the folder TESTSETS (pairs of files NAME.en-de.en and
NAME.en-de.de) with their references, in both directions, and compares the links with those of
``data/word-links.en-de.txt``. The alignment error rate of links A, sure links S and possible links
P, S among them, is 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|) (Och & Ney, 2003); precision is
|A ∩ P| / |A|, recall |A ∩ S| / |S|.

``--choose`` measures every layer, position and combination of its heads and prints the ten best;
``--write`` writes the best into the model's config.json. To see how far a choice carries over, it
is made on every second sentence, too, and measured on the others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import combinations
from pathlib import Path
from zlib import crc32

import numpy as np
import torch

from tformer.model.checkpoint.layout import find_model, read_config
from tformer.model.config import AlignmentHeads, TransformerConfig
from tformer.model.network.torch_checkpoint import load_model
from tformer.model.passes.alignment import Floats
from tformer.model.pipeline.torch_scorer import PlainAligner
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Pair
from tformer.model.text.offsets import tokens
from tformer.model.translation import Link

GOLD = Path(__file__).parent / "data" / "word-links.en-de.txt"

MOST_HEADS = 4
"""Heads of a layer that are combined, at most; and all of them."""


@dataclass(frozen=True)
class Gold:
    """A source, its reference, and the links between their tokens."""

    set: str
    source: str
    target: str
    languages: tuple[str, str]
    sure: frozenset[Link]
    possible: frozenset[Link]
    """The sure links among them."""


@dataclass(frozen=True)
class AlignmentCounts:
    """Links that were found, and how many of them are right."""

    found: int = 0
    """|A|."""
    sure: int = 0
    """|S|."""
    found_sure: int = 0
    """|A ∩ S|."""
    found_possible: int = 0
    """|A ∩ P|."""

    @classmethod
    def of(cls, links: Iterable[Link], gold: Gold) -> AlignmentCounts:
        """Counts of one sentence."""
        found = set(links)
        return cls(len(found), len(gold.sure), len(found & gold.sure), len(found & gold.possible))

    def __add__(self, other: AlignmentCounts) -> AlignmentCounts:
        return AlignmentCounts(*map(sum, zip(self._all, other._all, strict=True)))

    @property
    def _all(self) -> tuple[int, int, int, int]:
        return self.found, self.sure, self.found_sure, self.found_possible

    @property
    def error_rate(self) -> float:
        """The alignment error rate, 0 to 1; lower is better."""
        return 1 - (self.found_sure + self.found_possible) / max(1, self.found + self.sure)

    @property
    def precision(self) -> float:
        """Share of the links that are possible."""
        return self.found_possible / max(1, self.found)

    @property
    def recall(self) -> float:
        """Share of the sure links that were found."""
        return self.found_sure / max(1, self.sure)


# --- links made by hand --------------------------------------------------------------------------


def read_gold(path: Path, testsets: Path) -> list[Gold]:
    """Every sentence of a file of links, in both directions, with its text from the test sets.

    Raises:
        SystemExit: a line is not the one that the links were made for.
    """
    texts: dict[str, list[tuple[str, str]]] = {}
    gold: list[Gold] = []
    for row in path.read_text("utf-8").splitlines():
        if row.startswith("#"):
            continue
        name, number, checksum, *cells = row.split()
        if name not in texts:
            texts[name] = read_set(testsets / f"{name}.en-de.en")
        en, de = texts[name][int(number) - 1]
        if crc32("\t".join((en, de)).encode()) != int(checksum, 16):
            raise SystemExit(f"{name}, line {number}: is not the text that the links are for")
        gold += both_ways(name, en, de, cells)
    return gold


def read_set(english: Path) -> list[tuple[str, str]]:
    """Pairs of lines of a set, by the name of its English file."""
    german = english.with_suffix(".de")
    lines = (path.read_text("utf-8").splitlines() for path in (english, german))
    return list(zip(*lines, strict=True))


def both_ways(name: str, en: str, de: str, cells: Sequence[str]) -> tuple[Gold, Gold]:
    """A pair of lines with its links, from English and from German."""
    english, german = tokens(en), tokens(de)
    sure, possible = set(), set()
    for source, cell in zip(english, cells, strict=True):
        for entry in cell.split(",") if cell != "-" else ():
            link = Link(source, german[int(entry.rstrip("?"))])
            possible.add(link)
            if not entry.endswith("?"):
                sure.add(link)
    there = Gold(name, en, de, ("en", "de"), frozenset(sure), frozenset(possible))
    back = Gold(name, de, en, ("de", "en"), _turned(sure), _turned(possible))
    return there, back


def _turned(links: Iterable[Link]) -> frozenset[Link]:
    return frozenset(Link(target, source) for source, target in links)


# --- a model's links -----------------------------------------------------------------------------


def counts(translator: Translator, gold: Sequence[Gold]) -> list[AlignmentCounts]:
    """Counts of each sentence, by the aligner that users get."""
    vocabulary = translator.vocabulary
    aligner = translator.aligner
    pairs = [pair_of(vocabulary, each) for each in gold]
    weights = aligner.scorer.attend(pairs)
    return [
        AlignmentCounts.of(aligner.links(pair, each.source, each.target, weight), each)
        for pair, each, weight in zip(pairs, gold, weights, strict=True)
    ]


def pair_of(vocabulary, gold: Gold) -> Pair:
    """The tokens of a sentence and of its reference."""
    source = vocabulary.encode(gold.source, gold.languages[1], gold.languages[0])
    return Pair(source, vocabulary.encode_target(gold.target)[:-1])


class AllHeads(PlainAligner):
    """An aligner that tries heads on attention that it computes once."""

    @torch.inference_mode()
    def read(self, gold: Sequence[Gold]) -> None:
        """Compute the attention of all heads to known targets."""
        self._gold = gold
        self._pairs = [pair_of(self.vocabulary, each) for each in gold]
        self._attention = [self._cross(pair) for pair in self._pairs]

    def _cross(self, pair: Pair) -> Floats:
        """Weights of all layers and heads, (layers, H, T + 1, S)."""
        bos_id = self.transformer.config.bos_id
        source, target = torch.tensor([pair.source]), torch.tensor([[bos_id, *pair.target]])
        layers = self.transformer.attention_weights(source, None, target).cross
        return torch.cat(list(layers)).numpy()

    def counts(self, heads: AlignmentHeads) -> list[AlignmentCounts]:
        """Counts of each sentence, by some heads."""
        first = 1 if heads.reads else 0
        found = []
        for pair, gold, attention in zip(self._pairs, self._gold, self._attention, strict=True):
            weights = attention[heads.layer, list(heads.heads)].mean(0)
            weights = np.ascontiguousarray(weights[first : first + len(pair.target)])
            links = self.links(pair, gold.source, gold.target, weights)
            found.append(AlignmentCounts.of(links, gold))
        return found


def possible_heads(config: TransformerConfig) -> Iterator[AlignmentHeads]:
    """Every layer and position with every small combination of heads, and with all."""
    numbers = range(config.num_heads)
    sizes = {*range(1, min(MOST_HEADS, config.num_heads) + 1), config.num_heads}
    for layer in range(config.num_decoder_layers):
        for size in sorted(sizes):
            for heads in combinations(numbers, size):
                for reads in (True, False):
                    yield AlignmentHeads(layer, heads, reads)


# --- the table -----------------------------------------------------------------------------------


def total(some: Iterable[AlignmentCounts]) -> AlignmentCounts:
    """The sum of several counts."""
    return reduce(AlignmentCounts.__add__, some, AlignmentCounts())


def row(name: str, sum_of: AlignmentCounts) -> str:
    """A row of a Markdown table."""
    rates = (sum_of.error_rate, sum_of.precision, sum_of.recall)
    return f"| {name} | " + " | ".join(f"{100 * rate:.1f} %" for rate in rates) + " |"


def report(gold: Sequence[Gold], measured: Sequence[AlignmentCounts]) -> None:
    """Print the rates of each set and direction, and of all."""
    print("| sentences | alignment error rate | precision | recall |\n|---|---:|---:|---:|")
    kinds = sorted({(each.set, each.languages) for each in gold}, key=lambda kind: kind[0])
    for kind in kinds:
        chosen = [
            count
            for count, each in zip(measured, gold, strict=True)
            if (each.set, each.languages) == kind
        ]
        name, (source, target) = kind
        print(row(f"{len(chosen)} of {name}, {source}→{target}", total(chosen)))
    print(row("all", total(measured)))


def choose(model: Path, gold: Sequence[Gold]) -> AlignmentHeads:
    """Measure all heads, print the best, and return the very best."""
    transformer, vocabulary, _ = load_model(model, torch.device("cpu"), torch.float32)
    aligner = AllHeads(transformer, vocabulary)
    aligner.read(gold)
    measured = {heads: aligner.counts(heads) for heads in possible_heads(transformer.config)}
    order = sorted(measured, key=lambda heads: total(measured[heads]).error_rate)
    print("\n| layer | heads | position | error rate | precision | recall |")
    print("|---|---|---|---:|---:|---:|")
    for heads in order[:10]:
        numbers = "+".join(map(str, heads.heads))
        where = "reads" if heads.reads else "predicts"
        print(row(f"{heads.layer} | {numbers} | {where}", total(measured[heads])))
    print(f"\n{carried_over(measured)}")
    return order[0]


def carried_over(measured: Mapping[AlignmentHeads, Sequence[AlignmentCounts]]) -> str:
    """The error rate on each half of the heads that are best on the other."""
    # Two directions of a sentence come one after the other, and stay together.
    halves = [
        [number for number in range(len(next(iter(measured.values())))) if number // 2 % 2 == half]
        for half in (0, 1)
    ]

    def of(heads: AlignmentHeads, half: int) -> AlignmentCounts:
        return total(measured[heads][number] for number in halves[half])

    rates = []
    for chosen, other in ((0, 1), (1, 0)):
        best = min(measured, key=lambda heads: of(heads, chosen).error_rate)
        rates.append(f"{100 * of(best, other).error_rate:.1f} %")
    return f"chosen on one half, measured on the other: {', '.join(rates)}"


def write(model: Path, heads: AlignmentHeads) -> None:
    """Name the heads in the configuration of a model."""
    file = model / "config.json"
    table = json.loads(file.read_text("utf-8"))
    table["alignment"] = asdict(heads)
    file.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    """Align, compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", help="a model directory, or the name of one that ships")
    parser.add_argument("testsets", type=Path, help="folder of NAME.en-de.en and NAME.en-de.de")
    parser.add_argument("--gold", type=Path, default=GOLD, help="links, made by hand")
    parser.add_argument("--choose", action="store_true", help="measure all heads")
    parser.add_argument("--write", action="store_true", help="name the best in config.json")
    given = parser.parse_args()
    gold = read_gold(given.gold, given.testsets)
    model = find_model(given.model)
    named = read_config(model)[1].alignment
    print(f"{given.model}: {named or 'no heads are named: all of a layer'}\n")
    report(gold, counts(Translator.load(model), gold))
    if not given.choose:
        return
    best = choose(model, gold)
    print(f"best: {json.dumps(asdict(best))}")
    if given.write:
        write(model, best)
        print(f"written into {model / 'config.json'}")


if __name__ == "__main__":
    main()
