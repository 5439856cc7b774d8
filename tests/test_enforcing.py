"""Terms of a glossary in translations: said in their place, or reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import tiny_transformer

from tformer.documents.terminology.glossaries import read_glossary
from tformer.model.errors import UsageError
from tformer.model.network.eager import Eager
from tformer.model.options import DecodingOptions
from tformer.model.passes.term_candidates import TermCandidates
from tformer.model.pipeline.translator import Translator
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.terms.glossary import Entry, Glossary, Term, is_said
from tformer.model.translation import Translation
from tformer.model.vocabulary.sentencepiece import Vocabulary

DATA = Path(__file__).parent / "data" / "terms"

# --- which hypothesis is taken -------------------------------------------------------------------


def candidates(*answers: tuple[str, float, int]) -> TermCandidates:
    """Those of answers with texts, their scores and lengths; at most 9 tokens."""
    texts = {(number,) * length: text for number, (text, _, length) in enumerate(answers)}
    terms = [Term(term, (term,)) for term in ("Motor", "Haus")]
    found = TermCandidates(terms, 9, 4, texts.__getitem__)
    for tokens, (_, score, _) in zip(texts, answers, strict=True):
        found.add([FinishedHypothesis(tokens, score, ())])
    return found


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([("a", -1, 3), ("b", -2, 3)], ["a", "b"], id="the most likely first"),
        pytest.param([("a", -1, 3), ("Motor", -9, 3)], ["Motor"], id="what says a term"),
        pytest.param([("Motor", -1, 3), ("Haus Motor", -9, 3)], ["Haus Motor"], id="more terms"),
        pytest.param([("a", -1, 3), ("Haus Motor", -2, 9)], ["a"], id="not up to the limit"),
        pytest.param([("a", -1, 3), ("Motor Motor Motor", -2, 3)], ["a"], id="no circles"),
        pytest.param([("a", -1, 3), ("Motor, b Motor, b Motor, b", -2, 3)], ["a"], id="of two"),
        pytest.param([("Motoren", -1, 3), ("Motor", -9, 3)], ["Motor"], id="no other word"),
        pytest.param([("Motor Motor Motor", -2, 3)], ["Motor Motor Motor"], id="nothing else"),
    ],
)
def test_the_best_says_most_and_does_not_go_round_in_circles(
    answers: list[tuple[str, float, int]], expected: list[str]
) -> None:
    found = candidates(*answers)
    assert [found.text(hypothesis.tokens) for hypothesis in found.best] == expected


def test_the_same_hypothesis_counts_once() -> None:
    both = candidates(("a", -1, 3))
    both.add([FinishedHypothesis((0, 0, 0), -1, ())])
    assert len(both.best) == 1


# --- a network that knows nothing ----------------------------------------------------------------

SENTENCES = [
    "A dog runs on the beach.",
    "Where is the railway station?",
    "The house is old, but the garden is beautiful.",
    "Ein Hund läuft am Strand.",
    "Wo ist der Bahnhof?",
]


def make_translator(vocabulary: Vocabulary) -> Translator:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    return Translator(Eager(transformer), vocabulary)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path = tmp_path_factory.mktemp("vocabulary") / "sentencepiece.model"
    return Vocabulary.train(SENTENCES, path, languages=["en", "de"], size=320)


@pytest.fixture(scope="module")
def ignorant(vocabulary: Vocabulary) -> Translator:
    return make_translator(vocabulary)


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.sampled_from(["dog", "house", "railway station", "station", "the", "beach", "A dog"]),
        st.sampled_from(["Hund", "alt", "Bahnhof am Strand", "schön", "\0", "🐕", "x" * 200, "ﬁ"]),
    ),
    max_size=5,
)
OPTIONS = [
    DecodingOptions(beam_size=2, max_length=12),
    DecodingOptions(beam_size=1, max_length=3),
    DecodingOptions(beam_size=2, max_length=9, sampling=True, temperature=0.5, seed=3),
    DecodingOptions(beam_size=2, n_best=2, max_length=9, prefix_bias=0.5, alignments=True),
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ENTRIES, st.sampled_from(OPTIONS))
def test_every_term_is_honoured_or_reported(
    ignorant: Translator, entries: list[Entry], options: DecodingOptions
) -> None:
    glossary = Glossary(entries)
    texts = [*SENTENCES[:3], "", "no terms", f"({SENTENCES[0]}) {SENTENCES[1]}"]
    translations = list(
        ignorant.translate(texts, source="en", target="de", options=options, glossary=glossary)
    )
    assert len(translations) == len(texts)
    for translation in translations:
        assert_reported(translation)


def assert_reported(translation: Translation) -> None:
    lost = {(use.source, use.target) for use in translation.terms if not use.honoured}
    warned = [warning for warning in translation.warnings if "glossary" in warning]
    assert warned == [
        f"the glossary term {source!r} → {target!r} was not honoured"
        for source, target in dict.fromkeys(
            (use.source, use.target) for use in translation.terms if not use.honoured
        )
    ]
    assert len(warned) == len(lost)


def test_without_terms_in_it_a_text_is_translated_as_without_a_glossary(
    ignorant: Translator,
) -> None:
    options = DecodingOptions(beam_size=2, max_length=8, n_best=2)
    how = {"source": "en", "target": "de", "options": options}
    glossary = Glossary([Entry("nowhere", "nirgends")])
    plain = list(ignorant.translate(SENTENCES, **how))  # type: ignore[arg-type]
    assert list(ignorant.translate(SENTENCES, glossary=glossary, **how)) == plain  # type: ignore[arg-type]


def test_where_nothing_aligns_the_search_finds_a_place(vocabulary: Vocabulary) -> None:
    translator = make_translator(vocabulary)

    def open_aligner() -> None:
        raise UsageError("nothing aligns here")

    translator._open_aligner = open_aligner  # type: ignore[assignment]
    glossary = Glossary([Entry("dog", "Hund"), Entry("beach", "Haus")])
    options = DecodingOptions(beam_size=4, max_length=20)
    (translation,) = translator.translate(
        SENTENCES[:1], source="en", target="de", options=options, glossary=glossary
    )
    assert_reported(translation)
    assert any(use.honoured for use in translation.terms)


# --- the shipped model ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Translator:
    return Translator.load("en-de")


def translated(translator: Translator, text: str, *entries: Entry) -> Translation:
    (translation,) = translator.translate(
        [text], source="en", target="de", glossary=Glossary(entries)
    )
    return translation


def test_a_term_takes_the_place_of_what_the_model_would_say(shipped: Translator) -> None:
    text = "A dog runs on the beach."
    assert translated(shipped, text).text == "Ein Hund rennt am Strand."
    translation = translated(shipped, text, Entry("beach", "Meeresufer"))
    assert translation.text == "Ein Hund rennt am Meeresufer."
    assert translation.warnings == ()
    (use,) = translation.terms
    assert (use.source, use.target, use.honoured) == ("beach", "Meeresufer", True)


def test_the_form_that_fits_is_chosen(shipped: Translator) -> None:
    forms = [Entry("house", form) for form in ("Bauwerk", "Bauwerks")]
    assert translated(shipped, "The house is old.", *forms).text == "Das Bauwerk ist alt."
    text = "The windows of the house are open."
    assert translated(shipped, text, *forms).text == "Die Fenster des Bauwerks sind offen."


def test_a_term_in_quotes_is_said_in_quotes(shipped: Translator) -> None:
    assert '"Köter"' in translated(shipped, 'He said "dog".', Entry("dog", "Köter")).text


def test_a_sentence_keeps_what_it_says_anyway(shipped: Translator) -> None:
    text = "The old house is near the river."
    entries = Entry("house", "Haus"), Entry("river", "Fluss"), Entry("river", "Flusses")
    assert translated(shipped, text, *entries).text == translated(shipped, text).text


def test_what_cannot_be_said_is_reported_and_the_rest_is_translated(shipped: Translator) -> None:
    text = "Where is the railway station?"
    translation = translated(shipped, text, Entry("railway station", "Bahn " * 200))
    assert translation.text == translated(shipped, text).text
    assert translation.warnings[0].startswith("the glossary term 'railway station' → 'Bahn Bahn")
    assert translation.warnings[0].endswith("' was not honoured")


def test_terms_do_not_depend_on_the_neighbours(shipped: Translator) -> None:
    glossary = Glossary(read_glossary(DATA / "glossary.csv"))
    lines = (DATA / "sentences.en.txt").read_text("utf-8").splitlines()[::40]
    how = {"source": "en", "target": "de", "glossary": glossary}
    together = [t.text for t in shipped.translate(lines, **how)]  # type: ignore[arg-type]
    alone = [next(shipped.translate([line], **how)).text for line in lines]  # type: ignore[arg-type]
    assert together == alone


def test_cancelled_work_forgets_what_was_asked_for_a_term(shipped: Translator) -> None:
    glossary = Glossary([Entry("beach", "Meeresufer"), Entry("beach", "Meeresufers")])
    options = DecodingOptions(n_best=2)  # so that it is always searched for
    route = shipped.route("en", "de")
    draft = shipped.draft("A dog runs on the beach.", route, options, glossary)
    work = shipped.start_work(beam_size=4)
    work.submit(draft.waiting)
    (running,) = work._tasks.values()
    first = running.engine
    while running.engine is first:
        assert work.step() == []
    assert work.num_running + work.num_waiting == 1
    work.cancel(draft.sentences)
    while work.busy:  # other threads may have to end a step
        assert work.step() == []
    assert not draft.complete


@pytest.mark.slow
def test_200_sentences_with_terms_are_honoured_or_reported(shipped: Translator) -> None:
    glossary = Glossary(read_glossary(DATA / "glossary.csv"))
    lines = (DATA / "sentences.en.txt").read_text("utf-8").splitlines()
    assert len(lines) == 200
    how = {"source": "en", "target": "de"}
    plain = list(shipped.translate(lines, **how))  # type: ignore[arg-type]
    translations = list(shipped.translate(lines, glossary=glossary, **how))  # type: ignore[arg-type]
    said_anyway = honoured = 0
    for line, before, after in zip(lines, plain, translations, strict=True):
        terms = {found.term for found in glossary.find(line, "en", "de")}
        assert len(after.terms) == len(terms) > 0
        for term in terms:
            use = next(use for use in after.terms if use.source == term.source)
            assert use.honoured is is_said(term, after.text)
            said_anyway += is_said(term, before.text)
            honoured += use.honoured
        assert_reported(after)
    num_terms = sum(len(translation.terms) for translation in translations)
    assert said_anyway < 0.1 * num_terms  # so it is not the model's own merit
    assert honoured >= 0.98 * num_terms
