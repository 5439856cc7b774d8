"""Compiled code is kept where it can be, made once, and made anew when its sources change."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from tformer.model.errors import UsageError
from tformer.model.hardware import code_store, cpu, native_call, object_loader
from tformer.model.hardware.code_store import SOURCES, code_folder, first_use
from tformer.model.hardware.numba_cache import Kernel, njit
from tformer.model.network.int8.examples import every, first
from tformer.model.search.hypotheses import length_penalty

MODEL = Path(code_store.__file__).parents[1]


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
    monkeypatch.setattr(code_store, "_places", lambda: iter(places))
    return places


def penalty() -> Kernel:
    """A small function of the search, of which this process has no code yet."""
    return Kernel("tformer.model.search.hypotheses", "length_penalty", nogil=False)


def forbid_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    from tformer.model.hardware import numba_compiler

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something is compiled")

    for name in ("object_code", "inner", "dispatcher"):
        monkeypatch.setattr(numba_compiler, name, refuse)


def test_the_first_folder_that_can_be_written_to_is_taken(
    places: list[Path], tmp_path: Path
) -> None:
    assert code_folder().parent == tmp_path / "first"
    code_folder.cache_clear()
    (tmp_path / "file").touch()
    places.insert(0, tmp_path / "file")
    assert code_folder().parent == tmp_path / "first"


def test_the_environment_is_asked_first_and_what_was_built_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = MODEL / "hardware"
    assert list(code_store._places()) == [tmp_path / "mine", here / "compiled"]
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert list(code_store._places()) == [
        here / "compiled",
        here / "__pycache__",
        tmp_path / "cache" / "tformer",
    ]
    monkeypatch.setattr(code_store, "_places", lambda: iter([here / "compiled", tmp_path]))
    assert code_folder().parent == tmp_path


def test_where_nothing_can_be_written_to_a_temporary_folder_is_made(
    places: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    places[:] = [tmp_path / "file"]
    folder = code_folder()
    assert folder.is_dir() and tmp_path not in folder.parents


def test_what_is_compiled_is_kept_and_read_where_nothing_can_be_written(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = numba.config.CACHE_DIR
    expected = penalty()(7, 0.6, 5.0)
    assert before == numba.config.CACHE_DIR
    assert expected == pytest.approx(2**0.6)
    (file,) = code_folder().glob("*length_penalty*.o")
    monkeypatch.setattr(code_store, "_is_writable", lambda folder: False)
    forbid_compiling(monkeypatch)
    assert penalty()(7, 0.6, 5.0) == expected
    assert list(file.parent.iterdir()) == [file]


def test_neither_path_nor_time_of_a_file_decides(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = penalty()(9, 0.6, 5.0)
    shutil.move(tmp_path / "first", tmp_path / "elsewhere")
    places[:] = [tmp_path / "second", tmp_path / "elsewhere"]
    for file in (tmp_path / "elsewhere").rglob("*"):
        os.utime(file, (0, 0))
    code_folder.cache_clear()
    forbid_compiling(monkeypatch)
    assert penalty()(9, 0.6, 5.0) == expected


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "a bit": lambda content: content[:-9] + bytes([content[-9] ^ 4]) + content[-8:],
    "in front": lambda content: content[1:],
    "of another kind": lambda content: b"\x7fELF" + content,
    "no header": lambda content: content[:90],
}


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_object_is_passed_over_and_made_anew(
    damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expected = penalty()(5, 0.6, 5.0)
    (file,) = code_folder().glob("*length_penalty*.o")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert penalty()(5, 0.6, 5.0) == expected
    assert "damaged" in caplog.text
    assert code_store.found(file.name) is not None


@pytest.mark.usefixtures("places")
def test_a_name_that_the_process_does_not_have_is_no_end_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = penalty()(5, 0.6, 5.0)
    monkeypatch.setattr(object_loader, "_is_known", lambda name: False)
    assert penalty()(5, 0.6, 5.0) == expected  # by Numba, in this process


@pytest.mark.usefixtures("places")
def test_arguments_of_other_types_are_numbas() -> None:
    assert penalty()(np.float32(7), 0.6, 5.0) == pytest.approx(2**0.6)


def test_errors_of_compiled_code_arrive() -> None:
    import ctypes
    import pickle

    content = pickle.dumps((MemoryError, ("no room",), None))
    data = ctypes.create_string_buffer(content, len(content))
    record = (ctypes.c_int64 * 5)(ctypes.addressof(data), len(content), 0, 0, 0)
    error = native_call._error(1, ctypes.addressof(record))
    assert isinstance(error, MemoryError) and error.args == ("no room",)
    assert isinstance(native_call._error(-1, 0), RuntimeError)


def test_arrays_of_all_layouts_are_described() -> None:
    table = np.arange(12, dtype=np.int64).reshape(3, 4)
    rows, columns, parts = (native_call.described((a,)) for a in (table, table.T, table[:, ::2]))
    assert rows[1][1:] == [3, 4]
    assert columns[1][1:] == [4, 3, 8, 32]
    assert parts[1][1:] == [3, 2, 32, 16]
    assert len({rows[0], columns[0], parts[0]}) == 3
    words = native_call.signature(native_call.described((None, True, 1, 1.5, (2, 3)))[0])
    assert words == "None builtins.bool builtins.int builtins.float builtins.tuple 2" + (
        " builtins.int" * 2
    )


def test_the_address_of_any_array_is_told() -> None:
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    pairs = np.zeros(4, [("number", np.int64), ("weight", np.float32)])
    table = np.zeros((8, 6), np.float16)
    for array in (table, table.T, table[::2, 1:], table[:0], frozen, pairs, pairs["weight"]):
        (address, *_) = native_call.described((array,))[1]
        assert address == array.__array_interface__["data"][0]


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
    monkeypatch.setattr(code_store, "__file__", str(tmp_path / "hardware" / "code_store.py"))
    before = code_store.digest()
    assert code_store.digest() == before
    with (kernels / "elementwise.py").open("a") as file:
        file.write("# changed\n")
    assert code_store.digest() != before


def test_code_of_another_digest_is_not_taken(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    penalty()(5, 0.6, 5.0)
    name = code_folder().name
    monkeypatch.setattr(code_store, "_folder_name", lambda: "tformer-0123456789abcdef")
    code_folder.cache_clear()
    assert code_store.found(next(places[0].glob(f"{name}/*.o")).name) is None
    penalty()(5, 0.6, 5.0)
    assert list((places[0] / "tformer-0123456789abcdef").glob("*length_penalty*.o"))


def test_every_level_has_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for name in cpu.names():
        monkeypatch.setattr(code_store, "level", lambda name=name: _level(name))
        digests.add(code_store.digest())
    assert len(digests) == len(cpu.names()) > 1


def _level(name: str) -> cpu.Level:
    return next(each for each in cpu.LEVELS if each.name == name)


def test_a_level_that_there_is_not_cannot_be_built_for() -> None:
    with pytest.raises(UsageError, match="no level 'avx3' to build for; choose from"):
        cpu.compile_for("avx3")


def test_processes_that_start_together_compile_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "from tformer.model.hardware import numba_compiler\n"
        "from tformer.model.hardware.code_store import first_use\n"
        "from tformer.model.hardware.numba_cache import Kernel\n"
        "compile_ = numba_compiler.object_code\n"
        "def logged(*arguments):\n"
        f"    open({str(log)!r}, 'a').write('compiled\\n')\n"
        "    return compile_(*arguments)\n"
        "numba_compiler.object_code = logged\n"
        "penalty = Kernel('tformer.model.search.hypotheses', 'length_penalty', nogil=False)\n"
        "with first_use():\n"
        "    assert abs(penalty(7, 0.6, 5.0) - 2 ** 0.6) < 1e-9\n"
        f"open({str(log)!r}, 'a').write('goes on\\n')\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "code")}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert log.read_text().splitlines() == ["compiled", *["goes on"] * 3]


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(("seconds", "messages"), [(0.0, 1), (60.0, 0)], ids=["long", "short"])
def test_what_takes_long_is_told_of(
    seconds: float,
    messages: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(code_store, "SILENT_SECONDS", seconds)
    with first_use():
        time.sleep(0.2)
    assert [record.message for record in caplog.records] == [code_store.MESSAGE] * messages


@pytest.mark.usefixtures("places")
def test_old_code_is_forgotten(tmp_path: Path) -> None:
    for age in range(8):
        (tmp_path / "first" / f"tformer-{age:016x}").mkdir(parents=True)
        os.utime(tmp_path / "first" / f"tformer-{age:016x}", (age, age))
    for other in ("not-ours", "tformer-run"):
        (tmp_path / "first" / other).mkdir()
        os.utime(tmp_path / "first" / other, (1, 1))
    penalty()(5, 0.6, 5.0)
    kept = {path.name for path in (tmp_path / "first").iterdir()}
    newest = {f"tformer-{age:016x}" for age in (5, 6, 7)}
    assert kept == {"not-ours", "tformer-run", *newest, code_folder().name}


def test_examples_have_the_types_of_the_functions() -> None:
    """Each of another function, or of other types; the compiler is asked by the slow tests."""
    files = [kernel._file(native_call.described(arguments)[0]) for kernel, arguments in every()]
    assert len(files) == len(set(files)) > len(first())


def test_a_function_that_is_decorated_can_be_called(places: list[Path]) -> None:
    assert length_penalty(1, 0.6, 5.0) == 1.0

    @njit()
    def double(x):  # type: ignore[no-untyped-def]
        return 2 * x

    assert double(21) == 42
    assert not list(places[0].rglob("*double*"))


RUN = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name == "numba":
            raise AssertionError("Numba is imported")
sys.meta_path.insert(0, Refused())
from tformer.cli.main import run
assert not run(sys.argv[1:])
"""
"""Runs a command; an import of Numba ends it."""


@pytest.mark.slow
def test_a_package_starts_without_compiling(tmp_path: Path) -> None:
    """As it is installed from a wheel: copied elsewhere, read-only, with a home that is so too."""
    repository = MODEL.parent
    source, package = tmp_path / "source", tmp_path / "package"
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "node_modules")
    shutil.copytree(repository, source, ignore=ignored)
    command = [
        sys.executable, "-c", "from setuptools import build_meta as b; print(b.build_wheel('..'))"
    ]  # fmt: skip
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl"), built.stdout
    shutil.unpack_archive(wheel, package, "zip")
    shutil.rmtree(source)
    objects = list((package / "tformer/model/hardware/compiled").rglob("*.o"))
    assert len(objects) == len(every())
    for path in package.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    options = ["", "--beam-size=1", "--n-best=2", "--json"]
    text = tmp_path / "text.txt"
    text.write_text("The house is old.\n", "utf-8")
    for option in options:
        arguments = ["translate", "-s", "en", "-t", "de", *filter(None, [option]), str(text)]
        found = subprocess.run(
            [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(package), "HOME": str(tmp_path / "none")},
        )  # fmt: skip
        assert found.returncode == 0, found.stderr
        assert found.stdout


def test_a_warning_names_a_damaged_file(
    places: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = code_folder()
    (folder / "f-0.o").write_bytes(b"tformer object 1\nnothing\n")
    with caplog.at_level(logging.WARNING):
        assert code_store.found("f-0.o") is None
    assert str(folder / "f-0.o") in caplog.text


AIM = """
import numba
if {early}:
    numba.njit(lambda x: x + 1)(1)
from tformer.model.hardware import numba_compiler
print(numba.njit(lambda: None).targetctx.codegen()._tm_features)
"""


@pytest.mark.parametrize("early", [False, True])
def test_code_is_for_the_level_whatever_was_compiled_before(early: bool) -> None:
    """What is kept may be used by a processor that has no more than the level."""
    lowest = [each for each in cpu.levels_here() if each.target][-1]
    found = subprocess.run(
        [sys.executable, "-c", AIM.format(early=early)],
        env=os.environ | {cpu.VARIABLE: lowest.name},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == lowest.features
