"""(d) Transformer against recurrent network: speed of training, and BLEU against time.

    python benchmarks/claims/recurrent.py speed             # wants an idle machine
    python benchmarks/claims/recurrent.py quality pairs.tsv[.xz]

"Attention Is All You Need", sections 1 and 4: recurrence precludes parallelisation within
sequences. Speed is that of training steps of networks of equally many parameters, in target tokens
a second, at batches of equally many tokens. Quality is BLEU of greedy translations of pairs that
were kept out, against CPU seconds of training on one thread.
"""

from __future__ import annotations

import argparse
import lzma
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from report import plot, publish
from sacrebleu import corpus_bleu
from toy import Batch, Pair, batch_of, loss_of, train

from tformer.model.config import TransformerConfig
from tformer.model.network.transformer import Transformer
from tformer.model.network.variants import build
from tformer.model.training.validation import translate
from tformer.model.vocabulary.sentencepiece import Vocabulary

BASE = TransformerConfig(
    vocab_size=2000,
    d_model=256,
    num_heads=4,
    d_ff=1024,
    num_encoder_layers=2,
    num_decoder_layers=2,
    norm="pre",
    max_length=520,
)
SMALL = replace(BASE, d_model=128, d_ff=512)
SHAPES: dict[str, dict[str, Any]] = {
    "Transformer": {},
    "recurrent": {
        "architecture": "recurrent",
        "num_heads": 1,
        "num_encoder_layers": 3,
        "num_decoder_layers": 3,
    },
}
"""Shapes of about as many parameters."""
RATES = {"Transformer": 3e-3, "recurrent": 3e-3}
"""Highest learning rates; that of the Transformer is the best of 0.6, 1.5 and 3 thousandths after
60 seconds, that of the recurrent network was not searched for."""
LONGEST = 60
"""Tokens from which on a pair is left out of training."""
LENGTHS = (16, 32, 64, 128, 256, 512)


def network_of(name: str, config: TransformerConfig = BASE) -> Transformer:
    """A new network."""
    torch.manual_seed(0)
    return build(replace(config, **SHAPES[name]))


def parameters(network: Transformer) -> int:
    """Number of parameters but for the embeddings."""
    every = sum(parameter.numel() for parameter in network.parameters())
    return every - network.embedding.weight.numel()


def tokens_per_second(network: Transformer, length: int, tokens: int, rounds: int = 2) -> float:
    """Target tokens a second of forward and backward pass, the best of some rounds."""
    ids = torch.randint(3, network.config.vocab_size, (max(1, tokens // length), length))
    batch = Batch(ids, torch.full((ids.size(0),), length), ids, ids)
    network.train()
    seconds = []
    for _ in range(rounds + 1):  # the first warms up
        begin = time.perf_counter()
        loss_of(network, batch).backward()
        seconds.append(time.perf_counter() - begin)
    return ids.numel() / min(seconds[1:])


def speed(lengths: Sequence[int] = LENGTHS, tokens: int = 2048, most_threads: int = 2) -> None:
    """Measure the speed with one thread and with two."""
    rows = []
    for threads in range(1, min(most_threads, os.cpu_count() or 1) + 1):
        torch.set_num_threads(threads)
        networks = {name: network_of(name) for name in SHAPES}
        for length in lengths:
            found = {name: tokens_per_second(n, length, tokens) for name, n in networks.items()}
            ratio = found["Transformer"] / found["recurrent"]
            rows.append({"threads": threads, "length": length} | found | {"ratio": ratio})
    ratios = [row["ratio"] for row in rows]
    sizes = {name: parameters(network_of(name)) for name in SHAPES}
    publish(
        "recurrent-speed",
        rows,
        f"The Transformer trains {min(ratios):.1f} to {max(ratios):.1f} times as fast as the "
        f"recurrent network: {'holds' if min(ratios) > 10 else 'ten times does not hold here'}. "
        f"Batches of {tokens} target tokens; parameters without embeddings: {sizes}.",
        parameters=sizes,
    )

    def draw(axes: Any) -> None:
        for name in SHAPES:
            for threads in sorted({row["threads"] for row in rows}):
                chosen = [row for row in rows if row["threads"] == threads]
                label = f"{name}, {threads} thread{'s' * (threads > 1)}"
                axes.plot([r["length"] for r in chosen], [r[name] for r in chosen], label=label)
        axes.set_xscale("log", base=2)

    plot("recurrent-speed", draw, "length of source and target", "target tokens a second")


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Pairs of a TSV file."""
    opener: Any = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        fields = [line.rstrip("\n").split("\t") for line in stream]
    return [(source, target) for source, target, *_ in fields]


def batches(pairs: Sequence[Pair], tokens: int = 1500, seed: int = 0) -> Iterator[Batch]:
    """Batches of pairs of like length, in an order drawn anew each epoch."""
    draw = random.Random(seed)
    order = sorted(range(len(pairs)), key=lambda number: len(pairs[number][1]))
    lots: list[list[Pair]] = [[]]
    for number in order:
        pair = pairs[number]
        if (len(lots[-1]) + 1) * (len(pair[1]) + 1) > tokens and lots[-1]:
            lots.append([])
        lots[-1].append(pair)
    while True:
        draw.shuffle(lots)
        yield from map(batch_of, lots)


def curve(
    name: str,
    config: TransformerConfig,
    data: Iterator[Batch],
    translated: Callable[[Transformer], float],
    seconds: float,
    every: float,
) -> list[dict[str, Any]]:
    """Train a network, and measure it from time to time."""
    network = network_of(name, config)
    rows: list[dict[str, Any]] = []

    def watch(step: int, spent: float) -> None:
        if spent >= min(every * (len(rows) + 1), seconds):
            bleu = translated(network.eval())
            network.train()
            rows.append({"network": name, "seconds": spent, "steps": step, "BLEU": bleu})
            print(rows[-1], flush=True)

    train(network, data, seconds=seconds, rate=RATES[name], warmup=100, watch=watch)
    return rows


def quality(
    pairs: list[tuple[str, str]],
    seconds: float,
    every: float,
    held_out: int,
    config: TransformerConfig = SMALL,
) -> None:
    """Train both for equally long, and translate what was kept out from time to time."""
    torch.set_num_threads(1)
    kept, pairs = pairs[-held_out:], pairs[:-held_out]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sentencepiece.model"
        vocabulary = Vocabulary.train(
            (text for pair in pairs for text in pair),
            path,
            languages=["en", "de"],
            size=config.vocab_size,
        )
    data = [(vocabulary.encode(s, "de")[:-1], vocabulary.pieces(t)) for s, t in pairs]
    data = [pair for pair in data if max(map(len, pair)) < LONGEST]

    def translated(network: Transformer) -> float:
        said = translate(network, vocabulary, [source for source, _ in kept], "de")
        return float(corpus_bleu(said, [[target for _, target in kept]]).score)

    rows = [
        row
        for name in SHAPES
        for row in curve(name, config, batches(data), translated, seconds, every)
    ]
    last = {row["network"]: row for row in rows}
    publish(
        "recurrent-quality",
        rows,
        f"After {seconds:.0f} CPU seconds on {len(data)} pairs: "
        + ", ".join(f"{n} {r['BLEU']:.1f} BLEU ({r['steps']} steps)" for n, r in last.items())
        + f", on {held_out} pairs that were kept out.",
    )

    def draw(axes: Any) -> None:
        for name in SHAPES:
            chosen = [row for row in rows if row["network"] == name]
            axes.plot([r["seconds"] for r in chosen], [r["BLEU"] for r in chosen], "o-", label=name)

    plot("recurrent-quality", draw, "CPU seconds of training", "BLEU")


def main() -> None:
    """Measure speed or quality."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["speed", "quality"])
    parser.add_argument("pairs", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--every", type=float, default=20)
    parser.add_argument("--held-out", type=int, default=200)
    arguments = parser.parse_args()
    if arguments.part == "speed":
        speed()
    elif arguments.pairs:
        pairs = read_pairs(arguments.pairs)
        quality(pairs, arguments.seconds, arguments.every, arguments.held_out)
    else:
        parser.error("quality needs a file of pairs")


if __name__ == "__main__":
    main()
