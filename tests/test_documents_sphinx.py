"""Directives of Sphinx: which of them hold text, and what of them is told."""

from collections.abc import Sequence

import pytest

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments


def shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


@pytest.mark.parametrize(
    ("source", "expected", "told"),
    [
        (".. py:function:: a(b)\n\n   c d\n", ".. py:function:: a(b)\n\n   C D\n", []),
        (".. tab-item:: a\n   :sync: b\n\n   c\n", ".. tab-item:: A\n   :sync: b\n\n   C\n", []),
        (".. note:: a b\n   :class: c\n\n   d\n", ".. note:: A B\n   :class: c\n\n   D\n", []),
        (".. toctree::\n\n   a b <c>\n   d\n", ".. toctree::\n\n   A B <c>\n   d\n", []),
        (".. glossary::\n\n   a\n      b c\n", ".. glossary::\n\n   a\n      B C\n", ["a"]),
        (".. |a| image:: b.png\n   :alt: c\n", ".. |a| image:: b.png\n   :alt: C\n", []),
        (".. contents:: a b\n", ".. contents:: A B\n", []),
        (".. odd:: a b c\n", ".. odd:: a b c\n", [".. odd:: a b c"]),
        ("a b : c\n   d\n", "a b : c\n   D\n", ["a b : c"]),
        (":a: b\n:c: d e f g h\n", ":a: b\n:c: d e f g h\n", [":a: b :c: d e f g h"]),
    ],
)
def test_directives(source: str, expected: str, told: list[str]) -> None:
    document = open_document(source.encode(), "rst")
    found = {r.segment.id: r.text for r in translate_segments(document.segments, shout)}
    assert document.damages(found) == {}
    assert document.with_translations(found).decode() == expected
    assert [left.text for left in document.left_texts] == told
