"""Detection of the program whose model a folder or file is, and its importer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from tformer.model.convert.frames import Languages
from tformer.model.errors import ModelError


class Layout(StrEnum):
    """Layout of a model's files."""

    OURS = "tformer"
    HUGGING_FACE = "Hugging Face"
    CTRANSLATE2 = "CTranslate2"
    ARGOS = "Argos Translate"
    MARIAN = "Marian"


def recognise(path: Path) -> Layout | None:
    """The layout of a folder or file; None when it is none that is known."""
    if path.suffix == ".argosmodel" and path.is_file():
        return Layout.ARGOS
    if not path.is_dir():
        return None
    config = _config(path / "config.json")
    if "transformer" in config:
        return Layout.OURS
    if "model_type" in config and "architectures" in config:
        return Layout.HUGGING_FACE
    if (path / "metadata.json").is_file() and (path / "model" / "model.bin").is_file():
        return Layout.ARGOS
    if (path / "model.bin").is_file() and any(path.glob("*_vocabulary.*")):
        return Layout.CTRANSLATE2
    marian = any(path.glob("*.npz")) or any(path.glob("*.intgemm*.bin"))
    return Layout.MARIAN if marian else None


def import_model(
    source: Path,
    out: Path,
    *,
    name: str | None = None,
    languages: Languages | None = None,
    int8: bool = False,
) -> Layout:
    """Write a model of any known layout as one of ours.

    Args:
        source: folder or file.
        out: where to; an existing model directory is replaced.
        name: of the model; None is that of the source.
        languages: what it reads and writes, where nothing tells, or under names of one's own.
        int8: store matrices so, with little memory; for large models of the Hugging Face hub.

    Returns:
        The layout that it had.

    Raises:
        ModelError: when it has none that is known, is damaged, or of a kind that our network cannot
            compute; or when nothing tells its languages.
        OutputError: when ``out`` cannot be written.
    """
    layout = recognise(source)
    if int8 and layout is Layout.HUGGING_FACE:
        from tformer.model.convert.large import import_large

        import_large(source, out, name=name, languages=languages)
        return layout
    importers: Mapping[Layout, Callable[[], None]] = {
        Layout.HUGGING_FACE: lambda: _import_hugging_face(source, out, name, languages),
        Layout.CTRANSLATE2: lambda: _import_ctranslate2(source, out, name, languages),
        Layout.ARGOS: lambda: _import_argos(source, out, name, languages),
        Layout.MARIAN: lambda: _import_native(source, out, name, languages),
    }
    if layout is None or layout not in importers:
        known = ", ".join(importers)
        raise ModelError(f"{source}: not a model of another program that is known ({known})")
    importers[layout]()
    return layout


def _import_hugging_face(
    source: Path, out: Path, name: str | None, languages: Languages | None
) -> None:
    from tformer.model.convert.hugging_face_models import import_hugging_face
    from tformer.model.convert.marian import import_marian

    said = languages or Languages()
    if _config(source / "config.json").get("model_type") == "marian":
        import_marian(
            source, out, name=name, source_languages=said.sources, target_languages=said.targets
        )
    else:
        import_hugging_face(source, out, name=name, languages=said)


def _import_ctranslate2(
    source: Path, out: Path, name: str | None, languages: Languages | None
) -> None:
    from tformer.model.convert.ctranslate2_import import import_ctranslate2

    import_ctranslate2(source, out, name=name, languages=languages)


def _import_argos(source: Path, out: Path, name: str | None, languages: Languages | None) -> None:
    from tformer.model.convert.argos import import_argos

    import_argos(source, out, name=name, languages=languages)


def _import_native(source: Path, out: Path, name: str | None, languages: Languages | None) -> None:
    from tformer.model.convert.marian_native import import_native

    import_native(source, out, name=name, languages=languages)


def _config(file: Path) -> Mapping[str, object]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}
