"""Language pair of a translation: languages that a caller names, the rest by elimination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tformer.model.errors import UsageError
from tformer.model.text.languages import nearest
from tformer.model.vocabulary.languages import closest


@dataclass(frozen=True)
class Direction:
    """Source and target language of a translation."""

    source: str
    target: str


@dataclass(frozen=True)
class LanguageChoice:
    """Languages of a model, and those of them that a caller has named.

    Raises:
        UsageError: the model does not have a language, not on that side, or both are the same.
    """

    sources: Sequence[str]
    """Languages that the model reads."""
    targets: Sequence[str]
    """Languages that the model writes."""
    source: str | None = None
    """Named source language; None is to be detected."""
    target: str | None = None
    """Named target language; None is the one that is left."""

    @classmethod
    def among(
        cls, sources: Sequence[str], targets: Sequence[str], source: str | None, target: str | None
    ) -> LanguageChoice:
        """Choose by names or codes as people write them: ``de-AT``, ``German``, ``deu_Latn``.

        Raises:
            UsageError: as for the class.
        """
        known = tuple(dict.fromkeys((*sources, *targets)))

        def named(name: str, side: Sequence[str]) -> str:
            return match_language(name, side) or match_language(name, known) or name

        return cls(
            sources, targets, source and named(source, sources), target and named(target, targets)
        )

    def __post_init__(self) -> None:
        """Refuse languages that the model does not have, and one that is both."""
        self._refuse_unless_among(self.sources, "from", self.source)
        self._refuse_unless_among(self.targets, "into", self.target)
        if self.source is not None and self.source == self.target:
            raise UsageError(f"source and target are both {self.source!r}: name two languages")

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the model, on either side."""
        return tuple(dict.fromkeys((*self.sources, *self.targets)))

    @property
    def possible_sources(self) -> tuple[str, ...]:
        """Languages that the text may be in."""
        if self.source is not None:
            return (self.source,)
        only = self.targets[0] if len(self.targets) == 1 else None
        return tuple(code for code in self.sources if code != (self.target or only))

    @property
    def is_clear(self) -> bool:
        """Return whether any source language leaves one target language."""
        return all(len(self._left(source)) == 1 for source in self.possible_sources)

    def toward(self, source: str) -> Direction:
        """Direction, given the source language.

        Raises:
            UsageError: no target was named and several are left.
        """
        left = self._left(source)
        if len(left) != 1:
            raise UsageError(
                f"several target languages are possible ({', '.join(left)}): name the target"
            )
        return Direction(source, left[0])

    def _left(self, source: str) -> Sequence[str]:
        """Target languages that are possible beside a source."""
        if self.target is not None:
            return (self.target,)
        return [language for language in self.targets if language != source]

    def _refuse_unless_among(self, possible: Sequence[str], way: str, language: str | None) -> None:
        if language is None or language in possible:
            return
        if language in self.languages:
            raise UsageError(
                f"the model does not translate {way} {language!r}, only {', '.join(possible)}"
            )
        raise UsageError(
            f"the model does not know the language {language!r}; it has {', '.join(self.languages)}"
        )


def match_language(name: str, languages: Sequence[str]) -> str | None:
    """Match a name or code of a language to one of some; None if it is none of them."""
    return closest(nearest(name, languages), languages)
