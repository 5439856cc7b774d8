"""What is said about the server outside the code names options that there are."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from tformer.cli.app import app

DOCS = Path(__file__).parent.parent / "docs"
FILES = [
    DOCS / "server.md",
    *sorted(path for path in (DOCS / "deployment").rglob("*") if path.is_file()),
]

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {
    option
    for name in ("serve", "translate", "token", "health")
    for parameter in COMMANDS[name].params
    for option in (*parameter.opts, *parameter.secondary_opts)
}
# Of docker, pip, useradd and buf.
OTHERS = {"--build-arg", "--rm", "--mount", "--no-cache-dir", "--index-url", "--constraint"} | {
    *("--system", "--schema", "--protocol"),
    "--no-create-home",
    *("--uid", "--build", "--interval", "--timeout", "--start-period", "--retries"),
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_option_that_is_named_exists(file: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", file.read_text("utf-8")))
    assert named <= OPTIONS | OTHERS


def test_every_file_that_is_linked_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (DOCS / "server.md").read_text("utf-8"))
    assert len(links) > 4
    for link in links:
        assert (DOCS / link).is_file(), link
