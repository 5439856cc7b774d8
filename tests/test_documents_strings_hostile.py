"""Strings of programs as bug reports have them: arguments, tags spelt as text, locked words."""

import json
from collections.abc import Sequence

import pytest

from tformer.documents.registry import open_document
from tformer.documents.segments import Segment
from tformer.documents.translation import translate_segments


def segment_of(text: str) -> Segment:
    (segment,) = open_document(json.dumps({"a": text}).encode(), "json").segments
    return segment


def translated(data: str, format: str, backwards: bool = False) -> tuple[str, list[str], list[str]]:
    document = open_document(data.encode(), format)

    def answer(texts: Sequence[str]) -> list[str]:
        return [" ".join(t.split()[::-1]) if backwards else t.upper() for t in texts]

    results = list(translate_segments(document.segments, answer))
    written = {result.segment.id: result.text for result in results}
    assert not document.damages(written)
    warnings = [warning for result in results for warning in result.warnings]
    left = [left.text for left in document.left_texts]
    return document.with_translations(written).decode(), warnings, left


@pytest.mark.parametrize("first, second", [("%s", "%d"), ("%@", "%lu"), ("{}", "{:d}")])
def test_arguments_that_are_taken_in_turn_keep_their_order(first: str, second: str) -> None:
    source = json.dumps({"a": f"red {first} of {second} green"})
    written, (warning,), _ = translated(source, "json", backwards=True)
    assert written == source
    assert warning == f"translated in fragments to keep the order of {first} {second}"


@pytest.mark.parametrize("first, second", [("%1$s", "%2$d"), ("{a}", "{b}"), ("%(a)s", "%(b)d")])
def test_arguments_with_names_may_change_places(first: str, second: str) -> None:
    source = json.dumps({"a": f"red {first} of {second} green"})
    written, warnings, _ = translated(source, "json", backwards=True)
    assert json.loads(written)["a"] == f"green {second} of {first} red" and not warnings


@pytest.mark.parametrize(
    "code", ["Map<String, List<T>>", "List<? extends Foo>", "Array<Int>", "*.txt", "\\t"]
)
def test_what_looks_like_a_tag_and_is_code_stays_whole(code: str) -> None:
    segment = segment_of(f"use {code} here")
    assert [inline.opening for inline in segment.inlines.values()] == [code]
    assert segment.plain == f"use {code} here"


def test_a_tag_behind_a_word_is_one() -> None:
    assert segment_of("Hello<B>bold</B> there").text == "Hello<1>bold</1> there"


def test_tags_that_are_spelt_as_text() -> None:
    segment = segment_of("&lt;b class=&quot;x&quot;&gt;bold&lt;/b&gt; one&lt;br/&gt;two &amp; more")
    assert segment.text == "<1>bold</1> one<2/>two <3/> more"
    assert segment.inlines[2].divides
    assert segment_of("write &lt;script&gt; there").plain == "write &lt;script&gt; there"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('<img src="a.png" alt="A dog"> text', ["A dog"]),
        ('<a href="x" title="Go there">here</a>', ["Go there"]),
        ('<a href="x" title="%s">here</a>', []),
        ('<a href="x" title="{{t}}">here</a>', []),
    ],
)
def test_words_in_tags_within_strings_are_told_of(text: str, left: list[str]) -> None:
    _, _, found = translated(json.dumps({"a": text}), "json")
    assert found == left


def test_a_tag_with_words_alone_is_told_of() -> None:
    source = json.dumps({"a": '<img alt="A dog">'})
    written, _, (left,) = translated(source, "json")
    assert written == source and left == "A dog"


def test_endings_of_ranks_stay_with_their_number() -> None:
    text = "{n, selectordinal, one {#st place} other {#th place}}"
    written, _, _ = translated(json.dumps({"a": text}), "json")
    assert json.loads(written)["a"] == "{n, selectordinal, one {#st PLACE} other {#th PLACE}}"


def test_variables_of_i18next_beside_a_message() -> None:
    source = '{"a": "Hi {{x}}, {n, plural, one {a dog} other {dogs}}"}'
    written, _, left = translated(source, "json")
    assert written == '{"a": "HI {{x}}, {n, plural, one {A DOG} other {DOGS}}"}' and not left


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("save.accelerator", "S"),
        ("menu.mnemonic", "f"),
        ("open.accesskey", "o"),
        ("save.keys", "ctrl S"),
        ("undo", "ctrl shift Z"),
        ("font", "Microsoft Sans Serif, 8.25pt"),
        ("total", "=SUM(A1:A9)"),
    ],
)
def test_values_for_programs_stay(key: str, value: str) -> None:
    assert not open_document(json.dumps({key: value}).encode(), "json").segments


def test_breaks_of_android_divide() -> None:
    source = '<resources><string name="a">one<br/>two<hr/>three</string></resources>'
    written, _, _ = translated(source, "android")
    assert ">ONE<br/>TWO<hr/>THREE<" in written


RESX = '<root><data name="a"><value>{}</value><comment>{}</comment></data></root>'


def test_locked_words_of_resx() -> None:
    source = RESX.format("Contoso door &amp; X", '{Locked="Contoso","X"} the product')
    written, _, _ = translated(source, "resx")
    assert "<value>Contoso DOOR &amp; X</value>" in written


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Text files (*.txt)|*.txt|All files (*.*)|*.*",
         "TEXT FILES (*.txt)|*.txt|ALL FILES (*.*)|*.*"),
        ("Images (*.png *.jpg);;All (*.*)", "IMAGES (*.png *.jpg);;ALL (*.*)"),
    ],
)  # fmt: skip
def test_kinds_of_files_in_a_dialogue(source: str, expected: str) -> None:
    written, _, _ = translated(RESX.format(source, ""), "resx")
    assert f"<value>{expected}</value>" in written


def test_titles_of_code_and_labels_in_front_matter() -> None:
    source = (
        "---\nsidebar_label: A label\nslug: a-b\n---\n\n"
        '``` py title="Open the door"\nx = 1\n```\n\n'
        '```js title="src/a.js"\n```\n'
    )
    written, _, _ = translated(source, "markdown")
    assert written == source.replace("A label", "A LABEL").replace("Open the door", "OPEN THE DOOR")
