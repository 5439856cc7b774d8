"""Domain adaptation without training: a datastore for each of several domains.

    python benchmarks/domains.py manual=manual.tsv help=help.tsv.xz dialogue=dialogue.tsv \
        --general newstest2014.en newstest2014.de --keep memories/

Of the pairs of a domain, in the order of its documents, the last 500 are kept out and the 20,000
before them make the memory. Pairs whose source another has, but for case, digits, spaces and
punctuation, are left out before, so no segment that is kept out is in the memory. Printed and
written as ``results/domains-MACHINE.json`` and ``.md``: BLEU without, by exact and fuzzy reuse of
the same pairs, and with the datastore; of the general text without and with; speed; bytes an entry.
With --keep a further call takes the datastores that are there. --company N translates N sentences
of all domains and of the general text, every second one with the first datastore, in common batches
and alone, and counts those that differ.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any

import datastore

from tformer.model.benchmark.machine import hardware
from tformer.model.datastore.layout import Datastore

RESULTS = Path(__file__).parent / "results"
KEPT_OUT, IN_MEMORY = 500, 20_000
Pairs = list[tuple[str, str]]

COLUMNS = {
    "bleu_without": "without",
    "bleu_reuse": "exact and fuzzy reuse",
    "bleu_with": "datastore",
    "general_bleu_without": "general, without",
    "general_bleu_with": "general, datastore",
    "bytes_an_entry": "bytes an entry",
    "entries": "entries",
    "speed": "speed",
}


def folded(text: str) -> str:
    """A text but for case, digits, spaces and punctuation."""
    return re.sub(r"[\W\d_]+", " ", text.casefold()).strip()


def distinct(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Pairs with a new source each, in order."""
    seen = {""}
    for line in lines:
        source, _, target = line.rstrip("\n").partition("\t")
        if target.strip() and (key := folded(source)) not in seen:
            seen.add(key)
            yield source, target


def divided(path: Path, kept_out: int, in_memory: int) -> tuple[Pairs, Pairs]:
    """Pairs of the memory, and the last ones of the documents."""
    openers: dict[str, Any] = {".xz": lzma.open, ".gz": gzip.open}
    with openers.get(path.suffix, open)(path, "rt", encoding="utf-8") as stream:
        pairs = list(distinct(stream))
    return pairs[:-kept_out][-in_memory:], pairs[-kept_out:]


def measured(name: str, path: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of one domain."""
    memory, kept_out = divided(path, arguments.kept_out, arguments.in_memory)
    files = [folder / f"{name}.{suffix}" for suffix in ("tsv", "source", "target")]
    columns = ["\t".join(pair) for pair in memory], *zip(*kept_out, strict=True)
    for file, column in zip(files, columns, strict=True):
        file.write_text("\n".join(column) + "\n", "utf-8")
    wanted = {
        "memory": files[0],
        "texts": files[1],
        "references": files[2],
        "keep": folder / f"{name}.memory",
        "threads": 1,
        "rounds": arguments.rounds,
    }
    found = datastore.measured(argparse.Namespace(**(vars(arguments) | wanted)))
    return {"domain": name, "pairs_kept_out": len(kept_out)} | found


def in_company(folder: Path, arguments: argparse.Namespace) -> dict[str, int]:
    """Sentences that translate otherwise beside others, with the first datastore."""
    names = [each.partition("=")[0] for each in arguments.domains]
    files = [*(folder / f"{name}.source" for name in names), arguments.general[0]]
    texts = [line for file in files for line in datastore.lines_of(file)][: arguments.company]
    trial = datastore.Trial(argparse.Namespace(**(vars(arguments) | {"threads": 1})))
    trial.translator.add_datastore("memory", Datastore(folder / f"{names[0]}.memory"))
    plain, adapted = trial.said(texts, datastore.PLAIN), trial.said(texts, datastore.WITH)
    return datastore.company(trial, texts, plain, adapted)


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table, with means of what has one."""
    names = [name for name in COLUMNS if name in rows[0]]
    lines = [["domain", *(COLUMNS[name] for name in names)], ["---"] * (len(names) + 1)]
    for row in [*rows, {"domain": "mean"} | {n: fmean(r[n] for r in rows) for n in names}]:
        lines.append([row["domain"], *(f"{row[name]:.5g}" for name in names)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """Measure every domain."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("domains", nargs="+", metavar="NAME=PAIRS")
    parser.add_argument("--general", type=Path, nargs=2, metavar=("TEXTS", "REFERENCES"))
    parser.add_argument("--keep", type=Path, help="folder to keep the datastores in")
    parser.add_argument("--model", default="en-de")
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--kept-out", type=int, default=KEPT_OUT)
    parser.add_argument("--in-memory", type=int, default=IN_MEMORY)
    parser.add_argument("--company", type=int, default=0, metavar="N", help="see above")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    domains = [each.partition("=") for each in arguments.domains]
    keep = arguments.keep
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory() as folder:
        rows = [measured(name, Path(path), Path(folder), arguments) for name, _, path in domains]
        company = in_company(Path(folder), arguments) if arguments.company else {}
    text = summary(rows)
    print(text, company or "")
    arguments.results.mkdir(exist_ok=True)
    machine = hardware()
    file = arguments.results / f"domains-{machine['cpu'].lower().replace(' ', '-')}.json"
    record = {"machine": machine, "company": company, "domains": rows}
    file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    file.with_suffix(".md").write_text(f"{machine['cpu']}, one thread.\n\n{text}", "utf-8")


if __name__ == "__main__":
    main()
