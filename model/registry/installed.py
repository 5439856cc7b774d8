"""Models in the folder of the user: ``TFORMER_MODELS``, or tformer/models in the data folder.

Each has beside its files an ``installed.json``: where it is from, under which licence, and the
checksums that its files had.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from tformer.model.checkpoint.layout import installed_models, models_folder, read_config
from tformer.model.convert.frames import Languages
from tformer.model.convert.hub import fetch
from tformer.model.convert.recognise import Layout, import_model, recognise
from tformer.model.errors import ModelError, OutputError
from tformer.model.registry.download import Progress, RemoteFile, digest, download, is_whole
from tformer.model.registry.here import RECORD
from tformer.model.registry.index import IndexEntry

SUFFIX = ".tfm"
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}")
_LARGEST = 16 << 30
"""Bytes of a packed model, unpacked."""


def install(
    source: Path | str,
    name: str,
    *,
    origin: str,
    licence: str | None = None,
    languages: Languages | None = None,
) -> Path:
    """Install a model of any known layout, ours, or packed.

    Args:
        source: folder or file.
        name: to install it by.
        origin: where it is from, to be recorded.
        licence: to be recorded.
        languages: where nothing tells.

    Returns:
        Its directory.

    Raises:
        ModelError: when it is none that is known, or damaged.
        OutputError: when it cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"{name!r} is no name for a model: letters, digits and . _ + - are")
    source, target = Path(source), models_folder() / name
    with ExitStack() as stack:
        try:
            models_folder().mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix=".new.", dir=models_folder())
            new = Path(stack.enter_context(folder)) / name
            _make_ours(source, new, languages)
            read_config(new)
            _record(new, origin, licence)
            if target.exists():
                shutil.rmtree(target)
            new.rename(target)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({error})") from error
    return target


def _make_ours(source: Path, new: Path, languages: Languages | None) -> None:
    """Unpack, copy or convert a model, whichever it takes."""
    if source.suffix == SUFFIX:
        _unpack(source, new)
    elif recognise(source) is Layout.OURS:
        shutil.copytree(source, new)
    else:
        import_model(source, new, name=new.name, languages=languages)


def get(entry: IndexEntry, cache: Path, progress: Progress | None = None) -> Path:
    """Install a model of an index; what has been downloaded is kept in ``cache`` until then.

    Raises:
        ModelError: when a file cannot be had or is not what it must be.
        OutputError: when it cannot be written.
    """
    folder = cache / entry.name
    for name, file in entry.files.items():
        if not is_whole(file, folder / name):
            download(file, folder / name, progress)
    only = folder / next(iter(entry.files))
    source = only if len(entry.files) == 1 and only.suffix in (SUFFIX, ".argosmodel") else folder
    origin = next(iter(entry.files.values())).url
    languages = Languages(entry.sources, entry.targets)
    path = install(source, entry.name, origin=origin, licence=entry.licence, languages=languages)
    shutil.rmtree(folder, ignore_errors=True)
    return path


def get_from(place: str, cache: Path, progress: Progress | None = None) -> Path:
    """Install a model from a path, a URL, or by its name on the Hugging Face hub.

    Raises:
        ModelError: when it cannot be had, or is of no known layout.
        OutputError: when it cannot be written.
    """
    name = re.split(r"[/\\]", place.rstrip("/\\"))[-1]
    short = name.removesuffix(SUFFIX).removesuffix(".argosmodel")
    if place.startswith(("http://", "https://")):
        download(RemoteFile(place), cache / name, progress)
        path = install(cache / name, short, origin=place)
        (cache / name).unlink()
        return path
    if Path(place).exists():
        return install(place, short, origin=str(Path(place).resolve()))
    return install(fetch(place), short, origin=f"https://huggingface.co/{place}")


def remove(name: str) -> None:
    """Remove an installed model.

    Raises:
        ModelError: when none is installed by this name.
        OutputError: when it cannot be removed.
    """
    try:
        shutil.rmtree(_installed(name))
    except OSError as error:
        raise OutputError(f"{name}: cannot be removed ({error})") from error


def verify(name: str) -> list[str]:
    """Faults in the files of an installed model; none if it is intact.

    Raises:
        ModelError: when none is installed by this name, or nothing was recorded of it.
    """
    folder = _installed(name)
    try:
        recorded = json.loads((folder / RECORD).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder / RECORD}: cannot be read: install it again") from error
    wrong = []
    for file, sha256 in recorded.items():
        if not (folder / file).is_file():
            wrong.append(f"{file} is missing")
        elif digest(folder / file) != sha256:
            wrong.append(f"{file} has changed")
    return wrong


def pack(folder: Path, out: Path) -> None:
    """Write a model directory as one file, for a machine without a network.

    Raises:
        ModelError: when it is none.
        OutputError: when ``out`` exists or cannot be written.
    """
    read_config(folder)
    part = out.with_name(f"{out.name}.part")
    if out.exists():
        raise OutputError(f"{out}: exists; name a file that does not")
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
        with ZipFile(part, "w", ZIP_STORED) as archive:
            sums = {file.name: digest(file) for file in files}
            archive.writestr("sha256.json", json.dumps(sums))
            for file in files:
                archive.write(file, file.name)
        part.rename(out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error})") from error


def _unpack(packed: Path, folder: Path) -> None:
    try:
        with ZipFile(packed) as archive:
            entries = archive.infolist()
            sums = json.loads(archive.read("sha256.json"))
            names = {entry.filename for entry in entries} - {"sha256.json"}
            if names != sums.keys() or not all(map(_NAME.fullmatch, names)):
                raise ModelError(f"{packed}: not a packed model: its files are not those it lists")
            if sum(entry.file_size for entry in entries) > _LARGEST:
                raise ModelError(f"{packed}: too large unpacked")
            folder.mkdir()
            for name in names:
                with archive.open(name) as source, (folder / name).open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    except (BadZipFile, KeyError, ValueError, EOFError, NotImplementedError) as error:
        raise ModelError(f"{packed}: not a packed model, or damaged ({error})") from error
    for name, sha256 in sums.items():
        if digest(folder / name) != sha256:
            raise ModelError(f"{packed}: damaged: {name} has another checksum")


def _record(folder: Path, origin: str, licence: str | None) -> None:
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != RECORD)
    table = {
        "origin": origin,
        "licence": licence or read_config(folder)[1].licence,
        "sha256": {file.name: digest(file) for file in files},
    }
    (folder / RECORD).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def _installed(name: str) -> Path:
    if name not in installed_models():
        names: Sequence[str] = installed_models() or ["none"]
        raise ModelError(f"{name}: not installed; those that are: {', '.join(names)}")
    return models_folder() / name
