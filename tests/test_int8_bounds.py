"""Products of bytes whose sums fill 16 bits, or do not, held to the same in 64 bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from int8_storage import stored
from numba import njit

from tformer.model.network.int8.elementwise import quantise
from tformer.model.network.int8.gemm import partial_product
from tformer.model.network.int8.packing import LIMIT, Projection, quantised, stored_row
from tformer.model.network.int8.panels import put_limits
from tformer.model.network.int8.simd.dot import LARGEST
from tformer.model.network.int8.simd.tiles import PANEL
from tformer.model.network.int8.simd.vectors import LANES


@njit(nogil=True)
def multiply(activations, factors, rows, linear, outputs):
    partial_product(activations, factors, rows, linear, outputs, 0, linear.scale.shape[0])


def sums(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The products (N, out) of whole numbers, as real ones without scale or bias."""
    ones = np.ones(len(weight), np.float32)
    linear = quantised(Projection(weight.astype(np.int8), None, ones))
    found = np.empty((len(values), linear.scale.shape[0]), np.float32)
    multiply(stored(values), np.ones(len(values), np.float32), len(values), linear, found.ravel())
    return found[:, : len(weight)]


def exact(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return (values.astype(np.int64) @ weight.astype(np.int64).T).astype(np.float32)


SIGNS = [(1, 1), (1, -1), (-1, 1), (-1, -1)]


@pytest.mark.parametrize(("left", "right"), SIGNS)
@pytest.mark.parametrize("rows", [1, 3, 4, 9])
def test_sums_may_be_as_large_as_they_can(rows: int, left: int, right: int) -> None:
    values = np.full((rows, 3 * PANEL), left * LIMIT)
    weight = np.full((PANEL + 5, 3 * PANEL), right * LIMIT)
    assert (sums(values, weight) == exact(values, weight)).all()


@pytest.mark.parametrize("row", range(5))
@pytest.mark.parametrize("place", [0, 5, 63, 64, 130, 191])
def test_one_large_quad_among_small_ones_is_enough(place: int, row: int) -> None:
    """A row, a segment and an output that are too large cost no other one anything."""
    draw = np.random.default_rng(place)
    values = draw.integers(-20, 21, (5, 3 * PANEL))
    weight = draw.integers(-20, 21, (2 * PANEL, 3 * PANEL))
    first = place // 8 * 8
    values[row, first : first + 8] = LIMIT
    weight[place % len(weight), first : first + 8] = -LIMIT
    assert (sums(values, weight) == exact(values, weight)).all()


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.sampled_from([PANEL, 2 * PANEL, 5 * PANEL]),
    st.floats(1, LIMIT),
    st.floats(1, LIMIT),
)
def test_products_of_any_size_are_exact(
    seed: int, rows: int, width: int, left: float, right: float
) -> None:
    """Normal ones of all widths: few, some or all segments hold sums that are too large."""
    draw = np.random.default_rng(seed)
    values = np.clip(np.rint(draw.normal(0, left, (rows, width))), -LIMIT, LIMIT).astype(int)
    weight = np.clip(np.rint(draw.normal(0, right, (PANEL, width))), -LIMIT, LIMIT).astype(int)
    assert (sums(values, weight) == exact(values, weight)).all()


@pytest.mark.parametrize("vectors", range(1, 10))
def test_a_row_narrower_than_its_panels_is_written_with_its_squares(vectors: int) -> None:
    """Its last quads are as large as they can be, and where its squares are must not be missed."""
    width = vectors * LANES
    draw = np.random.default_rng(vectors)
    values, weight = draw.integers(-9, 10, (1, width)), draw.integers(-9, 10, (PANEL, width))
    values[0, -8:], weight[3, -8:] = LIMIT, LIMIT
    linear = quantised(Projection(weight.astype(np.int8), None, np.ones(PANEL, np.float32)))
    activations, found = np.zeros((1, stored_row(width)), np.uint8), np.empty(PANEL, np.float32)
    scale = quantise(values[0].astype(np.float32) / 4, activations[0])
    multiply(activations, np.array([scale * 4], np.float32), 1, linear, found)
    np.testing.assert_allclose(found, exact(values, weight)[0], rtol=1e-6)


def limits_of(weight: np.ndarray) -> np.ndarray:
    """Limits (blocks, quads) of weights (blocks, quads, rows, 4)."""
    limits = np.zeros(weight.shape[:2], np.uint16)
    put_limits(weight.astype(np.int8), limits)
    return limits


@given(st.integers(0, 2**32 - 1), st.floats(1, LIMIT), st.booleans())
def test_what_a_limit_allows_fits_in_16_bits(seed: int, width: float, alike: bool) -> None:
    """Activations are as large as the limit allows, and as much like the weights as they can be."""
    draw = np.random.default_rng(seed)
    weight = np.clip(np.rint(draw.normal(0, width, (1, 2, 3, 4))), -LIMIT, LIMIT).astype(int)
    for lane, limit in enumerate(limits_of(weight)[0].astype(int)):
        pairs = weight[0, :, :, 2 * lane : 2 * lane + 2].transpose(1, 0, 2).reshape(3, 4)
        for pair in pairs if alike else draw.normal(0, 1, (3, 4)):
            size = np.sqrt(limit / max((pair**2).sum(), 1e-9))
            values = np.clip(np.trunc(pair * size), -LIMIT, LIMIT).astype(int)
            assert (values**2).sum() <= limit
            # A weight w under a negative activation becomes -w - 1.
            taken = np.where(values < 0, -pairs - 1, pairs)
            assert abs((abs(values) * taken).sum(1)).max() <= LARGEST


def test_a_limit_is_that_of_the_largest_output() -> None:
    weight = np.zeros((2, 4, 3, 4), int)
    weight[1, 2, 1, 3], weight[1, 3, 1, 2], weight[1, 3, 2, 2:] = -127, 126, 59
    free = 0xFFFF  # no activations are too large for weights of 0
    found = LARGEST**2 // (127**2 + 127**2 + 1 + 1)
    assert limits_of(weight).tolist() == [[free] * 4, [free, free, free, found]]
