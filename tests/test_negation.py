"""Denials that a translation has lost are noticed, and words that only look like one are none."""

import pytest

from tformer.model.passes.negation import loses_negation


@pytest.mark.parametrize(
    ("source", "target", "languages"),
    [
        ("He can not swim.", "Er und ich schwimmen.", "en de"),
        ("He is not under the table.", "Er ist unter dem Tisch.", "en de"),
        ("That is not ours.", "Das ist noch unser.", "en de"),
        ("Er ist nicht im Haus.", "He is in the house.", "de en"),
        ("Das ist nicht wichtig.", "That is important.", "de en"),
        ("Er kann nicht kommen.", "He can come.", "de en"),
        ("Das ist nicht klar.", "I understand that.", "de en"),
        ("The patient denies pain.", "Der Patient hat Schmerzen.", "en de"),
        ("She failed to call us.", "Sie rief uns an.", "en de"),
        ("It is contraindicated for children.", "Es ist f\u00fcr Kinder gedacht.", "en de"),
        ("Betreten verboten.", "Entry allowed.", "de en"),
        ("Rauchen ist untersagt.", "Smoking is understood.", "de en"),
        ("Ohne Ausweis kein Zutritt.", "Without a pass.", "de en"),
    ],
)
def test_a_lost_denial_is_noticed(source: str, target: str, languages: str) -> None:
    assert loses_negation(source, target, tuple(languages.split()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "target", "languages"),
    [
        ("It is not possible.", "Das ist unm\u00f6glich.", "en de"),
        ("Das ist nicht erlaubt.", "That is illegal.", "de en"),
        ("Das ist nicht richtig.", "That is incorrect.", "de en"),
        ("Er kann nicht kommen.", "He can't come.", "de en"),
        ("She failed to call us.", "Sie vers\u00e4umte es, uns anzurufen.", "en de"),
        ("The attempt failed to start.", "Der Start scheiterte.", "en de"),
        ("Betreten verboten.", "No entry.", "de en"),
        ("Betreten verboten.", "Entry is prohibited.", "de en"),
        ("Ohne Ausweis kein Zutritt.", "No entry without a pass.", "de en"),
        ("Why don't you come along?", "Komm doch mit!", "en de"),
        ("Das Haus ist rot.", "The house is red.", "de en"),
    ],
)
def test_a_denial_in_other_words_is_none_lost(source: str, target: str, languages: str) -> None:
    assert not loses_negation(source, target, tuple(languages.split()))  # type: ignore[arg-type]
