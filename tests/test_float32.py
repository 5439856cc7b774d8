"""Products in float32, held to torch's and to themselves in other company."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from tiny import tiny_model, wide_transformer

from tformer.model.hardware import cpu
from tformer.model.hardware.object_loader import loaded
from tformer.model.network.eager import Eager
from tformer.model.network.float32 import attending, packed
from tformer.model.network.float32.attending import attended
from tformer.model.network.float32.entries import EXAMPLES
from tformer.model.network.float32.packed import Packed
from tformer.model.network.linear import Linear
from tformer.model.network.recurrent import RecurrentNetwork
from tformer.model.network.relative import RelativeTransformer
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


ATTENTIONS = [(1, 4, 1, 16, 64), (2, 1, 5, 7, 16), (3, 2, 4, 33, 48), (2, 3, 9, 1, 80)]
"""Groups, heads, queries, keys, and the width of a head."""


def attention_of(
    groups: int, heads: int, rows: int, count: int, width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys, values, and a mask that hides keys at the end."""
    draw = torch.Generator().manual_seed(groups * count)
    queries, keys, values = (
        torch.randn(groups, heads, n, width, generator=draw) for n in (rows, count, count)
    )
    lengths = torch.randint(1, count + 1, (groups, 1, 1, 1), generator=draw)
    hidden = torch.arange(count) >= lengths
    return queries, keys, values, torch.zeros(hidden.shape).masked_fill(hidden, -torch.inf)


@pytest.mark.parametrize("sizes", ATTENTIONS)
def test_attention_is_that_of_torch(sizes: tuple[int, int, int, int, int]) -> None:
    *arguments, mask = attention_of(*sizes)
    biases = torch.randn(1, sizes[1], 1, sizes[3], generator=torch.Generator().manual_seed(2))
    for given in (None, mask, mask + biases, biases):
        exact = None if given is None else given.double()
        expected = F.scaled_dot_product_attention(*(each.double() for each in arguments), exact)
        found = attended(*arguments, given)
        assert torch.allclose(
            found.double(), expected.transpose(1, 2).flatten(2), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("sizes", ATTENTIONS)
def test_no_query_depends_on_others_nor_on_padding(
    sizes: tuple[int, int, int, int, int], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "SHARED", 1)
    queries, keys, values, mask = attention_of(*sizes)
    whole = attended(queries, keys, values, mask)
    longer = [F.pad(each, (0, 0, 0, 21)) for each in (keys, values)]
    assert torch.equal(attended(queries, *longer, F.pad(mask, (0, 21), value=-torch.inf)), whole)
    for group in range(sizes[0]):
        one = slice(group, group + 1)
        seen = int((mask[group] == 0).sum())
        shorter = keys[one, :, :seen], values[one, :, :seen]
        for row in range(sizes[2]):
            alone = attended(queries[one, :, row : row + 1], *shorter, None)
            assert torch.equal(alone[0, 0], whole[group, row])


def test_attention_reads_any_layout() -> None:
    queries, keys, values, mask = attention_of(2, 3, 4, 20, 32)
    expected = attended(queries, keys, values, mask)
    turned = [each.transpose(1, 2).contiguous().transpose(1, 2) for each in (queries, keys, values)]
    assert torch.equal(attended(*turned, mask), expected)
    assert torch.equal(attended(turned[0], turned[1], values, mask), expected)
    assert torch.equal(
        attended(queries.mT.contiguous().mT, keys.mT.contiguous().mT, values, mask), expected
    )
    assert torch.equal(attended(queries, keys, values, mask.mT.contiguous().mT), expected)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Transformer, {}),
        (Transformer, {"own_output": True, "norm": "post", "biases": False, "gated": True}),
        (Transformer, {"attention": "additive"}),
        (Transformer, {"attention": "dot_product", "logits_bias": True}),
        (Transformer, {"num_heads": 16}),
        (RecurrentTransformer, {}),
        (RelativeTransformer, {}),
        (RecurrentNetwork, {}),
    ],
)
def test_a_packed_network_computes_the_same(kind: type[Transformer], changes: dict) -> None:
    torch.manual_seed(1)
    network = kind(replace(wide_transformer(torch.float32).config, **changes)).eval()
    source = torch.randint(3, 500, (3, 16), generator=torch.Generator().manual_seed(1))
    arguments = source, torch.tensor([16, 9, 2]), source.flip(1)

    def decoded() -> torch.Tensor:
        cache = network.start_cache(network.encode(*arguments[:2]), 2)
        tokens = torch.arange(3, 9)
        return torch.stack([network.decode(tokens + n, cache) for n in range(20)])

    expected, expected_steps = network(*arguments), decoded()
    network.pack()
    assert torch.allclose(network(*arguments), expected, atol=1e-4)
    assert torch.allclose(decoded(), expected_steps, atol=1e-4)
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
from tformer.model.network.float32.attending import attended
from tformer.model.network.float32.packed import Packed
draw = torch.Generator().manual_seed(1)
sizes = (300, 513), (300,), (70, 513)
weight, bias, states = (torch.randn(*size, generator=draw) for size in sizes)
with torch.inference_mode():
    product = Packed(weight, bias)
    for rows in (1, 5, 70):
        print(hashlib.sha256(product(states[:rows]).numpy().tobytes()).hexdigest())
    arguments = (torch.randn(2, 3, rows, 80, generator=draw) for rows in (7, 37, 37))
    print(hashlib.sha256(attended(*arguments, None).numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_bits_are_the_same_at_every_level() -> None:
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
