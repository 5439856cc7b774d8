"""In which precision training computes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tformer.model.hardware.cpu import has_bfloat16

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

SLOW = (
    "precision bfloat16: this processor has no instructions for it, and emulates them many times "
    "slower than float32; set precision to auto or float32"
)


def choose_precision(name: str, device: torch.device) -> str:
    """ "float32" or "bfloat16", of which "auto" is the one that ``device`` is quick with.

    What auto has chosen is logged, and bfloat16 where it is slow is a warning.
    """
    quick = _gpu_has_bfloat16() if device.type == "cuda" else has_bfloat16()
    if name == "auto":
        name = "bfloat16" if quick else "float32"
        logger.info("precision auto: %s on this %s", name, device.type)
    elif name == "bfloat16" and not quick:
        logger.warning(SLOW)
    return name


def _gpu_has_bfloat16() -> bool:
    import torch

    return torch.cuda.is_bf16_supported()
