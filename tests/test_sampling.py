"""Drawing tokens: the right frequencies, from the right ones, the same every time."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request
from tformer.model.search.sampling import draw, uniform

LOG_PROBS = torch.tensor([[0.1, 0.4, 0.05, 0.3, 0.15]]).log()


def frequencies(**options: float) -> list[float]:
    """Of every token, over uniforms that cover [0, 1) evenly."""
    wanted = DecodingOptions(sampling=True, **options)  # type: ignore[arg-type]
    count = 2000
    uniforms = [(i + 0.5) / count for i in range(count)]
    log_probs, tokens = draw(LOG_PROBS.expand(count, -1), [wanted] * count, uniforms)
    assert torch.equal(log_probs, LOG_PROBS[0, tokens])
    return (tokens.bincount(minlength=5) / count).tolist()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, [0.1, 0.4, 0.05, 0.3, 0.15], id="as-they-are"),
        pytest.param({"top_k": 2}, [0, 4 / 7, 0, 3 / 7, 0], id="top-k"),
        pytest.param({"top_p": 0.8}, [0, 8 / 17, 0, 6 / 17, 3 / 17], id="nucleus"),
        pytest.param({"top_p": 0.01}, [0, 1, 0, 0, 0], id="smallest-nucleus"),
        pytest.param({"top_k": 3, "top_p": 0.7}, [0, 4 / 7, 0, 3 / 7, 0], id="both"),
        pytest.param({"temperature": 0.01}, [0, 1, 0, 0, 0], id="cold"),
        pytest.param(
            {"temperature": 0.5},
            [p**2 / 0.285 for p in (0.1, 0.4, 0.05, 0.3, 0.15)],
            id="cool",
        ),
    ],
)
def test_frequencies(options: dict[str, float], expected: list[float]) -> None:
    assert frequencies(**options) == pytest.approx(expected, abs=1e-3)


def test_numbers_depend_on_the_request_and_the_step_alone() -> None:
    options = DecodingOptions(sampling=True, beam_size=64, seed=7)
    request = Request((5, 6, 2), options)
    assert uniform(request, 3) == uniform(request, 3)
    others = [
        uniform(request, 4),
        uniform(Request((6, 5, 2), options), 3),
        uniform(replace(request, options=replace(options, seed=8)), 3),
    ]
    numbers = set(uniform(request, 3)).union(*others)
    assert len(numbers) == 4 * 64
    assert all(0 <= number < 1 for number in numbers)


def test_the_last_token_is_reached_and_none_beyond() -> None:
    options = DecodingOptions(sampling=True, top_k=2)
    nearly_one = math.nextafter(1, 0)
    _, tokens = draw(LOG_PROBS, [options], [nearly_one])
    assert tokens.tolist() == [3]
