"""The one place where a command pays for torch: loading a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tformer.model.translator import Translator


def load_translator(model: str, device: str) -> Translator:
    """Load a model by name or directory.

    Raises:
        ModelError: it is missing or damaged.
        DeviceError: the device is not available.
    """
    from tformer.model.translator import Translator

    return Translator.load(model, device=device)
