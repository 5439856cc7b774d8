"""Products in float32, held to torch's and to themselves in other company."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from tiny import tiny_model, wide_transformer

from tformer.model.hardware import cpu
from tformer.model.hardware.object_loader import loaded
from tformer.model.network.eager import Eager
from tformer.model.network.float32 import packed
from tformer.model.network.float32.entries import EXAMPLES
from tformer.model.network.float32.packed import Packed
from tformer.model.network.linear import Linear
from tformer.model.network.ssru import RecurrentTransformer
from tformer.model.network.transformer import Transformer
from tformer.model.pipeline.loading import load_network

pytestmark = pytest.mark.skipif(not packed.usable(), reason="torch's own products are taken here")

SHAPES = [(1, 1), (3, 5), (64, 64), (100, 70), (256, 129), (513, 300)]
"""Inputs and outputs."""


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def drawn(inputs: int, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(inputs * outputs)
    return torch.randn(outputs, inputs, generator=draw), torch.randn(outputs, generator=draw)


def rows_of(count: int, inputs: int) -> torch.Tensor:
    return torch.randn(count, inputs, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_products_are_those_of_torch(inputs: int, outputs: int, has_bias: bool) -> None:
    weight, bias = drawn(inputs, outputs)
    given = bias if has_bias else None
    states = rows_of(7, inputs)
    expected = F.linear(states.double(), weight.double(), given.double() if has_bias else None)
    found = Packed(weight, given)(states)
    assert found.dtype == torch.float32 and found.is_contiguous()
    assert torch.allclose(found.double(), expected, rtol=0, atol=2e-5 * inputs**0.5)


def test_sums_of_whole_numbers_are_exact() -> None:
    draw = torch.Generator().manual_seed(1)
    weight, states = (torch.randint(-99, 99, (n, 201), generator=draw).float() for n in (130, 9))
    assert torch.equal(Packed(weight)(states), F.linear(states.double(), weight.double()).float())


@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_no_row_depends_on_how_many_there_are(
    inputs: int, outputs: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    product, states = Packed(*drawn(inputs, outputs)), rows_of(70, inputs)
    whole = product(states)
    for shared in (1, 1 << 60):  # always, and never
        monkeypatch.setattr(packed, "SHARED", shared)
        for rows in range(1, 71):
            assert torch.equal(product(states[:rows]), whole[:rows]), rows
            assert torch.equal(product(states[70 - rows :]), whole[70 - rows :]), rows


def test_many_rows_are_parts_that_threads_share(threads: int) -> None:
    product, states = Packed(*drawn(100, 200)), rows_of(1000, 100)
    found = product(states)
    for row in (0, 95, 96, 500, 999):
        assert torch.equal(product(states[row]), found[row])


def test_any_shape_and_any_layout_will_do() -> None:
    weight, bias = drawn(40, 70)
    product, states = Packed(weight, bias), rows_of(24, 40)
    expected = product(states)
    assert torch.equal(product(states.view(2, 3, 4, 40)), expected.view(2, 3, 4, 70))
    assert torch.equal(product(states[5]), expected[5])
    assert product(states[:0]).shape == (0, 70)
    assert torch.equal(product(states[::3]), expected[::3])
    assert torch.equal(product(states.t().contiguous().t()), expected)
    wide = torch.cat([states, states], 1)
    assert torch.equal(product(wide[:, 40:]), expected)
    turned = states.view(4, 6, 40).transpose(0, 1)
    assert torch.equal(product(turned), expected.view(4, 6, 70).transpose(0, 1))


def test_threads_of_the_caller_do_not_meet() -> None:
    """Engines compute at the same time, each with its own team."""
    product, states = Packed(*drawn(256, 2048)), rows_of(40, 256)
    expected, wrong = product(states), []

    def compute() -> None:
        with torch.inference_mode():
            wrong.extend(n for n in range(200) if not torch.equal(product(states), expected))

    threads = [threading.Thread(target=compute) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("kind", [Transformer, RecurrentTransformer])
def test_a_packed_network_computes_the_same(kind: type[Transformer]) -> None:
    network = kind(wide_transformer(torch.float32).config).eval()
    source = torch.randint(3, 500, (3, 16), generator=torch.Generator().manual_seed(1))
    arguments = source, torch.tensor([16, 9, 2]), source.flip(1)
    expected = network(*arguments)
    network.pack()
    assert torch.allclose(network(*arguments), expected, atol=1e-4)
    assert not any(hasattr(each, "weight") for each in network.modules() if type(each) is Linear)


def test_a_model_is_packed_in_float32_on_the_cpu_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(tmp_path)

    def packed_in(dtype: str) -> bool:
        found = load_network(model, device="cpu", dtype=dtype, threads=None, graphs=False)
        network = cast("Eager", found.network).transformer
        return any(each.packed is not None for each in network.modules() if type(each) is Linear)

    assert packed_in("float32")
    assert not packed_in("float64") and not packed_in("bfloat16")
    monkeypatch.setattr(packed, "usable", lambda: False)
    assert not packed_in("float32")


def test_what_is_compiled_needs_nothing_of_numba() -> None:
    for kernel, arguments in EXAMPLES:
        assert loaded(kernel.code(arguments)[1]) is not None


HASH = """
import hashlib, torch
from tformer.model.network.float32.packed import Packed
draw = torch.Generator().manual_seed(1)
sizes = (300, 513), (300,), (70, 513)
weight, bias, states = (torch.randn(*size, generator=draw) for size in sizes)
with torch.inference_mode():
    product = Packed(weight, bias)
    for rows in (1, 5, 70):
        print(hashlib.sha256(product(states[:rows]).numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_products_have_the_same_bits_at_every_level() -> None:
    found = {
        each.name: subprocess.run(
            [sys.executable, "-c", HASH], env=os.environ | {cpu.VARIABLE: each.name},
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout
        for each in cpu.levels_here()
        if each.products != "none"
    }  # fmt: skip
    if len(found) < 2:
        pytest.skip("this processor has one level")
    assert len(set(found.values())) == 1
