"""Packages of Argos Translate, ``.argosmodel``: zip files with a model of CTranslate2.

    NAME/metadata.json             languages
    NAME/model/                    in the layout of `convert.ctranslate2_import`
    NAME/sentencepiece.model       cuts both sides

What else is in one (the splitters of Stanza and others) is not read: texts are cut into sentences
as for every model. Nothing is unpacked that is not named here, and only into a folder of ours.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from tformer.model.convert.ctranslate2_import import import_ctranslate2, read_json
from tformer.model.convert.frames import Languages
from tformer.model.errors import ModelError, OutputError
from tformer.model.vocabulary.pieces import Cutters

METADATA, PIECES, MODEL = "metadata.json", "sentencepiece.model", "model"

_WANTED = re.compile(
    r"(?:[^/\\]+/)?(?P<name>metadata\.json|sentencepiece\.model|bpe\.model|model/"
    r"(?:model\.bin|config\.json|\w+_vocabulary\.(?:txt|json)))"
)
_LARGEST = 4 << 30
"""Bytes of a package, unpacked."""


def import_argos(
    package: Path, out: Path, *, name: str | None = None, languages: Languages | None = None
) -> None:
    """Write the model of a package as one of ours.

    Args:
        package: the file, or the folder that it was unpacked to.
        out: where to; an existing model directory is replaced.
        name: of the model; None is that of the package.
        languages: None is what the package says.

    Raises:
        ModelError: when it is damaged, or its model of a kind that ours cannot be.
        OutputError: when ``out`` cannot be written.
    """
    name = name or package.resolve().name.removesuffix(".argosmodel")
    if package.is_dir():
        _import(package, out, name, languages)
        return
    with tempfile.TemporaryDirectory(prefix="tformer-") as folder:
        _unpack(package, Path(folder))
        _import(Path(folder), out, name, languages)


def _import(folder: Path, out: Path, name: str, languages: Languages | None) -> None:
    facts = read_json(folder / METADATA)
    if not isinstance(facts, dict) or facts.get("type", "translate") != "translate":
        raise ModelError(f"{folder / METADATA}: not a package that translates")
    codes = (facts.get("from_code"), facts.get("to_code"))
    stated = Languages(*((code,) if isinstance(code, str) else () for code in codes))
    if not (folder / PIECES).is_file():
        raise ModelError(
            f"{name}: has no {PIECES}; older packages cut text in a way that is not read"
        )
    said = (languages or Languages()).or_of(stated)
    cutters = Cutters(folder / PIECES)
    import_ctranslate2(folder / MODEL, out, name=name, languages=said, cutters=cutters)


def _unpack(package: Path, folder: Path) -> None:
    try:
        with ZipFile(package) as archive:
            wanted = [(entry, match) for entry in archive.infolist() if (match := _match(entry))]
            if sum(entry.file_size for entry, _ in wanted) > _LARGEST:
                raise ModelError(f"{package}: too large unpacked")
            for entry, name in wanted:
                target = folder / name
                target.parent.mkdir(exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{package}: damaged ({error}); fetch it again") from error
    except OSError as error:
        raise OutputError(f"{package}: cannot be unpacked ({error})") from error


def _match(entry: ZipInfo) -> str | None:
    found = _WANTED.fullmatch(entry.filename)
    return found["name"] if found else None
