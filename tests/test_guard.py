"""What the guard sees, and what it lets pass; and that a second look never makes things worse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_transformer

from tformer.model.network.eager import Eager
from tformer.model.options import MAX_BEAM_SIZE, DecodingOptions
from tformer.model.passes.draft import Sentence
from tformer.model.passes.guard import Attempt, Sign, is_guarded, retry
from tformer.model.passes.restoration import UNREADABLE
from tformer.model.pipeline.translator import Translator
from tformer.model.translation import WarningKind, kind_of
from tformer.model.vocabulary.sentencepiece import Vocabulary

HOUSE = "The house is old, but the garden is beautiful."
HAUS = "Das Haus ist alt, aber der Garten ist schön."


def attempt(
    source: str = HOUSE,
    target: str = HAUS,
    *,
    source_tokens: str | None = None,
    target_tokens: str | None = None,
    languages: tuple[str, str] = ("en", "de"),
    options: DecodingOptions | None = None,
) -> Attempt:
    """Words stand for tokens where none are given."""

    def numbers(text: str) -> list[int]:
        return [hash(word) for word in text.split()]

    return Attempt(
        source,
        target,
        *languages,
        numbers(source_tokens or source),
        numbers(target_tokens or target),
        options or DecodingOptions(),
    )


@pytest.mark.parametrize(
    ("target", "source"),
    [
        pytest.param("der Mann in " * 5, HOUSE, id="phrase"),
        pytest.param("nein " * 7, "No!", id="word"),
        pytest.param("Er ging nach Haus . Und dann sagte " * 3, HOUSE, id="long-phrase"),
        pytest.param("ja " * 40, "yes yes yes yes yes", id="far-more-than-the-source"),
        pytest.param("Wo ist der Bahnhof der Bahnhof ?", "Where is it ?", id="doubled"),
        pytest.param("Nach langer Zeit, nach langer Zeit kam er .", HOUSE, id="doubled-comma"),
        pytest.param("a b c d e f kam und a b c d e f ging", HOUSE, id="six-tokens"),
    ],
)
def test_loops_are_seen(target: str, source: str) -> None:
    assert Sign.LOOP in attempt(source, target).signs


@pytest.mark.parametrize(
    ("target", "source"),
    [
        pytest.param("ja " * 8, "yes " * 8, id="as-the-source"),
        pytest.param("Fisch und Fisch und Fisch", "Fish and fish and fish", id="thrice"),
        pytest.param(
            "a b c d kam , a b c d sah , a b c d siegte", "A came , A saw , A won", id="rare-name"
        ),
        pytest.param("fisch " * 9, "Fish fish FISH fish Fish fish FISH", id="other-capitals"),
        pytest.param("", "Hm .", id="nothing"),
        pytest.param("sehr sehr alt", "old", id="one-word-doubled"),
        pytest.param("Er kam, er kam !", "He came, he came !", id="doubled-as-the-source"),
        pytest.param("1 2 1 2", "one", id="figures"),
        pytest.param("der Hund und der Mann und der Rest", "dog , man , rest", id="apart"),
    ],
)
def test_repetition_is_no_loop(target: str, source: str) -> None:
    assert attempt(source, target, target_tokens=target or " ").signs == ()


@pytest.mark.parametrize(
    ("source", "target", "options", "expected"),
    [
        pytest.param(5, 22, {}, (Sign.LONG,), id="runaway"),
        pytest.param(5, 21, {}, (), id="long-but-possible"),
        pytest.param(40, 90, {}, (Sign.LONG,), id="only-the-limit-ended-it"),
        pytest.param(5, 30, {"max_length": 30}, (), id="so-long-as-asked-for"),
        pytest.param(5, 30, {"min_length": 30}, (), id="longer-was-asked-for"),
        pytest.param(30, 3, {}, (Sign.SHORT,), id="collapsed"),
        pytest.param(30, 4, {}, (), id="short-but-possible"),
        pytest.param(16, 0, {}, (), id="nothing-for-little"),
        pytest.param(30, 3, {"max_length": 3}, (), id="so-short-as-asked-for"),
    ],
)
def test_length(
    source: int, target: int, options: dict[str, int], expected: tuple[Sign, ...]
) -> None:
    found = Attempt(
        "", "", "en", "de", range(source), range(100, 100 + target), DecodingOptions(**options)
    )
    assert found.signs == expected


@pytest.mark.parametrize(
    ("source", "target", "languages", "expected"),
    [
        pytest.param(HOUSE, HOUSE, ("en", "de"), True, id="all-of-it"),
        pytest.param(HOUSE, HOUSE.replace("old", "alt"), ("en", "de"), True, id="most-of-it"),
        pytest.param(HAUS.upper(), HAUS.upper(), ("de", "en"), True, id="in-capitals"),
        pytest.param(HOUSE, HAUS, ("en", "de"), False, id="translated"),
        pytest.param("Tom Hanks, 9 July 1956", "Tom Hanks, 9 July 1956", ("en", "de"), False,
                     id="names-and-numbers"),
        pytest.param("see https://www.example.com/some/long/path and ftp://files.example.org",
                     "see https://www.example.com/some/long/path und ftp://files.example.org",
                     ("en", "de"), False, id="addresses"),
        pytest.param(HOUSE, HOUSE, ("en", "xx"), False, id="unknown-to-the-detector"),
        pytest.param("Hotel Bristol", "Hotel Bristol", ("en", "de"), False, id="short"),
        pytest.param("app.run(debug=True)", "app.run(debug=True)", ("en", "de"), False, id="code"),
        pytest.param("Sie singt das Lied „All you need is love“.",
                     'She sings the song "All you need is love".', ("de", "en"), False,
                     id="quotation"),
        pytest.param("Det er en god dag i dag, Kari.", "Det er en god dag i dag, Kari.",
                     ("da", "no"), False, id="the-same-in-both"),
    ],
)  # fmt: skip
def test_copies(source: str, target: str, languages: tuple[str, str], expected: bool) -> None:
    found = attempt(source, target, languages=languages)
    assert (Sign.COPY in found.signs) == expected


def test_a_retry_is_wider_and_repeats_nothing() -> None:
    again = retry(DecodingOptions(beam_size=6, n_best=2, length_penalty=1))
    assert (again.beam_size, again.no_repeat_ngram_size) == (12, 3)
    assert (again.n_best, again.length_penalty) == (2, 1)
    assert retry(DecodingOptions(beam_size=64)).beam_size == MAX_BEAM_SIZE
    assert retry(DecodingOptions(beam_size=1, no_repeat_ngram_size=2)).no_repeat_ngram_size == 2


def test_samples_are_not_guarded() -> None:
    assert is_guarded(DecodingOptions())
    assert not is_guarded(DecodingOptions(guard=False))
    assert not is_guarded(DecodingOptions(sampling=True))


# --- the second look -----------------------------------------------------------------------------

SENTENCES = [
    f"{a} {b} is {c}." for a in ("A", "The") for b in ("dog", "cat") for c in ("old", "in")
]
GREEDY = DecodingOptions(beam_size=1)


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    path: Path = tmp_path_factory.mktemp("vocabulary") / "sentencepiece.model"
    vocabulary = Vocabulary.train([HOUSE, HAUS, *SENTENCES], path, languages=["en", "de"], size=320)
    transformer = tiny_transformer(4, vocab_size=len(vocabulary), max_length=128)
    return Translator(Eager(transformer), vocabulary)


def sentences(translator: Translator, texts: list[str], guard: bool) -> list[Sentence]:
    """Translated together; the networks of tests see little but what they say themselves."""
    options = DecodingOptions(beam_size=1, guard=guard)
    route = translator.route("en", "de")
    drafts = [translator.draft(text, route, options) for text in texts]
    work = translator.start_work(beam_size=1)
    work.submit(sentence for draft in drafts for sentence in draft.waiting)
    while work.busy:
        work.step()
    assert not (work._further or work._tasks)
    return [sentence for draft in drafts for sentence in draft.sentences]


def signs(sentence: Sentence) -> tuple[Sign, ...]:
    return Attempt(
        sentence.piece.text,
        sentence.hypotheses[0].text,
        "en",
        "de",
        sentence.tokens,
        sentence.target_ids[0],
        sentence.options,
    ).signs


def test_a_second_look_makes_nothing_worse_and_some_better(translator: Translator) -> None:
    before = sentences(translator, SENTENCES, guard=False)
    after = sentences(translator, SENTENCES, guard=True)
    improved = 0
    for old, new in zip(before, after, strict=True):
        assert new.signs == signs(new)
        if len(signs(new)) < len(signs(old)):
            improved += 1
        else:
            assert new.hypotheses == old.hypotheses
    assert improved


def test_neighbours_do_not_change_a_second_look(translator: Translator) -> None:
    together = sentences(translator, SENTENCES, guard=True)
    for text, expected in zip(SENTENCES, together, strict=True):
        (found,) = sentences(translator, [text], guard=True)
        assert (found.hypotheses, found.signs) == (expected.hypotheses, expected.signs)


def test_what_still_looks_wrong_is_told(translator: Translator) -> None:
    (doubtful,) = [s for s in sentences(translator, SENTENCES, guard=True) if s.signs][:1]
    (translation,) = translator.translate(
        [doubtful.piece.text], source="en", target="de", options=GREEDY
    )
    told = [warning for warning in translation.warnings if kind_of(warning) is WarningKind.GUARD]
    assert [warning for warning in told if warning != UNREADABLE] == list(doubtful.signs)


def test_a_sentence_can_be_cancelled_in_its_second_look(translator: Translator) -> None:
    route = translator.route("en", "de")
    drafts = [translator.draft(text, route, GREEDY) for text in SENTENCES]
    work = translator.start_work(beam_size=1)
    work.submit(sentence for draft in drafts for sentence in draft.waiting)
    while not work._further:
        work.step()
    work.cancel(sentence for draft in drafts for sentence in draft.sentences)
    assert not work.busy
    assert work.num_running == 0


def test_decoding_again_loads_no_torch() -> None:
    """It took longer to load than the sentences of a page take to translate."""
    program = (
        "import sys\n"
        "from tformer.model import DecodingOptions, Translator\n"
        "from tformer.model.passes import guard\n"
        "options = guard.retry(DecodingOptions(beam_size=1))\n"
        "translator = Translator.load('en-de', device='cpu', dtype='int8', threads=1)\n"
        "print(*(each.text for each in translator.translate(['A dog runs.'], options=options)))\n"
        "assert 'torch' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
