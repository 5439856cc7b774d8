"""Opens the translator of a command: a model that it loads, the daemon, or a server.

Only loading a model pays for torch, and only a server for gRPC.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tformer.cli import console
from tformer.cli.options import DEFAULT_MODEL
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions

if TYPE_CHECKING:
    from tformer.model.pipeline.translator import Translator
    from tformer.model.pipeline.wrapper import AnyTranslator
    from tformer.server.client import Client


MIDDLE = "en"
"""The language that --pivot goes through."""

PATIENCE = 10.0
"""Seconds that a person waits for a server that does not answer."""


@dataclass(frozen=True)
class Remote:
    """A server to use in the place of a model."""

    address: str
    ca: Path | None = None
    """Authority that signed its certificate; None speaks plain text."""


@dataclass(frozen=True)
class ComputeSettings:
    """Device, dtype and threads."""

    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    """CPU cores; None is all."""
    graphs: bool = True
    """False to leave CUDA graphs out, which a datastore does not go with."""


def suitable_model(model: str, source: str | None, target: str | None) -> str:
    """The model that was named; in place of the default one another that has the languages.

    Of a folder or file with another program's model a model of ours is made, which is kept.

    Raises:
        ModelError: the other program's model is damaged, or of a kind that ours cannot be.
        OutputError: what is made of it cannot be written.
        UsageError: none that is here has the languages; it says which command gets one.
    """
    if model != DEFAULT_MODEL:
        if not Path(model).exists():
            return model
        from tformer.model.registry.cache import as_ours

        return as_ours(model, source, target)
    if not (source or target):
        return model
    from tformer.model.registry.here import for_languages

    suitable = for_languages(source, target)
    if not suitable:
        pair = f"{source or 'en'}-{target}" if target else f"{source}-en"
        raise UsageError(
            f"no model here translates{f' from {source}' if source else ''}"
            f"{f' into {target}' if target else ''}: `tformer models get {pair}` gets one"
        )
    if suitable[0].name != model:
        console.note(f"translating with the model {suitable[0].name}")
    return suitable[0].name


def goes_directly(source: str | None, target: str | None) -> bool:
    """Return whether a model that is here translates between two languages."""
    from tformer.model.registry.here import for_languages

    return bool(for_languages(source, target))


def pivot_models(source: str | None, target: str | None) -> tuple[str, str]:
    """The names of two models that translate between two languages by way of English.

    Raises:
        UsageError: a language is not named, or there are no such models.
    """
    if not source or not target:
        raise UsageError("--pivot needs both --source and --target")
    from tformer.model.registry.here import for_languages

    names = []
    for one, other in ((source, MIDDLE), (MIDDLE, target)):
        if not (suitable := for_languages(one, other)):
            raise UsageError(
                f"no model here translates from {one} into {other}: "
                f"`tformer models get {one}-{other}` gets one"
            )
        names.append(suitable[0].name)
    console.note(f"translating by way of {MIDDLE}, with the models {names[0]} and {names[1]}")
    return names[0], names[1]


def open_pivot(names: tuple[str, str], place: ComputeSettings) -> AnyTranslator:
    """Two models as one translator, by way of English.

    Raises:
        TformerError: one is missing, damaged, or does not have English.
    """
    from tformer.model.pipeline.pivot import Pivot

    first, second = (load_translator(name, place) for name in names)
    return Pivot(first, second, MIDDLE)


def open_translator(
    model: str,
    place: ComputeSettings,
    remote: Remote | None,
    options: DecodingOptions,
    *,
    warm: bool = True,
) -> AnyTranslator:
    """The server's translator if there is one, else that of the daemon if it has the model.

    Else, or if ``warm`` is False and so the daemon not asked, the model is loaded.

    Raises:
        UsageError: the options clash.
        InputError: the certificate of the authority cannot be read.
        ModelError: the model is missing or damaged.
        DeviceError: the device is not available.
    """
    if remote is None and options.datastore:
        return load_with_datastore(model, place, options.datastore)
    if remote is None:
        found = warm_translator(model, place, options) if warm else None
        return found or load_translator(model, place)
    if place != ComputeSettings():
        raise UsageError(
            "--device, --dtype and --threads are of no use with --server: the server has its own"
        )
    return connect(model, remote)


def warm_translator(
    model: str, place: ComputeSettings, options: DecodingOptions
) -> AnyTranslator | None:
    """The daemon's translator, if it runs and has this model.

    Raises:
        ModelError: there is no such model.
    """
    from tformer.daemon.control import warm_client

    if place.threads is not None:
        return None
    return warm_client(model, device=place.device, dtype=place.dtype, beam_size=options.beam_size)


def load_translator(model: str, place: ComputeSettings) -> Translator:
    """Load a model by name or directory.

    Raises:
        ModelError: it is missing or damaged.
        DeviceError: the device is not available.
    """
    from tformer.model.pipeline.translator import Translator

    _say_what_the_library_warns_of()
    return Translator.load(
        model,
        device=place.device,
        dtype=place.dtype,
        threads=place.threads,
        graphs=place.graphs,
    )


def load_with_datastore(model: str, place: ComputeSettings, directory: str) -> Translator:
    """Load a model and a datastore that was built with it.

    Raises:
        TformerError: one is missing or damaged, or they do not belong together.
    """
    from tformer.model.datastore.layout import Datastore

    datastore = Datastore(Path(directory))
    translator = load_translator(model, replace(place, graphs=False))
    translator.add_datastore(directory, datastore)
    return translator


def _say_what_the_library_warns_of() -> None:
    """As notes, whoever listens to the log besides."""
    import logging

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.note(record.getMessage())

    logger = logging.getLogger("tformer.model")
    if not logger.hasHandlers():
        logger.addHandler(Notes(logging.WARNING))


def connect(model: str, remote: Remote) -> Client:
    """A client of a server; the token comes from the environment, which others cannot list.

    Raises:
        InputError: the certificate of the authority cannot be read.
    """
    from tformer.server.client import Client, Identity

    identity = Identity(token=os.environ.get("TFORMER_TOKEN"), ca=remote.ca)
    # The default model is that of the server, whatever it is called there.
    name = "" if model == DEFAULT_MODEL else model
    return Client(remote.address, identity=identity, model=name, patience=PATIENCE)
