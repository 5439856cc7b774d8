"""Networks that depart from the paper's: decoding a position at a time against whole sequences."""

import math
from dataclasses import replace

import pytest
import torch

from tformer.model.checkpoint.weights import parameter_shapes
from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError
from tformer.model.network.kv_cache import in_blocks
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
RECURRENT = replace(BASE, architecture="recurrent", num_heads=1)
BERGAMOT = replace(BASE, look_back="ssru", positions="tensor2tensor", logits_bias=True)


@pytest.mark.parametrize(
    "config",
    [T5, MBART, BERGAMOT, DOT, ADDITIVE, RECURRENT, replace(RECURRENT, attention="additive")],
    ids=["t5", "mbart", "bergamot", "dot-product", "additive", "recurrent", "recurrent-additive"],
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


def test_a_recurrent_network_reads_sentences_alone_or_in_a_batch_alike() -> None:
    config = replace(BASE, architecture="recurrent", num_heads=1, d_model=48, max_length=64)
    network = build(config).eval()
    lengths = torch.tensor([1, 16, 17, 32, 5, 12, 30])
    sources = torch.randint(3, 20, (7, 32)) * (torch.arange(32) < lengths[:, None])
    with torch.inference_mode():
        together = network.encode(sources, lengths)
        caches = network.start_cache(together, 2)
        first = network.decode(torch.full((14,), 1), caches)
        for number in range(7):
            real = int(lengths[number])
            narrow = sources[number : number + 1, : in_blocks(real)]
            one = network.encode(narrow, lengths[number : number + 1])
            assert torch.equal(one.states[0, :real], together.states[number, :real])
            alone = network.decode(torch.full((2,), 1), network.start_cache(one, 2))
            assert torch.equal(alone, first[2 * number : 2 * number + 2])
