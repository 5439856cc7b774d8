"""`tformer translate` of whole jobs: folders, in place, up to date, one bad file among others."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fake_translator import FakeTranslator, Tformer

from tformer.cli import loading
from tformer.cli.exits import ExitStatus
from tformer.cli.translation.settings import Setup
from tformer.documents.jobs.journal import journal_path
from tformer.documents.jobs.manifest import NAME as MANIFEST
from tformer.model.translation import Translation

PO = 'msgid "Open"\nmsgstr "Auf"\n\nmsgid "Close"\nmsgstr ""\n'
FILLED = PO.replace('msgid "Close"\nmsgstr ""', '#, fuzzy\nmsgid "Close"\nmsgstr "CLOSE"')

NOBODY = 65534

pytestmark = pytest.mark.usefixtures("translator")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def tree(folder: str) -> dict[str, str]:
    """What is in a folder, but for our books."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


DOCS = {"docs/a.md": "# One\n", "docs/sub/b.html": "<p>two</p>\n", "docs/sub/c.txt": "three"}
SHOUTED = {"a.md": "# ONE\n", "sub/b.html": "<p>TWO</p>\n", "sub/c.txt": "THREE"}


# --- where files go ------------------------------------------------------------------------------


def test_a_folder_is_mirrored(tformer: Tformer) -> None:
    make({**DOCS, "docs/logo.png": "PNG", "docs/.git/config": "text", "docs/.hidden.md": "# No"})
    result = tformer("translate", "docs/", "-t", "de", "-o", "docs.de/")
    assert (result.status, result.out) == (0, "")
    assert tree("docs.de") == SHOUTED
    assert result.err.startswith("note: files: 3 translated, 1 left out; segments: 3; words: 3; ")


@pytest.mark.parametrize(("strict", "status"), [((), 0), (("--strict",), 9)])
def test_a_file_of_another_language_counts_as_a_warning(
    tformer: Tformer, strict: tuple[str, ...], status: int
) -> None:
    french = '<html lang="fr"><p>deux</p></html>'
    make({"docs/a.md": "# One\n", "docs/b.html": french, "docs/logo.png": "PNG"})
    call = ("translate", "docs", "-s", "en", "-t", "de", "-o", "out", "--json", *strict)
    result = tformer(*call)
    assert result.status == status and tree("out") == {"a.md": "# ONE\n"}
    reports = {r.get("input"): r for r in map(json.loads, result.out.splitlines())}
    (warning,) = reports["docs/b.html"]["warnings"]
    assert warning["text"].startswith("left out: is in fr, neither en nor de")
    assert not reports["docs/logo.png"]["warnings"] and reports[None]["warnings"] == 1


def test_others_are_copied_if_wanted(tformer: Tformer) -> None:
    make({**DOCS, "docs/logo.png": "PNG"})
    tformer("translate", "docs", "-t", "de", "-o", "docs.de", "--copy-others")
    assert tree("docs.de") == {**SHOUTED, "logo.png": "PNG"}


def test_a_pattern_keeps_the_places_below_it(tformer: Tformer) -> None:
    make({**DOCS, "docs/sub/d.md": "# Four\n"})
    assert tformer("translate", "docs/**/*.md", "-t", "de", "-o", "out").status == 0
    assert tree("out") == {"a.md": "# ONE\n", "sub/d.md": "# FOUR\n"}


def test_several_files_go_into_one_folder(tformer: Tformer) -> None:
    make({"x/a.md": "# One\n", "y/b.txt": "two\n"})
    assert tformer("translate", "x/a.md", "y/b.txt", "-t", "de", "-o", "out/").status == 0
    assert tree("out") == {"a.md": "# ONE\n", "b.txt": "TWO\n"}


def test_an_output_inside_the_input_is_passed_over(tformer: Tformer) -> None:
    make({"docs/a.md": "# One\n"})
    for _ in range(2):
        tformer("translate", "docs", "-t", "de", "-o", "docs/de", "--force")
    assert tree("docs") == {"a.md": "# One\n", "de/a.md": "# ONE\n"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        pytest.param(["docs"], ExitStatus.INPUT, "docs: is a folder", id="no output"),
        pytest.param(["docs", "-o", "docs"], ExitStatus.USAGE, "be overwritten", id="itself"),
        pytest.param(
            ["docs/a.md", "-o", "docs/"], ExitStatus.USAGE, "overwritten", id="its folder"
        ),
        pytest.param(["docs", "x", "-o", "out"], ExitStatus.USAGE, "both become", id="collision"),
        pytest.param(["docs", "-", "-o", "out"], ExitStatus.USAGE, "stdin has no", id="stdin"),
        pytest.param(["docs", "-o", "x/a.md"], ExitStatus.OUTPUT, "x/a.md: cannot be", id="file"),
        pytest.param(["*.md", "-o", "out"], ExitStatus.INPUT, "no file matches", id="no match"),
        pytest.param(["docs/**x", "-o", "out"], ExitStatus.USAGE, "not a pattern", id="pattern"),
        pytest.param(["docs", "-o", "out", "--format", "po"], 2, "for files", id="format"),
        pytest.param(["docs", "-o", "out", "--n-best", "2"], 2, "one by one", id="n-best"),
        pytest.param(["docs", "-o", "o", "--resume", "--force"], 2, "choose", id="resume or force"),
        pytest.param(["docs/a.md", "--resume"], 2, "--resume is for files", id="resume stdout"),
        pytest.param(["docs/a.md", "--in-place"], 2, "no room for", id="in place"),
        pytest.param(["docs", "--in-place", "-o", "x"], 2, "leave --output", id="in place, output"),
        pytest.param(["docs/a.md", "--copy-others"], 2, "for folders", id="copy"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    tformer: Tformer, arguments: list[str], status: int, message: str
) -> None:
    make({"docs/a.md": "# One\n", "x/a.md": "# Another\n"})
    before = tree(".")
    result = tformer("translate", "-t", "de", *arguments)
    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("error: ") and message in result.err
    assert result.err.count("\n") == 1
    assert tree(".") == before


# --- in place ------------------------------------------------------------------------------------


def test_in_place_fills_what_is_missing_and_keeps_what_was(tformer: Tformer) -> None:
    make({"locale/de.po": PO, "locale/readme.md": "# No"})
    Path("locale/de.po").chmod(0o640)
    result = tformer("translate", "locale", "--in-place", "-t", "de")
    assert result.status == 0
    assert tree("locale") == {"de.po": FILLED, "de.po.bak": PO, "readme.md": "# No"}
    assert Path("locale/de.po.bak").stat().st_mode & 0o777 == 0o640
    assert Path("locale/de.po").stat().st_mode & 0o777 == 0o640
    again = tformer("translate", "locale", "--in-place", "-t", "de")
    assert again.status == ExitStatus.NOTHING
    assert "files: 1 up to date; " in again.err
    assert tree("locale")["de.po.bak"] == PO
    tformer("translate", "locale", "--in-place", "-t", "de", "--retranslate", "review")
    assert tree("locale")["de.po.bak"] == PO, "a run that changes nothing keeps the backup"


def test_in_place_without_a_backup(tformer: Tformer) -> None:
    make({"de.po": PO})
    assert tformer("translate", "de.po", "--in-place", "--no-backup", "-t", "de").status == 0
    assert tree(".") == {"de.po": FILLED}


@pytest.mark.parametrize(
    ("which", "target"), [("none", "Zu"), ("review", "CLOSE"), ("all", "CLOSE")]
)
def test_what_there_is_is_translated_again_if_wanted(
    tformer: Tformer, which: str, target: str
) -> None:
    fuzzy = '#, fuzzy\nmsgid "Close"\nmsgstr "Zu"\n'
    approved = '\nmsgid "Open"\nmsgstr "Auf"\n'
    make({"de.po": fuzzy + approved, "a.tsv": "Open\tAuf\n"})
    result = tformer("translate", "de.po", "-t", "de", "--retranslate", which)
    assert f'msgstr "{target}"' in result.out
    assert ('msgstr "Auf"' in result.out) is (which != "all")
    bitext = tformer("translate", "a.tsv", "-t", "de", "--retranslate", which).out
    assert bitext == ("Open\tOPEN\n" if which == "all" else "Open\tAuf\n")


# --- what is up to date --------------------------------------------------------------------------


class Counting(FakeTranslator):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def translate(self, texts: Iterable[str], **settings: Any) -> Iterator[Translation]:
        for text in texts:
            self.texts.append(text)
            yield from super().translate([text], **settings)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    translator = Counting()
    monkeypatch.setattr(loading, "load_translator", lambda model, place: translator)
    return translator


def test_only_what_changed_is_translated_again(tformer: Tformer, counting: Counting) -> None:
    make(DOCS)
    call = ("translate", "docs", "-t", "de", "-o", "out")
    assert tformer(*call).status == 0
    assert sorted(counting.texts) == ["One", "three", "two"]
    counting.texts.clear()
    again = tformer(*call)
    assert (again.status, counting.texts) == (ExitStatus.NOTHING, [])
    assert "files: 3 up to date" in again.err
    make({"docs/a.md": "# New\n"})
    assert tformer(*call).status == 0
    assert counting.texts == ["New"]
    assert tree("out") == {**SHOUTED, "a.md": "# NEW\n"}


def test_other_settings_make_all_anew_and_so_does_force(
    tformer: Tformer, counting: Counting
) -> None:
    make(DOCS)
    call = ("translate", "docs", "-t", "de", "-o", "out")
    for more, number in [((), 3), (("--beam-size", "2"), 3), (("--beam-size", "2"), 0)]:
        counting.texts.clear()
        tformer(*call, *more)
        assert len(counting.texts) == number
    tformer(*call, "--beam-size", "2", "--force")
    assert len(counting.texts) == 3


def test_what_a_person_improved_is_kept(tformer: Tformer) -> None:
    make(DOCS)
    call = ("translate", "docs", "-t", "de", "-o", "out")
    tformer(*call)
    make({"out/a.md": "# Eins\n"})
    assert tformer(*call).status == ExitStatus.NOTHING
    make({"docs/a.md": "# New\n", "docs/sub/c.txt": "four"})
    result = tformer(*call)
    assert result.status == ExitStatus.OUTPUT
    assert "out/a.md: was not made by an earlier run, or was changed since" in result.err
    assert tree("out") == {**SHOUTED, "a.md": "# Eins\n", "sub/c.txt": "FOUR"}
    assert tformer(*call, "--force").status == 0
    assert tree("out")["a.md"] == "# NEW\n"


def test_a_file_that_was_there_before_is_not_overwritten(tformer: Tformer) -> None:
    make({**DOCS, "out/a.md": "mine"})
    result = tformer("translate", "docs", "-t", "de", "-o", "out")
    assert result.status == ExitStatus.OUTPUT
    assert tree("out") == {**SHOUTED, "a.md": "mine"}


# --- bad files -----------------------------------------------------------------------------------


def test_a_bad_file_does_not_stop_the_others(tformer: Tformer) -> None:
    make({**DOCS, "docs/b.json": "{", "docs/bad.xlf": "<xliff"})
    result = tformer("translate", "docs", "-t", "de", "-o", "out")
    assert result.status == ExitStatus.INPUT
    assert "error: docs/b.json:1: not JSON" in result.err
    assert "error: docs/bad.xlf:1: " in result.err
    assert "files: 3 translated, 2 failed" in result.err
    assert tree("out") == SHOUTED


def test_a_file_that_disappears_midway_is_reported(
    tformer: Tformer, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(DOCS)
    shout = translator._translation

    def remove(text: str, *arguments: Any) -> Translation:
        Path("docs/sub/b.html").unlink(missing_ok=True)
        return shout(text, *arguments)

    monkeypatch.setattr(translator, "_translation", remove)
    result = tformer("translate", "docs", "-t", "de", "-o", "out")
    assert result.status == ExitStatus.INPUT
    assert "error: docs/sub/b.html: cannot be read: No such file or directory\n" in result.err
    assert tree("out") == {"a.md": "# ONE\n", "sub/c.txt": "THREE"}


def test_a_broken_model_stops_all(tformer: Tformer) -> None:
    make({"docs/a.md": "damaged", "docs/b.md": "fine"})
    result = tformer("translate", "docs", "-t", "de", "-o", "out")
    assert (result.status, tree("out")) == (ExitStatus.MODEL, {})


@pytest.fixture
def powerless(tformer: Tformer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of somebody who is not root, and be that one there."""
    make({"warm/a.md": "text", "warm/b.txt": "text"})
    tformer("translate", "warm", "-t", "de", "-o", "out")  # nothing more is imported after this
    monkeypatch.setattr(Setup, "_model_digest", lambda setup: "where nobody may look")
    with TemporaryDirectory() as folder:
        monkeypatch.chdir(folder)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
            yield
            os.seteuid(0)
        else:
            yield
        for path in Path(folder).rglob("*"):
            path.chmod(0o700)


@pytest.mark.usefixtures("powerless")
def test_what_may_not_be_read_is_reported(tformer: Tformer) -> None:
    make({**DOCS, "docs/closed/x.md": "# No\n"})
    Path("docs/a.md").chmod(0)
    Path("docs/closed").chmod(0)
    result = tformer("translate", "docs", "-t", "de", "-o", "out")
    assert result.status == ExitStatus.INPUT
    assert "error: docs/a.md: cannot be read: Permission denied\n" in result.err
    assert "error: docs/closed: cannot be read: Permission denied\n" in result.err
    assert tree("out") == {"sub/b.html": "<p>TWO</p>\n", "sub/c.txt": "THREE"}


@pytest.mark.usefixtures("powerless")
def test_where_nothing_may_be_written_nothing_is_lost(tformer: Tformer) -> None:
    make({**DOCS, "out/a.md": "old", "locale/de.po": PO})
    for folder in ("out", "locale"):
        Path(folder).chmod(0o500)
    for call in [
        ("docs", "-o", "out", "--force"),
        ("docs", "-o", "out/sub"),
        ("docs/a.md", "-o", "out/a.md"),
        ("docs/sub/c.txt", "-o", "out/c"),
        ("locale", "--in-place"),
    ]:
        result = tformer("translate", "-t", "de", *call)
        assert result.status == ExitStatus.OUTPUT, call
        assert "Permission denied" in result.err
    assert (tree("out"), tree("locale")) == ({"a.md": "old"}, {"de.po": PO})


def test_what_is_read_only_is_not_replaced(tformer: Tformer) -> None:
    make({**DOCS, "out.md": "old", "de.po": PO, "out/a.md": "old"})
    for path in ("out.md", "de.po", "out/a.md"):
        Path(path).chmod(0o444)
    for call in [
        ("docs/a.md", "-o", "out.md"),
        ("docs/sub/c.txt", "-o", "out.md"),
        ("de.po", "--in-place"),
        ("docs", "-o", "out", "--force"),
    ]:
        result = tformer("translate", "-t", "de", *call)
        assert result.status == ExitStatus.OUTPUT, call
        assert ": cannot be written: it is read-only\n" in result.err
    assert tree(".") == {**DOCS, "out.md": "old", "de.po": PO, "out/a.md": "old"} | {
        f"out/{name}": text for name, text in SHOUTED.items() if name != "a.md"
    }


@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_a_folder_that_is_missing_is_named(tformer: Tformer, name: str) -> None:
    make({name: "One\n"})
    result = tformer("translate", name, "-t", "de", "-o", "no/such/out")
    assert result.status == ExitStatus.OUTPUT
    assert result.err.count("\n") == 1
    assert "no/such/out: cannot be written: there is no folder " in result.err


def test_an_output_that_is_a_folder_is_reported(tformer: Tformer) -> None:
    make({**DOCS, "out/a.md/x": "a folder"})
    result = tformer("translate", "docs", "-t", "de", "-o", "out", "--force")
    assert result.status == ExitStatus.OUTPUT
    assert "error: out/a.md: is a folder\n" in result.err
    assert tree("out") == {"a.md/x": "a folder", "sub/b.html": "<p>TWO</p>\n", "sub/c.txt": "THREE"}


# --- links and names -----------------------------------------------------------------------------


def test_links_lead_nowhere_outside(tformer: Tformer) -> None:
    make({"docs/a.md": "# One\n", "secret/s.md": "# Secret\n", "docs/sub/b.md": "# Two\n"})
    for link, target in [
        ("docs/loop", ".."),
        ("docs/out.md", "../secret/s.md"),
        ("docs/folder", "../secret"),
        ("docs/circle.md", "circle.md"),
        ("docs/nothing.md", "gone.md"),
        ("docs/inside.md", "sub/b.md"),
    ]:
        Path(link).symlink_to(target)
    os.mkfifo("docs/pipe.md")
    result = tformer("translate", "docs", "-t", "de", "-o", "out", "--json")
    assert result.status == 0
    assert tree("out") == {"a.md": "# ONE\n", "inside.md": "# TWO\n", "sub/b.md": "# TWO\n"}
    reports = [json.loads(line) for line in result.out.splitlines()]
    assert {r["input"]: r["reason"] for r in reports[:-1] if r["outcome"] == "left out"} == {
        "docs/loop": "is a link to a folder",
        "docs/folder": "is a link to a folder",
        "docs/out.md": "is a link out of the folder",
        "docs/circle.md": "is a link to nothing",
        "docs/nothing.md": "is a link to nothing",
        "docs/pipe.md": "is no file",
    }


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_links_in_the_output_lead_nowhere_outside(tformer: Tformer, force: tuple[str]) -> None:
    make({"docs/a.md": "# One\n", "docs/sub/b.md": "# Two\n", "other/a.md": "old"})
    Path("out").mkdir()
    Path("out/sub").symlink_to("../other")
    Path("out/a.md").symlink_to("../other/a.md")
    result = tformer("translate", "docs", "-t", "de", "-o", "out", *force)
    assert result.status == ExitStatus.OUTPUT
    assert "error: out/sub/b.md: a link leads out of out\n" in result.err
    assert tree("other") == {"a.md": "old"}


def test_names_of_any_bytes(tformer: Tformer) -> None:
    names = [b"new\nline.md", b"\xff\xfe.md", b"[red]x.md", b"-o.md", b"x" * 250 + b".md"]
    Path("docs").mkdir()
    for name in names:
        Path("docs", os.fsdecode(name)).write_text("split\n")
    result = tformer("translate", "docs", "-t", "de", "-o", "out", "--json")
    assert result.status == 0
    assert sorted(os.listdir(b"out")) == sorted([*names, MANIFEST.encode()])
    assert len(result.out.splitlines()) == len(names) + 1
    assert result.err.count("\n") == len(names) + 1
    assert tformer("translate", "docs", "-t", "de", "-o", "out").status == ExitStatus.NOTHING


# --- what is said at the end ---------------------------------------------------------------------


def test_json_tells_of_every_file_and_sums_up(tformer: Tformer) -> None:
    make({"docs/a.md": "# One two\n\nsplit\n", "docs/b.json": "{", "docs/c.png": ""})
    result = tformer("translate", "docs", "-t", "de", "-o", "out", "--json")
    assert result.status == ExitStatus.INPUT
    reports = {r.get("input"): r for r in map(json.loads, result.out.splitlines())}
    assert reports["docs/a.md"] == {
        "kind": "file",
        "input": "docs/a.md",
        "output": "out/a.md",
        "outcome": "translated",
        "reason": "",
        "segments": 2,
        "kept": 0,
        "words": 3,
        "warnings": [{"place": "split", "text": "was split"}],
    }
    summary = reports[None]
    assert summary.pop("seconds") >= 0
    assert summary == {
        "kind": "summary",
        "status": 3,
        "files": {"translated": 1, "copied": 0, "up to date": 0, "left out": 1, "failed": 1},
        "segments": 2,
        "kept": 0,
        "words": 3,
        "warnings": 1,
    }


@pytest.mark.parametrize(
    ("text", "strict", "status"),
    [("fine", True, 0), ("split", False, 0), ("split", True, ExitStatus.FLAGGED)],
)
def test_strict_tells_of_warnings(tformer: Tformer, text: str, strict: bool, status: int) -> None:
    make({"docs/a.md": text, "a.txt": text})
    more = ["--strict"] if strict else []
    assert tformer("translate", "docs", "-t", "de", "-o", "out", *more).status == status
    assert tformer("translate", "docs/a.md", "-t", "de", *more).status == status
    assert tformer("translate", "a.txt", "-t", "de", *more).status == status


def test_one_file_ends_with_a_summary_too(tformer: Tformer) -> None:
    make({"a.md": "# One\n", "a.txt": "one two\n"})
    for name in ("a.md", "a.txt"):
        result = tformer("translate", name, "-t", "de", "-o", "out")
        assert result.err.startswith("note: files: 1 translated; segments: 1; words: ")


def test_nothing_is_left_beside_the_output(tformer: Tformer) -> None:
    make({"a.txt": "one\n"})
    tformer("translate", "a.txt", "-t", "de", "-o", "b.txt")
    assert set(tree(".")) == {"a.txt", "b.txt"}
    assert not journal_path(Path("b.txt")).exists()
