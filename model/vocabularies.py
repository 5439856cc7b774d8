"""Which vocabulary the model in a directory has. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from tformer.model.directory import ModelFacts
from tformer.model.errors import ModelError
from tformer.model.marian_vocabulary import MarianVocabulary
from tformer.model.vocabulary import FILE, AnyVocabulary, Vocabulary


def open_vocabulary(path: Path, facts: ModelFacts) -> AnyVocabulary:
    """The vocabulary of the model directory ``path``, of which ``facts`` were read.

    Raises:
        ModelError: when its files are missing or damaged, or it is of an unknown kind.
    """
    if facts.vocabulary == "sentencepiece":
        return Vocabulary(path / FILE)
    if facts.vocabulary == "marian":
        sources = facts.source_languages or facts.languages
        return MarianVocabulary(path, sources, facts.target_languages or facts.languages)
    raise ModelError(
        f"{path / 'config.json'}: vocabulary {facts.vocabulary!r} is unknown; "
        "a newer tformer may read it"
    )
