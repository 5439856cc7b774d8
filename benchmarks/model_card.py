"""Measure a model on test sets and write the figures into its card.

    python benchmarks/model_card.py model/pretrained/en-de TESTSETS README.md

runs ``tformer evaluate`` on every set in the folder TESTSETS, in both directions, and replaces
the tables between ``<!-- scores -->`` and ``<!-- /scores -->`` in the model's README.md and in the
other files that are named. A set is a pair of files NAME.en-de.en and NAME.en-de.de. With
``--log RUN/log.jsonl`` the training curve between ``<!-- curve -->`` and ``<!-- /curve -->`` is
drawn anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tformer.model.checkpoint.layout import read_config
from tformer.model.options import LENGTH_PENALTY

CURVE_POINTS = 24


@dataclass(frozen=True)
class Row:
    """One set in one direction."""

    name: str
    segments: int
    direction: str
    bleu: dict[str, Any]
    chrf: dict[str, Any]
    tokens_per_second: float


def main() -> None:
    """Evaluate, and write the tables."""
    arguments = _arguments()
    jobs = [
        (name, *languages)
        for name in _sets(arguments.testsets)
        for languages in (("en", "de"), ("de", "en"))
    ]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rows = list(pool.map(lambda job: _evaluate(*job, arguments), jobs))
    own = read_config(arguments.model)[1].length_penalty
    penalty = LENGTH_PENALTY if own is None else own
    scores = _table(rows, arguments.dtype, arguments.jobs, penalty)
    print(scores)
    for file in [arguments.model / "README.md", *arguments.also]:
        _replace(file, "scores", scores)
    if arguments.log:
        _replace(arguments.model / "README.md", "curve", _curve(arguments.log))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, help="a model directory with a README.md")
    parser.add_argument("testsets", type=Path, help="folder of NAME.en-de.en and NAME.en-de.de")
    parser.add_argument("also", type=Path, nargs="*", help="other files with the same table")
    parser.add_argument("--log", type=Path, help="log.jsonl of the training run")
    parser.add_argument("--dtype", default="float32", help="arithmetic to evaluate in")
    parser.add_argument("--jobs", type=int, default=1, help="evaluations at a time")
    return parser.parse_args()


def _sets(folder: Path) -> list[Path]:
    """Paths of the sets, without the language suffixes."""
    return sorted(path.with_suffix("") for path in folder.glob("*.en-de.en"))


def _evaluate(name: Path, source: str, target: str, arguments: argparse.Namespace) -> Row:
    command = [sys.executable, "-m", "tformer.cli", "evaluate", "--json"]
    command += [f"{name}.{source}", f"{name}.{target}", "-s", source, "-t", target]
    command += ["-m", str(arguments.model.resolve()), "--dtype", arguments.dtype]
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    result = json.loads(run.stdout)
    row = Row(
        name=name.name.removesuffix(".en-de"),
        segments=result["lines"],
        direction=f"{source}→{target}",
        bleu=result["bleu"],
        chrf=result["chrf"],
        tokens_per_second=result["target_tokens_per_second"],
    )
    print(row, file=sys.stderr)
    return row


def _table(rows: list[Row], dtype: str, jobs: int, penalty: float) -> str:
    """The figures of all sets, a line a set, with what they were measured with."""
    lines = [
        "| set | segments | en→de BLEU | chrF | de→en BLEU | chrF |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for forth, back in zip(rows[::2], rows[1::2], strict=True):
        figures = [score for row in (forth, back) for score in (row.bleu, row.chrf)]
        cells = [f"{figure['score']:.1f}" for figure in figures]
        lines.append(f"| {forth.name} | {forth.segments:,} | {' | '.join(cells)} |")
    speed = sorted(row.tokens_per_second for row in rows)[len(rows) // 2]
    lines += [
        "",
        f"sacreBLEU `{rows[0].bleu['signature']}` and `{rows[0].chrf['signature']}`.",
        f"Beam 4, length penalty {penalty:.1f}, {dtype}; torch {version('torch')}, "
        f"{os.cpu_count()} cores",
        f"of {_processor()}; {speed:,.0f} target tokens a second (median), {jobs} such at a time.",
    ]
    return "\n".join(lines)


def _processor() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    match = re.search(r"^model name\s*:\s*(.+)$", facts, re.MULTILINE)
    return match[1] if match else platform.machine()


def _curve(log: Path) -> str:
    """Training loss over target tokens, drawn by Mermaid, and the validations as a table."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    steps = [entry for entry in entries if "nll" in entry]
    size = max(1, len(steps) // CURVE_POINTS)
    groups = [steps[start : start + size] for start in range(0, len(steps), size)]
    values = [sum(entry["nll"] for entry in group) / len(group) for group in groups]
    points = ", ".join(f"{value:.2f}" for value in values)
    millions = steps[-1]["tokens"] / 1e6
    curve = [
        "```mermaid",
        "xychart-beta",
        '  title "Negative log-likelihood of the training text, nats a target token"',
        f'  x-axis "million target tokens" 0 --> {millions:.1f}',
        f"  line [{points}]",
        "```",
        "",
    ]
    return "\n".join([*curve, *_validations(entries, steps)])


def _validations(entries: list[dict[str, Any]], steps: list[dict[str, Any]]) -> list[str]:
    # Before the first step a run measures the model that it begins with.
    tokens = {0: 0} | {entry["step"]: entry["tokens"] for entry in steps}
    found = [entry for entry in entries if "validation" in entry]
    if not found:
        return []
    names = [name for name in found[0]["validation"] if name.endswith("BLEU")]
    header = ["step", "million tokens", *(name.removesuffix(".BLEU") for name in names), "chrF"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---:|" * len(header)]
    for entry in found:
        scores = entry["validation"]
        cells = [f"{entry['step']:,}", f"{tokens[entry['step']] / 1e6:.1f}"]
        cells += [f"{scores[name]:.1f}" for name in names] + [f"{scores['mean']:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", "BLEU of greedy translations of a sample of each set; chrF is their mean."]


def _replace(file: Path, section: str, text: str) -> None:
    """Put ``text`` between the section's two marks."""
    before = file.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {section} -->\n).*?(<!-- /{section} -->)", re.DOTALL)
    after, count = marks.subn(lambda match: f"{match[1]}{text}\n{match[2]}", before)
    if count != 1:
        sys.exit(f"{file}: needs one <!-- {section} --> ... <!-- /{section} -->, has {count}")
    file.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
