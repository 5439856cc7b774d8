"""Where float32 is multiplied by loops of our own, and where torch's library multiplies."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import torch
from numpy.random import bit_generator
from tiny import SENTENCES, tiny_model

from tformer.model.hardware import cpu
from tformer.model.network.eager import Eager
from tformer.model.network.float32 import packed
from tformer.model.network.linear import Linear
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    for told in (packed.team, packed.usable):
        told.cache_clear()
    yield
    for told in (packed.team, packed.usable):
        told.cache_clear()


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the libraries of torch are looked for; there are none."""
    folder = tmp_path / "torch" / "lib"
    folder.mkdir(parents=True)
    monkeypatch.setattr(torch, "__file__", str(folder.parent / "__init__.py"))
    return folder


def absent(folder: Path) -> None:
    """No library of that name, as on macOS and Windows."""
    for name in ("libtorch_cpu.dylib", "torch_cpu.dll", "libtorch_python.so"):
        (folder / name).touch()


def damaged(folder: Path) -> None:
    (folder / "libtorch_cpu.so").write_bytes(b"no library")


def without_openmp(folder: Path) -> None:
    """A library in which, and in what it needs, there is no such function."""
    (folder / "libtorch_cpu.so").write_bytes(Path(bit_generator.__file__).read_bytes())


def no_packed_layer(network: object) -> bool:
    modules = cast("Eager", network).transformer.modules()
    return all(each.packed is None for each in modules if type(each) is Linear)


@pytest.mark.parametrize("lay", [absent, damaged, without_openmp])
def test_without_openmp_of_gnu_torch_multiplies(
    lay: Callable[[Path], None], libraries: Path, tmp_path: Path
) -> None:
    lay(libraries)
    assert packed.team() == 0 and not packed.usable()
    translator = Translator.load(tiny_model(tmp_path), device="cpu", dtype="float32")
    assert no_packed_layer(translator.network)
    options = DecodingOptions(max_length=9)
    found = translator.translate(SENTENCES, source="en", target="de", options=options)
    assert len(list(found)) == len(SENTENCES)


@pytest.mark.skipif(platform.system() != "Linux", reason="torch has another OpenMP there")
def test_the_openmp_of_torch_is_found_on_linux() -> None:
    """Of a build that has none, the loops of our own would go unused without notice."""
    assert packed.team() != 0
    assert packed.usable() == (cpu.level().products != "none")
