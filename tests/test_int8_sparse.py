"""Products after a ReLU that leave zeros out, against whole products of the same numbers."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from numba import njit

from tformer.model.config import TransformerConfig
from tformer.model.network.int8 import network
from tformer.model.network.int8.elementwise import quantise
from tformer.model.network.int8.gemm import partial_product
from tformer.model.network.int8.network import Int8
from tformer.model.network.int8.packing import (
    LIMIT,
    Projection,
    by_inputs,
    filled,
    quantised,
    stored_row,
)
from tformer.model.network.int8.simd.sparse import largest_positive, put_nonzero, put_panel
from tformer.model.network.int8.simd.tiles import PANEL, SPARSE, output_of
from tformer.model.network.int8.simd.vectors import LANES
from tformer.model.network.variants import build

pytestmark = pytest.mark.skipif(not SPARSE, reason="whole products are faster at this level")

GUARD = 77


@njit
def listing(row, factor, values, places, start):
    return put_nonzero(row, 0, factor, values, start, places, start, row.shape[0] // LANES)


@njit
def projection(values, places, quads, linear, factor, out):
    for first in range(0, linear.scale.shape[0], PANEL):
        put_panel(
            values, 0, places, 0, quads, linear.weight, first * linear.weight.shape[1], factor,
            linear.scale, first, linear.bias, first, out, first,
        )  # fmt: skip


def rectified(width: int, density: float) -> np.ndarray:
    draw = np.random.default_rng(width)
    row = np.zeros(filled(width), np.float32)
    row[:width] = np.abs(draw.normal(size=width)) * (draw.random(width) < density)
    return row


def test_the_outputs_of_a_panel_are_each_in_one_place() -> None:
    assert sorted(map(output_of, range(PANEL))) == list(range(PANEL))


@pytest.mark.parametrize("width", [16, 64, 272, 2048])
@pytest.mark.parametrize("density", [0, 0.05, 0.5, 1])
def test_what_is_not_zero_is_listed_with_its_place(width: int, density: float) -> None:
    row = rectified(width, density)[:width]
    row[width // 2 :: 7] *= 1e-3  # which are rounded to zero
    factor = np.float32(LIMIT) / max(row.max(), np.float32(1e-30))
    values, places = np.full(width + 40, GUARD, np.uint8), np.full(width + 40, GUARD, np.int32)
    count = listing(row, factor, values, places, 3)
    numbers = np.floor(row * factor + np.float32(128.5)).astype(int) - 128
    (expected,) = numbers.nonzero()
    assert count == len(expected)
    assert (values[3 : 3 + count] == numbers[expected]).all()
    assert (places[3 : 3 + count] == expected * PANEL).all()
    assert not values[3 + count : 3 + count + 4].any(), "a quad is filled up with zeros"
    assert not places[3 + count : 3 + count + 4].any()
    for items in (values, places):
        assert (items[:3] == GUARD).all(), "what is before the list is kept"
        assert (items[3 + count + LANES + 4 :] == GUARD).all(), "and what is far behind it"


@njit
def largest_loop(row, vectors):
    return largest_positive(row, 1, vectors)


@pytest.mark.parametrize("panels", [1, 2, 5])
@pytest.mark.parametrize("place", [0, 1, 17, 63])
def test_what_is_below_zero_is_taken_for_zero(panels: int, place: int) -> None:
    """Also what is so far below that it is no whole number of 32 bits."""
    width = panels * PANEL
    row = -np.abs(np.random.default_rng(place).normal(size=width + 2)).astype(np.float32)
    row[1 + place // 2] = np.float32(-3e38)
    row[0] = row[-1] = 9  # which belong to others
    assert largest_loop(row, width // LANES) == 0
    values, places = np.full(width + 20, GUARD, np.uint8), np.full(width + 20, GUARD, np.int32)
    for tiny in (np.float32(1e-20), np.float32(2.5)):
        row[width - place] = tiny
        assert largest_loop(row, width // LANES) == tiny
        assert listing(row[1:-1].copy(), LIMIT / tiny, values, places, 0) == 1
        assert (values[0], places[0]) == (LIMIT, (width - place - 1) * PANEL)


@pytest.mark.parametrize(("width", "out"), [(64, 64), (100, 70), (256, 320), (2048, 256)])
@pytest.mark.parametrize("density", [0, 0.1, 0.6, 1])
def test_a_row_is_projected_to_the_bits_of_the_whole_product(
    width: int, out: int, density: float
) -> None:
    draw = np.random.default_rng(out)
    linear = quantised(Projection(draw.normal(size=(out, width)), draw.normal(size=out)))
    row = rectified(width, density)
    bytes_ = np.zeros((1, stored_row(width)), np.uint8)
    factors = np.array([quantise(row, bytes_[0])], np.float32)
    expected, found = (np.empty(filled(out), np.float32) for _ in range(2))
    partial_product(bytes_, factors, 1, linear, expected, 0, filled(out))
    values, places = np.empty(len(row) + 40, np.uint8), np.empty(len(row) + 40, np.int32)
    factor = np.float32(LIMIT) / max(row.max(), np.float32(1e-30))
    count = listing(row, factor, values, places, 0)
    projection(values, places, -(-count // 4), by_inputs(linear), factors[0], found)
    assert (found == expected).all()


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_network_that_leaves_zeros_out_computes_the_same_bits(
    norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(4)
    transformer = build(
        TransformerConfig(
            vocab_size=150, d_model=48, num_heads=3, d_ff=200, num_encoder_layers=2,
            num_decoder_layers=2, norm=norm, max_length=100,
        )
    )  # fmt: skip
    draw = random.Random(2)
    sources = [[draw.randrange(3, 150) for _ in range(n)] for n in (1, 30, 90, 7)]
    steps = [[draw.randrange(3, 150) for _ in range(8)] for _ in range(4)]

    def log_probs() -> list[np.ndarray]:
        decoding = Int8(transformer).start(2)
        decoding.admit(sources)  # more than are computed at a time
        return [decoding.step(np.array(tokens)).all().numpy().copy() for tokens in steps]

    found = log_probs()
    monkeypatch.setattr(network, "_has_zeros", lambda _: False)
    for ours, whole in zip(found, log_probs(), strict=True):
        assert (ours == whole).all()
