"""The models that are here, and which of them translates between two languages. No network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tformer.model.checkpoint.layout import (
    SHIPPED,
    installed_models,
    models_folder,
    read_config,
    shipped_models,
)
from tformer.model.errors import ModelError
from tformer.model.vocabulary.languages import closest

RECORD = "installed.json"
"""Record of an installed model, beside its files."""


@dataclass(frozen=True)
class InstalledModel:
    """A model that is here."""

    name: str
    path: Path
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    licence: str | None
    size: int
    """Bytes."""
    shipped: bool


def models() -> list[InstalledModel]:
    """Models that ship, and then those that are installed; damaged ones are left out."""
    paths = [SHIPPED / name for name in shipped_models()]
    return [
        found
        for path in (*paths, *(models_folder() / name for name in installed_models()))
        if (found := _model(path)) is not None
    ]


def for_languages(source: str | None, target: str | None) -> list[InstalledModel]:
    """The models that translate between two languages; None is any."""
    return [
        model
        for model in models()
        if (source is None or closest(source, model.sources))
        and (target is None or closest(target, model.targets))
    ]


def _model(path: Path) -> InstalledModel | None:
    try:
        _, facts = read_config(path)
        licence = facts.licence
        if (path / RECORD).is_file():
            licence = json.loads((path / RECORD).read_text(encoding="utf-8")).get("licence")
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    except (ModelError, OSError, ValueError, AttributeError):
        return None
    languages = facts.languages
    return InstalledModel(
        path.name,
        path,
        facts.source_languages or languages,
        facts.target_languages or languages,
        licence,
        size,
        path.parent == SHIPPED,
    )
