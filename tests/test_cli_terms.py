"""`tformer translate --glossary --memory`: what is reused, what is told, what is refused."""

import json
from pathlib import Path

import pytest
from fake_translator import FakeTranslator, Tformer

from tformer.cli import loading
from tformer.cli.exits import ExitStatus

TMX = (
    '<tmx><header srclang="en"/><body><tu><tuv xml:lang="en"><seg>Good morning.</seg></tuv>'
    '<tuv xml:lang="de"><seg>Guten Morgen.</seg></tuv></tu></body></tmx>'
)


class Obedient(FakeTranslator):
    """Takes a glossary, and tells which."""

    def translate(self, texts, *, glossary=None, **settings):  # type: ignore[no-untyped-def, override]
        self.glossary = glossary
        return super().translate(texts, **settings)


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch) -> Obedient:
    fake = Obedient()
    monkeypatch.setattr(loading, "load_translator", lambda model, device: fake)
    return fake


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    path = tmp_path / "tm.tmx"
    path.write_text(TMX)
    return path


@pytest.mark.usefixtures("translator")
def test_lines_of_the_memory_are_reused(tformer: Tformer, memory: Path) -> None:
    result = tformer(
        "translate", "-s", "en", "-t", "de", "--memory", memory, stdin=b"a\nGood  morning.\r\n\nb"
    )
    assert result == (0, "A\nGuten Morgen.\r\n\nB", "")


@pytest.mark.usefixtures("translator")
def test_the_first_memory_counts_most(tformer: Tformer, memory: Path, tmp_path: Path) -> None:
    (tmp_path / "tm.tsv").write_text("Good morning.\tMoin.\nBye.\tTschüss.\n")
    files = ("--memory", memory, "--memory", tmp_path / "tm.tsv")
    result = tformer("translate", "-s", "en", "-t", "de", *files, stdin=b"Good morning.\nBye.\n")
    assert result.out == "Guten Morgen.\nTschüss.\n"


@pytest.mark.usefixtures("translator")
def test_json_shows_matches_with_their_scores(tformer: Tformer, memory: Path) -> None:
    lines = b"Good morning.\nGood morning, Anna.\nnothing like it\n"
    result = tformer("translate", "-s", "en", "-t", "de", "--json", "--memory", memory, stdin=lines)
    exact, near, none = (json.loads(line)["matches"] for line in result.out.splitlines())
    match = {"source": "Good morning.", "target": "Guten Morgen.", "origin": str(memory)}
    assert exact == [{**match, "score": 1.0}]
    assert near == [{**match, "score": pytest.approx(0.8125, abs=0.01)}]
    assert none == []


@pytest.mark.usefixtures("translator")
def test_segments_of_documents_are_reused(tformer: Tformer, memory: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Good morning.\n\nHello\n")
    result = tformer("translate", tmp_path / "a.md", "-s", "en", "-t", "de", "--memory", memory)
    assert (result.out, result.err) == ("# Guten Morgen.\n\nHELLO\n", "")


def test_the_glossaries_reach_the_translator(
    tformer: Tformer, translator: Obedient, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("en,de\ndog,Hund\n")
    (tmp_path / "b.tsv").write_text("cat\tKatze\n")
    files = ("--glossary", tmp_path / "a.csv", "--glossary", tmp_path / "b.tsv")
    result = tformer("translate", "-s", "en", "-t", "de", *files, stdin=b"a dog\n")
    assert result == (0, "A DOG\n", "")
    found = translator.glossary.find("a dog and a cat", "en", "de")
    assert [one.term.targets for one in found] == [("Hund",), ("Katze",)]


def test_what_has_nothing_for_the_direction_is_told_once(
    tformer: Tformer, translator: Obedient, memory: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("en,de\ndog,Hund\n")
    (tmp_path / "b.tsv").write_text("en\tfr\na\tun\n")
    files = ("--glossary", tmp_path / "a.csv", "--memory", tmp_path / "b.tsv")
    result = tformer("translate", "-s", "de", "-t", "en", *files, stdin=b"a\nb\n")
    assert result.err == (
        "warning: the glossary has nothing from de to en\n"
        "warning: the translation memory has nothing from de to en\n"
    )


@pytest.mark.usefixtures("translator")
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        pytest.param(["--glossary", "gone.csv"], ExitStatus.INPUT, "gone.csv: cannot", id="gone"),
        pytest.param(
            ["--glossary", "bad.csv"], ExitStatus.INPUT, "bad.csv:2: the target", id="csv"
        ),
        pytest.param(["--memory", "bad.tmx"], ExitStatus.INPUT, "bad.tmx:2: not well", id="tmx"),
        pytest.param(
            ["--glossary", "company"],
            ExitStatus.USAGE,
            "--glossary company: only a server has glossaries by name",
            id="name",
        ),
    ],
)
def test_what_cannot_be_used_ends_the_command_before_anything_is_written(
    tformer: Tformer, tmp_path: Path, arguments: list[str], status: ExitStatus, message: str
) -> None:
    (tmp_path / "bad.csv").write_text("dog,Hund\ncat,\n")
    (tmp_path / "bad.tmx").write_text("<tmx>\n<a></b></tmx>")
    placed = [tmp_path / a if a.startswith(("bad", "gone")) else a for a in arguments]
    output = tmp_path / "out.txt"
    result = tformer("translate", "-t", "de", "-o", output, *placed, stdin=b"a\n")
    assert result.status == status
    assert message in result.err and result.err.count("\n") == 1
    assert not output.exists()
