"""Check that a translation does not depend on its neighbours, bit for bit.

    python benchmarks/identity.py newstest2014.en-de.en --dtype float32 --dtype int8

Every sentence of the file is translated alone, and again

    batches of 7, of 64    with its neighbours in the file, a batch done before the next begins
    shuffled               all sentences at once, in random order
    among strangers        sentences and strangers arrive while others are under way; a stranger is
                           another sentence backwards, with options of its own

and token ids and scores of all hypotheses are compared with what it got alone. The exit status is 1
if one of them differs. Results go to benchmarks/results/identity-MACHINE.md and .json; those of
dtypes that are not named stay there, so that each can have a run of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tformer.model.benchmark.machine import hardware, slug
from tformer.model.benchmark.report import ReportTable
from tformer.model.benchmark.task import spread
from tformer.model.errors import TformerError
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Sentence
from tformer.model.pipeline.translator import Translator
from tformer.model.text.segmentation import Piece

RESULTS = Path(__file__).with_name("results")

RUNNING = 48
"""Sentences, at most, that run or wait while more of them arrive."""

Answer = tuple[tuple[tuple[int, ...], ...], tuple[float, ...]]
"""Token ids and scores of the hypotheses of one sentence."""

Way = Callable[[Translator, Sequence[list[int]], DecodingOptions], list[Answer]]


@dataclass(frozen=True)
class Difference:
    """Difference between the answers of one way and those of sentences alone."""

    dtype: str
    way: str
    sentences: int
    translations: int
    """Sentences with other token ids."""
    scores: int
    """Sentences with the same token ids, and another score."""
    seconds: float


def main() -> None:
    """Translate in all ways, compare, and write the table."""
    arguments = _arguments()
    options = DecodingOptions(beam_size=arguments.beam_size, n_best=arguments.beam_size)
    found: list[Difference] = []
    for dtype in arguments.dtype or ["float32", "bfloat16", "int8"]:
        try:
            translator = Translator.load(arguments.model, dtype=dtype, threads=arguments.threads)
        except TformerError as error:
            _say(f"{dtype}: left out: {error}")
            continue
        sources = token_lists(translator, arguments)
        for difference in differences(translator, dtype, sources, options):
            _say(str(difference))
            found.append(difference)
            _write(found, arguments)
    if not found:
        sys.exit("nothing could be compared")
    print(_table(found).markdown())
    sys.exit(any(each.translations or each.scores for each in found))


def comparison_parser(about: str) -> argparse.ArgumentParser:
    """A parser of the options that comparisons of answers have in common.

    Args:
        about: docstring of the script.
    """
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("text", type=Path, help="one sentence a line")
    parser.add_argument("--model", default="en-de", help="shipped model, or a model directory")
    parser.add_argument("--source", default="en", help="language of the text")
    parser.add_argument("--target", default="de", help="language to translate to")
    parser.add_argument("--sentences", type=int, help="take so many from all over the text")
    parser.add_argument("--beam-size", type=int, default=4)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    return parser


def _arguments() -> argparse.Namespace:
    parser = comparison_parser(__doc__ or "")
    parser.add_argument("--dtype", action="append", help="repeatable; else each of three")
    parser.add_argument("--threads", type=int, help="of the processor; else torch's own choice")
    return parser.parse_args()


def token_lists(translator: Translator, arguments: argparse.Namespace) -> list[list[int]]:
    """The tokens of the text's sentences."""
    lines = arguments.text.read_text(encoding="utf-8").splitlines()
    lines = spread(lines, min(arguments.sentences or len(lines), len(lines)))
    route = translator.route(arguments.source, arguments.target)
    drafts = (translator.draft(line, route, DecodingOptions()) for line in lines)
    return [sentence.tokens for draft in drafts for sentence in draft.waiting]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# -- the comparison ---------------------------------------------------------------------------


def differences(
    translator: Translator, dtype: str, sources: Sequence[list[int]], options: DecodingOptions
) -> Iterator[Difference]:
    """Each way of translating them together, against sentences alone."""
    alone = in_batches(1)(translator, sources, options)
    ways: dict[str, Way] = {
        "batches of 7": in_batches(7),
        "batches of 64": in_batches(64),
        "shuffled": shuffled,
        "among strangers": among_strangers,
    }
    for name, way in ways.items():
        started = time.perf_counter()
        answers = way(translator, sources, options)
        seconds = round(time.perf_counter() - started, 1)
        yield compare(dtype, name, alone, answers, seconds)


def compare(
    dtype: str, way: str, alone: Sequence[Answer], answers: Sequence[Answer], seconds: float
) -> Difference:
    """Count the sentences whose answers are not the very same."""
    pairs = list(zip(alone, answers, strict=True))
    translations = sum(one[0] != other[0] for one, other in pairs)
    scores = sum(one[0] == other[0] and one[1] != other[1] for one, other in pairs)
    return Difference(dtype, way, len(pairs), translations, scores, seconds)


def in_batches(size: int) -> Way:
    """Batch after batch, each on an engine that does nothing else."""

    def way(
        translator: Translator, sources: Sequence[list[int]], options: DecodingOptions
    ) -> list[Answer]:
        work = translator.start_work(options.beam_size)
        sentences = _sentences(sources, options)
        for start in range(0, len(sentences), size):
            work.submit(sentences[start : start + size])
            while work.busy:
                work.step()
        return _answers(sentences)

    return way


def shuffled(
    translator: Translator, sources: Sequence[list[int]], options: DecodingOptions
) -> list[Answer]:
    """All at once, each at a random place in the queue."""
    work = translator.start_work(options.beam_size)
    sentences = _sentences(sources, options)
    for sentence in random.Random(1).sample(sentences, len(sentences)):
        work.submit([sentence])
    while work.busy:
        work.step()
    return _answers(sentences)


def among_strangers(
    translator: Translator, sources: Sequence[list[int]], options: DecodingOptions
) -> list[Answer]:
    """One after the other while others are under way, each followed by a stranger or two."""
    draw = random.Random(2)
    work = translator.start_work(options.beam_size)
    sentences = _sentences(sources, options)
    for sentence in sentences:
        work.submit([sentence])
        for _ in range(draw.randint(1, 2)):
            work.submit([_stranger(draw, sources, options.beam_size)])
        while work.num_running + work.num_waiting >= draw.randint(1, RUNNING):
            work.step()
    while work.busy:
        work.step()
    return _answers(sentences)


def _stranger(draw: random.Random, sources: Sequence[list[int]], widest: int) -> Sentence:
    """The pieces of some sentence backwards, between its tag and its end."""
    first, *pieces, end = draw.choice(sources)
    options = DecodingOptions(
        beam_size=draw.randint(1, widest),
        length_penalty=draw.random(),
        max_length=draw.randint(1, 80),
    )
    return _sentence([first, *reversed(pieces), end], options)


def _sentences(sources: Sequence[list[int]], options: DecodingOptions) -> list[Sentence]:
    return [_sentence(tokens, options) for tokens in sources]


def _sentence(tokens: list[int], options: DecodingOptions) -> Sentence:
    return Sentence(Piece("", ""), tokens, options)


def _answers(sentences: Sequence[Sentence]) -> list[Answer]:
    return [
        (
            tuple(map(tuple, sentence.target_ids)),
            tuple(hypothesis.score for hypothesis in sentence.hypotheses),
        )
        for sentence in sentences
    ]


# -- the result -------------------------------------------------------------------------------


def _table(found: Sequence[Difference]) -> ReportTable:
    rows = [
        [
            f"{each.dtype}, {each.way}",
            f"{each.sentences:,}",
            f"{each.translations:,}",
            f"{each.scores:,}",
            f"{each.seconds:,.1f}",
        ]
        for each in found
    ]
    header = ["Against alone", "sentences", "other translations", "other scores", "seconds"]
    return ReportTable("A sentence and its neighbours", header, rows)


def _write(found: Sequence[Difference], arguments: argparse.Namespace) -> None:
    """Write the results, and keep those of other dtypes in the file."""
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / f"identity-{slug()}.json"
    both = [*_others(file, {each.dtype for each in found}), *found]
    facts = {"text": arguments.text.name, "model": arguments.model, "hardware": hardware()}
    record = {**facts, "differences": [asdict(each) for each in both]}
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(_table(both).markdown(), encoding="utf-8")


def _others(file: Path, dtypes: set[str]) -> list[Difference]:
    if not file.is_file():
        return []
    entries = json.loads(file.read_text(encoding="utf-8"))["differences"]
    return [Difference(**entry) for entry in entries if entry["dtype"] not in dtypes]


if __name__ == "__main__":
    main()
