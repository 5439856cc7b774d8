"""The examples of docs/terms-and-memory.md do what the page says, with the shipped model."""

import json
import re
from pathlib import Path

import pytest
from fake_translator import Tformer

TEXT = (Path(__file__).parent.parent / "docs" / "terms-and-memory.md").read_text("utf-8")
EXAMPLES = re.findall(r"(?m)^\$ echo '(.*)' \| tformer (.*)\n((?:[^$`].*\n)*)", TEXT)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```", TEXT)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "terms.csv").write_text(blocks("csv")[0], "utf-8")
    (tmp_path / "tm.tsv").write_text(blocks("tsv")[0], "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("line", "arguments", "expected"), EXAMPLES, ids=lambda part: part[:40])
def test_the_commands_print_what_they_should(
    tformer: Tformer, line: str, arguments: str, expected: str
) -> None:
    result = tformer(*arguments.split(), stdin=f"{line}\n".encode())
    assert result.status == 0
    if "--json" in arguments:
        (shown,) = map(json.loads, blocks("json"))
        assert json.loads(result.out)["matches"] == shown["matches"]
    else:
        assert result == (0, expected, "")


def test_every_kind_of_example_is_there() -> None:
    assert len(EXAMPLES) == 4


def test_the_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = blocks("python")
    exec(program, {})
    reused, enforced = capsys.readouterr().out.splitlines()
    assert reused.startswith("Guten Morgen. True ()")
    assert enforced.startswith("Ein Hund rennt am Meeresufer. False (TermUse(source='beach'")
