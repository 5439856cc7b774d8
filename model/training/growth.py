"""Growth of a model that training begins with: more layers or inner units, the same translations.

What is new adds nothing at first (Chen et al., 2016, "Net2Net: Accelerating Learning via Knowledge
Transfer"): the last projection of a new layer is zero, and so are the weights by which a
feed-forward network reads its new inner units. What comes before these is random, so that the
first gradient tells the units apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from tformer.model.config import TransformerConfig
from tformer.model.errors import TrainingError

GROWING = ("num_encoder_layers", "num_decoder_layers", "d_ff")
"""Keys of ``[model]`` that may exceed those of the model that training begins with."""


def require_growth(before: TransformerConfig, after: TransformerConfig) -> None:
    """Refuse a shape that ``before`` cannot grow to.

    Raises:
        TrainingError: naming the first key that is smaller, or what cannot grow at all.
    """
    changed = [key for key in GROWING if getattr(before, key) != getattr(after, key)]
    for key in changed:
        if getattr(after, key) < getattr(before, key):
            raise TrainingError(
                f"model.{key} is {getattr(after, key)}, but the model to begin with has "
                f"{getattr(before, key)}, and can only grow; leave it out"
            )
    if changed and (before.norm != "pre" or not before.is_common):
        raise TrainingError(
            f"model.{changed[0]} is more than the model to begin with has; only a Transformer "
            "with pre-norm and the paper's attention can grow; leave it out"
        )


def grow(known: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters of the larger network that computes what the smaller one does.

    Args:
        known: parameters of the smaller network, by name.
        fresh: those of the larger one as they were initialised.

    Returns:
        New tensors with the names and shapes of ``fresh``.
    """
    return {name: _grown(name, known.get(name), tensor) for name, tensor in fresh.items()}


def _grown(name: str, known: Tensor | None, fresh: Tensor) -> Tensor:
    grown = fresh.detach().clone()
    last = _LAST_PROJECTION.search(name) is not None
    if known is None:
        return grown.zero_() if last else grown
    if last:
        grown.zero_()
    grown[tuple(slice(size) for size in known.shape)] = known
    return grown


_LAST_PROJECTION = re.compile(r"\.(output|outer)\.(weight|bias)$")
"""Projections that end a sub-layer: of attention, and of the feed-forward network."""
