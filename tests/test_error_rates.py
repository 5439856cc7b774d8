"""The script that counts errors which a program can see."""

from __future__ import annotations

import pytest
from error_rates import KINDS

SOUND = (
    ("He paid 1,250.50 in 2014. Then he left.", "Er zahlte 1.250,50 im Jahr 2014. Dann ging er."),
    ("Mr. Smith came at 9 a.m. on Monday.", "Herr Smith kam am Montag um 9 Uhr."),
    ("again and again and again", "immer wieder und immer wieder"),
    ("OK", "OK"),
)


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("numbers changed or lost", "It has 25 rooms.", "Es hat Zimmer."),
        ("numbers changed or lost", "In 2014 it rained.", "Im Jahr 2015 regnete es."),
        ("four words repeated", "He lives there.", "Er lebt in dem Haus und er lebt in dem Haus."),
        ("length off by more than 2", "The old man came home late today.", "Er kam."),
        ("wrong language", "The old house is there.", "The house over there is old."),
        ("source copied", "The house is old.", "the house is old."),
        ("sentence lost", "He came. She left.", "Er kam und sie ging."),
        ("sentence lost", "The old man came home late today.", "Er kam."),
    ],
)
def test_each_kind_is_counted(kind: str, source: str, target: str) -> None:
    assert KINDS[kind](source, target, "de")


@pytest.mark.parametrize(("source", "target"), SOUND)
def test_sound_translations_show_none(source: str, target: str) -> None:
    assert [kind for kind, shows in KINDS.items() if shows(source, target, "de")] == []
