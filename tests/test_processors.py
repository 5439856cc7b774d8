"""Changed probabilities, and that nobody else's change."""

from __future__ import annotations

import pytest
import torch

from tformer.model.options import DecodingOptions
from tformer.model.search.candidates import Continuations
from tformer.model.search.logits_processors import Changed, recommended
from tformer.model.search.request import Request
from tformer.model.search.scores import LogProbs
from tformer.model.search.special_state import repetitions


@pytest.mark.parametrize(
    ("said", "size", "expected"),
    [
        pytest.param((3, 4, 3), 0, [], id="off"),
        pytest.param((3, 4, 3), 1, [3, 4], id="no-token-twice"),
        pytest.param((3, 4, 3), 2, [4], id="no-pair-twice"),
        pytest.param((3, 4, 3, 5, 3), 2, [4, 5], id="two-pairs"),
        pytest.param((3, 4), 3, [], id="too-short-to-repeat"),
        pytest.param((3, 3, 3), 3, [3], id="overlapping"),
        pytest.param((), 2, [], id="nothing-said"),
    ],
)
def test_repetitions(said: tuple[int, ...], size: int, expected: list[int]) -> None:
    assert repetitions(said, size) == expected


@pytest.mark.parametrize(
    ("said", "bias", "expected"),
    [
        pytest.param((), 0.5, 3, id="the-first"),
        pytest.param((3,), 0.5, 4, id="the-next"),
        pytest.param((4,), 0.5, None, id="left-it"),
        pytest.param((3, 4), 0.5, None, id="followed-it-to-the-end"),
        pytest.param((3,), 0.0, None, id="forced-instead"),
    ],
)
def test_recommended(said: tuple[int, ...], bias: float, expected: int | None) -> None:
    request = Request((5,), DecodingOptions(prefix_bias=bias), prefix=(3, 4))
    assert recommended(said, request) == expected


def test_only_the_given_rows_change() -> None:
    logits = torch.randn(5, 300, generator=torch.Generator().manual_seed(1))
    changed = torch.randn(2, 300, generator=torch.Generator().manual_seed(2))
    scores = Changed(LogProbs(logits), torch.tensor([3, 0]), changed)
    expected = LogProbs(logits).all()
    expected[[3, 0]] = changed
    assert torch.equal(scores.all(), expected)
    assert torch.equal(scores.of(7), expected[:, 7])
    log_probs, tokens = scores.best(4)
    assert torch.allclose(log_probs, expected.topk(4).values)
    assert torch.equal(tokens, expected.topk(4).indices)


def test_banned_tokens_come_behind_all_others() -> None:
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(3))
    banned = {0: [int(logits[0].argmax()), 5], 2: [7]}
    expected = LogProbs(logits).all()
    for row, tokens in banned.items():
        expected[row, tokens] = -torch.inf
    found = Continuations(LogProbs(logits), 4 + 2, [5, 7])
    found.ban(banned)
    assert torch.equal(torch.from_numpy(found.best[:, :4]), expected.topk(4).values)
    assert torch.equal(torch.from_numpy(found.tokens[:, :4]), expected.topk(4).indices)
    assert found.of(5).tolist() == expected[:, 5].tolist()
    assert found.of(7).tolist() == expected[:, 7].tolist()
