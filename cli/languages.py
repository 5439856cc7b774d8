"""Language pair of an input: named languages, the rest by detection and elimination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tformer.cli import console
from tformer.model.errors import UsageError
from tformer.model.vocabulary.language_choice import Direction, LanguageChoice

if TYPE_CHECKING:
    from tformer.model.pipeline.translator import Translator

# The confidence below which a detected language is called uncertain.
CERTAIN = 0.8


def direction_of_pairs(
    translator: Translator, source: str | None, targets: Sequence[str] | None
) -> Direction:
    """From what to what sentence pairs are; what is not named is the model's first that fits.

    Raises:
        UsageError: several targets are named, or the model does not have such a direction.
    """
    if len(targets or ()) > 1:
        raise UsageError("--target is given more than once: pairs are in two languages")
    choice = LanguageChoice.among(
        translator.source_languages,
        translator.target_languages,
        source,
        targets[0] if targets else None,
    )
    return choice.toward(choice.possible_sources[0])


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
