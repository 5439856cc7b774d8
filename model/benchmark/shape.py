"""Shapes of networks in a few characters: ``6+2x512`` is 6 encoder and 2 decoder layers of 512."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tformer.model.config import TransformerConfig
from tformer.model.errors import UsageError

VOCAB_SIZE = 16_000
"""Entries of the vocabulary where a shape does not say; the smallest is 512."""

_SHAPE = re.compile(r"(\d{1,3})\+(\d{1,3})x(\d{1,5})(?:f(\d{1,6}))?(?:v(\d{1,6}))?")


def parse_shape(text: str) -> TransformerConfig:
    """The network that ``ENCODER+DECODERxWIDTH``, optionally with ``fINNER`` and ``vVOCABULARY``,
    stands for.

    Heads are 64 wide, and the feed-forward network is four times as wide as the rest where INNER
    does not say otherwise, as in the paper; normalisation comes first, as in the models that ship.

    Raises:
        UsageError: when it stands for none.
    """
    match = _SHAPE.fullmatch(text)
    encoder, decoder, width, inner, vocab_size = _numbers(match.groups()) if match else [0] * 5
    if not (encoder and decoder and width and inner) or width % 64 or vocab_size < 512:
        raise UsageError(
            f"shape {text!r} is unknown: name ENCODER+DECODERxWIDTH, the layers and d_model, a "
            "multiple of 64, such as 6+2x512, then fSIZE for the inner width of the feed-forward "
            "network and vSIZE for a vocabulary of at least 512, where it is not the default"
        )
    return TransformerConfig(
        vocab_size=vocab_size,
        d_model=width,
        num_heads=width // 64,
        d_ff=inner,
        num_encoder_layers=encoder,
        num_decoder_layers=decoder,
        norm="pre",
    )


def _numbers(groups: Sequence[str | None]) -> list[int]:
    """Layers of encoder and decoder, width, inner width, vocabulary; with defaults."""
    encoder, decoder, width, inner, vocab_size = groups
    wide = int(width or 0)
    return [
        int(encoder or 0),
        int(decoder or 0),
        wide,
        int(inner or 4 * wide),
        int(vocab_size or VOCAB_SIZE),
    ]
