"""From what to what: the languages that the user named, the rest by detection and elimination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tformer.cli import console
from tformer.cli.loading import AnyTranslator
from tformer.model.errors import UsageError
from tformer.model.text.languages import nearest
from tformer.model.vocabulary.languages import closest

# The confidence below which a detected language is called uncertain.
CERTAIN = 0.8


@dataclass(frozen=True)
class Direction:
    """The two languages of a translation."""

    source: str
    target: str


@dataclass(frozen=True)
class LanguageChoice:
    """The languages of the model, and those of them that the user named."""

    languages: Sequence[str]
    source: str | None = None
    target: str | None = None
    sources: Sequence[str] | None = None
    """Languages that the model reads; None is all."""
    targets: Sequence[str] | None = None
    """Languages that the model writes; None is all."""

    @classmethod
    def among(
        cls, translator: AnyTranslator, source: str | None, target: str | None
    ) -> LanguageChoice:
        """Choose among the languages of a model.

        Raises:
            UsageError: the model does not have them.
        """
        languages = translator.languages
        sources, targets = translator.source_languages, translator.target_languages
        source = source and _named(source, sources)
        target = target and _named(target, targets)
        return cls(languages, source, target, sources, targets)

    def __post_init__(self) -> None:
        """Refuse languages that the model does not have, and one that is both."""
        for language in (self.source, self.target):
            if language is not None and language not in self.languages:
                raise UsageError(
                    f"the model does not know the language {language!r}; "
                    f"it has {', '.join(self.languages)}"
                )
        self._refuse_unless_among(self.sources, "from", self.source)
        self._refuse_unless_among(self.targets, "into", self.target)
        if self.source is not None and self.source == self.target:
            raise UsageError(f"source and target are both {self.source!r}; name two languages")

    @property
    def possible_sources(self) -> tuple[str, ...]:
        """Languages that the text may be in."""
        if self.source is not None:
            return (self.source,)
        sources = self.languages if self.sources is None else self.sources
        return tuple(language for language in sources if language != self.target)

    def toward(self, source: str) -> Direction:
        """The direction, given the source.

        Raises:
            UsageError: no target was named and several are left.
        """
        if self.target is not None:
            return Direction(source, self.target)
        targets = self.languages if self.targets is None else self.targets
        others = [language for language in targets if language != source]
        if len(others) != 1:
            raise UsageError(
                f"several target languages are possible ({', '.join(others)}); "
                "name one with --target"
            )
        return Direction(source, others[0])

    def _refuse_unless_among(
        self, languages: Sequence[str] | None, way: str, language: str | None
    ) -> None:
        if languages is not None and language is not None and language not in languages:
            raise UsageError(
                f"the model does not translate {way} {language!r}, only {', '.join(languages)}"
            )


def _named(name: str, languages: Sequence[str]) -> str:
    """The language of some that a person means; the name itself if it is none of them."""
    meant = nearest(name, languages)
    return closest(meant, languages) or meant


def direction_of(choice: LanguageChoice, name: str, sample: str) -> Direction | None:
    """From what to what an input is translated; None if the sample must tell but says nothing.

    Args:
        choice: what the user named.
        name: what to call the input when its language was detected.
        sample: text from its beginning.

    Raises:
        UsageError: several targets are possible.
    """
    sources = choice.possible_sources
    if len(sources) == 1:
        return choice.toward(sources[0])
    if not any(character.isalpha() for character in sample):
        return None
    from tformer.model.text.segmentation import detect

    detection = detect(sample, sources)
    direction = choice.toward(detection.language)
    doubt = "" if detection.confidence >= CERTAIN else "; not certain, --source can tell"
    console.note(
        f"{name}: translating from {direction.source} (detected) to {direction.target}{doubt}"
    )
    return direction
