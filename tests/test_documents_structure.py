"""Every file of the test data through the model that ships: structure in is structure out."""

import io
import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from test_documents import markup, timeline

from tformer.cli.languages import LanguageChoice
from tformer.cli.translation.documents import DocumentJob
from tformer.cli.translation.stats import Tally
from tformer.documents.document import Document
from tformer.documents.registry import open_document
from tformer.documents.segments import Inline, Segment, SegmentState, parts
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator

DATA = Path(__file__).parent / "data" / "documents"
FILES = sorted(path for path in DATA.rglob("*") if path.is_file())
BILINGUAL = {"po", "xliff", "tmx", "tsv", "xcstrings"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shipped() -> Translator:
    return Translator.load("en-de", device="cpu")


def format_in(path: Path) -> str:
    return path.relative_to(DATA).parts[0]


def name_of(path: Path) -> str:
    return path.relative_to(DATA).as_posix()


def translated(document: Document, translator: Translator) -> bytes:
    job = DocumentJob("file", document)
    languages = translator.languages
    choice = LanguageChoice.among(languages, languages, "en", "de")
    options = DecodingOptions(beam_size=1)
    return job.translate(translator, choice, options, Tally(), lambda: None)


def skeleton(document: Document, format: str) -> Document:
    """A file in German without its words: segments are a word and what their placeholders are.

    Twice, since a placeholder may stand for something with words in it.
    """
    for _ in range(2):
        data = document.with_translations({s.id: bare(s) for s in document.segments}, "de")
        document = open_document(data, format)
    return document


def bare(segment: Segment) -> str:
    """A word, and the placeholders in an order that does not depend on the language."""

    def rank(numbered: tuple[int, Inline]) -> tuple[str, str]:
        return numbered[1].opening, numbered[1].closing or ""

    if str(segment.id).startswith("table"):  # without a word in each cell it is not drawn anew
        return "word" + "".join(f"<{number}/>word" for number in sorted(segment.inlines))
    pieces = ["word"]
    for number, inline in sorted(segment.inlines.items(), key=rank):
        pair = f"<{number}>word</{number}>"
        mark = f"<{number}/>" if inline.closing is None else pair
        if inline.divides and segment.text.startswith(
            mark
        ):  # a box of a list of tasks is nothing elsewhere
            pieces.insert(0, mark)
        else:
            pieces.append(mark)
    return " ".join(pieces)


def literals(segment: Segment, text: str) -> Counter[str]:
    """What the placeholders of a text stand for."""
    return Counter(
        segment.inlines[part.number].raw(part.part)
        for part in parts(text)
        if not isinstance(part, str)
    )


def formatting(data: bytes) -> list[tuple[str, list[set[str]]]]:
    """The parts of a Word file, and of their paragraphs the tags besides those of runs of text,
    their language and the spelling checker.

    Which formatting is that of the paragraph and which that of some words in it depends on what
    comes first, so it is not compared as placeholders.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [
            (info.filename, [tags(paragraph) for paragraph in archive.read(info).split(b"</w:p>")])
            for info in archive.infolist()
        ]


def tags(paragraph: bytes) -> set[str]:
    found = re.findall(r"<[^>]+>", paragraph.decode("utf-8", "replace"))
    return {tag for tag in found if not re.match(r"</?w:(r|t|rPr|proofErr|lang)[ />]", tag)}


MONOLINGUAL = [path for path in FILES if format_in(path) not in BILINGUAL]


@pytest.mark.parametrize("path", MONOLINGUAL, ids=name_of)
def test_a_file_without_its_words_is_the_same(path: Path, shipped: Translator) -> None:
    format = format_in(path)
    document = open_document(path, format)
    data = translated(document, shipped)
    if format in ("srt", "vtt"):
        check_subtitles(document, data, path)
        return
    before, after = skeleton(document, format), skeleton(open_document(data, format), format)
    assert [s.id for s in after.segments] == [s.id for s in before.segments]
    if format == "docx":
        assert formatting(data) == formatting(document.with_translations({}, "de"))
    else:
        for old, new in zip(before.segments, after.segments, strict=True):
            assert literals(new, new.text) == literals(old, old.text)
        assert breakless(after, format) == breakless(before, format)
    assert data != path.read_bytes() or not any(s.has_words for s in document.segments)


def check_subtitles(document: Document, data: bytes, path: Path) -> None:
    """Which sentences go on in the next cue is for the words to say, so segments may differ."""
    again = open_document(data, format_in(path))
    assert timeline(data) == timeline(path.read_bytes())
    assert markup(again.segments, "\n\n") == markup(document.segments, "\n\n")


def breakless(document: Document, format: str) -> object:
    """The bytes of a document; paragraphs of plain markup are broken where the words want it, and
    lines below titles of reStructuredText are as long as they must be."""
    data = document.with_translations({})
    if format == "rst":
        data = re.sub(rb"([-=~])\1{3,}", rb"\1", data)
    return data.split() if format in ("markdown", "rst", "asciidoc") else data


@pytest.mark.parametrize(
    "path", [path for path in FILES if format_in(path) in BILINGUAL], ids=name_of
)
def test_sources_stay_and_every_target_has_the_same_literals(
    path: Path, shipped: Translator
) -> None:
    format = format_in(path)
    before = open_document(path, format, target="de")
    data = translated(before, shipped)
    after = open_document(data, format, target="de")
    assert [(s.id, s.text, s.inlines) for s in after.segments] == [
        (s.id, s.text, s.inlines) for s in before.segments
    ]
    was, now = path.read_bytes(), data
    filled = [
        (old, new)
        for old, new in zip(before.segments, after.segments, strict=True)
        if old.state is SegmentState.NEW and old.has_words
    ]
    assert all(new.target for _, new in filled)
    kept = [
        (o.target, n.target)
        for o, n in zip(before.segments, after.segments, strict=True)
        if o.state is not SegmentState.NEW
    ]
    assert all(old == new for old, new in kept)
    counts = Counter[bytes]()
    for old, _ in filled:
        for literal, number in literals(old, old.text).items():
            counts[before.source.encode(literal).removeprefix(before.source.mark)] += number
    for raw, number in counts.items():
        escaped = raw.replace(b"\t", b"\\t")  # as PO spells a tab
        there = now.count(raw) + (now.count(escaped) - was.count(escaped)) * (escaped != raw)
        assert there >= was.count(raw) + number, raw
