"""A recipe: everything that decides what a training run makes, in one TOML file.

Sections: ``[model]`` (a preset and changes to it), ``[vocabulary]``, ``[[corpus]]`` with weights,
``[[validation]]``, ``[training]``. Unknown keys are errors, so that a typing mistake does not
silently train something else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from tformer.model.config import PRESETS, TransformerConfig
from tformer.model.errors import ModelError, TrainingError

_Settings = TypeVar("_Settings")


@dataclass(frozen=True)
class CorpusSettings:
    """Parallel text and how often it is seen."""

    path: str
    """A TSV file of pairs, or a glob of such files; ``.gz`` and ``.xz`` are read as they are."""
    target_path: str | None = None
    """For paired files: the file with the second language, line by line."""
    weight: float = 1.0
    """How often each pair is seen in an epoch; 0.25 means a quarter of them, newly drawn."""


@dataclass(frozen=True)
class ValidationSettings:
    """A set of pairs that training never sees and progress is measured on."""

    name: str
    path: str
    target_path: str | None = None
    limit: int = 200
    """Pairs that are translated at each validation, spread evenly over the set."""


@dataclass(frozen=True)
class VocabularySettings:
    """The joint SentencePiece vocabulary."""

    size: int = 8_000
    sample: int = 1_000_000
    """Sentences, drawn by corpus weight, that it is learnt from."""


@dataclass(frozen=True)
class TrainingSettings:
    """How the parameters are learnt. The defaults are the paper's (section 5)."""

    max_steps: int = 100_000
    tokens_per_batch: int = 25_000
    """Source plus target positions of one micro-batch, padding included."""
    accumulate: int = 1
    """Micro-batches whose gradients make one step, on each device."""
    optimizer: Literal["adam", "muon"] = "adam"
    """``muon`` orthogonalises the updates of matrices (Jordan et al., 2024); the embeddings,
    biases and gains stay with Adam."""
    learning_rate: float | None = None
    """Peak of the schedule; None is the paper's d_model^-0.5 * warmup_steps^-0.5."""
    muon_learning_rate: float = 0.004
    schedule: Literal["inverse-sqrt", "trapezoid"] = "inverse-sqrt"
    """``trapezoid`` stays at the peak and falls linearly to zero over the last ``decay_steps``."""
    warmup_steps: int = 4_000
    decay_steps: int = 0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.98
    adam_epsilon: float = 1e-9
    label_smoothing: float = 0.1
    clip_norm: float = 0.0
    """Largest global norm of the gradient; 0 does not clip (the paper does not)."""
    ema_decay: float = 0.999
    """Of the moving average of parameters that is validated and exported; 0 turns it off. It
    stands in for the paper's average of the last checkpoints."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """``bfloat16`` computes in it and keeps parameters and optimizer in float32."""
    compile: bool = False
    """Run the network through ``torch.compile``."""
    validate_every: int = 1_000
    checkpoint_every: int = 1_000
    log_every: int = 10
    patience: int = 0
    """Validations without a better chrF after which training stops; 0 never does."""
    max_length: int = 128
    """Pieces of either side above which a pair is left out."""
    seed: int = 1


@dataclass(frozen=True)
class Recipe:
    """A parsed recipe file."""

    languages: tuple[str, str]
    """The language of the first and of the second column."""
    model: TransformerConfig
    vocabulary: VocabularySettings
    corpora: tuple[CorpusSettings, ...]
    validation: tuple[ValidationSettings, ...]
    training: TrainingSettings

    @classmethod
    def read(cls, path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
        """Parse ``path``; ``overrides`` replace keys of ``[training]``.

        Raises:
            TrainingError: naming the file and the key that is wrong.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise TrainingError(f"{path}: cannot be read ({error.strerror})") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise TrainingError(f"{path}: not valid TOML ({error})") from error
        try:
            return _recipe(table, dict(overrides or {}))
        except (TrainingError, ModelError) as error:
            raise TrainingError(f"{path}: {error}") from error


def _recipe(table: dict[str, Any], overrides: dict[str, Any]) -> Recipe:
    known = {"languages", "model", "vocabulary", "corpus", "validation", "training"}
    if unknown := sorted(table.keys() - known):
        raise TrainingError(f"unknown section {unknown[0]!r}")
    languages = table.get("languages")
    if not (isinstance(languages, list) and len(set(languages)) == len(languages) == 2):
        raise TrainingError('languages must be a list of two codes, as in ["en", "de"]')
    corpora = tuple(_settings(CorpusSettings, entry, "corpus") for entry in table.get("corpus", []))
    if not corpora:
        raise TrainingError("at least one [[corpus]] is needed")
    vocabulary = _settings(VocabularySettings, table.get("vocabulary", {}), "vocabulary")
    return Recipe(
        languages=(languages[0], languages[1]),
        model=_model(table.get("model", {}), vocabulary.size),
        vocabulary=vocabulary,
        corpora=corpora,
        validation=tuple(
            _settings(ValidationSettings, entry, "validation")
            for entry in table.get("validation", [])
        ),
        training=_settings(
            TrainingSettings, {**table.get("training", {}), **overrides}, "training"
        ),
    )


def _model(table: dict[str, Any], vocab_size: int) -> TransformerConfig:
    changes = dict(table)
    preset = changes.pop("preset", "base")
    if preset not in PRESETS:
        raise TrainingError(f"model.preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    try:
        return replace(PRESETS[preset], **{**changes, "vocab_size": vocab_size})
    except TypeError as error:
        raise TrainingError(f"model: {error}") from error


def _settings(kind: type[_Settings], table: dict[str, Any], section: str) -> _Settings:
    types = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in types:
            raise TrainingError(f"unknown key {section}.{key}")
        if not _fits(value, types[key]):
            raise TrainingError(f"{section}.{key} must be {types[key]}, not {value!r}")
    try:
        return kind(**table)
    except TypeError as error:
        raise TrainingError(f"{section}: {error}") from error


def _fits(value: Any, annotation: str) -> bool:
    """Whether a TOML value may stand where the annotation (as text) is written."""
    if annotation.startswith("Literal["):
        return repr(value) in annotation
    kinds: dict[str, tuple[type, ...]] = {
        "bool": (bool,),
        "int": (int,),
        "float": (float, int),
        "str": (str,),
        "None": (type(None),),
    }
    return any(
        isinstance(value, kinds[name]) and not (isinstance(value, bool) and name != "bool")
        for name in annotation.split(" | ")
    )
