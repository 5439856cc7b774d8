"""Networks that depart from the paper's: decoding a position at a time against whole sequences."""

import math
from dataclasses import replace

import pytest
import torch

from tformer.model.checkpoint.weights import parameter_shapes
from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError
from tformer.model.network.positions import sinusoidal_positions
from tformer.model.network.variants import build

BASE = TransformerConfig(
    vocab_size=20,
    d_model=16,
    num_heads=2,
    d_ff=24,
    num_encoder_layers=2,
    num_decoder_layers=2,
    max_length=40,
)
T5 = replace(
    BASE,
    positions="relative",
    biases=False,
    gated=True,
    activation="gelu_tanh",
    norm="pre",
    norm_kind="rms",
    norm_epsilon=1e-6,
    head_width=12,
    own_output=True,
    num_buckets=8,
    max_distance=16,
)
MBART = replace(
    BASE,
    positions="learned",
    norm="pre",
    embedding_norm=True,
    own_output=True,
    target_vocab_size=30,
)
DOT, ADDITIVE = replace(BASE, attention="dot_product"), replace(BASE, attention="additive")
BERGAMOT = replace(BASE, look_back="ssru", positions="tensor2tensor", logits_bias=True)


@pytest.mark.parametrize(
    "config",
    [T5, MBART, BERGAMOT, DOT, ADDITIVE],
    ids=["t5", "mbart", "bergamot", "dot-product", "additive"],
)
def test_steps_compute_what_the_whole_sequence_does(config: TransformerConfig) -> None:
    network = build(config).eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == parameter_shapes(config)
    for parameter in network.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    source, lengths = torch.randint(3, 20, (3, 9)), torch.tensor([9, 5, 7])
    target = torch.randint(3, 20, (6, 20))
    with torch.inference_mode():
        wanted = network(source.repeat_interleave(2, 0), lengths.repeat_interleave(2), target)
        cache = network.start_cache(network.encode(source, lengths), beam_size=2)
        found = []
        rows = torch.arange(6)
        for step in range(20):
            found.append(network.decode(target[:, step], cache)[rows.argsort()])
            swapped = torch.tensor([1, 0, 2, 3, 5, 4])  # the rows of a cache move, states with them
            cache.select(swapped)
            rows, target = rows[swapped], target[swapped]
        torch.testing.assert_close(torch.stack(found, 1), wanted, atol=1e-5, rtol=1e-5)


def test_positions_of_tensor2tensor_count_from_where_they_are_told() -> None:
    first, later = (sinusoidal_positions(5, 8, "tensor2tensor", first) for first in (0, 2))
    assert (first[2:] == later[:3]).all()
    assert first[1, 3] == pytest.approx(math.sin(1e-4))
    assert (first[:, 4:][0] == 1).all()


def test_a_recurrent_decoder_has_computed_positions() -> None:
    with pytest.raises(ModelError, match="recurrent"):
        build(replace(BERGAMOT, positions="relative"))
