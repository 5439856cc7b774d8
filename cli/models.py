"""`tformer models`: those that are here, and those that can be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from tformer.cli import console, options
from tformer.model.errors import ModelError

models = Typer(help="List, get, verify and remove models.", no_args_is_help=True)

Index = Annotated[
    str | None,
    Option(
        "--index",
        metavar="URL|FILE",
        envvar="TFORMER_INDEX",
        help="Where models are listed that can be had.",
    ),
]
Name = Annotated[str, Argument(metavar="NAME", help="An installed model.")]


@models.command(name="list")
def list_models(
    index: Index = None,
    available: Annotated[
        bool, Option("--available", help="Those of the index, not those that are here.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the models that ship, those that are installed or, with --available, those of the index.

    A line each: its name, the languages that it reads and writes, its size and licence.
    """
    if available:
        from tformer.model.registry.index import read_index

        entries = read_index(_index(index))
        rows = [(e.name, e.sources, e.targets, e.size, e.licence, "available") for e in entries]
    else:
        from tformer.model.registry.here import models as here

        rows = [
            (m.name, m.sources, m.targets, m.size, m.licence, "ships" if m.shipped else "installed")
            for m in here()
        ]
    for name, sources, targets, size, licence, state in rows:
        if as_json:
            keys = ("name", "sources", "targets", "size", "licence", "state")
            values = (name, sources, targets, size, licence, state)
            print(json.dumps(dict(zip(keys, values, strict=True)), ensure_ascii=False))
        else:
            way = f"{_few(sources)} → {_few(targets)}"
            print(f"{name}\t{way}\t{_size(size)}\t{licence or 'licence unknown'}\t{state}")


@models.command()
def get(
    model: Annotated[
        str,
        Argument(
            metavar="NAME|PAIR|DIR|FILE|URL",
            help="A model of the index, by name or by languages such as en-fr; one of the Hugging "
            "Face hub, as OWNER/NAME; a folder, a packed model, or a package of Argos Translate.",
        ),
    ],
    index: Index = None,
) -> None:
    """Install a model, whatever program it is of.

    A download that broke off goes on where it did when the command is called again. Checksums are
    verified, and redirects to other hosts not followed.
    """
    from tformer.model.registry.index import find_entry, read_index
    from tformer.model.registry.installed import get as get_entry
    from tformer.model.registry.installed import get_from

    cache = _cache()
    if "/" in model or "\\" in model or Path(model).exists():
        path = get_from(model, cache, _DownloadProgress(model))
    else:
        entry = find_entry(model, read_index(_index(index)))
        console.note(f"{entry.name}: licence {entry.licence or 'unknown'}, {_size(entry.size)}")
        path = get_entry(entry, cache, _DownloadProgress(entry.name))
    console.note(f"installed in {path}: tformer translate --model {path.name}")


@models.command()
def remove(name: Name) -> None:
    """Remove an installed model."""
    from tformer.model.registry.installed import remove as remove_model

    remove_model(name)


@models.command()
def verify(name: Name) -> None:
    """Compare the files of an installed model with the checksums that they had."""
    from tformer.model.registry.installed import verify as verify_model

    if wrong := verify_model(name):
        raise ModelError(f"{name}: {'; '.join(wrong)}: install it again")
    console.note(f"{name}: all files are as they were")


@models.command()
def pack(
    model: Annotated[str, Argument(metavar="NAME|DIR", help="A model that is here.")],
    out: Annotated[Path, Argument(metavar="FILE", help="What to write, such as en-fr.tfm.")],
) -> None:
    """Write a model as one file, for a machine without a network."""
    from tformer.model.checkpoint.layout import find_model
    from tformer.model.registry.installed import pack as pack_model

    pack_model(find_model(model), out)


@models.command()
def unpack(
    file: Annotated[Path, Argument(metavar="FILE", help="A packed model, .tfm.")],
) -> None:
    """Install a packed model."""
    from tformer.model.registry.installed import SUFFIX, install

    if file.suffix != SUFFIX:
        raise ModelError(f"{file}: not a packed model, whose name ends with {SUFFIX}")
    path = install(file, file.stem, origin=str(file.resolve()))
    console.note(f"installed in {path}: tformer translate --model {path.name}")


class _DownloadProgress:
    """Says how far a download is, where a person looks on: each tenth of it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said = -1

    def __call__(self, there: int, total: int | None) -> None:
        tenth = there * 10 // total if total else there >> 26
        if tenth != self._said:
            self._said = tenth
            of = f" of {_size(total)}" if total else ""
            console.note(f"{self._name}: {_size(there)}{of}")


def _index(given: str | None) -> str:
    if not given:
        raise ModelError(
            "no index of models is known: name one with --index or in TFORMER_INDEX, or get a "
            "model of the Hugging Face hub, as OWNER/NAME"
        )
    return given


def _cache() -> Path:
    from tformer.model.registry.cache import cache_folder

    return cache_folder() / "downloads"


def _few(languages: tuple[str, ...]) -> str:
    shown = ", ".join(languages[:6])
    return f"{shown}, … ({len(languages)})" if len(languages) > 6 else shown


def _size(size: int | None) -> str:
    return "size unknown" if size is None else f"{size / 1e6:.1f} MB"
