"""Shapes of networks in a few characters: ``6+2x512`` is 6 encoder and 2 decoder layers of 512."""

from __future__ import annotations

import re

from tformer.model.config import TransformerConfig
from tformer.model.errors import UsageError

VOCAB_SIZE = 16_000
"""Entries of the vocabulary where a shape does not say; the smallest is 512."""

_SHAPE = re.compile(r"(\d{1,3})\+(\d{1,3})x(\d{1,5})(?:v(\d{1,6}))?")


def parse_shape(text: str) -> TransformerConfig:
    """The network that ``ENCODER+DECODERxWIDTH``, optionally with ``vVOCABULARY``, stands for.

    Heads are 64 wide and the feed-forward network is four times as wide as the rest, as in the
    paper; normalisation comes first, as in the models that ship.

    Raises:
        UsageError: when it stands for none.
    """
    match = _SHAPE.fullmatch(text)
    numbers = [int(group) for group in match.groups(default=str(VOCAB_SIZE))] if match else [0]
    if min(numbers) < 1 or numbers[2] % 64 or numbers[3] < 512:
        raise UsageError(
            f"shape {text!r} is unknown: name ENCODER+DECODERxWIDTH, the layers and d_model, a "
            "multiple of 64, such as 6+2x512, and vSIZE after it for a vocabulary of at least 512"
        )
    encoder, decoder, width, vocab_size = numbers
    return TransformerConfig(
        vocab_size=vocab_size,
        d_model=width,
        num_heads=width // 64,
        d_ff=4 * width,
        num_encoder_layers=encoder,
        num_decoder_layers=decoder,
        norm="pre",
    )
