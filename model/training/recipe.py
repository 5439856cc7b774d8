"""A recipe: everything that decides what a training run makes, in one TOML file.

Sections: ``[model]`` (a preset and changes to it), ``[vocabulary]``, ``filter`` and ``[[corpus]]``
with weights, ``[augmentation]``, ``[synthesis]``, ``[[validation]]``, ``[training]``. Unknown keys
are errors, so that a typing mistake does not silently train something else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from tformer.model.config import PRESETS, TransformerConfig
from tformer.model.errors import ModelError, TrainingError
from tformer.model.training.growth import GROWING, require_growth
from tformer.model.training.settings import (
    AugmentationSettings,
    CorpusSettings,
    SynthesisSettings,
    TrainingSettings,
    ValidationSettings,
    VocabularySettings,
    require_filters,
)

_Settings = TypeVar("_Settings")

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")


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
    filter: tuple[str, ...] = ()
    """Filters of every corpus that does not set its own."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)

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
                may then be left out; what they say of the shape must be what it is, or what it can
                grow to (`training.growth`).

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
    known |= {"filter", "augmentation", "synthesis"}
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
        filter=_filters(table.get("filter", [])),
        augmentation=_settings(
            AugmentationSettings, _section(table, "augmentation"), "augmentation"
        ),
        synthesis=_settings(SynthesisSettings, _section(table, "synthesis"), "synthesis"),
    )


def _filters(value: Any) -> tuple[str, ...]:
    if not _fits(value, "tuple[str, ...]"):
        raise TrainingError(f"filter must be a list of names, not {value!r}")
    require_filters(value, "filter")
    return tuple(value)


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
    free = {"dropout", "max_length", *GROWING}
    for key in ("vocab_size", *sorted(_MODEL_KEYS - free)):
        wanted, found = getattr(model, key), getattr(start, key)
        if wanted != found:
            name = "vocabulary.size" if key == "vocab_size" else f"model.{key}"
            raise TrainingError(
                f"{name} is {wanted!r}, but the model to begin with has {found!r}; leave it out"
            )
    require_growth(start, model)


# The vocabulary decides the others; what models of other programs need is not for training.
_MODEL_KEYS = {
    "architecture",
    "attention",
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
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def _fits(value: Any, annotation: str) -> bool:
    """Return whether a TOML value fits the annotation (as text)."""
    if annotation.startswith("Literal["):
        return repr(value) in annotation
    if isinstance(value, list):
        return "tuple[str, ...]" in annotation and all(isinstance(entry, str) for entry in value)
    kinds: dict[str, tuple[type, ...]] = {
        "bool": (bool,),
        "int": (int,),
        "float": (float, int),
        "str": (str,),
        "None": (type(None),),
    }
    return any(
        isinstance(value, kinds.get(name, ())) and not (isinstance(value, bool) and name != "bool")
        for name in annotation.split(" | ")
    )


def _in_words(annotation: str) -> str:
    """Say an annotation to somebody who writes TOML."""
    if annotation.startswith("Literal["):
        return "one of " + annotation.removeprefix("Literal[").removesuffix("]")
    words = {
        "tuple[str, ...]": "a list of names",
        "bool": "true or false",
        "int": "a whole number",
        "float": "a number",
        "str": "text",
    }
    return words[annotation.removesuffix(" | None")]
