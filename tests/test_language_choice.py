"""Languages that a caller names, completed by those of the model."""

import pytest

from tformer.model.errors import UsageError
from tformer.model.vocabulary.language_choice import Direction, LanguageChoice

PAIR = ("en", "de")
THREE = ("en", "de", "fr")


@pytest.mark.parametrize(
    ("choice", "sources"),
    [
        pytest.param(LanguageChoice(PAIR, PAIR), ("en", "de"), id="nothing named"),
        pytest.param(LanguageChoice(PAIR, PAIR, target="de"), ("en",), id="the other"),
        pytest.param(LanguageChoice(PAIR, PAIR, source="de"), ("de",), id="source named"),
        pytest.param(LanguageChoice(THREE, THREE, target="de"), ("en", "fr"), id="two are left"),
    ],
)
def test_possible_sources(choice: LanguageChoice, sources: tuple[str, ...]) -> None:
    assert choice.possible_sources == sources


def test_the_other_language_is_the_target() -> None:
    assert LanguageChoice(PAIR, PAIR).toward("de") == Direction("de", "en")
    assert LanguageChoice(THREE, THREE, target="fr").toward("de") == Direction("de", "fr")


def test_a_target_must_be_named_where_several_are_left() -> None:
    with pytest.raises(UsageError, match=r"en, fr.*name the target"):
        LanguageChoice(THREE, THREE).toward("de")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        pytest.param("xx", None, "'xx'; it has en, de", id="unknown source"),
        pytest.param(None, "english", "'english'; it has en, de", id="unknown target"),
        pytest.param("de", "de", "both 'de'", id="the same twice"),
    ],
)
def test_wrong_languages_are_refused(source: str | None, target: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LanguageChoice(PAIR, PAIR, source, target)


ONE_WAY = {"sources": ("en",), "targets": ("fr", "es")}


def test_a_model_of_one_way_needs_no_detection() -> None:
    assert LanguageChoice(**ONE_WAY).possible_sources == ("en",)
    assert LanguageChoice(**ONE_WAY, target="es").toward("en") == Direction("en", "es")
    with pytest.raises(UsageError, match=r"fr, es.*name the target"):
        LanguageChoice(**ONE_WAY).toward("en")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        pytest.param({"source": "fr"}, "translate from 'fr', only en", id="source"),
        pytest.param({"target": "en"}, "translate into 'en', only fr, es", id="target"),
    ],
)
def test_the_wrong_way_is_refused(named: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LanguageChoice(**ONE_WAY, **named)


@pytest.mark.parametrize("name", ["German", "DE", "de-AT", "de_DE", "deu", "deu_Latn", "deutsch"])
def test_languages_are_named_as_people_write_them(name: str) -> None:
    choice = LanguageChoice.among(THREE, THREE, "en", name)
    assert choice.toward("en") == Direction("en", "de")
