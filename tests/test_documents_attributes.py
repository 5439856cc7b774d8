"""Texts within other texts: front matter, images and titles in sentences, names of languages."""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments

SITE_PAGE = """\
---
title: >-
  A dog runs
  on the beach
---

Look at ![A brown dog](dog.png "A dog in the sun") and [the page](x.html "Read on")
or ![two \\[dogs\\]](y.png).
"""

HUGO_PAGE = """\
+++
title = 'A dog runs'
[params]
subtitle = "A cat"
+++

Text.
"""

JSON_PAGE = """\
{"title": "A dog runs", "slug": "a-dog", "draft": false}

Text.
"""


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        (SITE_PAGE, {"![A BROWN DOG]", '"A DOG IN THE SUN"', '"READ ON"'}),
        (SITE_PAGE, {r"![TWO \[DOGS\]](y.png)", ">-\n  A DOG RUNS ON THE\n  BEACH\n---"}),
        (
            "[x]( <u v> 'Read on' ) and [y](z 'No \\'\\' more').\n",
            {"'READ ON' ) AND [Y](z 'NO \\'\\' MORE')"},
        ),
        (HUGO_PAGE, {"title = 'A DOG RUNS'", 'subtitle = "A CAT"'}),
        (JSON_PAGE, {'"title": "A DOG RUNS", "slug": "a-dog"'}),
    ],
)
def test_texts_within_other_texts_and_front_matter(page: str, texts: set[str]) -> None:
    document = open_document(page.encode(), "markdown")
    found = {each.segment.id: each.text for each in translate_segments(document.segments, _shout)}
    assert not document.damages(found)
    written = document.with_translations(found).decode()
    assert {text for text in texts if text not in written} == set()


def test_every_tag_that_names_the_language_of_the_page_names_the_new_one() -> None:
    page = '<p lang="en">A dog.</p><p lang="fr">Un chien</p><p translate="no" lang="en">Rex</p>'
    document = open_document(page.encode(), "html")
    found = {each.segment.id: each.text for each in translate_segments(document.segments, _shout)}
    assert document.with_translations(found, "de").decode() == (
        '<p lang="de">A DOG.</p><p lang="fr">Un chien</p><p translate="no" lang="en">Rex</p>'
    )


def _shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


@pytest.mark.parametrize(
    ("path", "format", "named"),
    [("pptx", "pptx", b'lang="de-DE"'), ("epub", "epub", b'lang="de"')],
)
def test_the_parts_of_an_archive_name_the_new_language(
    path: str, format: str, named: bytes
) -> None:
    file = next((Path(__file__).parent / "data").rglob(f"*.{path}"))
    document = open_document(file, format)
    found = {each.segment.id: each.text for each in translate_segments(document.segments, _shout)}
    parts = list(_parts(document.with_translations(found, "de")))
    languages = {b for data in parts for b in re.findall(rb'[\s:]lang="[^"]*"', data)}
    assert {each.strip(b" :") for each in languages} <= {named}
    assert list(_parts(document.with_translations({}, "de"))) == list(_parts(file.read_bytes()))


def _parts(data: bytes) -> Iterator[bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        yield from map(archive.read, archive.namelist())


MAIL = """\
<div>Your order is on its way&zwnj;&nbsp;&zwnj;&nbsp;&#847; &#x200B;&shy;</div>
<div>&#847;&zwnj;&nbsp;&#8199;&shy; &#847;&zwnj;&nbsp;</div>
<p>Hello&nbsp;Anna, good news.</p>
<a data-confirm="Really delete it?" data-target="#box" data-tooltip="Delete" data-label="email"
data-title="Do compare it"
data-content='{"a": "b c"}' data-bs-original-title="two words">Go</a>
<table summary="Prices of rooms"><tr><th abbr="Room number">No.</th></tr></table>
<input aria-placeholder="Your name" hx-confirm="Are you sure?" title="x y">
"""


def test_texts_for_scripts_are_read_and_spacers_of_mails_stay() -> None:
    document = open_document(MAIL.encode(), "html")
    found = {each.segment.id: each.text for each in translate_segments(document.segments, _shout)}
    assert not document.damages(found)
    written = document.with_translations(found).decode()
    said = [
        *("ORDER IS ON ITS WAY", "HELLO", "ANNA, GOOD NEWS", "REALLY DELETE IT?", '"DELETE"'),
        *("TWO WORDS", "PRICES OF ROOMS", "ROOM NUMBER", "YOUR NAME", "ARE YOU SURE?"),
    ]
    assert [text for text in said if text not in written] == []
    assert "WAY&zwnj;&nbsp;&zwnj;&nbsp;&#847; &#x200B;&shy;</div>" in written
    assert MAIL.splitlines()[1] in written
    assert 'data-target="#box"' in written
    assert 'data-label="email"\ndata-title="Do compare it"' in written
    assert """data-content='{"a": "b c"}'""" in written
