"""Code within texts, which stays whatever divides, marks or surrounds it."""

import json
from collections.abc import Sequence

import pytest

from tformer.documents.inline.interface import is_identifier
from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments


def shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


def shouted(data: str, format: str) -> str:
    document = open_document(data.encode(), format)
    translations = {r.segment.id: r.text for r in translate_segments(document.segments, shout)}
    assert document.damages(translations) == {}
    return document.with_translations(translations).decode()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ 'a.b' | translate }} is new", "{{ 'a.b' | translate }} IS NEW"),
        ("use `cat x | grep y` | go", "USE `cat x | grep y` | GO"),
        ("run <code>a\n  b | c</code>\nnow", "RUN <code>a\n  b | c</code>\nNOW"),
        ("see @:{'a.b'} here", "SEE @:{'a.b'} HERE"),
        ("<color=red>stop</color> it", "<color=red>STOP</color> IT"),
        ("[b]go[/b] to [url=x]it[/url] [code]a b[/code] [i]", "[b]GO[/b] TO [url=x]IT[/url] [code]a b[/code] [I]"),  # noqa: E501
        ("<b>{n, plural, other {a}}</b> or <i>b</i>", "<b>{n, plural, other {A}}</b> OR <i>B</i>"),
        ("x <i>{n, plural, other {a}} or</i> b", "X <i>{n, plural, other {A}} OR</i> B"),
        ("%,d of it", "%,d OF IT"),
        ("-o FILE or @arch@ of __v__ |:n go", "-o FILE OR @arch@ OF __v__ |:n GO"),
        ("-I see -a man", "-I SEE -A MAN"),
        ("hi :name, at 10:30: it ends (:count)", "HI :name, AT 10:30: IT ENDS (:count)"),
    ],
)  # fmt: skip
def test_strings_of_tables(source: str, expected: str) -> None:
    assert json.loads(shouted(json.dumps({"a": source}), "json"))["a"] == expected


@pytest.mark.parametrize(
    ("flag", "source", "expected"),
    [
        ("perl", "total %vd of %s", "TOTAL %vd OF %s"),
        ("object-pascal", "value %0:s is %1:d", "VALUE %0:s IS %1:d"),
        ("gcc-internal", "%qD is %<a%> and %m", "%qD IS %<A%> AND %m"),
        ("lua", "a %q of %5.1f%%", "A %q OF %5.1f%%"),
    ],
)
def test_grammars_of_format_strings(flag: str, source: str, expected: str) -> None:
    assert f'"{expected}"' in shouted(f'#, {flag}-format\nmsgid "{source}"\nmsgstr ""\n', "po")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text/html; charset=utf-8", True),
        ("image/*,.pdf", True),
        ("fa fa-home", True),
        ("^[a-z]+ ?$", True),
        ("M10 10 L20 20z", True),
        ("Arial, sans-serif", True),
        ("//div[@class='a']", True),
        ('{"a": "b"}', True),
        ("M 5 to go", False),
        ("red, green, blue", False),
        ("and/or more", False),
        ("data: what it is", False),
    ],
)
def test_values_of_programs(text: str, expected: bool) -> None:
    assert is_identifier(text) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('<textarea title="a b">x y</textarea>', '<textarea title="A B">x y</textarea>'),
        ("<img alt=cat src=a.png><input type=submit value=go>",
         '<img alt="CAT" src=a.png><input type=submit value="GO">'),
        ('<p title="a {{ b|or:"c" }} d">e</p>', '<p title="A {{ b|or:"c" }} D">E</p>'),
        ('<p><a title="<?= $x ?> a">b</a> c</p>', '<p><a title="<?= $x ?> A">B</a> C</p>'),
        ('<p>a {# b "c" #} d</p>', '<p>A {# b "c" #} D</p>'),
        ('<p>a <svg><title>b c</title><text><tspan>d</tspan></text></svg> e</p>',
         '<p>A <svg><title>B C</title><text><tspan>D</tspan></text></svg> E</p>'),
        ("<svg translate=no><desc>b</desc></svg>", "<svg translate=no><desc>b</desc></svg>"),
        ('<p>a <q>b</q><sup><a href="c">1</a></sup>. D e.<sup>2</sup> f</p>',
         '<p>A <q>B</q><sup><a href="c">1</a></sup>. D E.<sup>2</sup> F</p>'),
        ("<template><p>a b</p></template>", "<template><p>A B</p></template>"),
        ('<p><img src=x>\n<a href="y">go</a></p>', '<p><img src=x> <a href="y">GO</a></p>'),
    ],
)  # fmt: skip
def test_tags_of_html(source: str, expected: str) -> None:
    assert shouted(source, "html") == expected


def test_a_drawn_text_with_markup_in_it_is_told() -> None:
    (left,) = open_document(b"<svg><text>a <tspan>b</tspan> c</text></svg>", "html").left_texts
    assert left.text == "a b c"


@pytest.mark.parametrize(
    "source", ["{n, plural, one {# a} other {b}", "{{n, select, other {a}}} b"]
)
@pytest.mark.parametrize("format", ["json", "yaml"])
def test_a_message_that_is_not_understood_is_told(source: str, format: str) -> None:
    document = open_document(json.dumps({"a": source}).encode(), format)
    assert not document.segments
    assert len(document.left_texts) == 1


def test_a_comment_in_a_string_of_android_stays() -> None:
    table = '<resources><string name="a">b <!-- c --> <b>d</b></string></resources>'
    assert ">B <!-- c --> <b>D</b><" in shouted(table, "android")


def test_a_number_of_laravel_becomes_no_compound() -> None:
    document = open_document(b'{"a": "you have :count messages"}', "json")
    (result,) = translate_segments(document.segments, lambda texts: ["DU HAST :count-NACHRICHTEN"])
    assert result.text == "DU HAST <1/> NACHRICHTEN"
