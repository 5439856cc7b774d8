"""Interfaces of translators, and the base class of their wrappers (decorator pattern).

No torch here: the translator may be a model's or the client of a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from tformer.model.options import DecodingOptions
from tformer.model.translation import Translation


class Multilingual(Protocol):
    """The languages of a translator."""

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


class Translating(Multilingual, Protocol):
    """The translator of a model, or the client of a server, whatever ``translate`` may be told."""

    @property
    def translate(self) -> Callable[..., Iterator[Translation]]:
        """Translates texts; see `tformer.model.pipeline.translator.Translator.translate`."""
        ...


class AnyTranslator(Multilingual, Protocol):
    """Interface that a `Translator` and the client of a server have in common."""

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
    ) -> Iterator[Translation]:
        """Translate texts; as many translations come out, in the same order."""
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
