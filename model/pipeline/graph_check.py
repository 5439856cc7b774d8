"""Self-check of recorded CUDA graphs against the plain network, before they are used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from tformer.model.engine.engine import Engine
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request

if TYPE_CHECKING:
    from tformer.model.network.interface import Network

logger = logging.getLogger(__name__)

OPTIONS = DecodingOptions(beam_size=2, n_best=2, max_length=12)

TRIED = 7
"""Tokens of the sentence that is tried, besides its end."""


def recorded_or_plain(record: Callable[[], Network], plain: Network) -> Network:
    """The network that ``record`` makes if it decodes a sentence as ``plain`` does, else that one.

    Why it does not is one warning: a translation that comes without graphs is slow, not wrong.
    """
    try:
        recorded = record()
        reason = "" if decoded(recorded) == decoded(plain) else "they choose other tokens"
    except Exception as error:  # whatever a driver or a library raises, there is another way
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    if not reason:
        return recorded
    logger.warning(
        "CUDA graphs are not used, which is slower (%s); please report this line, "
        "with what `make gpu-check` prints",
        reason,
    )
    return plain


def decoded(network: Network) -> list[tuple[int, ...]]:
    """The tokens of the hypotheses of one sentence."""
    config = network.config
    tokens = (number for number in range(config.vocab_size) if number != config.eos_id)
    source = [token for token, _ in zip(tokens, range(TRIED), strict=False)]
    engine = Engine(network, beam_size=OPTIONS.beam_size)
    engine.submit(Request((*source, config.eos_id), OPTIONS))
    found: list[tuple[int, ...]] = []
    while engine.busy:
        for answer in engine.step():
            found += [tuple(hypothesis.tokens) for hypothesis in answer.hypotheses]
    return found
