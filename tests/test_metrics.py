"""Scores are sacreBLEU's, and carry their signatures."""

import pytest

from tformer.model.errors import InputError
from tformer.model.evaluation.metrics import score

REFERENCES = ["Der Hund läuft am Strand.", "Wo ist der Bahnhof, bitte?"]


def test_a_perfect_translation_scores_100() -> None:
    scores = score(REFERENCES, REFERENCES)
    assert scores.bleu.score == pytest.approx(100)
    assert scores.chrf.score == pytest.approx(100)


def test_a_known_value() -> None:
    """Worked by hand: 4 of 5 unigrams, 3 of 4 bigrams, 2 of 3 trigrams, 1 of 2 four-grams match."""
    scores = score(["a b c d x"], ["a b c d e"])
    assert scores.bleu.score == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


def test_signatures_say_how_it_was_measured() -> None:
    scores = score(REFERENCES, REFERENCES)
    assert "tok:13a" in scores.bleu.signature
    assert "version:" in scores.bleu.signature
    assert "nc:6" in scores.chrf.signature
    assert (scores.bleu.name, scores.chrf.name) == ("BLEU", "chrF")


def test_every_translation_needs_a_reference() -> None:
    with pytest.raises(InputError, match=r"1 translations .* 2 references"):
        score(REFERENCES[:1], REFERENCES)


def test_nothing_cannot_be_scored() -> None:
    with pytest.raises(InputError, match="nothing to score"):
        score([], [])
