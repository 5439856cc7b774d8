"""Tests of the bans of repeated n-grams in the compiled search."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tformer.model.options import DecodingOptions
from tformer.model.search.candidates import CANDIDATE
from tformer.model.search.hypotheses import FINISHED, SENTENCE, STEP, State, new_sentence
from tformer.model.search.ngram_bans import banned
from tformer.model.search.request import Request
from tformer.model.search.special_state import repetitions

PLACES = 3
EOS = 2


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[list[int], list[int]]], list[bool]]:
    """A size of n-grams, steps of parents and tokens, and which of the hypotheses run."""
    size = draw(st.integers(0, 4))
    places = st.lists(st.integers(0, PLACES - 1), min_size=PLACES, max_size=PLACES)
    tokens = st.lists(st.integers(3, 5), min_size=PLACES, max_size=PLACES)
    steps = draw(st.lists(st.tuples(places, tokens), max_size=12))
    running = draw(st.lists(st.booleans(), min_size=PLACES, max_size=PLACES))
    return size, steps, running


@given(st.lists(histories(), min_size=1, max_size=4))
def test_bans_are_those_of_the_definition(
    batch: list[tuple[int, list[tuple[list[int], list[int]]], list[bool]]],
) -> None:
    """Every running hypothesis has what would complete an n-gram that it has said, and no other."""
    bans, most = banned(state_of(batch))

    found = [sorted(row[:count]) for row, count in zip(bans.tokens, bans.counts, strict=False)]
    expected = [
        repetitions(said(steps, place), size) if runs else []
        for size, steps, running in batch
        for place, runs in enumerate(running)
    ]
    assert found == expected or (not bans.tokens.size and not any(expected))
    assert most == max(map(len, expected))
    assert bans.counts.tolist() == list(map(len, expected))


def said(steps: list[tuple[list[int], list[int]]], place: int) -> tuple[int, ...]:
    """Tokens of the hypothesis in a place after all steps."""
    tokens: list[int] = []
    for parents, chosen in reversed(steps):
        tokens.append(chosen[place])
        place = parents[place]
    return tuple(reversed(tokens))


def state_of(batch: list[tuple[int, list[tuple[list[int], list[int]]], list[bool]]]) -> State:
    """Sentences of which each has taken its steps."""
    count, longest = len(batch), max(len(steps) for _, steps, _ in batch)
    history = np.zeros((count, longest, PLACES), STEP)
    log_probs = np.full((count, PLACES), -np.inf)
    records = []
    for slot, (size, steps, running) in enumerate(batch):
        options = DecodingOptions(beam_size=PLACES, no_repeat_ngram_size=size)
        record = np.array(new_sentence(Request((3, EOS), options), 20, slot), SENTENCE)
        record["step"] = len(steps)
        records.append(record)
        for t, (parents, tokens) in enumerate(steps):
            history[slot, t]["parent"], history[slot, t]["token"] = parents, tokens
        log_probs[slot, running] = -1.0
    return State(
        np.array(records, SENTENCE),
        log_probs,
        np.zeros((count, PLACES), np.int64),
        np.zeros((count, PLACES)),
        np.zeros((count, PLACES), FINISHED),
        history,
        np.empty((count, 2 * PLACES), CANDIDATE),
        np.empty(count * PLACES, np.int64),
    )
