"""Searches window by window find what one search does, and no hostile text takes long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.documents.formats.html import html_of
from tformer.documents.protection import scan
from tformer.model.text import segmentation, windows

PATTERN = re.compile(r"a{1,5}|(?<=b)c(?!d)|\be+|f[^g]{0,6}g|$")


@given(st.text("abcdefg \n", max_size=200), st.integers(1, 9))
def test_windows_find_what_one_search_does(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOW", size)
        patch.setattr(windows, "OVERLAP", 10)
        found = [match.span() for match in windows.find_all(PATTERN, text)]
    expected = [match.span() for match in PATTERN.finditer(text) if match[0]]
    assert [span for span in found if span[0] < span[1]] == expected


def test_the_splitter_gets_long_lines_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def segment(language: str, text: str) -> list[str]:
        sizes.append(len(text))
        return re.findall(r"[^.]*\.\s*|[^.]+$", text)

    monkeypatch.setattr(segmentation, "segment", segment)
    line = "A dog runs on the beach. " * 4000
    sentences = segmentation.split(line, "en")
    assert len(sentences) == 4000
    assert "".join(piece.text + piece.separator for piece in sentences) == line
    assert max(sizes) <= segmentation.WINDOW
    assert sum(sizes) < 1.1 * len(line)


@pytest.mark.parametrize(
    "part", ["<a ", "<svg>", "<pre>", "<!-- >", "<![CDATA[ >", "<a href='", "<x translate=no>"]
)
def test_time_is_linear_in_what_is_never_closed(part: str) -> None:
    text = part * (60_000 // len(part))
    started = time.process_time()
    document = html_of(text)
    assert document.with_translations({}).decode() == text
    assert "".join(run.text for run in scan(text)) == text
    assert time.process_time() - started < 5  # quadratic, it was 10 to 60 seconds


@pytest.mark.parametrize(
    "text", ["<![foo[ x ]]>", "<![foo]>", "<!foo <![ x", "<![if !IE]>x<![endif]>"]
)
def test_sections_of_no_known_kind_are_comments(text: str) -> None:
    page = f"<p>A dog.</p>{text}"
    document = html_of(page)
    assert next(segment.text for segment in document.segments) == "A dog."
    assert document.with_translations({}).decode() == page
