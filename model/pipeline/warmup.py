"""Have all that an int8 translation needs compiled before the first one, on two cores if there are.

Types decide what is compiled, not sizes; so the smallest network that there can be is translated
with. What only some options need is compiled when it is first needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from tformer.model.checkpoint.weights import parameter_shapes
from tformer.model.config import TransformerConfig
from tformer.model.engine.engine import Engine
from tformer.model.hardware.cpu import num_cores
from tformer.model.hardware.numba_cache import code_folder, once
from tformer.model.network.int8.kv_cache import Cache, Halves
from tformer.model.network.int8.network import Int8
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request

BEAM_SIZE = 2

CONFIG = TransformerConfig(
    vocab_size=8, d_model=2, num_heads=1, d_ff=2, num_encoder_layers=1, num_decoder_layers=1
)

SOURCE = (3, CONFIG.eos_id)


class ZeroWeights:
    """Weights of a network that has nothing to say."""

    config = CONFIG

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """All zeros."""
        shapes = parameter_shapes(CONFIG)
        return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def prepare() -> None:
    """Have everything compiled, unless it is."""
    once(_compile)


def _compile() -> None:
    with _another_compiles_the_encoder():
        decode(Int8(ZeroWeights()))
    translate(Int8(ZeroWeights()))


def translate(network: Int8, encoder_states: Halves | None = None) -> None:
    """A sentence as it will be, which has been encoded before or is encoded now."""
    engine = Engine(network, beam_size=BEAM_SIZE)
    options = DecodingOptions(beam_size=BEAM_SIZE, max_length=2)
    engine.submit(Request(SOURCE, options, encoder_states=encoder_states))
    while engine.busy:
        engine.step()


def encode(network: Int8) -> None:
    """Encode a sentence, without a step of the decoder."""
    network.start(BEAM_SIZE).admit([SOURCE])


def decode(network: Int8) -> None:
    """Translate a sentence that nobody has encoded."""
    cache = Cache(CONFIG, BEAM_SIZE)
    cache.admit([len(SOURCE)])
    translate(network, np.zeros_like(cache.encoder_states(0)))


@contextmanager
def _another_compiles_the_encoder() -> Iterator[None]:
    """Meanwhile, if there is a core for it; should it fail, it is done here afterwards."""
    folder = code_folder()
    if num_cores() == 1 or folder is None or not sys.executable:
        yield
        return
    command = [sys.executable, "-m", "tformer.model.pipeline.warmup"]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder.parent)}
    other = None
    with suppress(OSError):
        other = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield
    finally:
        if other is not None:
            other.wait()


if __name__ == "__main__":
    encode(Int8(ZeroWeights()))
