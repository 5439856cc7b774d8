"""Division of a domain's pairs into memory and text (benchmarks/domains.py)."""

from __future__ import annotations

import lzma
from pathlib import Path

import domains
from hypothesis import given
from hypothesis import strategies as st

SOURCES = st.lists(st.text("abAB 1.!", max_size=4), max_size=30)


@given(SOURCES)
def test_no_two_pairs_have_nearly_the_same_source(sources: list[str]) -> None:
    lines = [f"{source}\tx{number}\n" for number, source in enumerate(sources)]
    pairs = list(domains.distinct(iter(lines)))
    keys = [domains.folded(source) for source, _ in pairs]
    assert len(set(keys)) == len(keys) and "" not in keys
    assert {domains.folded(source) for source in sources} - {""} == set(keys)


def test_a_domain_is_divided_by_document_order(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.xz"
    lines = [f"word {chr(97 + n)}\tWort {n}\n" for n in range(10)]
    path.write_bytes(lzma.compress("".join([*lines, "Word B!\tnoch einmal\n"]).encode()))
    memory, kept_out = domains.divided(path, kept_out=3, in_memory=4)
    assert [target for _, target in memory] == ["Wort 3", "Wort 4", "Wort 5", "Wort 6"]
    assert [target for _, target in kept_out] == ["Wort 7", "Wort 8", "Wort 9"]


def test_the_summary_has_a_mean() -> None:
    rows = [{"domain": name, "bleu_without": value} for name, value in (("a", 10.0), ("b", 20.0))]
    assert domains.summary(rows).splitlines()[-1] == "| mean | 15 |"
