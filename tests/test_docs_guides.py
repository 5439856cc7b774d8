"""Every command of the guides runs, in a shell, on the files that the guide shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGES = sorted((TESTS.parent / "docs" / "guides").glob("*.md"))


def files_of(page: str) -> dict[str, str]:
    return dict(re.findall(r'(?ms)^```\w+ title="([^"]+)"\n(.*?)^```', page))


def commands_of(page: str) -> list[tuple[str, str]]:
    """Each command, and what it is shown to say."""
    blocks = re.findall(r"(?ms)^```console\n(.*?)^```", page)
    return [
        pair for block in blocks for pair in re.findall(r"(?m)^\$ (.*)\n((?:[^$].*\n)*)", block)
    ]


def without_time(said: str) -> str:
    """And without the number of warnings, which the model decides."""
    return re.sub(r"warnings: \d+; [\d.]+ s$", "", said, flags=re.MULTILINE)


def said(stderr: str) -> str:
    """The summary; warnings and what else is said on the way are not shown."""
    return "".join(f"{line}\n" for line in stderr.splitlines() if line.startswith("note: files:"))


def write_files(page: str, folder: Path) -> None:
    for name, text in files_of(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_commands_of_a_guide_run(path: Path, tmp_path: Path) -> None:
    page = path.read_text("utf-8")
    program = tmp_path / "bin" / "tformer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {TESTS / "fake_translator.py"} "$@"\n')
    program.chmod(0o755)
    here = tmp_path / "here"
    write_files(page, here)
    places = os.pathsep.join(
        [str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    commands = commands_of(page)
    assert commands
    for command, shown in commands:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=here,
            env={**os.environ, "PATH": places},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert without_time(said(done.stderr)) == without_time(shown), command


@pytest.mark.slow
def test_the_guide_to_training_says_what_comes_of_it(tmp_path: Path) -> None:
    """With the shipped model and a real translator: the sentence, and scores that rise."""
    page = next(path for path in PAGES if path.stem == "training").read_text("utf-8")
    write_files(page, tmp_path)
    said = {}
    for command, _ in commands_of(page):
        done = subprocess.run(
            [
                "bash",
                "-o",
                "pipefail",
                "-c",
                f'tformer() {{ "$PYTHON" -m tformer.cli "$@"; }}; {command}',
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=True,
        )
        said[command.split("tformer ")[1].split()[0]] = done
    before, after = re.findall(r"\*([^*]+)\* The shipped model said \*([^*]+)\*", page)[0][::-1]
    assert said["translate"].stdout == f"{after}\n" != f"{before}\n"
    means = [float(mean) for mean in re.findall(r"mean ([\d.]+)", said["train"].stderr)]
    assert means[-1] == max(means) > means[0] + 5
