"""Compiled code is kept where it can be, made once, and made anew when its sources change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numba
import pytest
import torch
from tiny import tiny_transformer

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.hardware import numba_cache as compiling
from tformer.model.hardware.numba_cache import READY, SOURCES, code_folder, njit, once
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.vocabulary.sentencepiece import Vocabulary

MODEL = Path(compiling.__file__).parents[1]


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """No test finds the folder that another one has chosen, or leaves its own behind."""
    code_folder.cache_clear()
    yield
    code_folder.cache_clear()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that are tried."""
    places: list[Path] = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(compiling, "_places", lambda: iter(places))
    return places


def test_the_first_folder_that_can_be_written_to_is_taken(
    places: list[Path], tmp_path: Path
) -> None:
    assert code_folder().parent == tmp_path / "first"
    code_folder.cache_clear()
    (tmp_path / "file").touch()
    places.insert(0, tmp_path / "file")
    assert code_folder().parent == tmp_path / "first"


def test_the_environment_is_asked_first_and_a_temporary_folder_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    places = list(compiling._places())
    assert places[:3] == [
        tmp_path / "mine",
        Path(compiling.__file__).parent / "__pycache__",
        tmp_path / "cache" / "tformer",
    ]
    assert places[3].is_dir() and len(places) == 4
    places[3].rmdir()


def test_what_is_compiled_is_kept_there_and_nobody_elses_is(places: list[Path]) -> None:
    before = numba.config.CACHE_DIR

    @njit(cache=True)
    def double(x):  # type: ignore[no-untyped-def]
        return 2 * x

    assert before == numba.config.CACHE_DIR
    assert double(21) == 42
    assert list(code_folder().rglob("*double*.nbc"))


def test_code_that_is_all_there_is_read_where_nothing_can_be_written(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def quadruple(x):  # type: ignore[no-untyped-def]
        return 4 * x

    assert njit(cache=True)(quadruple)(2) == 8
    folder = code_folder()
    (folder / READY).touch()
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    monkeypatch.setattr(compiling, "_is_writable", lambda folder: False)
    code_folder.cache_clear()
    assert code_folder() == folder
    read = njit(cache=True)(quadruple)
    assert read(3) == 12 and read.stats.cache_hits
    assert read(3.5) == 14  # compiled, and not kept
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*")}


def test_where_nothing_can_be_written_code_is_compiled_and_not_kept(
    places: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    places[:] = [tmp_path / "file"]
    assert code_folder() is None

    @njit(cache=True)
    def triple(x):  # type: ignore[no-untyped-def]
        return 3 * x

    assert triple(14) == 42
    done: list[int] = []
    once(lambda: done.append(1))
    once(lambda: done.append(2))
    assert done == [1, 2]


def test_every_file_that_compiles_is_one_that_code_depends_on() -> None:
    known = {file for pattern in SOURCES for file in MODEL.glob(pattern)}
    compiling_files = {
        file
        for file in MODEL.rglob("*.py")
        if any(word in file.read_text("utf-8") for word in ("njit", "intrinsic", "import numba"))
    }
    assert compiling_files <= known


def test_other_sources_have_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = tmp_path / "network" / "int8"
    shutil.copytree(
        MODEL / "network" / "int8", kernels, ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "hardware" / "numba_cache.py"))
    before = compiling._digest()
    assert compiling._digest() == before
    with (kernels / "elementwise.py").open("a") as file:
        file.write("# changed\n")
    assert compiling._digest() != before


def test_processes_that_start_together_compile_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import time\n"
        "from tformer.model.hardware.numba_cache import once\n"
        "def compile_all():\n"
        f"    open({str(log)!r}, 'a').write('compiled\\n')\n"
        "    time.sleep(0.5)\n"
        "once(compile_all)\n"
        f"open({str(log)!r}, 'a').write('goes on\\n')\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "code")}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert log.read_text().splitlines() == ["compiled", *["goes on"] * 3]


@pytest.mark.usefixtures("places")
def test_a_compilation_that_fails_is_tried_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        once(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    done: list[int] = []
    once(lambda: done.append(1))
    once(lambda: done.append(2))
    assert done == [1]


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(("seconds", "messages"), [(0.0, 1), (60.0, 0)], ids=["long", "short"])
def test_what_takes_long_is_told_of(
    seconds: float,
    messages: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(compiling, "SILENT_SECONDS", seconds)
    once(lambda: time.sleep(0.2))
    once(lambda: time.sleep(0.2))
    assert [record.message for record in caplog.records] == [compiling.MESSAGE] * messages


@pytest.mark.usefixtures("places")
def test_old_code_is_forgotten(tmp_path: Path) -> None:
    for age in range(8):
        (tmp_path / "first" / f"tformer-{age}").mkdir(parents=True)
        (tmp_path / "first" / f"tformer-{age}" / READY).touch()
        os.utime(tmp_path / "first" / f"tformer-{age}" / READY, (age, age))
    (tmp_path / "first" / "not-ours").mkdir()
    once(lambda: None)
    kept = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert kept == sorted(["not-ours", "tformer-5", "tformer-6", "tformer-7", code_folder().name])


def test_what_was_prepared_is_all_that_a_translation_needs(
    tmp_path: Path, vocabulary: Vocabulary
) -> None:
    network = tiny_transformer(3, len(vocabulary), dtype=torch.float32)
    facts = ModelFacts("tiny", ("en", "de"))
    save_model(tmp_path / "m", network.state_dict(), network.config, vocabulary, facts)
    code = (
        "import sys\n"
        "from tformer.model import DecodingOptions, Translator\n"
        f"translator = Translator.load({str(tmp_path / 'm')!r}, device='cpu', dtype='int8')\n"
        "def compiled():\n"
        "    return {(m, name): len(f.signatures)\n"
        "        for m in list(sys.modules) if m.startswith('tformer.model')\n"
        "        for name, f in vars(sys.modules[m]).items()\n"
        "        if hasattr(f, 'signatures') and not isinstance(f, type)}\n"
        "from tformer.model.pipeline import warmup as preparing\n"
        "preparing.translate(preparing.Int8(preparing.ZeroWeights()))\n"
        "before = compiled()\n"
        "options = DecodingOptions(guard=False)\n"
        "list(translator.translate(['A dog runs.', 'Two. Three.'], source='en', target='de',\n"
        "    options=options))\n"
        "assert compiled() == before, set(compiled().items()) ^ set(before.items())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
