"""CUDA graphs that fail, or choose other tokens, are not used."""

from __future__ import annotations

import re

import pytest
import torch
from tiny import wide_transformer

from tformer.model.network.eager import Eager
from tformer.model.network.interface import Network
from tformer.model.pipeline.graph_check import decoded, recorded_or_plain


@pytest.fixture(scope="module")
def plain() -> Eager:
    return Eager(wide_transformer(torch.float32))


def test_graphs_that_decode_alike_are_used(plain: Eager, caplog: pytest.LogCaptureFixture) -> None:
    with torch.inference_mode():
        assert len(decoded(plain)) == 2
        recorded = Eager(wide_transformer(torch.float32))
        assert recorded_or_plain(lambda: recorded, plain) is recorded
    assert not caplog.records


def failing() -> Network:
    raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nat ...")


def other_tokens() -> Network:
    network = wide_transformer(torch.float32)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.neg_()
    return Eager(network)


@pytest.mark.parametrize(
    ("record", "reason"),
    [(failing, "RuntimeError: CUDA error.*capturing\\)"), (other_tokens, "other tokens")],
)
def test_others_are_left_for_the_plain_network_and_one_line(
    record: object, reason: str, plain: Eager, caplog: pytest.LogCaptureFixture
) -> None:
    with torch.inference_mode():
        assert recorded_or_plain(record, plain) is plain
    (warning,) = caplog.records
    assert "CUDA graphs are not used" in warning.message and "\n" not in warning.message
    assert re.search(reason, warning.message)
