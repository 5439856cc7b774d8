"""The decoder cache against plain slicing and concatenation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tformer.model.network.kv_cache import BLOCK, DecoderCache

HEADS, D = 2, 3


def start(source_lengths: list[int], beam_size: int = 2) -> DecoderCache:
    sentences, width = len(source_lengths), max(source_lengths)
    mask = torch.arange(width) < torch.tensor(source_lengths)[:, None]
    return DecoderCache(
        cross_keys=[torch.randn(sentences, HEADS, width, D) for _ in range(2)],
        cross_values=[torch.randn(sentences, HEADS, width, D) for _ in range(2)],
        source_mask=mask,
        beam_size=beam_size,
    )


def append(cache: DecoderCache) -> list[Tensor]:
    """One step of random keys; values are their negatives. Returns the new keys by layer."""
    written = []
    for layer in range(2):
        keys = torch.randn(cache.num_rows, HEADS, 1, D)
        cache.append(layer, keys, -keys)
        written.append(keys)
    cache.advance()
    return written


def row(cache: DecoderCache, layer: int, index: int) -> Tensor:
    """What row ``index`` may attend to: (H, its length, D)."""
    length = int(cache.lengths[index])
    assert torch.equal(
        cache.values[layer][index, :, :length], -cache.keys[layer][index, :, :length]
    )
    return cache.keys[layer][index, :, :length]


def test_append_keeps_every_position_across_growth() -> None:
    cache = start([3, 2])
    steps = [append(cache) for _ in range(2 * BLOCK + 3)]
    for layer in range(2):
        expected = torch.cat([step[layer] for step in steps], 2)
        for index in range(cache.num_rows):
            assert torch.equal(row(cache, layer, index), expected[index])
    assert cache.longest == 2 * BLOCK + 3


def test_rows_of_different_lengths_write_at_their_own_ends() -> None:
    old = start([3], beam_size=1)
    first, second = append(old), append(old)
    old.extend(start([5], beam_size=1))
    assert old.positions.tolist() == [2, 0]
    assert old.self_mask().sum(1).tolist() == [3, 1]
    assert old.self_mask()[:, :3].tolist() == [[True, True, True], [True, False, False]]
    keys = torch.randn(2, HEADS, 1, D)
    filled, _ = old.append(0, keys, -keys)
    old.append(1, keys, -keys)
    old.advance()
    assert filled.shape == (2, HEADS, BLOCK, D)
    assert torch.equal(row(old, 0, 0), torch.cat([first[0][0], second[0][0], keys[0]], 1))
    assert torch.equal(row(old, 0, 1), keys[1])


def test_select_reorders_beams_and_drops_sentences() -> None:
    cache = start([4, 2 * BLOCK, 2])
    append(cache)
    append(cache)
    before = [row(cache, 1, index).clone() for index in range(6)]
    memory = [keys.clone() for keys in cache.cross_keys]
    cache.select(torch.tensor([5, 5, 1, 0]), torch.tensor([2, 0]))
    assert [torch.equal(row(cache, 1, i), before[j]) for i, j in enumerate([5, 5, 1, 0])] == [
        True
    ] * 4
    assert cache.source_mask.shape == (2, BLOCK)
    assert cache.source_mask.sum(1).tolist() == [2, 4]
    for ours, old in zip(cache.cross_keys, memory, strict=True):
        assert torch.equal(ours, old[[2, 0], :, :BLOCK])


def test_select_gives_back_what_only_long_rows_needed() -> None:
    cache = start([2 * BLOCK])
    for _ in range(BLOCK + 1):
        append(cache)
    cache.extend(start([2]))
    append(cache)
    cache.select(torch.tensor([2, 3]), torch.tensor([1]))
    assert cache.longest == 1
    assert cache.keys[0].shape == (2, HEADS, BLOCK, D)
    assert cache.cross_keys[0].shape == (1, HEADS, BLOCK, D)


def test_select_of_every_row_in_place_moves_nothing() -> None:
    cache = start([3, 3])
    append(cache)
    held = cache.keys[0]
    cache.select(torch.arange(4))
    assert cache.keys[0] is held


def test_extend_refuses_another_beam_size() -> None:
    with pytest.raises(ValueError, match="beam sizes 2 and 3"):
        start([1]).extend(start([1], beam_size=3))


def test_unwritten_positions_are_zero_so_that_no_nan_comes_through_a_mask() -> None:
    cache = start([3])
    cache.extend(start([5]))
    assert all(bool((t == 0).all()) for t in (*cache.keys, *cache.values))
