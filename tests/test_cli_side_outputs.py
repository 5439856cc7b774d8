"""`tformer translate --alignments --scores`: a line beside each line that is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_translator import Tformer
from serving import make_model

from tformer.cli import loading
from tformer.cli.exits import ExitStatus
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.text.offsets import word_pairs, words

LINES = ["A dog runs, on the beach.", "", "Where is it? There it is!", "..."]
TEXT = "\n".join(LINES).encode() + b"\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(autouse=True)
def local(model: Path, monkeypatch: pytest.MonkeyPatch) -> Translator:
    translator = Translator.load(model, device="cpu", dtype="int8", threads=1)
    monkeypatch.setattr(loading, "load_translator", lambda *_, **__: translator)
    return translator


def translate(tformer: Tformer, folder: Path, *options: object) -> tuple[str, list[str], list[str]]:
    alignments, scores = folder / "alignments", folder / "scores"
    result = tformer(
        *("translate", "-", "-s", "en", "-t", "de", "--beam-size", "2"),
        *("--alignments", alignments, "--scores", scores, *options),
        stdin=TEXT,
    )
    assert result.status == 0, result.err
    return result.out, alignments.read_text().splitlines(), scores.read_text().splitlines()


def test_there_is_a_line_for_every_line(
    tformer: Tformer, local: Translator, tmp_path: Path
) -> None:
    out, alignments, scores = translate(tformer, tmp_path)
    targets = out.splitlines()
    assert len(targets) == len(alignments) == len(scores) == len(LINES)
    assert (alignments[1], scores[1]) == ("", "0.0000\t")
    assert (alignments[3], scores[3]) == ("0-0", "0.0000\t")
    options = DecodingOptions(beam_size=2, alignments=True, token_scores=True)
    wanted = local.translate(LINES, source="en", target="de", options=options)
    for source, target, alignment, score, translation in zip(
        LINES, targets, alignments, scores, wanted, strict=True
    ):
        pairs = [tuple(map(int, pair.split("-"))) for pair in alignment.split()]
        best = translation.hypotheses[0]
        assert pairs == word_pairs(source, target, best.alignment or ())
        assert all(i < len(words(source)) and j < len(words(target)) for i, j in pairs)
        total, _, pieces = score.partition("\t")
        assert float(total) == pytest.approx(best.score, abs=1e-4)
        assert [float(piece) for piece in pieces.split()] == pytest.approx(
            [log_prob for _, log_prob in best.piece_scores or ()], abs=1e-4
        )


def test_what_is_printed_stays_the_same(tformer: Tformer, tmp_path: Path) -> None:
    plain = tformer("translate", "-s", "en", "-t", "de", "--beam-size", "2", stdin=TEXT)
    assert translate(tformer, tmp_path)[0] == plain.out


def test_every_hypothesis_has_a_line(tformer: Tformer, tmp_path: Path) -> None:
    out, alignments, scores = translate(tformer, tmp_path, "--n-best", "2")
    assert len(out.splitlines()) == len(alignments) == len(scores) > len(LINES)


def test_json_has_them_too(tformer: Tformer, tmp_path: Path) -> None:
    out, alignments, scores = translate(tformer, tmp_path, "--json")
    records = [json.loads(line)["hypotheses"][0] for line in out.splitlines()]
    assert [record["alignment"] for record in records] == alignments
    for record, line in zip(records, scores, strict=True):
        pieces = record["pieces"]
        assert [f"{p['log_prob']:.4f}" for p in pieces] == line.split("\t")[1].split()
        assert all(record["text"][p["start"] : p["end"]] == p["text"] for p in pieces)


def test_a_file_for_two_things_is_refused(tformer: Tformer, tmp_path: Path) -> None:
    file = tmp_path / "out"
    result = tformer("translate", "--alignments", file, "-o", file, stdin=TEXT)
    assert result.status == ExitStatus.USAGE
    assert "must be different files" in result.err


def test_documents_are_refused(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n")
    result = tformer("translate", tmp_path / "a.md", "--alignments", tmp_path / "alignments")
    assert result.status == ExitStatus.USAGE
    assert "--format text" in result.err
    assert not (tmp_path / "alignments").exists()


def test_nothing_half_written_is_left(
    tformer: Tformer, local: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("a defect")

    monkeypatch.setattr(local, "translate", broken)
    with pytest.raises(RuntimeError):
        tformer("translate", "-s", "en", "--alignments", tmp_path / "alignments", stdin=TEXT)
    assert list(tmp_path.iterdir()) == []
