"""Parameters as arrays: the same as torch reads, whatever the file holds, and errors that tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tformer.model.checkpoint.weights import FILE, StoredWeights, parameter_shapes
from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError
from tformer.model.network.int8.network import Int8
from tformer.model.network.transformer import Transformer

CONFIG = TransformerConfig(
    vocab_size=30, d_model=16, num_heads=2, d_ff=20, num_encoder_layers=2, num_decoder_layers=1
)
SHAPES = {
    "post": CONFIG,
    "pre": replace(CONFIG, norm="pre"),
    "two vocabularies": replace(CONFIG, target_vocab_size=9, logits_bias=True),
    "marian": replace(CONFIG, logits_bias=True, positions="concatenated", activation="silu"),
}


def stored(folder: Path, config: TransformerConfig, dtype: torch.dtype) -> Transformer:
    """Write the parameters of a random network; the network, rounded to what was written."""
    torch.manual_seed(4)
    network = Transformer(config).to(dtype).float().eval()
    save_file({name: p.to(dtype) for name, p in network.state_dict().items()}, folder / FILE)
    return network


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_names_and_shapes_are_those_of_the_network(config: TransformerConfig) -> None:
    shapes = {name: tuple(p.shape) for name, p in Transformer(config).state_dict().items()}
    assert parameter_shapes(config) == shapes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_what_is_stored_is_read_in_any_dtype(tmp_path: Path, dtype: torch.dtype) -> None:
    network = stored(tmp_path, CONFIG, dtype)
    arrays, expected = StoredWeights(CONFIG, tmp_path).arrays(), network.arrays()
    assert sorted(arrays) == sorted(expected) and len(arrays) == len(expected)
    for name, array in arrays.items():
        assert (array.astype(np.float32) == expected[name]).all()
    assert arrays.get("logits_bias") is None


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_int8_from_a_file_is_int8_from_the_network(
    tmp_path: Path, config: TransformerConfig
) -> None:
    network = stored(tmp_path, config, torch.float16)
    sources, tokens = [[5, 6, 7], [8, 2]], np.array([1, 1, 1, 1])
    scores = []
    for weights in (network, StoredWeights(config, tmp_path)):
        decoding = Int8(weights).start(2)
        decoding.admit(sources)
        scores.append(decoding.step(tokens).best(5)[0])
    assert np.array_equal(*scores)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_ff": 24}, "feed_forward.inner.bias is 20, and the network needs 24"),
        ({"num_encoder_layers": 3}, r"encoder\.2\.\S+ is none, and the network needs 16"),
        ({"num_encoder_layers": 1}, r"encoder\.1\.\S+ is 16, and the network needs none"),
        ({"vocab_size": 31}, "embedding.weight is 30 x 16, and the network needs 31 x 16"),
    ],
    ids=["wider", "deeper", "shallower", "more-pieces"],
)
def test_parameters_of_another_shape_are_refused(
    tmp_path: Path, changes: dict[str, int], message: str
) -> None:
    stored(tmp_path, CONFIG, torch.float16)
    with pytest.raises(ModelError, match=f"do not fit config.json: .*{message}") as caught:
        Int8(StoredWeights(replace(CONFIG, **changes), tmp_path))
    assert str(caught.value).startswith(str(tmp_path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"nonsense"], ids=["missing", "empty", "text"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors: (cannot be read|damaged)") as caught:
        StoredWeights(CONFIG, tmp_path).arrays()
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_off_is_damaged(tmp_path: Path) -> None:
    stored(tmp_path, CONFIG, torch.float16)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:-10])
    with pytest.raises(ModelError, match=r"model\.safetensors: damaged"):
        StoredWeights(CONFIG, tmp_path).arrays()
