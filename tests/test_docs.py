"""The documents about the command line say what the command line does."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tformer.cli.exits import ExitStatus
from tformer.cli.main import app

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
