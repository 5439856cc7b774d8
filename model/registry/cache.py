"""Models of other programs that are used where they lie: ours are made once and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tformer.model.convert.frames import Languages
from tformer.model.convert.recognise import Layout, import_model, recognise
from tformer.model.errors import ModelError, OutputError


def cache_folder() -> Path:
    """Folder of files that can be made or fetched again.

    Raises:
        OutputError: the user has no home, and nothing names another place.
    """
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        raise OutputError("there is no home to keep files in: set XDG_CACHE_HOME") from None
    return Path(root) / "tformer"


def as_ours(model: str, source: str | None, target: str | None) -> str:
    """Folder of a model of ours: the one that is named, or what is made of another program's.

    Args:
        model: folder or file.
        source: language that it is said to read; None where nothing is said.
        target: language that it is said to write.

    Raises:
        ModelError: the other program's model is damaged, or of a kind that ours cannot be.
        OutputError: what is made of it cannot be written.
    """
    layout = recognise(Path(model))
    if layout in (None, Layout.OURS):
        return model
    # A model of many languages is made once, not anew for each that is named.
    said = Languages((source,) if source else (), (target,) if target else ())
    try:
        return str(imported(Path(model), Languages()))
    except ModelError:
        if said == Languages():
            raise
        return str(imported(Path(model), said))


def imported(source: Path, languages: Languages) -> Path:
    """The directory of a model of ours that is made of another program's, unless it is there.

    It is made anew when a file of the model has changed.

    Raises:
        ModelError: as `convert.recognise.import_model`.
        OutputError: when it cannot be written.
    """
    folder = cache_folder() / "imported" / _key(source, languages) / source.resolve().name
    if (folder / "config.json").is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new.", dir=folder.parent) as temporary:
            new = Path(temporary) / folder.name
            import_model(source, new, name=folder.name, languages=languages)
            if not folder.exists():  # another process may have been quicker
                shutil.move(new, folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error})") from error
    return folder


def _key(source: Path, languages: Languages) -> str:
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    facts = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
    return hashlib.sha256(repr((source.resolve(), facts, languages)).encode()).hexdigest()[:24]
