"""Text in, text out: order, white space, sentences, warnings. The network is tiny and random."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import tiny_transformer

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.errors import ModelError, UsageError
from tformer.model.network import torch_checkpoint as checkpoint
from tformer.model.network.cuda_graphs import Graphed
from tformer.model.network.eager import Eager
from tformer.model.network.torch_checkpoint import load_model, save_model
from tformer.model.options import DecodingOptions
from tformer.model.pipeline import loading
from tformer.model.pipeline.translator import Translator
from tformer.model.translation import Translation
from tformer.model.vocabulary.sentencepiece import Vocabulary

SENTENCES = [
    "A dog runs on the beach.",
    "Where is the railway station?",
    "The house is old, but the garden is beautiful.",
    "Ein Hund läuft am Strand.",
    "Wo ist der Bahnhof?",
    "Das Haus ist alt, aber der Garten ist schön.",
]

SHORT = DecodingOptions(beam_size=2, max_length=8)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path: Path = tmp_path_factory.mktemp("vocabulary") / "sentencepiece.model"
    return Vocabulary.train(SENTENCES, path, languages=["en", "de"], size=330)


@pytest.fixture(scope="module")
def translator(vocabulary: Vocabulary) -> Translator:
    return make_translator(vocabulary)


def make_translator(
    vocabulary: Vocabulary, window: int = 64, longest_source: int = 40
) -> Translator:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    return Translator(Eager(transformer), vocabulary, window=window, longest_source=longest_source)


@pytest.mark.parametrize("own", [None, 0.0, 3.0])
def test_the_length_penalty_is_that_of_the_options_or_of_the_model_or_the_papers(
    vocabulary: Vocabulary, own: float | None
) -> None:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    translator = Translator(Eager(transformer), vocabulary, length_penalty=own)

    def scores(penalty: float | None) -> list[tuple[str, float]]:
        options = DecodingOptions(beam_size=4, length_penalty=penalty, length_ratio=3)
        found = translator.translate(SENTENCES, source="en", target="de", options=options)
        return [(each.text, each.hypotheses[0].score) for each in found]

    of_papers, short, long = (scores(penalty) for penalty in (0.6, 0.0, 3.0))
    assert len({tuple(each) for each in (of_papers, short, long)}) == 3
    assert scores(None) == {None: of_papers, 0.0: short, 3.0: long}[own]


def test_a_model_keeps_its_length_penalty(vocabulary: Vocabulary, tmp_path: Path) -> None:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    for penalty in (None, 1.25):
        facts = ModelFacts("own", ("en", "de"), length_penalty=penalty)
        path = tmp_path / str(penalty)
        save_model(path, transformer.state_dict(), transformer.config, vocabulary, facts)
        assert Translator.load(path, dtype="float32", device="cpu").length_penalty == penalty
    file = path / "config.json"
    for wrong in ("1.25", -1, True, [1]):
        file.write_text(file.read_text("utf-8").replace("1.25", json.dumps(wrong)), "utf-8")
        with pytest.raises(ModelError, match=r"config.json: decoding: length_penalty must be"):
            Translator.load(path, dtype="float32", device="cpu")
        file.write_text(file.read_text("utf-8").replace(json.dumps(wrong), "1.25"), "utf-8")
    table = json.loads(file.read_text("utf-8"))
    for wrong in ([1.0], 1.0, "length_penalty"):
        file.write_text(json.dumps(table | {"decoding": wrong}), "utf-8")
        with pytest.raises(ModelError, match=r"config.json: decoding: must be an object, not "):
            Translator.load(path, dtype="float32", device="cpu")
    for empty in (None, {}, {"length_penalty": None}):
        file.write_text(json.dumps(table | {"decoding": empty}), "utf-8")
        assert Translator.load(path, dtype="float32", device="cpu").length_penalty is None


def translate(translator: Translator, *texts: str, **how: object) -> list[Translation]:
    return list(translator.translate(texts, source="en", target="de", options=SHORT))


@pytest.mark.parametrize("window", [1, 2, 7, 1000])
def test_order_count_and_content_do_not_depend_on_the_window(
    vocabulary: Vocabulary, window: int
) -> None:
    texts = ["", *SENTENCES, " ".join(SENTENCES), "   ", "dog " * 30, *SENTENCES[::-1], "!"]
    together = translate(make_translator(vocabulary, window), *texts)
    apart = [translate(make_translator(vocabulary), text)[0] for text in texts]
    assert [t.text for t in together] == [t.text for t in apart]
    assert len({t.text for t in together}) > 5


@pytest.mark.parametrize("text", ["", " ", "\t\u3000 ", "\x00\x01", "...", "—", "* * *", "😀"])
def test_what_has_no_word_stays_as_it_is(translator: Translator, text: str) -> None:
    (translation,) = translate(translator, text)
    assert translation.text == text
    assert [h.text for h in translation.hypotheses] == [text]


def test_white_space_around_and_between_sentences_is_kept(translator: Translator) -> None:
    first, second = SENTENCES[:2]
    one, two, both = translate(translator, first, second, f"  {first} \t {second}\r")
    assert both.text == f"  {one.text} \t {two.text}\r"


def test_a_sentence_that_is_too_long_is_cut_and_the_cut_is_reported(translator: Translator) -> None:
    (translation,) = translate(translator, "the old dog, " * 40)
    assert "no sentence may exceed 40 tokens" in translation.warnings[0]
    (short,) = translate(translator, "the old dog")
    assert not any("exceed" in warning for warning in short.warnings)


def test_a_translation_that_reaches_its_limit_is_reported(translator: Translator) -> None:
    options = DecodingOptions(beam_size=1, min_length=5, max_length=5)
    (translation,) = translator.translate(["the dog"], source="en", options=options)
    assert translation.warnings == (
        "a translation reached its limit of 5 tokens and may be incomplete",
    )


def test_a_translation_counts_its_tokens(translator: Translator) -> None:
    options = DecodingOptions(beam_size=1, min_length=5, max_length=5)
    one, both = translator.translate(
        [SENTENCES[0], f"{SENTENCES[0]} {SENTENCES[0]}"], source="en", options=options
    )
    assert one.source_tokens == len(translator.vocabulary.encode(SENTENCES[0], "de"))
    assert both.source_tokens == 2 * one.source_tokens
    assert (one.target_tokens, both.target_tokens) == (5, 10)


def test_work_that_is_cancelled_leaves_its_neighbours_alone(translator: Translator) -> None:
    route = translator.route("en", "de")
    drafts = [translator.draft(text, route, SHORT) for text in SENTENCES[:3]]
    work = translator.start_work(beam_size=2)
    work.submit(sentence for draft in drafts for sentence in draft.waiting)
    assert not work.step()
    assert work.num_running == 3
    work.cancel(drafts[1].sentences)
    assert work.num_running == 2
    while work.busy:
        work.step()
    assert [draft.complete for draft in drafts] == [True, False, True]
    alone = translate(translator, SENTENCES[0], SENTENCES[2])
    assert [drafts[0].translation(1).text, drafts[2].translation(1).text] == [
        translation.text for translation in alone
    ]


def test_texts_are_read_as_translations_are_taken(vocabulary: Vocabulary) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield SENTENCES[read % 3]

    translations = make_translator(vocabulary, window=8).translate(
        endless(), target="de", options=SHORT
    )
    for taken in range(1, 40):
        next(translations)
        assert read < taken + 8


def test_n_best_of_a_text_are_the_best_combinations(translator: Translator) -> None:
    options = DecodingOptions(beam_size=4, n_best=4, max_length=8)
    first, second = SENTENCES[:2]
    one, two, both = translator.translate(
        [first, second, f"{first} {second}"], source="en", options=options
    )
    combinations = [
        (a.score + b.score, f"{a.text} {b.text}") for a in one.hypotheses for b in two.hypotheses
    ]
    best = sorted(combinations, key=lambda c: -c[0])[:4]
    assert [h.text for h in both.hypotheses] == [text for _, text in best]
    assert [h.score for h in both.hypotheses] == pytest.approx([score for score, _ in best])
    assert both.text == both.hypotheses[0].text


def test_line_breaks_that_the_network_spells_become_spaces(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translator.vocabulary, "decode", lambda ids: "a\r\nb\u2028c\x85d\x00")
    assert translate(translator, "the dog")[0].text == "a b c d"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60), st.sampled_from(["en", "de", None]))
def test_any_text_is_translated_and_keeps_its_line_breaks(
    translator: Translator, text: str, source: str | None
) -> None:
    """Control characters, lone surrogates and all scripts among them."""
    options = DecodingOptions(beam_size=1, max_length=4)
    (translation,) = translator.translate([text], source=source, options=options)
    assert translation.text.count("\n") == text.count("\n")


def test_lone_surrogates_are_taken_as_replacement_characters(translator: Translator) -> None:
    broken, replaced = translate(translator, "the \ud800 dog", "the \ufffd dog")
    assert broken.text == replaced.text


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        pytest.param(None, None, ("de", "en"), id="detected"),
        pytest.param("en", None, ("en", "de"), id="target-is-the-other"),
        pytest.param(None, "de", ("en", "de"), id="source-is-the-other"),
        pytest.param("de", "en", ("de", "en"), id="both-given"),
    ],
)
def test_languages(
    translator: Translator, source: str | None, target: str | None, expected: tuple[str, str]
) -> None:
    text = "Das Haus ist alt, aber der Garten ist schön."
    (translation,) = translator.translate([text], source=source, target=target, options=SHORT)
    assert (translation.source_language, translation.target_language) == expected


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        pytest.param("fr", "de", "the language 'fr'; it has en, de", id="source"),
        pytest.param("en", "fr", "the language 'fr'; it has", id="target"),
        pytest.param("de", "de", "both 'de'", id="same"),
    ],
)
def test_wrong_languages_are_refused_at_once(
    translator: Translator, source: str, target: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        translator.translate([], source=source, target=target)


def test_a_model_of_many_languages_wants_a_target(tmp_path: Path) -> None:
    vocabulary = Vocabulary.train(
        SENTENCES, tmp_path / "three.model", languages=["en", "de", "fr"], size=330
    )
    translator = make_translator(vocabulary)
    with pytest.raises(UsageError, match=r"possible \(en, de, fr\): name the target"):
        translator.translate([SENTENCES[0]])
    (translation,) = translator.translate([SENTENCES[0]], target="fr", options=SHORT)
    assert translation.source_language == "en"


def save(translator: Translator, path: Path) -> None:
    save_model(
        path,
        translator.network.transformer.state_dict(),
        translator.network.transformer.config,
        translator.vocabulary,
        ModelFacts("tiny", translator.languages),
    )


def test_a_saved_model_translates_as_before(translator: Translator, tmp_path: Path) -> None:
    save(translator, tmp_path / "tiny")
    loaded = Translator.load(tmp_path / "tiny", device="cpu", dtype="float64")
    assert loaded.languages == ("en", "de")
    assert [t.text for t in translate(loaded, *SENTENCES)] == [
        t.text for t in translate(translator, *SENTENCES)
    ]


@pytest.mark.parametrize("devices", ["cpu", "auto"])
def test_int8_translates_without_torch(
    translator: Translator, tmp_path: Path, devices: str
) -> None:
    save(translator, tmp_path / "tiny")
    code = (
        "import sys\n"
        "from tformer.model.hardware import gpu_probe as accelerator\n"
        "accelerator.has_traces_of_gpu = lambda root: False\n"
        "accelerator.is_built_for_gpus = lambda folder: False\n"
        "from tformer.model import DecodingOptions, Translator\n"
        f"translator = Translator.load({str(tmp_path / 'tiny')!r}, device={devices!r},\n"
        "    dtype='int8')\n"
        "options = DecodingOptions(alignments=True, token_scores=True, guard=False)\n"
        "found = list(translator.translate(['A dog runs. It is big.', ''], source='en',\n"
        "    target='de', options=options))\n"
        "assert len(found) == 2 and found[0].text\n"
        "assert translator.network.dtype == 'int8'\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_gpu_gets_its_steps_recorded_unless_told_otherwise(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(translator, tmp_path / "tiny")
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    monkeypatch.setattr(loading, "choose_device", lambda name: cuda)
    monkeypatch.setattr(
        checkpoint, "load_model", lambda path, place, dtype: load_model(path, cpu, dtype)
    )
    for graphs, kind in ((True, Graphed), (False, Eager)):
        loaded = Translator.load(tmp_path / "tiny", dtype="float64", graphs=graphs)
        assert isinstance(loaded.network, kind)
        assert [t.text for t in translate(loaded, *SENTENCES)] == [
            t.text for t in translate(translator, *SENTENCES)
        ]
        assert loaded.aligner
