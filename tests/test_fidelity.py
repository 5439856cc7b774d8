"""Sentences whose numbers were lost are decoded again, and the best of what was said is taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tformer.model.engine.engine import Finished
from tformer.model.literals.finding import find
from tformer.model.literals.repairing import apply, edits_for, respelled
from tformer.model.literals.verifying import invented_numbers, verify
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Sentence
from tformer.model.passes.fidelity import Fidelity, invented
from tformer.model.passes.interface import Result
from tformer.model.passes.preparation import Preparer
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Request
from tformer.model.text.segmentation import Piece
from tformer.model.vocabulary.sentencepiece import Vocabulary

SHIPPED = Path(__file__).parent.parent / "model" / "pretrained" / "en-de"
PAIR = ("en", "de")
SOURCE = "The shop has 25 dogs and 71 cats."


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(SHIPPED / "sentencepiece.model")


@dataclass
class _Network:
    """Says one text after the other, each with a mean score."""

    vocabulary: Vocabulary
    says: Sequence[tuple[str, float]]

    def review(self, source: str, **options: bool) -> tuple[str, list[Request]]:
        """Return what the pass takes, and what it has searched for."""
        preparer = Preparer(self.vocabulary)
        prepared = preparer.prepare(source, PAIR)
        tokens = self.vocabulary.encode(prepared.shown if prepared else source, "de", "en")
        sentence = Sentence(Piece(source, ""), tokens, DecodingOptions(**options), PAIR, prepared)
        texts = [text for text, _ in self.says]
        fidelity = Fidelity(preparer, self.vocabulary, lambda said: texts[said[0]])
        review = fidelity.review(sentence, Result.of(self._answer(0), sentence.input))
        asked = []
        try:
            asked.append(next(review))
            while True:
                asked.append(review.send(self._answer(len(asked))))
        except StopIteration as end:
            return texts[end.value.hypotheses[0].tokens[0]], asked

    def _answer(self, number: int) -> Finished:
        score = self.says[number][1]
        best = FinishedHypothesis((number,), score, (score, score))
        return Finished(0, None, (best,), 80)


def test_a_translation_without_faults_is_not_decoded_again(vocabulary: Vocabulary) -> None:
    said = "Der Laden hat 25 Hunde und 71 Katzen."
    assert _Network(vocabulary, [(said, -0.5)]).review(SOURCE) == (said, [])


def test_the_likeliest_of_those_without_faults_is_taken(vocabulary: Vocabulary) -> None:
    wide = "Der Laden hat 25 Hunde und 71 Katzen."
    named = "Das Geschäft hat [1] Hunde und 71 Katzen."
    first = "Der Laden hat 25 Hunde, 25 Hunde und 71 Katzen."
    for score, best in ((-0.7, wide), (-0.5, named)):
        network = _Network(vocabulary, [(first, -0.4), (wide, -0.6), (named, score)])
        text, asked = network.review(SOURCE)
        assert text == best
        assert [each.options.no_repeat_ngram_size for each in asked] == [3, 0]
        assert asked[0].options.beam_size > asked[1].options.beam_size


def test_without_the_guard_only_names_are_tried(vocabulary: Vocabulary) -> None:
    named = "Das Geschäft hat [1] Hunde und 71 Katzen."
    network = _Network(vocabulary, [("Er hat 71 Katzen.", -0.4), (named, -0.6)])
    text, asked = network.review(SOURCE, guard=False)
    assert text == named
    assert len(asked) == 1


def test_a_search_that_requires_names_asks_for_no_more_than_was_lost(
    vocabulary: Vocabulary,
) -> None:
    lost = "Der Laden hat viele Hunde und 71 Katzen."
    required = "Der Laden hat {1} Hunde und 71 Katzen."
    network = _Network(vocabulary, [(lost, -0.4), (lost, -0.5), (lost, -0.5), (required, -0.7)])
    text, asked = network.review(SOURCE)
    assert text == required
    assert len(asked[-1].required) == 1


def test_words_forced_into_a_place_where_none_fits_are_not_taken(vocabulary: Vocabulary) -> None:
    lost = "Der Laden hat viele Hunde und 71 Katzen."
    network = _Network(
        vocabulary, [(lost, -0.4), (lost, -0.5), (lost, -0.5), ("Der {1} Lad 71.", -1.1)]
    )
    assert network.review(SOURCE)[0] == lost


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ("He left in 2011.", "Er ging 2011 und kam 2911.", ("2911",)),
        ("He left in 2011.", "Er ging 2011 und kam 2011.", ()),  # repeated, which is another fault
        ("He left in 2011 at noon.", "Er ging 2011 um 12 Uhr.", ()),
        ("In 2011, twenty-five left.", "2011 gingen 25.", ()),
        ("Louis XIV had 3 dogs.", "Ludwig 14 hatte 3 Hunde.", ()),
        ("It has 3 dogs.", "Es hat 3 Hunde und 1 Katze.", ()),
    ],
)
def test_numbers_that_nobody_said_are_noticed(
    source: str, target: str, found: tuple[str, ...]
) -> None:
    verdict = verify(find(source), source, target, "de")
    assert invented_numbers(verdict, target, source, "en") == found
    assert invented_numbers(verdict, target, source, "fi") == ()


def test_numbers_that_a_caller_asks_for_are_not_invented(vocabulary: Vocabulary) -> None:
    prepared = Preparer(vocabulary).prepare("He left in 2011.", PAIR)
    assert prepared is not None
    restored = prepared.restore("Er ging 2011 zu Firma 4711.")
    for terms, expected in (((), ("4711",)), (("Firma 4711",), ())):
        options = DecodingOptions(required_terms=terms)
        sentence = Sentence(Piece("He left in 2011.", ""), [1], options, PAIR, prepared)
        assert invented(sentence, restored) == expected


@pytest.mark.parametrize(
    ("source", "said", "text"),
    [
        ("Take the B33 now.", "Nimm die B3 jetzt.", "Nimm die B33 jetzt."),
        ("Take the B33 now.", "Nimm die B 3 jetzt.", "Nimm die B33 jetzt."),
        ("Take the I-95 now.", "Nimm die I-9 jetzt.", "Nimm die I-95 jetzt."),
        ("Since 1936 it is ours.", "Seit 1,936 ist es unser.", "Seit 1936 ist es unser."),
        ("It has 22,900 parts.", "Es hat 22,900 Teile.", "Es hat 22.900 Teile."),
        ("It is 68 x 108 m.", "Es ist 68x108 m.", "Es ist 68x108 m."),
        ("Python 3.11 is here.", "Python 3.11 ist da.", "Python 3.11 ist da."),
    ],
)
def test_codes_and_thousands_are_mended(source: str, said: str, text: str) -> None:
    verdict = verify(find(source), source, said, "de")
    edits = edits_for(verdict, said, PAIR)
    assert edits is not None
    assert apply([*edits, *respelled(verdict, said, PAIR)], said) == text


@pytest.mark.parametrize(
    ("source", "said", "text"),
    [
        ("It fell by 8.5 percent.", "Es fiel um XA Prozent.", "Es fiel um 8,5 Prozent."),
        ("Python 3.11 runs.", "Python XA läuft.", "Python 3.11 läuft."),
        ("See section 3.2 for it.", "Siehe Abschnitt XA dazu.", "Siehe Abschnitt 3.2 dazu."),
    ],
)
def test_amounts_behind_names_are_written_as_the_target_language_does(
    vocabulary: Vocabulary, source: str, said: str, text: str
) -> None:
    prepared = Preparer(vocabulary).prepare(source, PAIR, carry=find(source))
    assert prepared is not None
    assert prepared.restore(said).text == text


def test_the_sign_of_an_amount_stands_behind_its_million(vocabulary: Vocabulary) -> None:
    prepared = Preparer(vocabulary).prepare("It cost $290.4 million.", PAIR)
    assert prepared is not None
    assert prepared.restore("Es kostete 290,4 Millionen.").text == "Es kostete 290,4 Millionen $."


@pytest.mark.parametrize(
    "text", ["(25\u00f7100)", "1.1~beta1", "5~10", "2\u22c53", "10^6", "3.0~rc2+dfsg-1"]
)
def test_signs_within_numbers_stay_there(vocabulary: Vocabulary, text: str) -> None:
    prepared = Preparer(vocabulary).prepare(f"He wrote {text} here.", PAIR)
    assert prepared is not None
    said = prepared.shown.replace("He wrote", "Er schrieb").replace("here", "hier")
    assert prepared.restore(said).text == f"Er schrieb {text} hier."
    assert not prepared.floating


def test_a_sign_that_left_its_number_is_a_fault(vocabulary: Vocabulary) -> None:
    prepared = Preparer(vocabulary).prepare("He wrote 7\u232b8 here.", PAIR)
    assert prepared is not None
    assert prepared.floating
    said = prepared.shown.replace("He wrote", "Er schrieb").replace("here", "hier")
    assert prepared.restore("Es steht da.").faults or prepared.restore("Es steht da.").lost
    assert "moves '\u232b'" in prepared.restore(said.replace("78", "87")).faults
