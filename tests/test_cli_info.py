"""`tformer info` tells what is in a model directory."""

import json
from pathlib import Path

import numpy
import pytest
from fake_translator import Tformer
from safetensors.numpy import save_file

from tformer.cli.exits import ExitStatus
from tformer.model.config import TransformerConfig

CONFIG = {
    "format": 1,
    "name": "tiny",
    "languages": ["en", "de"],
    "licence": "Apache-2.0",
    "transformer": TransformerConfig(vocab_size=10, d_model=4, num_heads=2).to_dict(),
    "training": {
        "step": 5000,
        "decaying": True,
        "scores": {
            "dev.en-de.BLEU": 30.52,
            "dev.en-de.chrF": 61.0,
            "dev.de-en.BLEU": 31,
            "mean": 9,
        },
        "data": {"pairs": 1_300_000},
    },
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    tensors = {"a": numpy.zeros((10, 4), "float16"), "b": numpy.zeros(3, "float16")}
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path


def test_text_is_for_people(tformer: Tformer, model: Path) -> None:
    shown = tformer("info", model).out.splitlines()
    rows = dict(line.split(maxsplit=1) for line in shown)
    assert rows["model"] == "tiny"
    assert rows["directory"] == str(model)
    assert rows["languages"] == "en, de"
    assert rows["licence"] == "Apache-2.0"
    assert rows["parameters"] == "43, stored as F16"
    assert rows["network"].startswith("6 encoder and 6 decoder layers, d_model 4, 2 heads")
    assert [line[12:] for line in shown[-4:-1]] == [
        "step 5,000, data pairs 1,300,000",
        "dev en-de: BLEU 30.5, chrF 61.0",
        "dev de-en: BLEU 31",
    ]


def test_json_is_for_programs(tformer: Tformer, model: Path) -> None:
    record = json.loads(tformer("info", model, "--json").out)
    assert record["parameters"] == 43
    assert record["training"] == CONFIG["training"]
    assert record["transformer"] == CONFIG["transformer"]
    assert record["bytes"] == sum(file.stat().st_size for file in model.iterdir())


def test_a_missing_model_is_one_line(tformer: Tformer, tmp_path: Path) -> None:
    result = tformer("info", tmp_path)
    assert result.status == ExitStatus.MODEL
    assert "no such model" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("damage", [b"", b"\x00" * 100], ids=["empty", "zeros"])
def test_damaged_parameters_are_one_line(tformer: Tformer, model: Path, damage: bytes) -> None:
    (model / "model.safetensors").write_bytes(damage)
    result = tformer("info", model)
    assert result.status == ExitStatus.MODEL
    assert "model.safetensors: damaged" in result.err
    assert result.err.count("\n") == 1
