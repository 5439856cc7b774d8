"""`tformer evaluate` scores what was translated and refuses files that do not match."""

import json
from pathlib import Path
from typing import Any

import pytest
from fake_translator import FakeTranslator, Tformer

from tformer.cli.exits import ExitStatus

pytestmark = pytest.mark.usefixtures("translator")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    source, reference = tmp_path / "source", tmp_path / "reference"
    source.write_text("a dog runs on the beach\nit is late now, is it\n")
    reference.write_text("A DOG RUNS ON THE BEACH\nIT IS LATE NOW, OR NOT\n")
    return source, reference


def test_json_has_scores_signatures_and_speed(tformer: Tformer, files: tuple[Path, Path]) -> None:
    result = tformer("evaluate", *files, "-s", "en", "-t", "de", "--json")
    record = json.loads(result.out)
    assert result.status == 0
    assert 50 < record["bleu"]["score"] < 100
    assert 50 < record["chrf"]["score"] < 100
    assert "tok:13a" in record["bleu"]["signature"]
    assert (record["lines"], record["target_tokens"]) == (2, 14)
    assert record["target_tokens_per_second"] > 0


def test_the_first_lines_only(tformer: Tformer, files: tuple[Path, Path]) -> None:
    record = json.loads(tformer("evaluate", *files, "-t", "de", "--limit", "1", "--json").out)
    assert record["bleu"]["score"] == pytest.approx(100)
    assert record["lines"] == 1


def test_the_guarantee_of_literals_can_be_left_out(
    tformer: Tformer, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    translate = FakeTranslator.translate

    def note(self: FakeTranslator, *texts: Any, **settings: Any) -> Any:
        asked.append(settings["options"].literals)
        return translate(self, *texts, **settings)

    monkeypatch.setattr(FakeTranslator, "translate", note)
    for options in ([], ["--no-literals"]):
        assert tformer("evaluate", *files, "-s", "en", *options).status == 0
    assert asked == [True, False]


def test_text_is_for_people(tformer: Tformer, files: tuple[Path, Path]) -> None:
    lines = tformer("evaluate", *files, "-s", "en", "--limit", "1").out.splitlines()
    assert lines[0].startswith("BLEU  100.0  nrefs:1|")
    assert lines[1].startswith("chrF  100.0  nrefs:1|")
    assert lines[2].startswith("1 lines, 7 target tokens in ")


def test_files_that_do_not_match_are_refused_with_both_counts(
    tformer: Tformer, files: tuple[Path, Path]
) -> None:
    files[1].write_text("only one\n")
    result = tformer("evaluate", *files, "-s", "en")
    assert result.status == ExitStatus.INPUT
    assert f"{files[0]} has 2 lines but {files[1]} has 1" in result.err


@pytest.mark.parametrize(
    ("text", "options", "status", "message"),
    [
        pytest.param("a\n", [], ExitStatus.USAGE, "--source and --target", id="no language"),
        pytest.param("a\n", ["-s", "fr"], ExitStatus.USAGE, "'fr'", id="unknown language"),
        pytest.param("", ["-s", "en"], ExitStatus.INPUT, "is empty", id="empty files"),
    ],
)
def test_what_cannot_be_evaluated(
    tformer: Tformer, tmp_path: Path, text: str, options: list[str], status: int, message: str
) -> None:
    path = tmp_path / "text"
    path.write_text(text)
    result = tformer("evaluate", path, path, *options)
    assert result.status == status
    assert message in result.err
    assert result.err.count("\n") == 1
