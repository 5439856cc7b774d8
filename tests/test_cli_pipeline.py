"""The contract of a pipeline with a real translator; its network is tiny and knows nothing."""

import random
from pathlib import Path

import pytest
from fake_translator import Tformer
from tiny import tiny_model

KINDS = [
    b"",
    b" \t ",
    b"A dog runs on the beach.",
    b"Wo ist der Bahnhof? Da ist er.",
    b"  indented,\twith a tab",
    "猫が好きです。 שלום 👍🏽".encode(),
    b"\x00\x01\x1b[31m\x7f",
    b"\xff\xfe\xc3( and more",
    "one\u2028two\x85three\x0bfour\x0cfive\rsix".encode(),
    b"***",
    b"42",
    b"<2en> </s> <unk>",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models"))


def mixed_lines(number: int) -> bytes:
    """Lines of every kind in random order, a few of them very long, and no line feed at the end."""
    chance = random.Random(2017)
    chosen = [
        b"dog " * chance.randint(200, 500) if chance.random() < 0.002 else chance.choice(KINDS)
        for _ in range(number)
    ]
    endings = [chance.choice([b"\n", b"\n", b"\r\n"]) for _ in range(number - 1)]
    return b"".join(line + ending for line, ending in zip(chosen, [*endings, b""], strict=True))


def check(number: int, model: Path, path: Path, tformer: Tformer, *options: str) -> None:
    data = mixed_lines(number)
    path.write_bytes(data)
    call = ["translate", "-m", model, "-s", "en", "-t", "de", "--beam-size", "1", "--device", "cpu"]
    call += options
    from_file = tformer(*call, path).out.encode()
    from_pipe = tformer(*call, stdin=data).out.encode()

    assert from_pipe == from_file, "a translation depends on how its line came in"
    sources, targets = data.split(b"\n"), from_file.split(b"\n")
    assert len(targets) == len(sources) == number
    for source, target in zip(sources, targets, strict=True):
        assert target.endswith(b"\r") == source.endswith(b"\r")
        if source.strip() in (b"", b"***"):
            assert target == source


def test_hundreds_of_mixed_lines(model: Path, tmp_path: Path, tformer: Tformer) -> None:
    check(300, model, tmp_path / "text", tformer)


@pytest.mark.slow
def test_ten_thousand_mixed_lines(model: Path, tmp_path: Path, tformer: Tformer) -> None:
    # A random network says nothing that would not be worth a second look.
    check(10_000, model, tmp_path / "text", tformer, "--no-guard")


def test_a_cut_of_a_long_line_is_reported(model: Path, tformer: Tformer) -> None:
    result = tformer("translate", "-m", model, "-t", "de", "--beam-size", "1", stdin=b"dog " * 300)
    assert result.status == 0
    assert result.err.startswith("warning: stdin:1: ")


def test_the_other_commands_read_the_same_model(
    model: Path, tformer: Tformer, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("A dog runs on the beach.\n")
    files = [tmp_path / "text", tmp_path / "text"]
    assert "target tokens in" in tformer("evaluate", *files, "-m", model, "-t", "de").out
    assert "stored as F16" in tformer("info", model).out
