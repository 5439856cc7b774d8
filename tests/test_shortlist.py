"""Shortlists that `tformer shortlist` makes, held to plain counting, and translations with them."""

from __future__ import annotations

import gzip
import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import Tformer
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_model

from tformer.model.checkpoint.layout import find_model
from tformer.model.errors import InputError
from tformer.model.network.shortlist import FILE, Shortlist
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.training import lexical_shortlist
from tformer.model.training.lexical_shortlist import LinkCounts, count_links, read_lexicon
from tformer.model.vocabulary.language_choice import Direction

SENTENCES = [
    ("The dog sleeps in the garden.", "Der Hund schläft im Garten."),
    ("A man reads a book.", "Ein Mann liest ein Buch."),
    ("Two children play with a ball.", "Zwei Kinder spielen mit einem Ball."),
    ("Where is the station?", "Wo ist der Bahnhof?"),
    ("I would like a cup of coffee.", "Ich hätte gerne eine Tasse Kaffee."),
]
WAYS = [Direction("en", "de"), Direction("de", "en")]


@pytest.fixture(scope="module")
def shipped() -> Translator:
    return Translator.load("en-de", device="cpu")


@given(lists=st.lists(st.lists(st.integers(0, 99), unique=True, max_size=9), min_size=1))
def test_a_written_shortlist_is_read_as_it_was(
    lists: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("shortlist") / FILE
    made = Shortlist.of(5, lists, joint=False)
    made.write(file)
    found = Shortlist.read(file, 100, joint=False)
    assert found.num_sources == len(lists) and len(found) == sum(map(len, lists))
    for token, wanted in enumerate(lists):
        expected = sorted({*range(5), *wanted})
        assert made.allowed([token]).tolist() == found.allowed([token]).tolist() == expected


@pytest.mark.parametrize("merged_at", [1, 50, 10_000])
def test_a_source_token_asks_for_its_most_frequent_links(
    merged_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical_shortlist, "_MERGED_AT", merged_at)
    draw = random.Random(merged_at)
    counts, links, said = LinkCounts(30, 40, joint=False), Counter(), Counter()
    for _ in range(60):
        size = draw.randint(1, 9)
        sources, targets = draw.choices(range(30), k=size), draw.choices(range(40), k=size)
        counts.add(np.array(sources), np.array(targets))
        counts.add_common(7, np.array(targets))
        links.update(zip(sources, targets, strict=True))
        said.update(targets)
    made = counts.shortlist(best=3, common=6)
    ranked = sorted(links, key=lambda link: (-links[link], link))
    common = sorted(said, key=lambda token: (-said[token], token))[:6]
    for source in range(30):
        own = [target for found, target in ranked if found == source][:3]
        expected = {*own, *(common if source == 7 else ())}
        assert set(made.allowed([source]).tolist()) == expected


def test_weights_of_a_link_are_added_and_rank_it() -> None:
    counts = LinkCounts(2, 9, joint=False)
    counts.set_links(np.array([1, 1, 1]), np.array([4, 5, 4]), np.array([0.3, 0.5, 0.3]))
    assert counts.shortlist(best=1, common=1).allowed([1]).tolist() == [4]
    assert counts.coverage(counts.shortlist(1, 1)) is None


def test_pairs_are_aligned_both_ways_and_one_in_a_hundred_is_left_out(shipped: Translator) -> None:
    counts = count_links(shipped, SENTENCES * 41, WAYS)
    assert len(counts.left_out) == 3 * len(WAYS)
    made = counts.shortlist(best=20, common=50)
    vocabulary = shipped.vocabulary
    for english, german in SENTENCES:
        for source, target, way in ((english, german, WAYS[0]), (german, english, WAYS[1])):
            allowed = set(made.allowed(vocabulary.encode(source, way.target, way.source)).tolist())
            assert {*vocabulary.encode_target(target)} <= allowed
    fit = counts.coverage(made)
    assert fit is not None and fit.share == 1.0 and 20 < fit.size < 300


def test_pairs_that_are_too_long_make_no_list(shipped: Translator) -> None:
    with pytest.raises(InputError, match="no sentence pair"):
        count_links(shipped, [("word " * 500, "Wort " * 500)], WAYS)


def model_with(shortlist: Shortlist, folder: Path) -> Translator:
    shutil.copytree(find_model("en-de"), folder)
    shortlist.write(folder / FILE)
    return Translator.load(folder, device="cpu")


def test_a_translation_says_what_the_list_has_or_anything_if_it_has_all(
    shipped: Translator, tmp_path: Path
) -> None:
    texts = [english for english, _ in SENTENCES]
    size = shipped.vocabulary.target_size
    counts = count_links(shipped, SENTENCES, WAYS)
    narrow = counts.shortlist(best=10, common=30)
    listed = model_with(narrow, tmp_path / "narrow")
    whole = model_with(Shortlist.of(size, [[]] * size, joint=True), tmp_path / "whole")

    def translated(translator: Translator) -> list[str]:
        options = DecodingOptions(literals=False)
        found = translator.translate(texts, source="en", target="de", options=options)
        return [one.text for one in found]

    assert translated(whole) == translated(shipped)
    for source, said in zip(texts, translated(listed), strict=True):
        allowed = narrow.allowed(shipped.vocabulary.encode(source, "de", "en"))
        assert {*shipped.vocabulary.pieces(said)} <= {*allowed.tolist()}


def test_a_lexicon_of_marian_ranks_by_its_probabilities(
    shipped: Translator, tmp_path: Path
) -> None:
    lexicon = tmp_path / "lex.s2t.gz"
    lines = ["▁Hund ▁dog 0.7", "▁Katze ▁dog 0.1", "NULL ▁dog 0.2", "▁Hund nothing-there 1"]
    lexicon.write_bytes(gzip.compress("\n".join(lines).encode()))
    made = read_lexicon(shipped, lexicon, WAYS[:1]).shortlist(best=1, common=1)
    tokens = shipped.vocabulary.source_tokens
    dog, hund = tokens.index("▁dog"), tokens.index("▁Hund")
    assert made.allowed([dog]).tolist() == sorted([dog, hund])
    assert hund in made.allowed(shipped.vocabulary.encode("xyz", "de", "en"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("▁Hund ▁dog", "lex:2: expected target token, source token and probability"),
        ("▁Hund ▁dog much", "lex:2: expected target token, source token and probability"),
        ("▁Hund ▁dog 1.5", "lex:2: 1.5 is no probability"),
        ("▁Hund ▁dog nan", "lex:2: nan is no probability"),
    ],
)
def test_a_line_that_is_none_of_a_lexicon_is_refused(
    line: str, told: str, shipped: Translator, tmp_path: Path
) -> None:
    (tmp_path / "lex").write_text(f"▁Hund ▁dog 1\n{line}\n")
    with pytest.raises(InputError, match=told):
        read_lexicon(shipped, tmp_path / "lex", WAYS)


def test_a_lexicon_of_another_vocabulary_is_refused(shipped: Translator, tmp_path: Path) -> None:
    (tmp_path / "lex").write_text("nothing-there neither 1\n")
    with pytest.raises(InputError, match="no line has two tokens"):
        read_lexicon(shipped, tmp_path / "lex", WAYS)


def test_the_command_writes_a_list_for_a_model(tformer: Tformer, tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"{one}\t{other}\n" for one, other in SENTENCES * 30))
    made = tmp_path / "list.bin"
    result = tformer("shortlist", pairs, "-o", made, "-m", model, "--best", 5)
    assert result.status == 0, result.err
    assert "target tokens a sentence" in result.err
    size = Translator.load(model, device="cpu").vocabulary.target_size
    assert len(Shortlist.read(made, size, joint=True)) > 0


@pytest.mark.parametrize("arguments", [[], ["pairs.tsv", "--lexicon", "lex"]])
def test_the_command_wants_pairs_or_a_lexicon(
    arguments: list[str], tformer: Tformer, tmp_path: Path
) -> None:
    result = tformer("shortlist", *arguments, "-o", tmp_path / "out")
    assert result.status == 2 and "sentence pairs, or one --lexicon" in result.err
    assert not (tmp_path / "out").exists()


def test_the_command_makes_no_list_for_two_targets(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("a dog\tein Hund\n")
    call = ("shortlist", tmp_path / "pairs.tsv", "-o", tmp_path / "out", "-t", "de", "-t", "en")
    result = tformer(*call)
    assert result.status == 2 and "--target is given more than once" in result.err
    assert not (tmp_path / "out").exists()
