"""How a translation begins and what it says, as a caller demands, or a word that it cannot."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tiny import tiny_transformer

from tformer.model.errors import UsageError
from tformer.model.network.eager import Eager
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.terms.glossary import Entry, Glossary, Term, is_said
from tformer.model.text.normalization import normalise
from tformer.model.translation import Translation, WarningKind, kind_of
from tformer.model.vocabulary.sentencepiece import Vocabulary

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
def ignorant(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    path = tmp_path_factory.mktemp("vocabulary") / "sentencepiece.model"
    return make_translator(Vocabulary.train(SENTENCES, path, languages=["en", "de"], size=320))


def translate(
    translator: Translator, *texts: str, glossary: Glossary | None = None, **options: object
) -> list[Translation]:
    chosen = DecodingOptions(**{"beam_size": 3, "max_length": 24, **options})  # type: ignore[arg-type]
    how = {"source": "en", "target": "de", "options": chosen, "glossary": glossary}
    return list(translator.translate(texts, **how))  # type: ignore[arg-type]


def says(term: str, text: str) -> bool:
    return is_said(Term(term, (normalise(term),)), text)


# --- a network that knows nothing ----------------------------------------------------------------

TEXTS = [*SENTENCES[:3], "", " ... ", f"({SENTENCES[0]})  {SENTENCES[1]}\t{SENTENCES[2]}"]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["", "Ein", "Wo ist  der", "Hund\n", "é"]),
    st.lists(st.sampled_from(["Hund", "alt", "Bahnhof am", "Strand.", "ﬁ"]), max_size=3),
    st.sampled_from([1, 3]),
    st.booleans(),
)
def test_demands_are_met_or_reported(
    ignorant: Translator, prefix: str, terms: list[str], n_best: int, with_glossary: bool
) -> None:
    needed = sum(len(f" {each}".encode()) for each in (prefix, *terms))
    assume(needed <= 24)  # tokens are bytes or more, and the network has no room for longer text
    glossary = Glossary([Entry("dog", "schön")]) if with_glossary else None
    options = {"target_prefix": prefix, "required_terms": tuple(terms), "n_best": n_best}
    found = translate(ignorant, *TEXTS, glossary=glossary, **options)
    assert [found[3].text, found[4].text] == TEXTS[3:5]
    for translation in (*found[:3], found[5]):
        for hypothesis in translation.hypotheses:
            begun = normalise(hypothesis.text.lstrip(" ("))
            assert begun.startswith(normalise(prefix)) or translation is found[5]
        lost = [term for term in dict.fromkeys(terms) if not says(term, translation.text)]
        warned = [w for w in translation.warnings if kind_of(w) is WarningKind.TERM]
        expected = [f"the required term {term!r} is not said" for term in lost]
        assert [w for w in warned if "required" in w] == expected


def test_demands_do_not_depend_on_the_neighbours(ignorant: Translator) -> None:
    options = {"target_prefix": "Der", "required_terms": ("Hund",)}
    together = translate(ignorant, *TEXTS, **options)
    apart = [translate(ignorant, text, **options)[0] for text in TEXTS]
    assert [(t.text, t.warnings) for t in together] == [(t.text, t.warnings) for t in apart]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"target_prefix": "x" * 60}, "take .* tokens, and .* have 24", id="long"),
        pytest.param({"required_terms": ("x" * 60,)}, "take .* tokens, and .* have 24", id="term"),
        pytest.param(
            {"target_prefix": "x" * 20, "required_terms": ("y" * 20,)}, "take .* tokens", id="both"
        ),
    ],
)
def test_what_cannot_be_met_is_one_clear_error(
    ignorant: Translator, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        translate(ignorant, SENTENCES[0], **options)
    assert translate(ignorant, "", "...", **options)[1].text == "...", "nothing is demanded of it"


def test_what_a_vocabulary_cannot_spell_is_named(
    ignorant: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ignorant.vocabulary, "decode", lambda ids: "?")
    with pytest.raises(UsageError, match="cannot spell the target prefix 'Ab'"):
        translate(ignorant, SENTENCES[0], target_prefix="Ab")
    with pytest.raises(UsageError, match="cannot spell the required term 'Hund'"):
        translate(ignorant, SENTENCES[0], required_terms=("Hund",))


def test_cancelled_work_forgets_what_was_required(ignorant: Translator) -> None:
    options = DecodingOptions(beam_size=2, max_length=9, required_terms=("Bahnhof",))
    draft = ignorant.draft(" ".join(SENTENCES[:2]), ignorant.route("en", "de"), options)
    work = ignorant.start_work(beam_size=2)
    work.submit(draft.waiting)
    first = {task.number for task in work._tasks.values()}
    while {task.number for task in work._tasks.values()} == first:
        assert work.step() == []
    assert work._tasks.keys() == set(draft.sentences), "all are held back"
    work.cancel(draft.sentences)
    assert not (work.busy or work._tasks or work._meetings)


# --- the shipped model ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Translator:
    return Translator.load("en-de")


def test_the_shipped_model_goes_on_from_a_prefix(shipped: Translator) -> None:
    text = "A dog runs on the beach."
    (found,) = shipped.translate(
        [text], source="en", target="de", options=DecodingOptions(target_prefix="Am Strand")
    )
    assert found.text.startswith("Am Strand ") and "Hund" in found.text


def test_terms_of_a_glossary_leave_the_prefix_alone(shipped: Translator) -> None:
    glossary = Glossary([Entry("beach", "Meeresufer")])
    options = DecodingOptions(target_prefix="Am Strand")
    (found,) = shipped.translate(
        ["A dog runs on the beach."], source="en", target="de", options=options, glossary=glossary
    )
    assert found.text.startswith("Am Strand")


def test_what_is_required_is_found_by_the_search(shipped: Translator) -> None:
    (plain,) = translate(shipped, SENTENCES[0])
    assert not says("Köter", plain.text)
    (found,) = translate(shipped, SENTENCES[0], required_terms=("Köter", "Meer"), n_best=2)
    assert all(says("Köter", h.text) and says("Meer", h.text) for h in found.hypotheses)
    assert not any(kind_of(w) is WarningKind.TERM for w in found.warnings)


def test_of_several_sentences_one_says_what_is_required_and_the_others_stay(
    shipped: Translator,
) -> None:
    apart = [each.text for each in translate(shipped, *SENTENCES[:3])]
    (found,) = translate(shipped, "  ".join(SENTENCES[:3]), required_terms=("Köter",))
    together = found.text.split("  ")
    changed = [i for i in range(3) if together[i] != apart[i]]
    assert len(changed) == 1 and says("Köter", together[changed[0]])
    score = {
        i: translate(shipped, SENTENCES[i], required_terms=("Köter",))[0].hypotheses[0].score
        - translate(shipped, SENTENCES[i])[0].hypotheses[0].score
        for i in range(3)
    }
    assert changed == [max(score, key=score.__getitem__)], "it loses least"


def test_what_is_said_anyway_changes_nothing(shipped: Translator) -> None:
    (plain,) = translate(shipped, " ".join(SENTENCES[:2]))
    word = max(plain.text.split(), key=len).strip(".,?!")
    assert says(word, plain.text)
    assert translate(shipped, " ".join(SENTENCES[:2]), required_terms=(word,)) == [plain]


def test_terms_that_other_options_forbid_are_reported(ignorant: Translator) -> None:
    options = {"required_terms": ("Hund Hund", "alt"), "no_repeat_ngram_size": 1}
    for translation in translate(ignorant, *SENTENCES[:3], **options):
        assert WarningKind.TERM in map(kind_of, translation.warnings)
