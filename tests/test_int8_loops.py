"""The innermost loops of the int8 network against NumPy, and where they may not differ by a bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from int8_storage import stored
from numba import njit

from tformer.model.network.int8 import attention, elementwise, topk
from tformer.model.network.int8.records import Norm, Shape
from tformer.model.network.int8.simd.attention import put_halves
from tformer.model.network.int8.simd.dot import DOT, LINE
from tformer.model.network.int8.simd.elementwise import (
    deviation,
    gelu,
    gelu_tanh,
    largest_magnitude,
    put_bytes,
    put_normalised,
    put_sum,
    rectify,
    silu,
)
from tformer.model.network.int8.simd.logits import at_least, deal, log_of_sum
from tformer.model.network.int8.simd.pointers import lowest_bit
from tformer.model.network.int8.simd.vectors import COLUMNS, LANES

GUARD = np.float32(9.0)
"""What lies around an output, and must still be there afterwards."""

VECTORS = [1, 2, 3, 4, 9, 16]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


# -- rows -----------------------------------------------------------------------------------


@njit
def row_loops(row, other, out, vectors):
    total = put_sum(row, 2, np.float32(3.0), other, 1, out, 4, vectors)
    squares = deviation(row, 2, np.float32(0.25), vectors)
    return total, squares, largest_magnitude(row, 2, vectors)


@pytest.mark.parametrize("vectors", VECTORS)
def test_sums_of_rows(vectors: int) -> None:
    width = vectors * LANES
    row, other, out = drawn(width + 3), drawn(width + 5), np.full(width + 8, GUARD)
    total, squares, largest = row_loops(row, other, out, vectors)
    part = row[2 : 2 + width]
    expected = 3 * part + other[1 : 1 + width]
    np.testing.assert_allclose(out[4:-4], expected, rtol=1e-6, atol=1e-6)
    assert (out[:4] == GUARD).all() and (out[-4:] == GUARD).all()
    assert total == pytest.approx(expected.sum(), rel=1e-4, abs=1e-4)
    assert squares == pytest.approx(((part - 0.25) ** 2).sum(), rel=1e-5)
    assert largest == abs(part).max()


@njit
def normalise_loop(row, weight, bias, out, vectors):
    mean, factor = np.float32(0.5), np.float32(2.0)
    return put_normalised(row, 1, mean, factor, weight, 0, bias, 2, out, 3, vectors)


@njit
def rectify_loop(row, vectors):
    return rectify(row, 1, vectors)


@njit
def bytes_loop(row, out, end, vectors):
    put_bytes(row, 1, np.float32(10.0), np.float32(128.5), out, 2, end, vectors)


@pytest.mark.parametrize("vectors", VECTORS)
def test_rows_are_normalised_rectified_and_quantised(vectors: int) -> None:
    width = vectors * LANES
    row, weight, bias = drawn(width + 2), drawn(width), drawn(width + 2)
    out, quantised = np.full(width + 6, GUARD), np.full(DOT.row(width) + 4, 9, np.uint8)
    largest = normalise_loop(row, weight, bias, out, vectors)
    expected = (row[1:-1] - 0.5) * 2 * weight + bias[2:]
    np.testing.assert_allclose(out[3:-3], expected, rtol=1e-5, atol=1e-5)
    assert (out[:3] == GUARD).all() and (out[-3:] == GUARD).all()
    assert largest == abs(out[3:-3]).max()
    used = DOT.row(width) - (LINE - 4) * (DOT.width - 1)
    for quantised_row in (row, np.maximum(row, 0)):
        bytes_loop(quantised_row, quantised, len(quantised) - 2 - LINE, vectors)
        whole = np.floor(quantised_row[1:-1].astype(float) * 10 + 128.5) - 128
        wanted = stored(whole.astype(int)[None])[0]
        assert (quantised[2:-2][:used] == wanted[:used]).all()
        assert (quantised[:2] == 9).all() and (quantised[-2:] == 9).all()
    before = row.copy()
    assert rectify_loop(row, vectors) == max(0, before[1:-1].max())
    assert (row[1:-1] == np.maximum(before[1:-1], 0)).all()
    assert row[0] == before[0] and row[-1] == before[-1]


@njit
def activation_loops(gelus, silus, vectors):
    return gelu(gelus, 0, vectors), silu(silus, 0, vectors)


@njit
def approximate_loop(row, vectors):
    return gelu_tanh(row, 0, vectors)


def test_smooth_activations() -> None:
    x = np.concatenate([drawn(61) * 4, [-200.0, 200.0, 0.0]]).astype(np.float32)
    gelus, silus = x.copy(), x.copy()
    largest = activation_loops(gelus, silus, 4)
    wide = x.astype(np.float64)
    normal = np.array([math.erf(value / math.sqrt(2)) for value in wide])
    np.testing.assert_allclose(gelus, wide * (1 + normal) / 2, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(silus, wide / (1 + np.exp(-wide)), rtol=1e-6, atol=1e-6)
    assert largest == (abs(gelus).max(), abs(silus).max())
    approximate = x.copy()
    approximate_loop(approximate, 4)
    inner = math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)
    expected = wide * (1 + np.tanh(inner)) / 2
    np.testing.assert_allclose(approximate, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("width", [16, 20, 31, 64])
def test_what_fills_a_row_up_does_not_change_its_normalisation(width: int) -> None:
    real = drawn(width) + 3
    filled = -(-width // LANES) * LANES
    row, weight, bias = (np.zeros(filled, np.float32) for _ in range(3))
    row[:width], weight[:width], bias[:width] = real, 2, 1
    out, shape = np.empty(filled, np.float32), Shape(width, 1, True, elementwise.RELU)

    @njit
    def normalise(row, total, shape, norm, out):
        return elementwise._normalise(row, total, shape, norm, out)

    normalise(row, np.float32(real.sum()), shape, Norm(weight, bias), out)
    expected = (real - real.mean()) / np.sqrt(real.var() + 1e-5) * 2 + 1
    np.testing.assert_allclose(out[:width], expected, rtol=1e-4, atol=1e-4)
    assert (out[width:] == 0).all()


# -- attention ------------------------------------------------------------------------------


@njit
def halves_loop(row, out, vectors):
    put_halves(row, 1, out, 2, vectors)


def test_numbers_beyond_float16_are_kept_in_its_range() -> None:
    row = drawn(2 * LANES + 1)
    row[5], row[7] = 1e9, -1e9
    out = np.full(2 * LANES + 4, 7, np.uint16)
    halves_loop(row, out, 2)
    expected = np.clip(row[1:], -65504, 65504).astype(np.float16)
    assert (out[2:-2].view(np.float16) == expected).all()
    assert (out[:2] == 7).all() and (out[-2:] == 7).all()


def attended(
    queries: np.ndarray, keys: np.ndarray, values: np.ndarray, places: list[int], mask: np.ndarray
) -> np.ndarray:
    """Contexts (Q, H, D) of queries (Q, H, D) for keys and values (H, slots, D)."""
    number, heads, width = queries.shape
    count = len(places)
    filled = -(-count // LANES) * LANES
    offsets = np.zeros(filled, np.int64)
    offsets[:count] = np.array(places) * width
    masks = np.zeros((len(mask), filled // LANES), np.uint16)
    for row, bits in zip(masks, mask, strict=True):
        for n in np.flatnonzero(bits):
            row[n // LANES] |= np.uint16(1 << (n % LANES))
    scores = np.full(4 * filled, np.nan, np.float32)
    contexts = np.empty((number, heads, width), np.float32)
    attention._attend(
        queries.reshape(-1), 0, heads * width, number, keys.reshape(-1).view(np.uint16),
        values.reshape(-1).view(np.uint16), keys.shape[1] * width, offsets, count, masks,
        np.float32(0.3), scores, contexts,
    )  # fmt: skip
    return contexts


def expected_contexts(
    queries: np.ndarray, keys: np.ndarray, values: np.ndarray, places: list[int], mask: np.ndarray
) -> np.ndarray:
    keys, values = (x[:, places].astype(np.float64) for x in (keys, values))
    scores = np.einsum("qhd,hnd->qhn", queries.astype(np.float64), keys) * 0.3
    scores = np.where(mask[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(2, keepdims=True))
    return np.einsum("qhn,hnd->qhd", weights / weights.sum(2, keepdims=True), values)


@pytest.mark.parametrize("width", [16, 32, 64, 80, 112])
@pytest.mark.parametrize("count", [1, 3, 16, 17, 40])
@pytest.mark.parametrize("number", [1, 4])
def test_attention_is_what_numpy_makes_of_it(number: int, count: int, width: int) -> None:
    draw = np.random.default_rng(count)
    queries = drawn(number, 2, width)
    keys, values = (drawn(2, 50, width).astype(np.float16) for _ in range(2))
    places = draw.permutation(50)[:count].tolist()
    mask = draw.random((number, count)) < 0.7
    mask[:, 0] = True
    found = attended(queries, keys, values, places, mask)
    expected = expected_contexts(queries, keys, values, places, mask)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


def test_a_query_does_not_see_with_whom_or_among_what_it_is() -> None:
    draw = np.random.default_rng(3)
    queries = drawn(4, 2, 64)
    keys, values = (drawn(2, 50, 64).astype(np.float16) for _ in range(2))
    places, mask = list(range(40)), draw.random((4, 40)) < 0.5
    mask[:, 7] = True
    together = attended(queries, keys, values, places, mask)
    for q in range(4):
        own = np.flatnonzero(mask[q]).tolist()
        all_of_them = np.ones((1, len(own)), bool)
        alone = attended(queries[q : q + 1], keys, values, own, all_of_them)
        assert (alone[0] == together[q]).all()


def test_what_is_masked_may_be_no_number() -> None:
    queries = drawn(4, 1, 64)
    keys, values = (drawn(1, 20, 64).astype(np.float16) for _ in range(2))
    places, mask = list(range(18)), np.ones((4, 18), bool)
    mask[:, 17] = False
    expected = attended(queries, keys, values, places, mask)
    keys[:, 17] = np.nan
    assert (attended(queries, keys, values, places, mask) == expected).all()


# -- the best tokens ------------------------------------------------------------------------


@njit
def deal_loop(line, deals, columns, lanes):
    deal(line, 0, deals, columns, 0, lanes, 0)


@njit
def powers_loop(line, deals, largest):
    return log_of_sum(line, 0, deals, largest)


@njit
def bits_loop(numbers, bound):
    bits = at_least(numbers, 0, bound)
    return bits, lowest_bit(bits) if bits else -1


@pytest.mark.parametrize("deals", [1, 2, 7])
def test_columns_lanes_and_sums_of_powers(deals: int) -> None:
    line = drawn(deals * COLUMNS) * 5
    columns, lanes = np.empty(COLUMNS, np.float32), np.empty(deals * LANES, np.float32)
    deal_loop(line, deals, columns, lanes)
    dealt = line.reshape(deals, COLUMNS)
    assert (columns == dealt.max(0)).all()
    assert (lanes.reshape(deals, LANES) == dealt.reshape(deals, -1, LANES).max(1)).all()
    largest = line.max()
    expected = np.log(np.exp(line.astype(float) - float(largest)).sum())
    assert powers_loop(line, deals, largest) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_an_exponential_far_below_is_nothing() -> None:
    line = np.full(COLUMNS, -1e30, np.float32)
    line[3] = 5.0
    assert powers_loop(line, 1, np.float32(5.0)) == pytest.approx(0.0, abs=1e-6)


def test_the_numbers_that_reach_a_bound() -> None:
    numbers = np.arange(LANES, dtype=np.float32)
    assert bits_loop(numbers, np.float32(13.0)) == (0b1110000000000000, 13)
    assert bits_loop(numbers, np.float32(99.0)) == (0, -1)


@pytest.mark.parametrize("wanted", [1, 9, 128, 200])
@pytest.mark.parametrize("kinds", [2, 30, 100_000], ids=["ties", "some ties", "no ties"])
def test_the_largest_come_first_and_of_equals_the_first(wanted: int, kinds: int) -> None:
    draw = np.random.default_rng(wanted)
    line = draw.integers(0, kinds, 5 * COLUMNS).astype(np.float32)
    columns, lanes = np.empty(COLUMNS, np.float32), np.empty(5 * LANES, np.float32)
    deal_loop(line, 5, columns, lanes)
    bound, largest = topk._bound(columns, np.empty(wanted, np.float32))
    found, tokens = np.empty(wanted, np.float32), np.empty(wanted, np.int64)
    first = topk._find_largest(line, lanes, 2, bound, 0, 0, found, tokens)
    assert first == min(wanted, (line[: 2 * COLUMNS] >= bound).sum())
    rest = line[2 * COLUMNS :], lanes[2 * LANES :], 3
    assert topk._find_largest(*rest, bound, 2 * COLUMNS, first, found, tokens) == wanted
    expected = np.argsort(-line, kind="stable")[:wanted]
    assert largest == line.max()
    assert tokens.tolist() == expected.tolist()
    assert (found == line[expected]).all()
