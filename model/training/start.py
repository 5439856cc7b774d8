"""A model to begin with: training goes on from its parameters instead of from random ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tformer.model.checkpoint.description import open_vocabulary
from tformer.model.checkpoint.layout import ModelFacts, find_model, read_config
from tformer.model.config import TransformerConfig
from tformer.model.errors import TrainingError
from tformer.model.files import sha256_of
from tformer.model.training.recipe import Recipe
from tformer.model.vocabulary.sentencepiece import Vocabulary


@dataclass(frozen=True)
class Start:
    """Shape, vocabulary and facts that a run takes from a model, besides its parameters."""

    path: Path
    config: TransformerConfig
    facts: ModelFacts
    vocabulary: Vocabulary

    @classmethod
    def read(cls, model: str | Path) -> Start:
        """Read a shipped model, by name, or any other, by directory.

        Raises:
            ModelError: when there is no such model, or it cannot be read.
            TrainingError: when it is none that the trainer could have made.
        """
        path = find_model(model)
        config, facts = read_config(path)
        vocabulary = open_vocabulary(path, facts)
        own = TransformerConfig(vocab_size=config.vocab_size)
        imported = any(getattr(config, name) != getattr(own, name) for name in _ONLY_IMPORTED)
        if imported or not isinstance(vocabulary, Vocabulary):
            raise TrainingError(
                f"{path}: was imported from another program, and training goes on from models of "
                "tformer only"
            )
        return cls(path, config, facts, vocabulary)

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe whose languages the vocabulary has no tags for.

        Raises:
            TrainingError: naming the first of them.
        """
        known = self.vocabulary.languages
        if unknown := [code for code in recipe.languages if code not in known]:
            raise TrainingError(
                f"{self.path}: knows the languages {', '.join(known)}, "
                f"but the recipe's are {', '.join(recipe.languages)}; {unknown[0]} needs a model "
                "that is trained from nothing"
            )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the parameters: a run only goes on from those that it began with.

        Raises:
            TrainingError: when they cannot be read.
        """
        file = self.path / "model.safetensors"
        try:
            return sha256_of(file)
        except OSError as error:
            raise TrainingError(f"{file}: cannot be read ({error.strerror})") from error


_ONLY_IMPORTED = (
    "pad_id",
    "bos_id",
    "eos_id",
    "target_vocab_size",
    "positions",
    "scale_embedding",
    "logits_bias",
)
