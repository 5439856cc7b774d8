"""Batches: every example as often as it should be, in few shapes, with little padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from tiny_training import make_store, sample_pairs, write_recipe, write_tsv

from tformer.model.training.batches import (
    BatchBuilder,
    Examples,
    PaddedBatch,
    bucket_bounds,
    plan_epoch,
)
from tformer.model.training.recipe import Recipe
from tformer.model.training.store import TokenStore

BOUND = 400


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """300 pairs of one corpus, 100 of another."""
    folder = tmp_path_factory.mktemp("store")
    pairs = sample_pairs(400)
    write_tsv(folder / "a.tsv", pairs[:300])
    write_tsv(folder / "b.tsv", pairs[300:])
    return make_store(folder, Recipe.read(write_recipe(folder, "a.tsv", "b.tsv")))


def plan(
    store: TokenStore, weights: Sequence[float] = (1, 1), *, seed: int = 1, epoch: int = 0
) -> list[Examples]:
    return plan_epoch(store, weights, BOUND, seed, epoch)


def seen(batches: list[Examples]) -> Counter[int]:
    return Counter(np.concatenate(batches).tolist())


def test_every_example_is_seen_as_often_as_its_weight_says(store: TokenStore) -> None:
    counts = seen(plan(store, (1, 3)))
    assert counts == {2 * i + d: 1 if i < 300 else 3 for i in range(400) for d in (0, 1)}


def test_a_fraction_of_a_weight_is_a_probability(store: TokenStore) -> None:
    epochs = [seen(plan(store, (0.25, 2.5), epoch=epoch)) for epoch in range(8)]
    for counts in epochs:
        assert all(count == 1 for example, count in counts.items() if example < 600)
        assert all(counts[example] in (2, 3) for example in range(600, 800))
    often = [sum(counts[e] for counts in epochs) for e in range(800)]
    # 4,800 and 1,600 draws: six standard deviations are 0.04 and 0.08.
    assert sum(often[:600]) / 4800 == pytest.approx(0.25, abs=0.04)
    assert sum(often[600:]) / 1600 == pytest.approx(2.5, abs=0.08)
    assert epochs[0].keys() != epochs[1].keys()


def test_a_corpus_of_weight_zero_is_not_seen(store: TokenStore) -> None:
    assert min(seen(plan(store, (0, 1)))) >= 600
    assert plan_epoch(store, (0, 0), BOUND, 1, 0) == []


def test_batches_keep_the_bound_padding_included(store: TokenStore) -> None:
    builder = BatchBuilder(store)
    for examples in plan(store):
        batch = builder.build(examples)
        assert batch.source.numel() + batch.target.numel() <= BOUND


def test_an_example_over_the_bound_is_a_batch_of_its_own(store: TokenStore) -> None:
    batches = plan_epoch(store, (1, 1), 8, 1, 0)
    assert {len(examples) for examples in batches} == {1}
    assert len(seen(batches)) == 800


def test_batches_are_full_and_little_of_them_is_padding(store: TokenStore) -> None:
    batches = [
        BatchBuilder(store).build(examples) for examples in plan_epoch(store, (5, 5), 2000, 1, 0)
    ]
    size = sum(batch.source.numel() + batch.target.numel() for batch in batches)
    real = sum(int((batch.source != 0).sum() + (batch.labels != 0).sum()) for batch in batches)
    assert real / size > 0.85
    assert size / len(batches) > 0.75 * 2000


def test_the_plan_depends_on_seed_and_epoch_only(store: TokenStore) -> None:
    def order(**key: int) -> list[list[int]]:
        return [examples.tolist() for examples in plan(store, (1, 0.5), **key)]

    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert order(seed=1, epoch=2) != order(seed=1, epoch=3)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=2)


def test_batches_of_all_lengths_are_mixed(store: TokenStore) -> None:
    """In training order length says nothing: rank correlation below four standard errors."""
    lengths = [int(store.lengths[examples // 2].sum(1).max()) for examples in plan(store)]
    ranks = np.argsort(np.argsort(lengths))
    correlation = np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]
    assert abs(correlation) < 4 / len(ranks) ** 0.5


def rows(batch: PaddedBatch, index: int) -> tuple[list[int], list[int], list[int]]:
    """Source, target and labels of one example without their padding."""
    return tuple(  # type: ignore[return-value]
        [token for token in tensor[index].tolist() if token]
        for tensor in (batch.source, batch.target, batch.labels)
    )


def test_an_example_is_tag_source_end_and_shifted_target(store: TokenStore) -> None:
    vocabulary = store.vocabulary
    examples = np.array([2 * 7, 2 * 7 + 1, 2 * 90, 2 * 350 + 1])
    batch = BatchBuilder(store).build(examples)
    for index, example in enumerate(examples.tolist()):
        pair, direction = divmod(example, 2)
        sides = [side.tolist() for side in store.pair(pair)]
        source, target, labels = rows(batch, index)
        tag = vocabulary.tag_id(("de", "en")[direction])
        assert source == [tag, *sides[direction], vocabulary.eos_id]
        assert labels == [*sides[1 - direction], vocabulary.eos_id]
        # Where the end of sentence is read, padding is predicted, which no loss counts.
        assert target in (
            [vocabulary.bos_id, *sides[1 - direction]],
            [vocabulary.bos_id, *sides[1 - direction], vocabulary.eos_id],
        )
        assert batch.target[index, 1:].tolist() == batch.labels[index, :-1].tolist()
        if batch.source_lengths is not None:
            assert batch.source_lengths[index] == len(source)


def test_source_lengths_are_left_out_when_nothing_is_padded(store: TokenStore) -> None:
    builder = BatchBuilder(store)
    by_length: dict[int, int] = {int(n): i for i, n in enumerate(store.lengths[:, 0])}
    exact = next(i for n, i in by_length.items() if n + 2 in builder.bounds)
    padded = next(i for n, i in by_length.items() if n + 2 not in builder.bounds)
    assert builder.build(np.array([2 * exact])).source_lengths is None
    assert builder.build(np.array([2 * padded])).source_lengths is not None


def test_target_tokens_are_counted_without_building(store: TokenStore) -> None:
    builder = BatchBuilder(store)
    for examples in plan(store)[:5]:
        assert builder.target_tokens(examples) == int((builder.build(examples).labels != 0).sum())


def test_buckets_grow_by_an_eighth() -> None:
    bounds = bucket_bounds(200)
    assert bounds[:16].tolist() == list(range(1, 17))
    assert bounds[-2] < 200 <= bounds[-1]
    assert max(b / a for a, b in pairwise(bounds[15:].tolist())) <= 1.125
    assert len(bounds) < 40


def test_shapes_are_few(store: TokenStore) -> None:
    builder = BatchBuilder(store)
    widths = {builder.build(examples).source.size(1) for examples in plan(store)}
    assert widths <= set(builder.bounds.tolist())
