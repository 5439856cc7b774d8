"""A recipe: everything that decides what a training run makes, in one TOML file.

Sections: ``[model]`` (a preset and changes to it), ``[vocabulary]``, ``[[corpus]]`` with weights,
``[[validation]]``, ``[training]``. Unknown keys are errors, so that a typing mistake does not
silently train something else.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from tformer.model.config import PRESETS, TransformerConfig
from tformer.model.errors import ModelError, TrainingError

_Settings = TypeVar("_Settings")

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")
_FILE_NAME = re.compile(r"[\w-][\w.-]*")


@dataclass(frozen=True)
class CorpusSettings:
    """Parallel text and how often it is seen."""

    path: str
    """A TSV file of pairs or a translation memory (``.tmx``), or a glob of such files; ``.gz`` and
    ``.xz`` of TSV are read as they are."""
    target_path: str | None = None
    """For paired files: the file with the second language, line by line."""
    weight: float = 1.0
    """How often each pair is seen in an epoch; 0.25 means a quarter of them, newly drawn."""
    decay_weight: float | None = None
    """The weight while the learning rate of ``trapezoid`` falls, when a model settles: best text
    up, loose text down. None keeps ``weight``."""

    def __post_init__(self) -> None:
        """Refuse weights that no number of copies can have."""
        _require_at_least(0, "corpus", weight=self.weight, decay_weight=self.decay_weight or 0.0)


@dataclass(frozen=True)
class ValidationSettings:
    """A set of pairs that training never sees and progress is measured on."""

    name: str
    path: str
    target_path: str | None = None
    limit: int = 200
    """Pairs that are translated at each validation, spread evenly over the set."""

    def __post_init__(self) -> None:
        """Refuse names that cannot name a file."""
        if not _FILE_NAME.fullmatch(self.name):
            raise TrainingError(
                f"validation.name must be of letters, digits, '.', '_' and '-', not {self.name!r}"
            )
        _require_at_least(1, "validation", limit=self.limit)


@dataclass(frozen=True)
class VocabularySettings:
    """The joint SentencePiece vocabulary."""

    size: int = 8_000
    sample: int = 1_000_000
    """Sentences, drawn by corpus weight, that it is learnt from."""

    def __post_init__(self) -> None:
        """Refuse sizes below one."""
        _require_at_least(1, "vocabulary", size=self.size, sample=self.sample)


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
    start_share: float = 0.0
    """How much of the model that a run begins with is in what is validated and exported, the rest
    being the run's own: half and half often knows the new and has not forgotten the old (Wortsman
    et al., 2022, "Robust fine-tuning of zero-shot models")."""
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
    """Pieces of either side, with tag and end of sentence, above which `tformer prepare` leaves a
    pair out."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse values with which no loop could run."""
        _require_at_least(
            1,
            "training",
            max_steps=self.max_steps,
            tokens_per_batch=self.tokens_per_batch,
            accumulate=self.accumulate,
            validate_every=self.validate_every,
            checkpoint_every=self.checkpoint_every,
            log_every=self.log_every,
        )
        _require_at_least(
            0,
            "training",
            warmup_steps=self.warmup_steps,
            decay_steps=self.decay_steps,
            clip_norm=self.clip_norm,
            patience=self.patience,
            muon_learning_rate=self.muon_learning_rate,
            learning_rate=self.learning_rate or 0.0,
        )
        _require_at_least(3, "training", max_length=self.max_length)
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise TrainingError(f"training.{name} must be in [0, 1), not {getattr(self, name)}")
        if not 0 <= self.seed < 1 << 23:  # with step and process it must fit into 64 bits
            raise TrainingError(f"training.seed must be in [0, 2^23), not {self.seed}")


_SHARES = ("adam_beta1", "adam_beta2", "label_smoothing", "ema_decay", "start_share")


def _require_at_least(bound: int, section: str, **values: float) -> None:
    for name, value in values.items():
        if not bound <= value < math.inf:
            raise TrainingError(f"{section}.{name} must be at least {bound}, not {value}")


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
    def read(
        cls,
        path: Path,
        overrides: Mapping[str, Any] | None = None,
        start: TransformerConfig | None = None,
    ) -> Recipe:
        """Parse ``path``.

        Args:
            path: of the TOML file.
            overrides: replace keys of ``[training]``.
            start: shape of the model that training begins with. ``[model]`` and ``[vocabulary]``
                may then be left out; what they say of the shape must be what it is.

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
            return _recipe(table, dict(overrides or {}), start)
        except (TrainingError, ModelError) as error:
            raise TrainingError(f"{path}: {error}") from error


def _recipe(
    table: dict[str, Any], overrides: dict[str, Any], start: TransformerConfig | None
) -> Recipe:
    known = {"languages", "model", "vocabulary", "corpus", "validation", "training"}
    if unknown := sorted(table.keys() - known):
        raise TrainingError(f"unknown section {unknown[0]!r}")
    corpora = _list_of(CorpusSettings, table, "corpus")
    if not any(corpus.weight for corpus in corpora):
        raise TrainingError("at least one [[corpus]] with a weight above 0 is needed")
    validation = _list_of(ValidationSettings, table, "validation")
    if len({entry.name for entry in validation}) < len(validation):
        raise TrainingError("two [[validation]] sections have the same name")
    pieces = _section(table, "vocabulary")
    if start:
        pieces = {"size": start.vocab_size, **pieces}
    vocabulary = _settings(VocabularySettings, pieces, "vocabulary")
    model = _model(_section(table, "model"), vocabulary.size, start)
    if start:
        _require_shape(model, start)
    training = {**_section(table, "training"), **overrides}
    return Recipe(
        languages=_languages(table.get("languages")),
        model=model,
        vocabulary=vocabulary,
        corpora=corpora,
        validation=validation,
        training=_settings(TrainingSettings, training, "training"),
    )


def _section(table: dict[str, Any], name: str) -> dict[str, Any]:
    section = table.get(name, {})
    if not isinstance(section, dict):
        raise TrainingError(f"{name} must be a section, [{name}]")
    return section


def _list_of(kind: type[_Settings], table: dict[str, Any], section: str) -> tuple[_Settings, ...]:
    entries = table.get(section, [])
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        raise TrainingError(f"{section} must be a list of sections, each headed [[{section}]]")
    return tuple(_settings(kind, entry, section) for entry in entries)


def _languages(value: Any) -> tuple[str, str]:
    codes = value if isinstance(value, list) else []
    valid = all(isinstance(code, str) and _LANGUAGE.fullmatch(code) for code in codes)
    if not (valid and len(codes) == 2 and codes[0] != codes[1]):
        raise TrainingError('languages must be a list of two codes, as in ["en", "de"]')
    return codes[0], codes[1]


def _model(
    table: dict[str, Any], vocab_size: int, start: TransformerConfig | None
) -> TransformerConfig:
    changes = dict(table)
    preset = changes.pop("preset", None if start else "base")
    if preset not in (*PRESETS, None):
        raise TrainingError(f"model.preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    if unknown := sorted(changes.keys() - _MODEL_KEYS):
        raise TrainingError(f"unknown key model.{unknown[0]}")
    base = PRESETS[preset] if preset else start
    assert base is not None
    return replace(base, **changes, vocab_size=vocab_size)


def _require_shape(model: TransformerConfig, start: TransformerConfig) -> None:
    """Dropout and the longest sequence are free: no parameter depends on them."""
    for key in ("vocab_size", *sorted(_MODEL_KEYS - {"dropout", "max_length"})):
        wanted, found = getattr(model, key), getattr(start, key)
        if wanted != found:
            name = "vocabulary.size" if key == "vocab_size" else f"model.{key}"
            raise TrainingError(
                f"{name} is {wanted!r}, but the model to begin with has {found!r}; leave it out"
            )


# The vocabulary decides the others; what models of other programs need is not for training.
_MODEL_KEYS = {
    "d_model",
    "num_heads",
    "d_ff",
    "num_encoder_layers",
    "num_decoder_layers",
    "dropout",
    "norm",
    "activation",
    "max_length",
}


def _settings(kind: type[_Settings], table: dict[str, Any], section: str) -> _Settings:
    types = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in types:
            raise TrainingError(f"unknown key {section}.{key}")
        if not _fits(value, types[key]):
            raise TrainingError(f"{section}.{key} must be {_in_words(types[key])}, not {value!r}")
    required = {field.name for field in fields(kind) if field.default is MISSING}  # type: ignore[arg-type]
    if missing := sorted(required - table.keys()):
        raise TrainingError(f"{section}.{missing[0]} is missing")
    return kind(**table)


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


def _in_words(annotation: str) -> str:
    """Say an annotation to somebody who writes TOML."""
    if annotation.startswith("Literal["):
        return "one of " + annotation.removeprefix("Literal[").removesuffix("]")
    words = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}
    return words[annotation.removesuffix(" | None")]
