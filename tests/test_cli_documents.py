"""`tformer translate` takes documents: by name, by --format, whole or not at all."""

import json
from pathlib import Path

import pytest
from fake_translator import FakeTranslator, Tformer
from test_documents import MALFORMED

from tformer.cli.exits import ExitStatus
from tformer.model.translation import Hypothesis, Translation

DATA = Path(__file__).parent / "data" / "documents"

MARKDOWN = "# A *title*\n\n- see `code` of <https://example.org>\n"
SHOUTED = "# A *TITLE*\n\n- SEE `code` OF <https://example.org>\n"

PO = 'msgid "Open"\nmsgstr "Auf"\n\nmsgid "Close"\nmsgstr ""\n'

pytestmark = pytest.mark.usefixtures("translator")


def test_a_document_comes_out_whole(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text(MARKDOWN)
    output = tmp_path / "report.de.md"
    result = tformer("translate", tmp_path / "report.md", "-t", "de", "-o", output)
    assert (result.status, result.out) == (0, "")
    assert output.read_text() == SHOUTED
    assert "translated in fragments to keep code, https://example.org" in result.err


def test_without_an_output_it_goes_to_stdout(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_bytes(MARKDOWN.replace("\n", "\r\n").encode())
    result = tformer("translate", tmp_path / "report.md", "-t", "de")
    assert result.out == SHOUTED.replace("\n", "\r\n")


def test_format_text_means_lines(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text(MARKDOWN)
    result = tformer("translate", tmp_path / "report.md", "-t", "de", "--format", "text")
    assert result == (0, MARKDOWN.upper(), "")


def test_format_makes_a_document_of_stdin(tformer: Tformer) -> None:
    result = tformer("translate", "-t", "de", "--format", "markdown", stdin=b"**bold** text\n")
    assert result == (0, "**BOLD** TEXT\n", "")


def test_existing_translations_are_kept(
    tformer: Tformer, translator: FakeTranslator, tmp_path: Path
) -> None:
    (tmp_path / "de.po").write_text(PO)
    result = tformer("translate", tmp_path / "de.po", "-t", "de")
    assert result.out == PO.replace(
        'msgid "Close"\nmsgstr ""', '#, fuzzy\nmsgid "Close"\nmsgstr "CLOSE"'
    )


def test_a_memory_is_filled_in_for_the_language_that_is_asked_for(
    tformer: Tformer, tmp_path: Path
) -> None:
    unit = '<tu><tuv xml:lang="en"><seg>Close</seg></tuv></tu>'
    (tmp_path / "a.tmx").write_text(f'<tmx><header srclang="en"/><body>{unit}</body></tmx>')
    result = tformer("translate", tmp_path / "a.tmx", "-t", "de")
    assert '<tuv xml:lang="de" creationid="tformer"><seg>CLOSE</seg></tuv></tu>' in result.out


def test_the_language_is_that_of_the_document(
    tformer: Tformer, translator: FakeTranslator, tmp_path: Path
) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nWo ist der Bahnhof?\n")
    result = tformer("translate", tmp_path / "a.srt")
    assert translator.directions[0] == ("de", "en")
    assert f"note: {tmp_path / 'a.srt'}: translating from de (detected) to en\n" in result.err


def test_a_document_without_words_is_copied(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("```\ncode\n```\n")
    assert tformer("translate", tmp_path / "a.md") == (0, "```\ncode\n```\n", "")


def test_many_warnings_are_counted(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("split\n\n" * 25)
    messages = tformer("translate", tmp_path / "a.md", "-t", "de").err.splitlines()
    assert messages[0] == f"warning: {tmp_path / 'a.md'}: 'split': was split"
    assert len(messages) == 21
    assert messages[-1] == "warning: 5 more warnings were not shown"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        pytest.param(["a.md", "b.txt"], ExitStatus.USAGE, "a.md is a document", id="not alone"),
        pytest.param(["a.md", "--n-best", "2"], ExitStatus.USAGE, "are for lines", id="n-best"),
        pytest.param(["b.txt", "--format", "pdf"], ExitStatus.USAGE, "'pdf'", id="format"),
        pytest.param(["bad.json"], ExitStatus.INPUT, "bad.json:1: not JSON", id="malformed"),
        pytest.param(["gone.md"], ExitStatus.INPUT, "gone.md: no such file", id="missing"),
        pytest.param(["damaged.md", "-t", "de"], ExitStatus.MODEL, "damaged", id="model"),
    ],
)
def test_a_failure_leaves_the_output_alone(
    tformer: Tformer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: ExitStatus,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"a.md": "# A", "b.txt": "B", "bad.json": "{", "damaged.md": "damaged", "out": "old"}
    for name, text in files.items():
        Path(name).write_text(text)
    result = tformer("translate", *arguments, "-o", "out")
    assert (result.status, result.out) == (status, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert Path("out").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == set(files)


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("output", ["out.txt", "out/"])
def test_text_keeps_its_encoding(
    tformer: Tformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_bytes("Grün\r\n\r\nfür".encode(mark))
    assert tformer("translate", "a.txt", "-t", "de", "-o", output).status == 0
    made = Path(output) / "a.txt" if output.endswith("/") else Path(output)
    assert made.read_bytes() == "GRÜN\r\n\r\nFÜR".encode(mark)


def test_utf_16_comes_out_of_a_document_but_is_no_lines(tformer: Tformer, tmp_path: Path) -> None:
    data = "one\n".encode("utf-16")
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    for call in [("-",), (path, path), (path, "--n-best", "2"), (path, "--json")]:
        result = tformer("translate", "-t", "de", *call, stdin=data)
        assert (result.status, result.out) == (ExitStatus.INPUT, "")
        assert "is UTF-16" in result.err


FILES = sorted(path for path in DATA.rglob("*") if path.is_file())


def test_an_identity_model_changes_no_byte_of_a_folder(
    tformer: Tformer, tmp_path: Path, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(text: str, source: str, target: str, n_best: int) -> Translation:
        return Translation(text, source, target, (Hypothesis(text, 0.0),))

    monkeypatch.setattr(translator, "_translation", same)
    out = tmp_path / "out"
    assert tformer("translate", DATA, "-s", "en", "-t", "de", "-o", out).status == 0
    for path in FILES:
        made = out / path.relative_to(DATA)
        if path.suffix[1:] not in {
            "po",
            "xlf",
            "xliff",
            "tmx",
            "tsv",
            "xcstrings",
            "ts",
            "docx",
            "odt",
        }:
            assert made.read_bytes() == path.read_bytes(), path
        assert made.is_file()


@pytest.mark.parametrize(("data", "name", "message"), MALFORMED)
def test_a_malformed_file_leaves_the_output_as_it_was(
    tformer: Tformer, tmp_path: Path, data: bytes, name: str, message: str
) -> None:
    if name == "text":
        pytest.skip("is lines, of which every one is translated")
    (tmp_path / "x").write_bytes(data)
    (tmp_path / "out").write_text("old")
    languages = ("-s", "en") if "target" in message or "all in" in message else ("-t", "de")
    call = ("translate", *languages, "--format", name, tmp_path / "x", "-o", tmp_path / "out")
    result = tformer(*call)
    assert (result.status, result.out) == (ExitStatus.INPUT, "")
    assert result.err.startswith("error: ") and message.removeprefix("x") in result.err
    assert result.err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "x": data,
        "out": b"old",
    }


@pytest.mark.parametrize(
    ("name", "source", "there", "expected"),
    [
        (
            "json",
            '{"a": "one", "b": {"c": "two {x}"}, "d": "three"}',
            '{"b": {"c": "zwei {x}!"}, "a": "one", "z": "gone"}',
            '{"a": "ONE", "b": {"c": "zwei {x}!"}, "d": "THREE"}',
        ),
        ("properties", "a=one\nb=two\n", "b = zw\\u00f6i\n", "a=ONE\nb=zw\\u00f6i\n"),
        ("yml", "en:\n  a: one\n  b: two\n", "de:\n  b: zwei\n", "de:\n  a: ONE\n  b: zwei\n"),
    ],
)
def test_what_a_person_has_translated_stays(
    tformer: Tformer, tmp_path: Path, name: str, source: str, there: str, expected: str
) -> None:
    (tmp_path / f"en.{name}").write_text(source)
    output = tmp_path / f"de.{name}"
    output.write_text(there)
    call = ("translate", tmp_path / f"en.{name}", "-s", "en", "-t", "de", "-o", output)
    result = tformer(*call)
    assert output.read_text() == expected
    assert f"{output}: 1 translations are kept" in result.err
    tformer(*call, "--force")
    assert "zw" not in output.read_text()


def test_keys_that_only_the_existing_file_has_are_backed_up(
    tformer: Tformer, tmp_path: Path
) -> None:
    (tmp_path / "en.json").write_text('{"a": "one door"}')
    output = tmp_path / "de.json"
    output.write_text('{"a": "eine", "old": "alt"}')
    call = ("translate", tmp_path / "en.json", "-s", "en", "-t", "de", "-o", output, "--strict")
    result = tformer(*call)
    assert result.status == ExitStatus.FLAGGED
    assert "de.json.bak has them" in result.err
    assert output.read_text() == '{"a": "eine"}'
    assert "alt" in (tmp_path / "de.json.bak").read_text()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["menu"], {"menu": {"a": "OPEN IT", "id": "OLD ONE"}, "title": "one door"}),
        (["!*.id"], {"menu": {"a": "OPEN IT", "id": "old one"}, "title": "ONE DOOR"}),
        (["menu", "!menu.id"], {"menu": {"a": "OPEN IT", "id": "old one"}, "title": "one door"}),
        (["/title"], {"menu": {"a": "open it", "id": "old one"}, "title": "ONE DOOR"}),
    ],
)
def test_keys_are_chosen(
    tformer: Tformer, tmp_path: Path, keys: list[str], expected: object
) -> None:
    (tmp_path / "en.json").write_text(
        '{"menu": {"a": "open it", "id": "old one"}, "title": "one door"}'
    )
    chosen = [word for key in keys for word in ("--keys", key)]
    result = tformer("translate", tmp_path / "en.json", "-s", "en", "-t", "de", *chosen)
    assert json.loads(result.out) == expected


def test_a_name_with_a_line_break(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "a\nb.md").write_text("a door\n")
    assert tformer("translate", tmp_path / "a\nb.md", "-t", "de").out == "A DOOR\n"
    assert tformer("translate", "a door\nopens", "-t", "de").status == ExitStatus.INPUT


@pytest.mark.parametrize("name", ["a.docx", "a.epub", "a.xlf"])
def test_nothing_is_converted_by_a_name(tformer: Tformer, tmp_path: Path, name: str) -> None:
    (tmp_path / "a.md").write_text("a door\n")
    result = tformer("translate", tmp_path / "a.md", "-t", "de", "-o", tmp_path / name)
    assert result.status == ExitStatus.USAGE and "is not converted" in result.err
    assert not (tmp_path / name).exists()
