"""The network against independent implementations: NumPy, plain loops, and torch's own modules."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tiny import tiny_transformer
from torch import Tensor, nn

from tformer.model.config import PRESETS, PositionLayout, TransformerConfig
from tformer.model.errors import ModelError
from tformer.model.network.attention import attention
from tformer.model.network.positions import sinusoidal_positions
from tformer.model.network.transformer import (
    AttentionWeights,
    MultiHeadAttention,
    Transformer,
    causal_mask,
    padding_mask,
)

CONFIG = TransformerConfig(
    vocab_size=11, d_model=12, num_heads=3, d_ff=20, num_encoder_layers=2, num_decoder_layers=2
)
LAYOUTS: tuple[PositionLayout, ...] = ("interleaved", "concatenated")
LENGTHS = [5, 3, 4]
SOURCE = torch.tensor([[4, 5, 6, 7, 2], [8, 9, 2, 0, 0], [5, 5, 10, 2, 0]])  # (3, 5)
TARGET = torch.tensor([[1, 6, 5, 4], [1, 9, 8, 0], [1, 10, 4, 5]])  # (3, 4)

both_norms = pytest.mark.parametrize("norm", ["post", "pre"])


def transformer(norm: str = "post", **changes: object) -> Transformer:
    """A random network in float64 whose layer normalisations and biases do something."""
    torch.manual_seed(5)
    network = Transformer(replace(CONFIG, norm=norm, **changes))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.double().eval()


def lengths() -> Tensor:
    return torch.tensor(LENGTHS)


# -- attention ----------------------------------------------------------------------------


def naive_attention(
    query: npt.NDArray[np.float64],
    key: npt.NDArray[np.float64],
    value: npt.NDArray[np.float64],
    visible: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """One head, (T, D) to (S, D), a scalar at a time; ``visible`` is (T, S)."""
    result = np.zeros((len(query), value.shape[1]))
    for t in range(len(query)):
        seen = [s for s in range(len(key)) if visible[t, s]]
        scores = [math.fsum(query[t] * key[s]) / math.sqrt(query.shape[1]) for s in seen]
        exponentials = [math.exp(score) for score in scores]
        for s, exponential in zip(seen, exponentials, strict=True):
            result[t] += exponential / math.fsum(exponentials) * value[s]
    return result


@pytest.mark.parametrize("path", ["fused", "recorded", "training"])
def test_attention_is_the_papers_formula(path: str) -> None:
    torch.manual_seed(1)
    query = torch.randn(2, 3, 4, 6, dtype=torch.float64)  # (B, H, T, D)
    key, value = torch.randn(2, 2, 3, 5, 6, dtype=torch.float64)  # (B, H, S, D)
    visible = torch.rand(2, 1, 4, 5) < 0.6
    visible[..., 0] = True
    mask = torch.zeros(visible.shape, dtype=torch.float64).masked_fill(~visible, -math.inf)
    record: list[Tensor] | None = [] if path == "recorded" else None
    result = attention(query.requires_grad_(path == "training"), key, value, mask, record)
    for sentence in range(2):
        for head in range(3):
            expected = naive_attention(
                query[sentence, head].detach().numpy(),
                key[sentence, head].numpy(),
                value[sentence, head].numpy(),
                visible[sentence, 0].numpy(),
            )
            np.testing.assert_allclose(result[sentence, head].detach(), expected, rtol=1e-12)


def test_gradients_of_the_plain_products_are_those_of_the_fused_kernel() -> None:
    torch.manual_seed(2)
    arguments = [torch.randn(2, 3, n, 6, dtype=torch.float64) for n in (4, 5, 5)]
    mask = torch.zeros(4, 5, dtype=torch.float64).masked_fill(torch.rand(4, 5) < 0.3, -math.inf)
    mask[:, 0] = 0
    plain = [argument.clone().requires_grad_() for argument in arguments]
    fused = [argument.clone().requires_grad_() for argument in arguments]
    attention(*plain, mask).square().sum().backward()
    output = nn.functional.scaled_dot_product_attention(*fused, attn_mask=mask)
    output.square().sum().backward()
    for ours, theirs in zip(plain, fused, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_masks_are_zero_where_a_query_may_attend() -> None:
    inf = math.inf
    assert causal_mask(3, torch.zeros(())).tolist() == [[0, -inf, -inf], [0, 0, -inf], [0, 0, 0]]
    mask = padding_mask(torch.tensor([[True, True], [True, False]]), torch.float32)
    assert mask is not None
    assert mask.tolist() == [[[[0, 0]]], [[[0, -inf]]]]


# -- positions and embeddings -------------------------------------------------------------


def test_positions_are_section_3_5() -> None:
    encoded = sinusoidal_positions(40, 6)
    for position in (0, 1, 7, 39):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            assert encoded[position, 2 * i] == pytest.approx(math.sin(angle), abs=1e-7)
            assert encoded[position, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-7)


def test_embeddings_are_scaled_and_shared_with_the_output() -> None:
    network = transformer(num_encoder_layers=1)
    seen: list[Tensor] = []
    network.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.encode(SOURCE, lengths())
    expected = network.embedding.weight[SOURCE] * math.sqrt(12) + network.positions[:5]
    torch.testing.assert_close(seen[0], expected, rtol=0, atol=1e-12)
    states = torch.randn(2, 12, dtype=torch.float64)
    torch.testing.assert_close(network.project(states), states @ network.embedding.weight.T)


# -- the whole network against torch's ----------------------------------------------------


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    projections = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
    theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


@torch.no_grad()
def copy_to_torch(network: Transformer) -> nn.Transformer:
    """torch's Transformer with our parameters; it always ends in a layer normalisation."""
    config = network.config
    theirs = nn.Transformer(
        config.d_model,
        config.num_heads,
        config.num_encoder_layers,
        config.num_decoder_layers,
        config.d_ff,
        batch_first=True,
        norm_first=config.norm == "pre",
        dtype=torch.float64,
    ).eval()
    for stack, final, copies in (
        (network.encoder, network.encoder_norm, theirs.encoder),
        (network.decoder, network.decoder_norm, theirs.decoder),
    ):
        if config.norm == "pre":
            copies.norm.load_state_dict(final.state_dict())
        else:
            copies.norm = None
        for ours, copy in zip(stack, copies.layers, strict=True):
            copy_attention(ours.self_attention, copy.self_attn)
            copy.norm1.load_state_dict(ours.around_self_attention.norm.state_dict())
            copy.linear1.load_state_dict(ours.feed_forward.inner.state_dict())
            copy.linear2.load_state_dict(ours.feed_forward.outer.state_dict())
            last = copy.norm3 if hasattr(copy, "norm3") else copy.norm2
            last.load_state_dict(ours.around_feed_forward.norm.state_dict())
            if hasattr(copy, "multihead_attn"):
                copy_attention(ours.cross_attention, copy.multihead_attn)
                copy.norm2.load_state_dict(ours.around_cross_attention.norm.state_dict())
    return theirs


@both_norms
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")
def test_the_network_equals_torch_nn_transformer(norm: str) -> None:
    network = transformer(norm)
    theirs = copy_to_torch(network)
    weight, scale = network.embedding.weight, math.sqrt(12)
    padded = torch.arange(5) >= lengths()[:, None]
    with torch.enable_grad():  # torch's fast path for inference is another implementation
        states = theirs(
            weight[SOURCE] * scale + network.positions[:5],
            weight[TARGET] * scale + network.positions[:4],
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64),
            src_key_padding_mask=padded,
            memory_key_padding_mask=padded,
        )
    logits = network(SOURCE, lengths(), TARGET)
    torch.testing.assert_close(logits, states @ weight.T, rtol=0, atol=1e-10)


# -- decoding -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1], ids=["post-norm", "pre-norm"])
@torch.no_grad()
def test_decoding_with_the_cache_equals_reading_the_whole_target_again(seed: int) -> None:
    network = tiny_transformer(seed)
    beam_size = 2
    rows = torch.randint(4, 11, (3 * beam_size, 20))
    rows[:, 0] = 1
    cache = network.start_cache(network.encode(SOURCE, lengths()), beam_size)
    copies = torch.arange(3).repeat_interleave(beam_size)
    for step in range(20):
        logits = network.decode(rows[:, step], cache)
        again = network(SOURCE[copies], lengths()[copies], rows[:, : step + 1])[:, -1]
        torch.testing.assert_close(logits, again, rtol=0, atol=1e-11)


@both_norms
@torch.no_grad()
def test_padding_and_neighbours_change_nothing(norm: str) -> None:
    network = transformer(norm)
    together = network(SOURCE, lengths(), TARGET)
    for index, length in enumerate(LENGTHS):
        alone = network(SOURCE[index : index + 1, :length], None, TARGET[index : index + 1])
        torch.testing.assert_close(together[index], alone[0], rtol=0, atol=1e-12)


@torch.no_grad()
def test_what_stands_in_the_padding_does_not_matter() -> None:
    network = transformer()
    other = SOURCE.clone()
    other[1, 3:], other[2, 4:] = 9, 7
    assert torch.equal(network(SOURCE, lengths(), TARGET), network(other, lengths(), TARGET))


@torch.no_grad()
def test_no_position_sees_a_later_one() -> None:
    network = transformer()
    other = TARGET.clone()
    other[:, 2:] = 3
    before, after = (network(SOURCE, lengths(), target) for target in (TARGET, other))
    torch.testing.assert_close(before[:, :2], after[:, :2], rtol=0, atol=1e-12)
    assert not torch.allclose(before[:, 2:], after[:, 2:])


# -- attention weights --------------------------------------------------------------------


@both_norms
def test_attention_weights_are_distributions_over_what_may_be_seen(norm: str) -> None:
    weights = transformer(norm).attention_weights(SOURCE, lengths(), TARGET)
    for found, shape in (
        (weights.encoder, (3, 3, 5, 5)),
        (weights.decoder, (3, 3, 4, 4)),
        (weights.cross, (3, 3, 4, 5)),
    ):
        assert [tuple(layer.shape) for layer in found] == [shape] * 2
        for layer in found:
            torch.testing.assert_close(layer.sum(-1), torch.ones_like(layer[..., 0]))
    padded = (torch.arange(5) >= lengths()[:, None])[:, None, None]
    for layer in weights.encoder + weights.cross:
        assert not layer.masked_select(padded).any()
        assert bool((layer.masked_select(~padded) > 0).all())
    for layer in weights.decoder:
        assert not layer.triu(1).any()


@both_norms
@torch.no_grad()
def test_recording_weights_does_not_change_the_output(norm: str) -> None:
    network = transformer(norm)
    recorded = network.target_states(SOURCE, lengths(), TARGET, AttentionWeights())
    fused = network.target_states(SOURCE, lengths(), TARGET)
    torch.testing.assert_close(recorded, fused, rtol=0, atol=1e-12)


# -- training -----------------------------------------------------------------------------


@both_norms
def test_every_parameter_gets_a_gradient(norm: str) -> None:
    network = transformer(norm).train()
    network(SOURCE, lengths(), TARGET).log_softmax(-1)[..., 4].sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        # A bias of keys shifts all scores of a query alike and so has no effect.
        assert name.endswith("key.bias") or parameter.grad.any(), name


@torch.no_grad()
def test_dropout_acts_in_training_only() -> None:
    network = transformer(dropout=0.5)
    assert torch.equal(network(SOURCE, None, TARGET), network(SOURCE, None, TARGET))
    network.train()
    assert not torch.equal(network(SOURCE, None, TARGET), network(SOURCE, None, TARGET))


# -- shapes -------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "paper"), [("base", 65e6), ("big", 213e6)])
def test_parameters_are_those_of_table_3(preset: str, paper: float) -> None:
    """Within 3 %: the paper rounds to millions and its vocabulary to "about 37000" tokens."""
    with torch.device("meta"):
        network = Transformer(PRESETS[preset])
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == pytest.approx(paper, rel=0.03)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_activations_are_torchs(activation: str) -> None:
    feed_forward = transformer(activation=activation).encoder[0].feed_forward
    states = torch.randn(2, 12, dtype=torch.float64)
    expected = feed_forward.outer(getattr(nn.functional, activation)(feed_forward.inner(states)))
    torch.testing.assert_close(feed_forward(states), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 5}, r"d_model \(12\) must be a multiple of num_heads \(5\)"),
        ({"d_model": 9}, "must be even"),
        ({"d_ff": 0}, "d_ff must be a whole number of at least 1, not 0"),
        ({"num_decoder_layers": 0}, "num_decoder_layers must be"),
        ({"d_model": 12.0}, "d_model must be a whole number"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), not 1.0"),
        ({"dropout": "none"}, "dropout must be"),
        ({"norm": "middle"}, "norm must be one of post, pre, not 'middle'"),
        ({"activation": "tanh"}, "activation must be one of relu, gelu"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_impossible_shapes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        replace(CONFIG, **changes)


def test_a_config_survives_its_file() -> None:
    assert TransformerConfig.from_dict(CONFIG.to_dict()) == CONFIG


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**CONFIG.to_dict(), "experts": 8}, "unknown hyper-parameter 'experts'"),
        ({"d_model": 12}, "incomplete model configuration: .*vocab_size"),
    ],
    ids=["unknown", "missing"],
)
def test_a_config_of_another_version_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TransformerConfig.from_dict(values)


# -- departures of other programs ---------------------------------------------------------


def test_concatenated_positions_are_the_papers_in_another_order() -> None:
    interleaved, concatenated = (sinusoidal_positions(40, 6, way) for way in LAYOUTS)
    assert (concatenated[:, :3] == interleaved[:, 0::2]).all()
    assert (concatenated[:, 3:] == interleaved[:, 1::2]).all()
    positions = transformer(positions="concatenated").positions[:40].float().numpy()
    assert (positions == sinusoidal_positions(512, 12, LAYOUTS[1])[:40]).all()


def test_embeddings_may_go_unscaled() -> None:
    network = transformer(scale_embedding=False)
    scaled = transformer()
    scaled.load_state_dict(network.state_dict())
    with torch.no_grad():
        scaled.embedding.weight /= math.sqrt(12)
    memory = network.encode(SOURCE, lengths()).states
    torch.testing.assert_close(memory, scaled.encode(SOURCE, lengths()).states)


def test_a_bias_on_the_logits_is_added_to_each() -> None:
    network = transformer(logits_bias=True)
    assert network.logits_bias is not None
    plain = transformer()
    plain.load_state_dict(network.state_dict(), strict=False)
    expected = plain(SOURCE, lengths(), TARGET) + network.logits_bias
    torch.testing.assert_close(network(SOURCE, lengths(), TARGET), expected)


def test_a_target_vocabulary_of_its_own_has_its_own_embeddings() -> None:
    """With the same rows in both matrices it is the network that shares one."""
    network = transformer(target_vocab_size=13, logits_bias=True)
    shared = transformer()
    shared.load_state_dict(network.state_dict(), strict=False)
    with torch.no_grad():
        network.target_embedding.weight[:11] = network.embedding.weight
        network.logits_bias.zero_()
    logits = network(SOURCE, lengths(), TARGET)
    assert logits.shape == (3, 4, 13)
    torch.testing.assert_close(logits[..., :11], shared(SOURCE, lengths(), TARGET))
    cache = network.start_cache(network.encode(SOURCE, lengths()), beam_size=1)
    torch.testing.assert_close(network.decode(TARGET[:, 0], cache), logits[:, 0])


def test_a_configuration_from_before_these_departures_is_read() -> None:
    values = CONFIG.to_dict()
    for name in ("target_vocab_size", "positions", "scale_embedding", "logits_bias"):
        del values[name]
    assert TransformerConfig.from_dict(values) == CONFIG
    assert not {"logits_bias", "own_target_embedding.weight"} & set(transformer().state_dict())
