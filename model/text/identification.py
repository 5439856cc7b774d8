"""The detector of languages, which is loaded once for all who ask. No torch here.

It takes 80 MB and half a second. What is restricted to a few languages is a view of it, which
shares all but the columns of its own languages.
"""

from __future__ import annotations

import copy
import threading
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_LOADING = threading.Lock()
"""Held while the detector is loaded, which threads that need it at one moment would each do."""


def whole_identifier() -> LanguageIdentifier:
    """Detector of all languages that it knows."""
    with _LOADING:
        return _loaded()


def restricted_identifier(labels: tuple[str, ...]) -> LanguageIdentifier:
    """Detector that finds none but some languages, given by its own names of them."""
    view = copy.copy(whole_identifier())
    view.set_languages(labels)
    return view


@cache
def _loaded() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
