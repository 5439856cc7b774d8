"""Language pair of an input: named languages, the rest by detection and elimination."""

from __future__ import annotations

from tformer.cli import console
from tformer.model.vocabulary.language_choice import Direction, LanguageChoice

# The confidence below which a detected language is called uncertain.
CERTAIN = 0.8


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
