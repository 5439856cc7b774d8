"""Log-probabilities as a search reads them, against torch's own whole-row operations."""

from __future__ import annotations

import pytest
import torch

from tformer.model.search.scores import CHUNK, LogProbs, largest


@pytest.mark.parametrize("length", [3, CHUNK, 20 * CHUNK, 20 * CHUNK + 7, 31 * CHUNK + 63])
@pytest.mark.parametrize("width", [1, 3, 9])
def test_the_largest_are_those_of_topk(length: int, width: int) -> None:
    width = min(width, length)
    torch.manual_seed(length)
    values = torch.randn(50, length)
    found, index = largest(values, width)
    expected = values.topk(width)
    assert torch.equal(found, expected.values)
    assert torch.equal(index, expected.indices)


def test_the_largest_lie_beside_each_other_or_at_the_very_end() -> None:
    values = torch.zeros(2, 20 * CHUNK + 5)
    values[0, 70:74] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    values[1, -2:] = torch.tensor([1.0, 2.0])
    assert largest(values, 4)[1][0].tolist() == [70, 71, 72, 73]
    assert largest(values, 2)[1][1].tolist() == [values.shape[1] - 1, values.shape[1] - 2]


def test_logits_become_log_probabilities() -> None:
    logits = torch.randn(3, 50, dtype=torch.float64) * 5
    expected = logits.log_softmax(-1)
    scores = LogProbs(logits)
    torch.testing.assert_close(scores.all(), expected)
    torch.testing.assert_close(scores.of(7), expected[:, 7])
    best, tokens = scores.best(4)
    torch.testing.assert_close(best, expected.topk(4).values)
    assert torch.equal(tokens, expected.topk(4).indices)
    assert scores.vocab_size == 50
