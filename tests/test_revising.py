"""Terms take the places of what stands for them, and the rest stays as far as it may."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.model.options import DecodingOptions
from tformer.model.passes.substitution import Replacement, Revision

SURE, UNSURE = math.log(0.9), math.log(0.1)


@pytest.mark.parametrize(
    ("replacements", "tokens", "chosen"),
    [
        pytest.param([Replacement(1, 2, (50, 51))], (0, 50, 51, 2, 3, 4), "xxxx..", id="within"),
        pytest.param([Replacement(0, 1, (50,))], (50, 1, 2, 3, 4), "xx...", id="at the beginning"),
        pytest.param([Replacement(3, 5, (50,))], (0, 1, 2, 50), "xxxx", id="at the end"),
        pytest.param([Replacement(2, 2, (50,))], (0, 1, 50, 2, 3, 4), "xxxx..", id="for nothing"),
        pytest.param(
            [Replacement(0, 1, (50,)), Replacement(3, 4, (60,))],
            (50, 1, 2, 60, 4),
            "xx.xx",
            id="two",
        ),
        pytest.param(
            [Replacement(0, 1, (50,)), Replacement(1, 2, (60,))],
            (50, 60, 2, 3, 4),
            "xxx..",
            id="side by side",
        ),
        pytest.param(
            [Replacement(0, 1, (50,)), Replacement(2, 3, (60,))],
            (50, 1, 60, 3, 4),
            "xxxx.",
            id="with one between",
        ),
    ],
)
def test_terms_and_what_follows_them_are_chosen(
    replacements: list[Replacement], tokens: tuple[int, ...], chosen: str
) -> None:
    revision = Revision.of((0, 1, 2, 3, 4), replacements)
    assert revision.tokens == tokens
    assert revision.chosen == tuple(letter == "x" for letter in chosen)
    assert revision.num_chosen == chosen.rindex("x") + 1


@st.composite
def revisions(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Replacement]]:
    """Tokens of even numbers, and replacements by odd ones."""
    ids = draw(st.lists(st.integers(0, 50).map(lambda n: 2 * n), max_size=12))
    cuts = sorted(draw(st.lists(st.integers(0, len(ids)), min_size=2, max_size=6)))
    said = st.lists(st.just(1), min_size=1, max_size=3).map(tuple)
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return tuple(ids), [Replacement(start, end, draw(said)) for start, end in pairs]


@given(revisions())
def test_nothing_is_lost_but_what_is_replaced(
    drawn: tuple[tuple[int, ...], list[Replacement]],
) -> None:
    ids, replacements = drawn
    revision = Revision.of(ids, replacements)
    replaced = {at for one in replacements for at in range(one.start, one.end)}
    kept = [token for at, token in enumerate(ids) if at not in replaced]
    assert [token for token in revision.tokens if token % 2 == 0] == kept
    assert sum(token % 2 for token in revision.tokens) == sum(len(r.said) for r in replacements)
    unchosen = [
        token for token, chosen in zip(revision.tokens, revision.chosen, strict=True) if not chosen
    ]
    assert 1 not in unchosen
    assert revision.up_to(revision.num_chosen).tokens == revision.tokens[: revision.num_chosen]


@pytest.mark.parametrize(
    ("scores", "settled"),
    [
        pytest.param([UNSURE, UNSURE, UNSURE, SURE, SURE, SURE], 6, id="it may end"),
        pytest.param([UNSURE, UNSURE, UNSURE, SURE, SURE, UNSURE], 5, id="it may not end"),
        pytest.param([SURE, UNSURE, SURE, SURE, UNSURE, SURE], 4, id="up to the last"),
        pytest.param([SURE, UNSURE, SURE, math.log(0.5), SURE, SURE], 3, id="a rival is as good"),
    ],
)
def test_what_follows_stands_up_to_the_first_that_has_a_rival(
    scores: list[float], settled: int
) -> None:
    revision = Revision.of((0, 1, 2, 3), [Replacement(1, 2, (50, 51))])
    assert revision.chosen == (True, True, True, True, False)
    revision = Revision.of((0, 2, 3, 4), [Replacement(0, 1, (50, 51))])
    assert revision.settled(scores) == settled


def test_a_revision_is_scored_as_a_search_scores() -> None:
    revision = Revision.of((7, 8), [Replacement(0, 1, (9,))])
    found = revision.finished([-1.0, -2.0, -3.0], DecodingOptions(length_penalty=0.6))
    assert found.tokens == (9, 8)
    assert found.score == pytest.approx(-6 / ((5 + 3) / 6) ** 0.6)
    assert found.token_scores == (-1.0, -2.0, -3.0)
