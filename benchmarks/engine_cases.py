"""Runs a folder of cases of lines through the command line and checks what each expects.

    python benchmarks/engine_cases.py FOLDER

A case is a folder with `command.txt`, `input.txt` and `expected.txt`. What is expected is prose;
the checks here are of its kinds: text that stays, no U+FFFD, no empty line, a warning, a status.
Exit status 1 if a case fails.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tformer.cli import loading, main
from tformer.model.text.segmentation import split


@dataclass(frozen=True)
class Outcome:
    """Result of a command."""

    status: int
    out: str
    err: str

    @property
    def warned(self) -> bool:
        """True if it said that something is not as it should be."""
        return "warning" in self.err or self.status != 0


def run(arguments: list[str], text: str) -> Outcome:
    """The command line in this process, with a text on stdin."""
    out, err = io.BytesIO(), io.StringIO()
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    before = sys.stdin
    sys.stdin = stdin
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(err):
            status = int(main.run(arguments))
    finally:
        sys.stdin = before
    return Outcome(status, out.getvalue().decode(), err.getvalue())


def says(*wanted: str) -> Callable[[str, Outcome], bool]:
    """A check that all of some texts come out."""
    return lambda text, outcome: all(each in outcome.out for each in wanted)


def lacks(*unwanted: str) -> Callable[[str, Outcome], bool]:
    """A check that none of some words comes out."""
    return lambda text, outcome: (
        not any(re.search(rf"\b{re.escape(each)}\b", outcome.out) for each in unwanted)
    )


def stays(text: str, outcome: Outcome) -> bool:
    """A check that every line is as it was."""
    return outcome.out.split() == text.split()


def is_full(text: str, outcome: Outcome) -> bool:
    """A check that no line is empty."""
    return outcome.warned or all(outcome.out.rstrip("\n").split("\n"))


def warns(text: str, outcome: Outcome) -> bool:
    """A check that a warning is said and nothing unreadable."""
    return outcome.warned and "\ufffd" not in outcome.out


def digits(wanted: str) -> Callable[[str, Outcome], bool]:
    """A check that the digits of the output are these, or a warning is said."""
    return lambda text, outcome: outcome.warned or wanted in re.sub(r"[.,]", "", outcome.out)


CHECKS: dict[str, Callable[[str, Outcome], bool]] = {
    "arabic-given-as-english": warns,
    "banner": lambda text, o: bool(re.fullmatch(r"\*{10} .*\w.* \*{10}\s*", o.out)),
    "binary-file": lambda text, o: o.status == 3,
    "bom-inside-pipe": lambda text, o: "\ufffd" not in o.out,
    "caps-de": lambda text, o: o.out.isupper() and "VISIT" in o.out,
    "caps-grass": lambda text, o: "WALK" not in o.out or o.warned,
    "chinese-given-as-english": warns,
    "csv-excel-sep": says("Meeresufer"),
    "csv-file": lambda text, o: o.status == 3 or bool(re.search(r'\n1,"[^",]+"\n', o.out)),
    "csv-first-row-two-letters": says("Meeresufer"),
    "csv-header-names": says("Meeresufer", "Englisch"),
    "csv-header-term": lacks("translation"),
    "csv-three-languages": says("Meeresufer"),
    "date-month-lost": lambda text, o: o.warned or bool(re.search(r"27\D+12\D+1986", o.out)),
    "domain-word": says("example.com"),
    "emoji-row": lambda text, o: o.out.count("\U0001f44f") == 3 and "\ufffd" not in o.out,
    "emoji-wave-chat": says("\U0001f44b"),
    "empty-function-words": is_full,
    "empty-function-words-de": is_full,
    "fullwidth": lambda text, o: o.warned or "Katze" in o.out,
    "iban-only-line": stays,
    "language-code-case": lambda text, o: o.status == 0 and "Hund" in o.out,
    "name-alone-offenbach": stays,
    "neither-nor": lambda text, o: o.warned or ("Tom" in o.out and "Anna" in o.out),
    "number-only-line": stays,
    "number-only-line-de": stays,
    "number-row": stays,
    "number-ten-digits": says("6557220599"),
    "number-zeros-de": digits("10000"),
    "opposite-disagree": lambda text, o: o.warned or bool(re.search(r"nicht|wider", o.out)),
    "phone": lambda text, o: o.warned or "449 3103957" in o.out,
    "placeholder-braces-de": says("{{ vorname }}"),
    "placeholder-hashes": says("{{user.name}}", "###T01###"),
    "strict-unused-glossary": lambda text, o: o.status == 9,
    "tabs-in-line": lambda text, o: o.out.count("\t") == 2,
    "term-said-once-of-three": lambda text, o: (
        o.out.count("Meeresufer") >= 3 or '"honoured": false' in o.out
    ),
    "title-case": lacks("At", "To"),
    "two-targets": lambda text, o: o.status == 2,
    "ufffd-diaeresis": lambda text, o: "\ufffd" not in o.out,
    "zero-width-space": says("Es ist warm."),
}


def passes(folder: Path) -> tuple[bool, str]:
    """Return whether a case comes out as expected, and what came out."""
    command = (folder / "command.txt").read_text("utf-8").strip()
    text = (folder / "input.txt").read_text("utf-8")
    if command.startswith("python"):
        language = "de" if "'de'" in command else "en"
        pieces = [piece.text for piece in split(text.strip(), language)]
        return not any(re.match(r"[,;:)\w]*NET|[,;:)]", piece) for piece in pieces), str(pieces)
    first, *more = command.removeprefix("tformer ").split(";")
    arguments = shlex.split(first.partition("<")[0])
    if more:
        arguments = ["translate", "-s", "German" if "DE" in first[:20] else "EN", "-t", "de-DE"]
    if folder.name == "binary-file":
        Path("file").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")
    if match := re.match(r"FILE (\S+):\n(.*?)(?:TEXT:\n(.*))?\Z", text, re.DOTALL):
        if folder.name != "binary-file":
            Path(match[1]).write_text(match[2], "utf-8")
        text = match[3] or ""
    outcome = run(arguments, text)
    check = CHECKS.get(folder.name)
    said = f"{outcome.status} {outcome.out!r} {outcome.err.strip()[-150:]!r}"
    return bool(check and check(text, outcome)), said


def main_of(arguments: list[str]) -> int:
    """Run all cases of a folder."""
    folders = sorted(path for path in Path(arguments[0]).resolve().iterdir() if path.is_dir())
    failed = 0
    with TemporaryDirectory() as work:
        os.chdir(work)
        for folder in folders:
            well, said = passes(folder)
            failed += not well
            if not well:
                print(f"{folder.name}: {said}")
    print(f"{len(folders) - failed} of {len(folders)} cases pass")
    return int(failed > 0)


if __name__ == "__main__":
    loading.load_translator = functools.lru_cache(loading.load_translator)
    sys.exit(main_of(sys.argv[1:]))
