"""Check that a sentence gets the same bits at every level of a processor in int8.

    python benchmarks/levels.py newstest2014.en-de.en --level avx512_vnni --level avx2

At each level of `tformer.model.hardware.cpu.LEVELS` that this machine has, a process of its own
translates every sentence of the file in int8, in batches of 64. Token ids and scores of all
hypotheses are compared with those of the highest level. The exit status is 1 if one of them
differs. Results go to benchmarks/results/levels-MACHINE.md and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import identity

from tformer.model.benchmark.machine import hardware, slug
from tformer.model.benchmark.report import ReportTable
from tformer.model.hardware.cpu import VARIABLE, level, levels_here
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator

BATCH = 64
"""Sentences that are translated together."""


def main() -> None:
    """Translate at all levels, compare, and write the table."""
    arguments = _arguments()
    if arguments.answer:
        _answer(arguments)
        return
    names = arguments.level or _levels()
    highest, seconds = answers_at(names[0], sys.argv[1:])
    print(f"{names[0]}: {seconds} s", file=sys.stderr, flush=True)
    found = []
    for name in names[1:]:
        answers, seconds = answers_at(name, sys.argv[1:])
        way = f"{name} against {names[0]}"
        found.append(identity.compare("int8", way, highest, answers, seconds))
        print(found[-1], file=sys.stderr, flush=True)
    _write(found, arguments)
    sys.exit(any(each.translations or each.scores for each in found))


def _arguments() -> argparse.Namespace:
    parser = identity.comparison_parser(__doc__ or "")
    parser.add_argument("--level", action="append", help="repeatable; else all with vectors")
    parser.add_argument("--answer", action="store_true", help="print the answers at one level")
    return parser.parse_args()


def _levels() -> list[str]:
    """Levels of this machine that have vectors."""
    return [each.name for each in levels_here() if each.products != "none"]


def answers_at(name: str, arguments: Sequence[str]) -> tuple[list[identity.Answer], float]:
    """Answers of a process that is held to a level, and how many seconds it translated."""
    command = [sys.executable, __file__, *arguments, "--answer"]
    environment = {**os.environ, VARIABLE: name}
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    answer = json.loads(output)
    if answer["level"] != name:
        raise RuntimeError(f"asked for level {name}, ran at {answer['level']}")
    answers = [(tuple(map(tuple, tokens)), tuple(scores)) for tokens, scores in answer["answers"]]
    return answers, answer["seconds"]


def _answer(arguments: argparse.Namespace) -> None:
    """Print level, answers and seconds as JSON, which keeps every bit of a float64."""
    translator = Translator.load(arguments.model, dtype="int8", threads=1)
    sources = identity.token_lists(translator, arguments)
    options = DecodingOptions(beam_size=arguments.beam_size, n_best=arguments.beam_size)
    started = time.perf_counter()
    answers = identity.in_batches(BATCH)(translator, sources, options)
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"level": level().name, "seconds": seconds, "answers": answers}))


def _write(found: Sequence[identity.Difference], arguments: argparse.Namespace) -> None:
    """Write and print the results."""
    rows = [
        [each.way, f"{each.sentences:,}", f"{each.translations:,}", f"{each.scores:,}"]
        for each in found
    ]
    header = ["Level", "sentences", "other translations", "other scores"]
    table = ReportTable("The same sentences at every level", header, rows).markdown()
    facts = {"text": arguments.text.name, "model": arguments.model, "hardware": hardware()}
    record = {**facts, "differences": [asdict(each) for each in found]}
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / f"levels-{slug()}.json"
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
