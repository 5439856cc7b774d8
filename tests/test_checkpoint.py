"""Model directories: what is saved is loaded, and damage is one line that names the file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import tiny_transformer

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError, OutputError
from tformer.model.network.torch_checkpoint import load_model, save_model
from tformer.model.network.transformer import Transformer
from tformer.model.vocabulary.sentencepiece import Vocabulary

CPU = torch.device("cpu")
FACTS = ModelFacts("tiny", ("en", "de"), licence="Apache-2.0", training={"step": 7})


def save(path: Path, vocabulary: Vocabulary, seed: int = 1) -> Transformer:
    network = tiny_transformer(seed, len(vocabulary), dtype=torch.float32)
    parameters = dict(network.named_parameters())
    save_model(path, parameters, network.config, vocabulary, FACTS)
    return network


@pytest.fixture
def model(tmp_path: Path, vocabulary: Vocabulary) -> Path:
    save(tmp_path / "model", vocabulary)
    return tmp_path / "model"


def test_what_is_saved_is_loaded(tmp_path: Path, vocabulary: Vocabulary) -> None:
    network = save(tmp_path / "deep" / "model", vocabulary)
    loaded, loaded_vocabulary, facts = load_model(tmp_path / "deep" / "model", CPU, torch.float32)
    assert loaded.config == network.config
    for field in ("name", "languages", "licence", "training"):
        assert getattr(facts, field) == getattr(FACTS, field)
    assert loaded_vocabulary.pieces("A dog") == vocabulary.pieces("A dog")
    for name, parameter in network.named_parameters():
        rounded = parameter.half().float()  # stored in float16
        assert torch.equal(loaded.get_parameter(name), rounded)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert torch.equal(loaded.positions, network.positions)
    source, target = torch.tensor([[5, 9, 2]]), torch.tensor([[1, 7]])
    assert torch.isfinite(loaded(source, None, target)).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_a_model_is_loaded_in_the_dtype_asked_for(model: Path, dtype: torch.dtype) -> None:
    network, _, _ = load_model(model, CPU, dtype)
    assert {parameter.dtype for parameter in network.parameters()} == {dtype}


def test_saving_replaces_the_whole_directory(model: Path, vocabulary: Vocabulary) -> None:
    (model / "left-over").touch()
    network = save(model, vocabulary, seed=2)
    loaded, _, _ = load_model(model, CPU, torch.float32)
    weight = network.embedding.weight.half().float()
    assert torch.equal(loaded.embedding.weight, weight)
    assert sorted(path.name for path in model.iterdir()) == [
        "config.json",
        "model.safetensors",
        "sentencepiece.model",
    ]
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_what_cannot_be_written_leaves_the_old_model(
    model: Path, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (model / "model.safetensors").read_bytes()

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match=r"model: cannot be written .*No space left on device"):
        save(model, vocabulary, seed=2)
    assert (model / "model.safetensors").read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("name", ["model.safetensors", "sentencepiece.model", "config.json"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"], ids=["missing", "empty", "text"])
def test_damage_names_the_file(model: Path, name: str, content: bytes | None) -> None:
    (model / name).unlink()
    if content is not None:
        (model / name).write_bytes(content)
    with pytest.raises(ModelError, match=name.replace(".", r"\.")) as caught:
        load_model(model, CPU, torch.float32)
    assert "\n" not in str(caught.value)


def rewrite(model: Path, **changes: object) -> None:
    table = json.loads((model / "config.json").read_text())
    for key, value in changes.items():
        target = table["transformer"] if key in table["transformer"] else table
        target[key] = value
    (model / "config.json").write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "format 99 is unknown; a newer tformer may read it"),
        ({"d_ff": 64}, "the parameters do not fit"),
        ({"vocab_size": 7}, "the vocabulary has 340 pieces, the network 7"),
        ({"norm": "middle"}, "norm must be"),
        ({"experts": 8, "transformer": {"experts": 8}}, "unknown hyper-parameter 'experts'"),
    ],
    ids=["newer-format", "other-shapes", "other-vocabulary", "impossible", "newer-network"],
)
def test_parts_that_do_not_fit_are_refused(
    model: Path, changes: dict[str, object], message: str
) -> None:
    rewrite(model, **changes)
    with pytest.raises(ModelError, match=message):
        load_model(model, CPU, torch.float32)


def test_a_moved_model_still_loads(model: Path, tmp_path: Path) -> None:
    shutil.move(model, tmp_path / "elsewhere")
    network, _, _ = load_model(tmp_path / "elsewhere", CPU, torch.float32)
    assert isinstance(network.config, TransformerConfig)


def test_loading_does_not_import_what_takes_longer_than_all_the_rest(model: Path) -> None:
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from tformer.model.network.torch_checkpoint import load_model\n"
        "before = set(sys.modules)\n"
        f"load_model(Path({str(model)!r}), torch.device('cpu'), torch.float32)\n"
        "assert not {'torch._dynamo', 'sympy'} & (set(sys.modules) - before)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
