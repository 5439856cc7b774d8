"""Reading of XML texts, against Expat."""

from xml.parsers import expat

import pytest

from tformer.documents.io.xml import unescape


@pytest.mark.parametrize(
    "text", ["a &amp; b", "&lt;&gt;&quot;&apos;", "&#150;", "&#x96;", "&#x1F600;", "&#38;amp;"]
)
def test_references_are_resolved_as_expat_does(text: str) -> None:
    found: list[str] = []
    parser = expat.ParserCreate()
    parser.CharacterDataHandler = found.append
    parser.Parse(f"<a>{text}</a>", True)
    assert unescape(text) == "".join(found)
