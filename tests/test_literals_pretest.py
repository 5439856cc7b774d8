"""What tells texts without a literal early, against looking at every word of every text."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tformer.model.literals import finding
from tformer.model.literals.finding import Literal, find
from tformer.model.literals.kinds import KINDS

EVERYTHING = re.compile("")
"""A sign that every text has, so that all its words are looked at."""

PIECES = st.sampled_from(
    [sign for sign in "aZzß0 7.,:;!?'’\"„“()[]{}<>/\\|-–—_+=*#%&@$€£°~^´…\t\n⌘😀é中"]
    + ["http://", "www.", "--", "- ", ":-)", "xD", "U.S.", "e.g.", "km", "10 %", "{n}", "A", "AB"]
)
TEXTS = st.lists(PIECES, max_size=24).map("".join)


def found_in_all(text: str) -> list[Literal]:
    sign = finding._SIGN
    finding._SIGN = EVERYTHING
    try:
        return find(text)
    finally:
        finding._SIGN = sign


@settings(max_examples=400)
@example("See " + "x" * 2100 + "@example.org")
@example("a b (c) d;) x-( ...")
@given(TEXTS)
def test_no_literal_is_passed_by(text: str) -> None:
    assert find(text) == found_in_all(text)


def test_no_literal_of_the_documentation_is_passed_by() -> None:
    repository = Path(__file__).parents[1]
    lines = [
        line
        for path in (repository / "README.md", *sorted((repository / "docs").glob("*.md")))
        for line in path.read_text("utf-8").splitlines()
    ]
    found = [find(line) for line in lines]
    assert found == list(map(found_in_all, lines))
    assert len({literal.kind for literals in found for literal in literals}) > len(KINDS) // 4
