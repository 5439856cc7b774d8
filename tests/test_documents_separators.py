"""What stands between the entries of a line, and between the branches of a template."""

from collections.abc import Sequence

import pytest

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments


def turned(texts: Sequence[str]) -> list[str]:
    """Words in the other order, in capitals: what is between them must not move."""
    return [" ".join(text.upper().split()[::-1]) for text in texts]


def written(text: str, format: str) -> str:
    document = open_document(text.encode(), format)
    translations = {r.segment.id: r.text for r in translate_segments(document.segments, turned)}
    assert document.damages(translations) == {}
    return document.with_translations(translations).decode()


@pytest.mark.parametrize(
    ("format", "source", "expected"),
    [
        ("html", "<p><a>my home</a> | <a>see us</a></p>", "<p><a>HOME MY</a> | <a>US SEE</a></p>"),
        ("html", "<p>Go here \u2192 now \u00b7 then</p>", "<p>HERE GO \u2192 NOW \u00b7 THEN</p>"),
        ("markdown", "[my home](a) \u2022 [see us](b)\n", "[HOME MY](a) \u2022 [US SEE](b)\n"),
        ("markdown", "|a|\n|-|\n|one or \\| two more|\n", "|A|\n|-|\n|OR ONE \\| MORE TWO|\n"),
        ("json", '{"a": "my home | see us"}', '{"a": "HOME MY | US SEE"}'),
        ("json", '{"a": "{{#if x}}yes it{{else}}no go{{/if}}"}',
         '{"a": "{{#if x}}IT YES{{else}}GO NO{{/if}}"}'),
        ("markdown", "{% if x %}my dog{% else %}no dog{% endif %} is here\n",
         "{% if x %}DOG MY{% else %}DOG NO{% endif %} HERE IS\n"),
        ("markdown", "{% if a %}The page.{% endif %}\n", "{% if a %}PAGE. THE{% endif %}\n"),
        ("markdown", "see {@link the door} now\n", "NOW {@link the door} SEE\n"),
        ("markdown", "{count + 1} dogs {f(x)}\n", "{f(x)} DOGS {count + 1}\n"),
    ],
)  # fmt: skip
def test_what_divides_stays(format: str, source: str, expected: str) -> None:
    if "{@" in source or "{f(" in source:  # literals are found in capitals, too
        document = open_document(source.encode(), format)
        (segment,) = document.segments
        assert all(i.opening.startswith("{") for i in segment.inlines.values())
        return
    assert written(source, format) == expected


def test_a_picture_behind_a_sentence_stays_behind_it() -> None:
    document = open_document(b"<p><a>view it here</a><img src='x'></p>", "html")
    results = translate_segments(document.segments, lambda texts: ["HIER sehen Sie es"])
    text = document.with_translations({r.segment.id: r.text for r in results}).decode()
    assert text == "<p><a>HIER sehen Sie es</a><img src='x'></p>"


@pytest.mark.parametrize("count", ["{{count}}", "%{count}", "{n}", "%d", "{{ n }}", "{fileCount}"])
def test_numbers_make_no_compounds(count: str) -> None:
    document = open_document(f'{{"a": "{count} dogs"}}'.encode(), "json")
    (result,) = translate_segments(document.segments, lambda texts: [f"{count}-Hunde"])
    assert document.with_translations({result.segment.id: result.text}).decode() == (
        f'{{"a": "{count} Hunde"}}'
    )


def test_words_in_tags_of_templates_are_told_of() -> None:
    source = '{{< figure src="a.png" caption="A dog." >}}\n\ntext\n\n*[AB]: A long name\n'
    source += '\n```\n{% x title="code" %}\n```\n'
    left = open_document(source.encode(), "markdown").left_texts
    assert [one.text for one in left] == ["A dog.", "A long name"]


def test_lost_braces_are_told() -> None:
    document = open_document(b"set {a door, b} here\n", "markdown")
    if any(inline.opening == "{a door, b}" for inline in document.segments[0].inlines.values()):
        pytest.skip("they are a literal")
    (result,) = translate_segments(document.segments, lambda texts: ["setze a door hier"])
    assert any("brace" in warning for warning in result.warnings)
