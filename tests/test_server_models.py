"""What a server does with a model before it serves it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from serving import make_model, serving
from tiny_marian import save_marian

from tformer.model.convert.marian import import_marian
from tformer.model.errors import ModelError, UsageError
from tformer.model.pipeline.translator import Translator
from tformer.model.translation import FinishReason
from tformer.server.client import Client
from tformer.server.models import check, fingerprint
from tformer.server.observability import memory
from tformer.server.observability.memory import resident_bytes


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """A model that reads two languages and writes a third."""
    save_marian(tmp_path / "marian")
    import_marian(
        tmp_path / "marian",
        tmp_path / "model",
        source_languages=("sv", "da"),
        target_languages=("fi",),
    )
    return tmp_path / "model"


def test_a_model_of_one_direction_is_checked_in_it(imported: Path) -> None:
    translation = check(Translator.load(imported, device="cpu", dtype="float32"))
    assert (translation.source_language, translation.target_language) == ("sv", "fi")


def test_a_model_that_ends_no_sentence_is_soon_checked(tmp_path: Path) -> None:
    translator = Translator.load(make_model(tmp_path / "en-de"), device="cpu", dtype="int8")
    translation = check(translator)
    assert translation.finish_reason is FinishReason.LENGTH
    assert translation.target_tokens <= 32


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.json", "source.spm"])
def test_the_fingerprint_is_of_every_file_that_counts(imported: Path, name: str) -> None:
    before = fingerprint(imported)
    (imported / "README.md").write_text("# A card")
    assert fingerprint(imported) == before
    with (imported / name).open("ab") as file:
        file.write(b" ")
    assert fingerprint(imported) != before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "source.spm"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_loaded(imported: Path, name: str, kind: str) -> None:
    (imported / name).unlink()
    if kind == "pipe":
        os.mkfifo(imported / name)  # loading would wait for a writer
    else:
        (imported / name).symlink_to("/dev/zero")
    with pytest.raises(ModelError, match=f"{name}: is a {kind}"):
        fingerprint(imported)


def test_a_missing_model_has_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none: cannot be read"):
        fingerprint(tmp_path / "none")


def test_a_client_learns_which_way_models_go(imported: Path, tmp_path: Path) -> None:
    with (
        serving(imported, make_model(tmp_path / "en-de")) as running,
        Client(running.address) as client,
        Client(running.address, model="model") as one_way,
    ):
        assert client.languages == ("da", "de", "en", "fi", "sv")
        assert client.source_languages == ("da", "de", "en", "sv")
        assert client.target_languages == ("de", "en", "fi")
        assert (one_way.source_languages, one_way.target_languages) == (("da", "sv"), ("fi",))
        (translation,) = client.translate(["..."], source="sv")
        assert translation.target_language == "fi"
        with pytest.raises(UsageError, match="from 'fi'"):
            list(client.translate(["..."], source="fi", target="sv"))


def test_the_log_tells_what_each_model_takes(
    imported: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "tformer"), serving(imported, make_model(tmp_path / "en-de")):
        pass
    (line,) = [record for record in caplog.records if record.getMessage() == "serving"]
    told = vars(line)["memory_mib"]
    assert list(told) == ["model", "en-de"]
    assert all((grown is None) is (resident_bytes() is None) for grown in told.values())


@pytest.mark.skipif(resident_bytes() is None, reason="the system does not tell")
def test_growth_is_of_what_is_held_in_memory() -> None:
    """In a process of its own: tests before it leave this one memory that is used again."""
    program = (
        "from tformer.server.observability.memory import grown_mib, resident_bytes\n"
        "before = resident_bytes()\n"
        "held = bytearray(b'x') * (64 << 20)\n"
        "print(grown_mib(before))\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert 60 < float(told.stdout) < 72


def test_no_growth_is_told_where_the_system_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "STATM", tmp_path / "none")
    assert memory.resident_bytes() is None
    assert memory.grown_mib(1) is None
