"""Model directories: what a trained model is on disk, and what can be told of it without torch.

config.json            format, languages, hyper-parameters, facts about the training
model.safetensors      parameters
sentencepiece.model    vocabulary
README.md              model card, for models that are given to others

Instead of sentencepiece.model an imported model has the files of its own vocabulary. Which, is said
by ``vocabulary`` in config.json: ``sentencepiece``, also when nothing is said; ``marian`` for
source.spm, target.spm, vocab.json and, where the target has a table of its own, target_vocab.json;
``pieces`` for pieces.json and, if there are SentencePiece models, source.spm and target.spm.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tformer.model.config import AlignmentHeads, Calibration, TransformerConfig
from tformer.model.errors import ModelError, OutputError, UsageError
from tformer.model.files import replacing
from tformer.model.options import DecodingOptions

FORMAT = 1
"""Version of the layout above; a newer one is refused."""

SHIPPED = Path(__file__).parents[1] / "pretrained"
"""Models that come with the package, a folder each."""


@dataclass(frozen=True)
class ModelFacts:
    """Content of ``config.json`` besides the hyper-parameters."""

    name: str
    languages: tuple[str, ...]
    licence: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    vocabulary: str = "sentencepiece"
    source_languages: tuple[str, ...] | None = None
    """Languages that can be translated from; None is all."""
    target_languages: tuple[str, ...] | None = None
    """Languages that can be translated into; None is all."""
    alignment: AlignmentHeads | None = None
    """The heads that align words, if they were measured."""
    confidence: tuple[Calibration, ...] = ()
    """Calibration of the confidence, of each direction that it was fitted for."""
    length_penalty: float | None = None
    """Exponent that its translations are best with, if that was measured."""


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def models_folder() -> Path:
    """Folder of installed models; ``TFORMER_MODELS`` names another.

    A user without a home, as one that the system does not know, has none: the folder returned does
    not exist, and a common one for temporary files would be anybody's to fill.
    """
    if named := os.environ.get("TFORMER_MODELS"):
        return Path(named)
    if data := os.environ.get("XDG_DATA_HOME"):
        return Path(data) / "tformer" / "models"
    try:
        return Path.home() / ".local" / "share" / "tformer" / "models"
    except RuntimeError:
        return Path(os.sep) / "nonexistent" / "tformer" / "models"


def installed_models() -> list[str]:
    """Names of the models that were installed."""
    try:
        return sorted(path.parent.name for path in models_folder().glob("[!.]*/config.json"))
    except PermissionError:  # a folder that may not be looked into has none
        return []


def _is_file(path: Path) -> bool:
    """Tell if there is a file; a folder that may not be looked into has none."""
    try:
        return path.is_file()
    except PermissionError:
        return False


def find_model(model: str | Path) -> Path:
    """The directory of a shipped or an installed model, by name, or of any other, by path.

    Raises:
        ModelError: when there is neither.
    """
    places = (SHIPPED / model, models_folder() / model, Path(model))
    for path in places:
        if _is_file(path / "config.json"):
            return path
    names = ", ".join([*shipped_models(), *installed_models()]) or "none"
    raise ModelError(
        f"{model}: no such model; name one that ships with tformer or is installed ({names}), "
        "or a directory with a config.json; `tformer models get` installs others"
    )


def read_config(path: Path) -> tuple[TransformerConfig, ModelFacts]:
    """Hyper-parameters and facts of the model in ``path``.

    Raises:
        ModelError: when they cannot be read, or are of a newer format.
    """
    file = path / "config.json"
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        if table["format"] != FORMAT:
            raise ModelError(f"format {table['format']} is unknown; a newer tformer may read it")
        config = TransformerConfig.from_dict(table["transformer"])
        heads = table.get("alignment")
        facts = ModelFacts(
            name=table["name"],
            languages=tuple(table["languages"]),
            licence=table.get("licence"),
            training=table.get("training", {}),
            vocabulary=table.get("vocabulary", "sentencepiece"),
            source_languages=_languages(table.get("source_languages")),
            target_languages=_languages(table.get("target_languages")),
            alignment=AlignmentHeads.from_dict(heads, config) if heads else None,
            confidence=tuple(map(Calibration.from_dict, table.get("confidence", ()))),
            length_penalty=_length_penalty(table.get("decoding")),
        )
        return config, facts
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file}: not a model configuration ({error!r})") from error


def store_calibrations(path: Path, fitted: Sequence[Calibration]) -> None:
    """Write calibrations into the configuration of the model in ``path``.

    They take the place of earlier ones of the same direction.

    Raises:
        ModelError: there is no configuration, or it cannot be read.
        OutputError: it cannot be written.
    """
    directions = {(each.source, each.target) for each in fitted}
    kept = [c for c in read_config(path)[1].confidence if (c.source, c.target) not in directions]
    file = path / "config.json"
    table = json.loads(file.read_text(encoding="utf-8"))
    table["confidence"] = [asdict(each) for each in (*kept, *fitted)]
    try:
        with replacing(file) as stream:
            stream.write((json.dumps(table, indent=2, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror or error}") from error


def fingerprint_of(directory: Path) -> str:
    """Identity of a model's weights, from evenly spaced parts of them; it takes a millisecond."""
    found = hashlib.sha256()
    for path in sorted(directory.glob("*.safetensors")):
        size = path.stat().st_size
        found.update(f"{path.name} {size}".encode())
        with path.open("rb") as stream:
            for part in range(64):
                stream.seek(size * part // 64)
                found.update(stream.read(1024))
    return found.hexdigest()[:32]


def _length_penalty(decoding: Any) -> float | None:
    """The exponent in the decoding settings of a model; None if it has none.

    Raises:
        ModelError: it is none, or these are no settings.
    """
    if decoding is None:
        return None
    if not isinstance(decoding, dict):
        raise ModelError(f"decoding: must be an object, not {decoding!r}")
    found = decoding.get("length_penalty")
    try:
        return DecodingOptions(length_penalty=found).length_penalty
    except UsageError as error:
        raise ModelError(f"decoding: {error}") from error


def _languages(codes: list[str] | None) -> tuple[str, ...] | None:
    return None if codes is None else tuple(codes)
