"""`tformer convert` makes models that the other commands and programs read."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_translator import Tformer
from tiny_marian import save_marian

from tformer.cli.exits import ExitStatus


@pytest.fixture
def marian(tmp_path: Path) -> Path:
    save_marian(tmp_path / "opus-mt-en-de")
    return tmp_path / "opus-mt-en-de"


def test_marian_to_tformer_to_ctranslate2(tformer: Tformer, marian: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    result = tformer("convert", "marian", marian, ours)
    assert (result.status, result.out) == (ExitStatus.SUCCESS, "")
    assert result.err == f"note: the model is in {ours}: tformer translate --model {ours}\n"
    assert "languages   en, de\n" in tformer("info", ours).out

    result = tformer("translate", "--model", ours, "-", stdin=b"a dog\n\n")
    assert (result.status, result.err) == (ExitStatus.SUCCESS, "")
    assert result.out.count("\n") == 2
    result = tformer("translate", "--model", ours, "--target", "en", "-", stdin=b"a dog\n")
    assert result.err == "error: the model does not translate into 'en', only de\n"

    result = tformer("convert", "ctranslate2", ours, theirs, "--quantization", "int8")
    assert (result.status, result.out) == (ExitStatus.SUCCESS, "")
    assert {"model.bin", "config.json", "source.spm"} <= {file.name for file in theirs.iterdir()}


def test_a_model_of_the_hub_is_fetched_and_has_its_name(
    tformer: Tformer, marian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = marian.rename(tmp_path / "0a1b2c3d")
    hub = SimpleNamespace(snapshot_download=lambda name, allow_patterns: snapshot)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)  # type: ignore[arg-type]
    assert tformer("convert", "marian", "Helsinki-NLP/opus-mt-en-de", tmp_path / "out").status == 0
    assert "model       opus-mt-en-de\n" in tformer("info", tmp_path / "out").out


def test_languages_can_be_named(tformer: Tformer, marian: Path, tmp_path: Path) -> None:
    named = ("--source", "sv", "--source", "da", "--target", "fi")
    assert tformer("convert", "marian", marian, tmp_path / "out", *named).status == 0
    assert "languages   sv, da, fi\n" in tformer("info", tmp_path / "out").out


@pytest.mark.parametrize("program", ["marian", "ctranslate2"])
def test_what_exists_is_not_written_over(
    tformer: Tformer, marian: Path, tmp_path: Path, program: str
) -> None:
    result = tformer("convert", program, marian, tmp_path)
    assert result.status == ExitStatus.OUTPUT
    assert result.err == f"error: {tmp_path}: exists; name a folder that does not\n"


def test_a_damaged_model_is_one_line(tformer: Tformer, marian: Path, tmp_path: Path) -> None:
    (marian / "target.spm").unlink()
    result = tformer("convert", "marian", marian, tmp_path / "out")
    assert result.status == ExitStatus.MODEL
    assert "target.spm: not a readable SentencePiece model" in result.err
    assert result.err.count("\n") == 1


def test_a_missing_directory_is_one_line(tformer: Tformer, tmp_path: Path) -> None:
    result = tformer("convert", "marian", tmp_path / "none", tmp_path / "out")
    assert result.status == ExitStatus.MODEL
    assert "none: no such directory; name one" in result.err


def test_a_missing_package_is_one_line(
    tformer: Tformer, marian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tformer("convert", "marian", marian, tmp_path / "ours")
    monkeypatch.setitem(sys.modules, "ctranslate2.specs", None)
    result = tformer("convert", "ctranslate2", tmp_path / "ours", tmp_path / "theirs")
    assert result.status == ExitStatus.USAGE
    assert "pip install ctranslate2" in result.err
