"""Translation with the Transformer, as a library.

    from tformer.model import Translator

    translator = Translator.load("en-de")
    for translation in translator.translate(["A dog runs on the beach."], target="de"):
        print(translation.text)

The names below are loaded when they are first used, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tformer.model.errors import TformerError
    from tformer.model.options import DecodingOptions
    from tformer.model.pipeline.translator import Translator
    from tformer.model.translation import Translation

__all__ = ["DecodingOptions", "TformerError", "Translation", "Translator"]

_HOME = {
    "DecodingOptions": "tformer.model.options",
    "TformerError": "tformer.model.errors",
    "Translation": "tformer.model.translation",
    "Translator": "tformer.model.pipeline.translator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
