"""Base class of translator wrappers (decorator pattern).

No torch here: the translator may be a model's or the client of a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from tformer.model.translation import Translation


class Translating(Protocol):
    """The translator of a model, or the client of a server, whatever ``translate`` may be told."""

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages."""
        ...

    @property
    def source_languages(self) -> tuple[str, ...]:
        """The languages that can be translated from."""
        ...

    @property
    def target_languages(self) -> tuple[str, ...]:
        """The languages that can be translated into."""
        ...

    @property
    def translate(self) -> Callable[..., Iterator[Translation]]:
        """Translates texts; see `tformer.model.pipeline.translator.Translator.translate`."""
        ...


class TranslatorWrapper:
    """The languages of a translator, for a class that gives ``translate`` something of its own."""

    def __init__(self, translator: Translating) -> None:
        """Stand before ``translator``."""
        self._translator = translator

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the translator."""
        return self._translator.languages

    @property
    def source_languages(self) -> tuple[str, ...]:
        """Source languages of the translator."""
        return self._translator.source_languages

    @property
    def target_languages(self) -> tuple[str, ...]:
        """Target languages of the translator."""
        return self._translator.target_languages
