"""`tformer attention`: grids in the terminal, as JSON, as an image, as a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fake_translator import Tformer
from tiny import tiny_transformer

from tformer.cli import loading
from tformer.cli.exits import ExitStatus
from tformer.model.config import AlignmentHeads
from tformer.model.network.eager import Eager
from tformer.model.pipeline.torch_scorer import PlainAligner
from tformer.model.pipeline.translator import Translator
from tformer.model.vocabulary.sentencepiece import Vocabulary

TEXT = "A dog runs on the beach."

HOSTILE = '</script><img src=x onerror="hacked=1"> {{script}} $& \u202e א'


@pytest.fixture(autouse=True)
def translator(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> Translator:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    heads = AlignmentHeads(1, (1,), reads=True)
    made = Translator(
        Eager(transformer),
        vocabulary,
        open_aligner=lambda: PlainAligner(transformer, vocabulary, heads),
    )
    monkeypatch.setattr(loading, "load_translator", lambda model, device: made)
    return made


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


def record(tformer: Tformer, *options: object) -> dict[str, object]:
    result = tformer("attention", TEXT, "-s", "en", "--json", *options)
    assert (result.status, result.err) == (0, "")
    found: dict[str, object] = json.loads(result.out)
    return found


# --- the terminal --------------------------------------------------------------------------------


def cells(line: str, left: int, count: int) -> list[int]:
    """The tenths of a row."""
    row = line[left:].ljust(3 * count)
    return [int(row[3 * j : 3 * j + 3].strip() or 0) for j in range(count)]


def test_without_colour_cells_are_tenths(tformer: Tformer) -> None:
    wanted = record(tformer)
    result = tformer("attention", TEXT, "-s", "en", "--layer", "0", "--head", "1")
    assert "\x1b" not in result.out
    assert "decoder to encoder, layer 0, head 1, by piece predicted" in result.out
    weights = np.array(wanted["attention"]["cross"][0][1])  # type: ignore[index]
    lines = [line for line in result.out.splitlines() if line.endswith(" %")]
    assert len(lines) == len(weights)
    left = max(line.index(" ") for line in lines)
    names = [piece.replace("▁", "·")[:14] for piece in wanted["target_pieces"]]  # type: ignore[attr-defined]
    left = max(map(len, names)) + 1
    for line, row in zip(lines, weights, strict=True):
        tenths = [min(9, int(10 * weight + 0.5)) for weight in row]
        assert cells(line, left, len(row)) == tenths


def test_the_heads_that_align_are_shown_if_none_are_named(tformer: Tformer) -> None:
    assert "layer 1, head 1, by piece read" in tformer("attention", TEXT, "-s", "en").out
    assert (
        "layer 0, mean of heads, by piece predicted"
        in tformer("attention", TEXT, "-s", "en", "--layer", "0").out
    )
    assert (
        "encoder to itself, layer 0, mean of heads\n"
        in tformer("attention", TEXT, "-s", "en", "--kind", "encoder").out
    )


def test_a_narrow_terminal_gets_several_grids(
    tformer: Tformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = tformer("attention", TEXT, "-s", "en").out
    monkeypatch.setenv("COLUMNS", "40")
    narrow = tformer("attention", TEXT, "-s", "en").out
    grids = [line for line in narrow.splitlines() if line.lstrip().startswith("<s>")]
    assert len(grids) > 1
    assert max(map(len, grids)) <= 40
    (whole,) = [line for line in wide.splitlines() if line.lstrip().startswith("<s>")]
    assert re.findall(r"\d", "".join(grids)) == re.findall(r"\d", whole)


def test_with_colour_the_ground_of_a_cell_tells_its_weight(
    tformer: Tformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    result = tformer("attention", TEXT, "-s", "en")
    assert len(set(re.findall(r"48;2;\d+;\d+;\d+", result.out))) > 3


def test_a_text_cannot_command_the_terminal(tformer: Tformer) -> None:
    result = tformer("attention", "the \x1b[31m dog \x9b5m \u202e runs", "-s", "en")
    assert result.status == 0
    assert "\x1b" not in result.out and "\x9b" not in result.out and "\u202e" not in result.out


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layer", "2"], "layer must be between 0 and 1, not 2"),
        (["--head", "-1"], "head must be between 0 and 1, not -1"),
        (["--kind", "encoder", "--layer", "1"], "layer must be between 0 and 0, not 1"),
        (["--beam-size", "0"], "beam_size must be between 1 and 64, not 0"),
        (["--json", "--png", "x.png"], "--json prints what --html and --png draw"),
        (["-t", "fr"], "the language 'fr'; it has"),
    ],
)
def test_wrong_calls_are_refused(tformer: Tformer, options: list[str], message: str) -> None:
    result = tformer("attention", TEXT, *options)
    assert (result.status, result.out) == (ExitStatus.USAGE, "")
    assert message in result.err


def test_a_page_that_cannot_be_written_is_an_error(tformer: Tformer, tmp_path: Path) -> None:
    result = tformer("attention", TEXT, "-s", "en", "--html", tmp_path / "no" / "page.html")
    assert result.status == ExitStatus.OUTPUT


# --- files ---------------------------------------------------------------------------------------


def test_json_has_it_all(tformer: Tformer) -> None:
    found = record(tformer, "--beam-size", "3")
    assert len(found["hypotheses"]) == 3  # type: ignore[arg-type]
    assert {"cross", "encoder", "decoder"} == set(found["attention"])  # type: ignore[call-overload]
    fates = {candidate["fate"] for step in found["steps"] for candidate in step}  # type: ignore[attr-defined]
    assert fates == {"kept", "finished", "pruned"}


def test_an_image_is_a_png_of_the_grid(tformer: Tformer, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "grid.png"
    result = tformer("attention", f"{TEXT} $x^2$ 北", "-s", "en", "--png", file)
    assert (result.status, result.out, result.err) == (0, "", "")
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert width > 300 and height > 300


def test_without_matplotlib_the_message_says_what_to_install(
    tformer: Tformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    result = tformer("attention", TEXT, "-s", "en", "--png", tmp_path / "grid.png")
    assert result.status == ExitStatus.USAGE
    assert "pip install 'tformer[png]'" in result.err
    assert not (tmp_path / "grid.png").exists()


class Outline(HTMLParser):
    """The tags of a page, with what stands in scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.bodies: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.bodies.append(data)


def outline(tformer: Tformer, file: Path, text: str) -> Outline:
    assert tformer("attention", text, "-s", "en", "--html", file).status == 0
    found = Outline()
    found.feed(file.read_text("utf-8"))
    return found


@pytest.mark.parametrize("text", [TEXT, HOSTILE, "a lone \ud800 surrogate"])
def test_a_page_is_alone_in_the_world_and_hostile_text_stays_text(
    tformer: Tformer, tmp_path: Path, text: str
) -> None:
    found = outline(tformer, tmp_path / "page.html", text)
    tags = [tag for tag, _ in found.tags]
    assert (tags.count("script"), tags.count("style"), tags.count("img")) == (2, 1, 0)
    for _, attributes in found.tags:
        assert not {"src", "href", "style", "onclick", "onerror"} & set(attributes)
    style, data, script = found.bodies
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", style + script)
    (policy,) = [a["content"] for tag, a in found.tags if tag == "meta" and "http-equiv" in a]
    assert policy is not None
    for part in (style, script):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert json.loads(data)["source"] == text


def test_weights_in_a_page_are_those_of_the_network(tformer: Tformer, tmp_path: Path) -> None:
    found = outline(tformer, tmp_path / "page.html", TEXT)
    packed = json.loads(found.bodies[1])["attention"]
    wanted = record(tformer)["attention"]
    for kind, weights in wanted.items():  # type: ignore[attr-defined]
        bits = np.frombuffer(base64.b64decode(packed[kind]["weights"]), "<u2") / 65535
        shape = tuple(packed[kind][name] for name in ("layers", "heads", "rows", "columns"))
        assert bits.reshape(shape) == pytest.approx(np.array(weights), abs=1e-5)
