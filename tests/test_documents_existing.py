"""Outputs that are there already and hold what people have translated."""

from pathlib import Path

import pytest
from fake_translator import FakeTranslator, Tformer

HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
POT = HEADER + 'msgid "One"\nmsgstr ""\n\nmsgid "Two"\nmsgstr ""\n'
XLIFF = (
    '<xliff version="1.2"><file source-language="en" target-language="de" original="x" '
    'datatype="plaintext"><body><trans-unit id="1"><source>One</source>{}</trans-unit></body>'
    "</file></xliff>"
)
QT = "<TS><context><message><source>One</source>{}</message></context></TS>"


@pytest.mark.parametrize(
    ("name", "source", "existing"),
    [
        ("a.po", POT, POT.replace('"One"\nmsgstr ""', '"One"\nmsgstr "Eins"')),
        ("a.xlf", XLIFF.format(""), XLIFF.format('<target state="final">Eins</target>')),
        (
            "a.ts",
            QT.format('<translation type="unfinished"/>'),
            QT.format("<translation>Eins</translation>"),
        ),
    ],
)
def test_what_a_person_has_translated_is_not_replaced(
    translator: FakeTranslator,
    tformer: Tformer,
    tmp_path: Path,
    name: str,
    source: str,
    existing: str,
) -> None:
    given, output = tmp_path / f"source.{name}", tmp_path / name
    given.write_text(source)
    output.write_text(existing)
    call = ("translate", str(given), "-s", "en", "-t", "de", "-o", str(output))
    result = tformer(*call)
    assert result.status == 4 and "has 1 translations that" in result.err
    assert "--in-place" in result.err and output.read_text() == existing
    assert tformer(*call, "--force").status == 0
    assert "ONE" in output.read_text()


def test_what_a_machine_has_translated_is_made_anew(
    translator: FakeTranslator, tformer: Tformer, tmp_path: Path
) -> None:
    given, output = tmp_path / "a.pot", tmp_path / "a.po"
    given.write_text(POT)
    call = ("translate", str(given), "-s", "en", "-t", "de", "-o", str(output))
    assert tformer(*call).status == 0 and tformer(*call).status == 0
    assert 'msgstr "ONE"' in output.read_text()


@pytest.mark.parametrize("name", ["a.po", "a.xlf", "a.ts", "a.json"])
def test_an_output_that_cannot_be_read_is_not_replaced(
    translator: FakeTranslator, tformer: Tformer, tmp_path: Path, name: str
) -> None:
    sources = {
        "a.po": POT,
        "a.xlf": XLIFF.format(""),
        "a.ts": QT.format(""),
        "a.json": '{"a": "b"}',
    }
    given, output = tmp_path / f"source.{name}", tmp_path / name
    given.write_text(sources[name])
    output.write_text("what is this")
    call = ("translate", str(given), "-s", "en", "-t", "de", "-o", str(output))
    result = tformer(*call)
    assert result.status == 3 and str(output) in result.err
    assert "--force replaces the file" in result.err and output.read_text() == "what is this"
    assert tformer(*call, "--force").status == 0 and output.read_text() != "what is this"
