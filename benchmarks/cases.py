"""Runs a folder of document cases through `tformer translate` and checks every output.

    python benchmarks/cases.py FOLDER [--json PATH] [--only NAME] [--keep FOLDER]

A case is a folder with an input and `expected.txt`, whose lines `input:` and `command:` say how it
is translated; what it demands in prose is checked by `case_checks`, with the format's own tools
where there are any. Prints a table of kinds, and each failure with what is wrong. Exit status 1 if
a case fails.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

from case_checks import Case, problems

from tformer.cli import loading, main


def read_case(folder: Path, work: Path) -> Case:
    """Run a case in a folder of its own."""
    expected = (folder / "expected.txt").read_text("utf-8")
    name = re.search(r"^input:\s*(\S+)", expected, re.MULTILINE)
    command = re.search(r"^command:\s*tformer\s+(.+)$", expected, re.MULTILINE)
    assert name, f"{folder}: expected.txt names no input"
    source = folder / name[1]
    given = work / source.name
    given.write_bytes(source.read_bytes())
    output = work / f"OUT{''.join(source.suffixes)}"
    arguments = shlex.split(command[1]) if command else ["translate", source.name, "-t", "de"]
    arguments = [
        str(given) if a == source.name else str(output) if a == "OUT" else a for a in arguments
    ]
    status, err = call(arguments)
    made = output.read_bytes() if output.exists() else None
    return Case(folder.name, source.suffix, source.read_bytes(), made, status, err, expected)


def call(arguments: list[str]) -> tuple[int, str]:
    """The command line in this process: its status, and what it says on stderr."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = main.run(arguments)
        except Exception as error:  # a defect, which is a failure of the case and not of the run
            return 70, f"{type(error).__name__}: {error}"
    return int(status), err.getvalue()


def run() -> int:
    """Run, check and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, dest="as_json")
    parser.add_argument("--only", default="", help="cases whose name begins so")
    parser.add_argument("--keep", type=Path, help="write the outputs here")
    arguments = parser.parse_args()
    loading.load_translator = functools.lru_cache(loading.load_translator)
    results = []
    for folder in sorted(path.parent for path in arguments.folder.glob("*/expected.txt")):
        if not folder.name.startswith(arguments.only):
            continue
        with TemporaryDirectory() as work:
            case = read_case(folder, Path(work))
        found = problems(case)
        results.append({"case": case.name, "kind": case.kind, "problems": found})
        if arguments.keep and case.output is not None:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            (arguments.keep / f"{case.name}{case.suffix}").write_bytes(case.output)
        for problem in found:
            print(f"{case.name}: {problem}")
    report(results)
    if arguments.as_json:
        arguments.as_json.write_text(json.dumps(results, indent=1, ensure_ascii=False))
    return 1 if any(result["problems"] for result in results) else 0


def report(results: list[dict]) -> None:
    """Print cases and those that passed, by kind."""
    cases = Counter(result["kind"] for result in results)
    passed = Counter(result["kind"] for result in results if not result["problems"])
    print("\n| kind | cases | passed |\n|---|---:|---:|")
    for kind in sorted(cases):
        print(f"| {kind} | {cases[kind]} | {passed[kind]} |")
    print(f"| all | {cases.total()} | {passed.total()} |")


if __name__ == "__main__":
    sys.exit(run())
