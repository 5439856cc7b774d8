"""The documents about the command line say what the command line does."""

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from fake_translator import Tformer
from typer.main import get_command

from tformer.cli.app import app
from tformer.cli.exits import ExitStatus

DOCS = Path(__file__).parent.parent / "docs"
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented_as_its_help_says(name: str) -> None:
    text = (DOCS / "commands.md").read_text("utf-8")
    sections = dict(re.findall(r"(?ms)^## `tformer (\w+)`\n(.*?)(?=^## |\Z)", text))
    assert set(sections) == set(COMMANDS), "run `make docs`"
    section = sections[name]
    parts = dict(re.findall(rf"(?ms)^### `tformer {name} (\w+)`\n(.*?)(?=^### |\Z)", section))
    below = getattr(COMMANDS[name], "commands", {})
    assert set(parts) == set(below), "run `make docs`"
    assert_documented(COMMANDS[name], section)
    for part in below:
        assert_documented(below[part], parts[part])


def assert_documented(command: Any, section: str) -> None:
    assert " ".join(command.help.split()) in " ".join(section.split()), "run `make docs`"
    for parameter in command.params:
        options = [option for option in parameter.opts if option.startswith("-")]
        assert all(option in section for option in options), f"{parameter.name}: run `make docs`"
        assert (parameter.help or "") in section, f"{parameter.name}: run `make docs`"


def test_every_exit_status_is_documented() -> None:
    text = (DOCS / "pipelines.md").read_text("utf-8")
    documented = {int(status) for status in re.findall(r"(?m)^\| (\d+) \|", text)}
    assert documented == {status.value for status in ExitStatus}


ATTENTION = (DOCS / "attention.md").read_text("utf-8")


@pytest.mark.parametrize("command", re.findall(r"(?m)^\$ tformer (.+)$", ATTENTION))
def test_examples_about_attention_run(
    tformer: Tformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "letter.txt").write_text("A dog runs.\n")
    arguments = shlex.split(command)
    result = tformer(*arguments)
    assert (result.status, result.err) == (0, "")
    written = {a for a in arguments if re.search(r"\.(html|png|pharaoh|scores)$", a)}
    assert {path.name for path in tmp_path.iterdir()} == {"letter.txt", *written}
    if arguments[-1] == "en":
        (shown,) = re.findall(r"(?s)```text\n(.+?)```", ATTENTION)
        assert result.out.startswith(shown)


@pytest.mark.parametrize("code", re.findall(r"(?s)```python\n(.+?)```", ATTENTION))
def test_programs_about_attention_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "attention.md", "exec"), {})
    assert capsys.readouterr().out


DECODING = (DOCS / "decoding.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("line", "arguments", "shown"),
    re.findall(r"(?m)^\$ echo '(.*)' \| tformer (.*)\n(.*)$", DECODING),
)
def test_examples_about_decoding_print_what_is_shown(
    tformer: Tformer, line: str, arguments: str, shown: str
) -> None:
    result = tformer(*shlex.split(arguments), stdin=f"{line}\n".encode())
    assert result == (0, f"{shown}\n", "")


def test_pictures_in_documents_are_there() -> None:
    for page in DOCS.glob("*.md"):
        for picture in re.findall(r"\]\(([\w./-]+\.png)\)", page.read_text("utf-8")):
            assert (DOCS / picture).read_bytes().startswith(b"\x89PNG"), f"{page}: {picture}"


def test_the_library_is_documented_as_its_docstrings_say() -> None:
    specification = importlib.util.spec_from_file_location("library", DOCS / "library.py")
    assert specification and specification.loader
    library = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(library)
    assert (DOCS / "library.md").read_text("utf-8") == library.page(), "run `make docs`"
    for module, names in library.PUBLIC.items():
        assert all(hasattr(importlib.import_module(module), name) for name in names)
