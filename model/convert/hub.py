"""A model directory, here or on the Hugging Face hub."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from tformer.model.errors import ModelError

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")

_SMALL_FILES = ("*.json", "*.spm", "*.model", "README.md", "LICENSE*")
_PARAMETERS = ("model.safetensors", "pytorch_model.bin")


def fetch(name: str) -> Path:
    """The directory ``name``, or the model of that name, such as Helsinki-NLP/opus-mt-en-de.

    Raises:
        ModelError: when there is neither, or the package huggingface_hub is not installed.
    """
    if Path(name).is_dir():
        return Path(name)
    if not _HUB_NAME.fullmatch(name):
        raise ModelError(
            f"{name}: no such directory; name one, or a model of the Hugging Face hub such as "
            "Helsinki-NLP/opus-mt-en-de"
        )
    try:
        download = import_module("huggingface_hub").snapshot_download
    except ImportError:
        raise ModelError(
            f"{name}: no such directory; to fetch it from the Hugging Face hub, "
            "run `pip install huggingface_hub`"
        ) from None
    try:
        for parameters in _PARAMETERS:  # the hub keeps several copies of them
            folder = Path(download(name, allow_patterns=[*_SMALL_FILES, parameters]))
            if (folder / parameters).is_file():
                break
    # Its errors are OSErrors of the connection and ValueErrors of the name.
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ModelError(
            f"{name}: cannot be fetched from the Hugging Face hub: {reason}"
        ) from error
    return folder
