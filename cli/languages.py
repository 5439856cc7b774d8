"""From what to what: the languages that the user named, the rest by detection and elimination."""

from collections.abc import Sequence
from dataclasses import dataclass

from tformer.model.errors import UsageError


@dataclass(frozen=True)
class Direction:
    """The two languages of a translation."""

    source: str
    target: str


@dataclass(frozen=True)
class Choice:
    """The languages of the model, and those of them that the user named."""

    languages: Sequence[str]
    source: str | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        """Refuse languages that the model does not have, and one that is both."""
        for language in (self.source, self.target):
            if language is not None and language not in self.languages:
                raise UsageError(
                    f"the model does not know the language {language!r}; "
                    f"it has {', '.join(self.languages)}"
                )
        if self.source is not None and self.source == self.target:
            raise UsageError(f"source and target are both {self.source!r}; name two languages")

    @property
    def possible_sources(self) -> tuple[str, ...]:
        """Languages that the text may be in."""
        if self.source is not None:
            return (self.source,)
        return tuple(language for language in self.languages if language != self.target)

    def toward(self, source: str) -> Direction:
        """The direction, given the source.

        Raises:
            UsageError: no target was named and several are left.
        """
        if self.target is not None:
            return Direction(source, self.target)
        others = [language for language in self.languages if language != source]
        if len(others) != 1:
            raise UsageError(
                f"several target languages are possible ({', '.join(others)}); "
                "name one with --target"
            )
        return Direction(source, others[0])
