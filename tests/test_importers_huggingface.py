"""Models written for the package transformers compute there what they compute here."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.config import TransformerConfig
from tformer.model.convert.huggingface import (
    export_transformers,
    load_transformers,
    transformers_model,
)
from tformer.model.errors import UsageError
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.network.transformer import Transformer
from tformer.model.vocabulary.sentencepiece import Vocabulary

SHAPE = TransformerConfig(
    vocab_size=40,
    d_model=16,
    num_heads=2,
    d_ff=24,
    num_encoder_layers=2,
    num_decoder_layers=1,
    max_length=32,
)


def random_network(config: TransformerConfig) -> Transformer:
    """A network whose every parameter matters."""
    torch.manual_seed(3)
    network = Transformer(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def assert_same_logits(network: Transformer, theirs: Any, vocab_size: int) -> None:
    lengths = torch.tensor([9, 5])
    source = torch.randint(4, 40, (2, 9), generator=torch.Generator().manual_seed(1))
    source[1, 5:] = network.config.pad_id
    target = torch.randint(4, vocab_size, (2, 7), generator=torch.Generator().manual_seed(2))
    target[:, 0] = network.config.bos_id
    mask = (torch.arange(9) < lengths[:, None]).long()
    with torch.inference_mode():
        ours = network(source, lengths, target)
        found = theirs(input_ids=source, attention_mask=mask, decoder_input_ids=target).logits
    torch.testing.assert_close(found, ours, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="paper"),
        pytest.param({"norm": "pre"}, id="pre-norm"),
        pytest.param({"norm": "pre", "activation": "gelu", "scale_embedding": False}, id="gelu"),
        pytest.param({"positions": "concatenated", "logits_bias": True}, id="bias"),
        pytest.param({"target_vocab_size": 30, "activation": "silu"}, id="two-vocabularies"),
    ],
)
def test_logits_are_ours(changes: dict[str, Any]) -> None:
    network = random_network(replace(SHAPE, **changes))
    theirs = transformers_model(network)
    assert_same_logits(network, theirs, network.config.target_vocab_size or 40)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_logits_are_ours_after_saving_and_loading(
    tmp_path: Path, vocabulary: Vocabulary, norm: str
) -> None:
    config = replace(SHAPE, vocab_size=len(vocabulary), norm=norm)  # type: ignore[arg-type]
    network = random_network(config)
    facts = ModelFacts("random", vocabulary.languages)
    parameters = network.state_dict()
    save_model(tmp_path / "ours", parameters, config, vocabulary, facts, dtype=torch.float32)
    export_transformers(tmp_path / "ours", tmp_path / "theirs")
    theirs = load_transformers(tmp_path / "theirs", torch.float32, torch.device("cpu"))
    assert_same_logits(network, theirs, 40)


@pytest.mark.parametrize("changes", [{"logits_bias": True}, {"target_vocab_size": 30}])
def test_what_no_model_of_theirs_computes_is_refused(changes: dict[str, Any]) -> None:
    network = random_network(replace(SHAPE, norm="pre", **changes))
    with pytest.raises(UsageError, match="no pre-norm model"):
        transformers_model(network)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match="run `pip install transformers`"):
        transformers_model(random_network(SHAPE))
