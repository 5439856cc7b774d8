"""The script that measures word alignment against links made by hand."""

from __future__ import annotations

from zlib import crc32

import pytest
import torch
from alignment import GOLD, AlignmentCounts, AllHeads, both_ways, counts, possible_heads, read_gold
from tiny import tiny_transformer

from tformer.model.network.eager import Eager
from tformer.model.pipeline.torch_scorer import PlainAligner
from tformer.model.pipeline.translator import Translator
from tformer.model.translation import Link
from tformer.model.vocabulary.sentencepiece import Vocabulary

PAIRS = (
    ("The dog is barking.", "Der Hund bellt.", "0 1 2? 2 3"),
    ("He gave up his car.", "Er gab sein Auto auf.", "0 1,4 1?,4 2 3 5"),
    ("A woman and a man.", "Eine Frau und ein Mann.", "0 1 2 3 4 5"),
)


def test_error_rate_counts_sure_and_possible_links() -> None:
    gold, back = both_ways("set", *PAIRS[0][:2], PAIRS[0][2].split())
    assert gold.sure < gold.possible and len(gold.possible) == 5
    for each in (gold, back):
        assert AlignmentCounts.of(each.sure, each).error_rate == 0
        assert AlignmentCounts.of(each.possible, each).error_rate == 0
        assert AlignmentCounts.of((), each).error_rate == 1
    wrong = AlignmentCounts.of({*gold.sure, Link((0, 3), (4, 8))}, gold)
    assert (wrong.precision, wrong.recall) == (0.8, 1)
    assert wrong.error_rate == pytest.approx(1 - (4 + 4) / (5 + 4))


def test_links_are_refused_for_another_text(tmp_path) -> None:
    links = tmp_path / "links.txt"
    english, german, cells = PAIRS[1]
    (tmp_path / "few.en-de.en").write_text(english)
    (tmp_path / "few.en-de.de").write_text(german)
    checksum = f"{crc32(f'{english}	{german}'.encode()):08x}"
    links.write_text(f"# a comment\nfew 1 {checksum} {cells}\n")
    there, back = read_gold(links, tmp_path)
    assert there.languages == ("en", "de") and back.source == german
    links.write_text(f"few 1 00000000 {cells}\n")
    with pytest.raises(SystemExit, match="few, line 1"):
        read_gold(links, tmp_path)


def test_links_made_by_hand_can_be_read() -> None:
    rows = [row.split() for row in GOLD.read_text().splitlines() if not row.startswith("#")]
    assert len(rows) == len({(name, line) for name, line, *_ in rows}) == 200
    entries = [entry for row in rows for cell in row[3:] for entry in cell.split(",")]
    assert all(entry == "-" or entry.rstrip("?").isdecimal() for entry in entries)


def test_heads_that_are_tried_link_as_the_aligner_of_users_does(vocabulary: Vocabulary) -> None:
    transformer = tiny_transformer(5, len(vocabulary), dtype=torch.float32)
    gold = [each for en, de, cells in PAIRS for each in both_ways("set", en, de, cells.split())]
    trial = AllHeads(transformer, vocabulary)
    trial.read(gold)
    for heads in possible_heads(transformer.config):
        translator = Translator(
            Eager(transformer),
            vocabulary,
            open_aligner=lambda heads=heads: PlainAligner(transformer, vocabulary, heads),
        )
        assert trial.counts(heads) == counts(translator, gold)
