"""Configuration, vocabulary and facts of a model directory."""

from __future__ import annotations

from pathlib import Path

from tformer.model.checkpoint.layout import ModelFacts, read_config
from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError
from tformer.model.vocabulary.marian import MarianVocabulary
from tformer.model.vocabulary.pieces import PieceVocabulary
from tformer.model.vocabulary.sentencepiece import FILE, AnyVocabulary, Vocabulary


def read_description(path: Path) -> tuple[TransformerConfig, AnyVocabulary, ModelFacts]:
    """The shape of the network in a model directory, its vocabulary and the facts about it.

    Raises:
        ModelError: when a part is missing, damaged, or does not fit the others.
    """
    config, facts = read_config(path)
    vocabulary = open_vocabulary(path, facts)
    target_size = config.target_vocab_size or config.vocab_size
    for found, wanted in (
        (len(vocabulary), config.vocab_size),
        (vocabulary.target_size, target_size),
    ):
        if found != wanted:
            raise ModelError(f"{path}: the vocabulary has {found} pieces, the network {wanted}")
    return config, vocabulary, facts


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
    if facts.vocabulary == "pieces":
        return PieceVocabulary.load(path)
    raise ModelError(
        f"{path / 'config.json'}: vocabulary {facts.vocabulary!r} is unknown; "
        "a newer tformer may read it"
    )
