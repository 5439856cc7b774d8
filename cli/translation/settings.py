"""Resolved settings of a call: model, languages, options."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from tformer.cli import loading
from tformer.cli.translation.doubts import MarkingTranslator
from tformer.cli.translation.terms import Terms
from tformer.model.checkpoint.layout import find_model
from tformer.model.errors import InputError
from tformer.model.files import sha256_of
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.wrapper import AnyTranslator
from tformer.model.vocabulary.language_choice import LanguageChoice


@dataclass
class Setup:
    """Settings that all inputs of a call share. Nothing is loaded before it is needed."""

    model: str
    place: loading.ComputeSettings
    remote: loading.Remote | None
    decoding: DecodingOptions
    terms: Terms
    source: str | None = None
    target: str | None = None
    near: bool = False
    """True if near matches of the translation memory are wanted."""
    pivot: tuple[str, str] | None = None
    """Two models in the place of the one."""
    min_confidence: float | None = None
    """Confidence below which a translation is marked; None marks none."""

    @cached_property
    def translator(self) -> AnyTranslator:
        """The translator, equipped with glossary and memory; it marks what it is not sure of.

        Raises:
            TformerError: it is missing, damaged or cannot be reached.
        """
        if self.min_confidence is None:
            return self._equipped
        return MarkingTranslator(self._equipped, self.min_confidence)

    @property
    def _equipped(self) -> AnyTranslator:
        if self.pivot:
            return self.terms.equip(loading.open_pivot(self.pivot, self.place), near=self.near)
        warm = self.terms.fits_into_a_request
        opened = loading.open_translator(
            self.model, self.place, self.remote, self.decoding, warm=warm
        )
        return self.terms.equip(opened, near=self.near)

    def unopened(self) -> Setup:
        """The same settings for another process, which opens a translator of its own."""
        return replace(self)

    @cached_property
    def choice(self) -> LanguageChoice:
        """The languages that the user named, among those of the translator.

        Raises:
            UsageError: the translator does not have them.
        """
        translator = self.translator
        return LanguageChoice.among(
            translator.source_languages, translator.target_languages, self.source, self.target
        )

    @cached_property
    def identity(self) -> dict[str, str]:
        """Digests of all that a translation follows from besides its source, by name.

        Of a server only the address is known, not what it has there.

        Raises:
            TformerError: the model or a file of terms cannot be read.
        """
        return {
            "model": self._model_digest(),
            "languages": f"{self.source} {self.target}",
            "options": digest_of_values(asdict(self.decoding), *self._marks),
            "glossary": digest_of_values(
                self.terms.glossary_name, digest_of_files(self.terms.glossary_files)
            ),
            "memory": digest_of_files(self.terms.memory_files),
            "datastore": self._datastore_digest(),
        }

    @property
    def _marks(self) -> list[float]:
        return [] if self.min_confidence is None else [self.min_confidence]

    def _datastore_digest(self) -> str:
        if self.remote or not self.decoding.datastore:
            return ""
        files = sorted(Path(self.decoding.datastore).glob("*"))
        facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return digest_of_values(facts)

    def _model_digest(self) -> str:
        if self.remote:
            return digest_of_values(self.remote.address, self.model)
        files = [
            path
            for model in self.pivot or (self.model,)
            for path in sorted(find_model(model).iterdir())
            if path.is_file()
        ]
        return digest_of_values(self.place.device, self.place.dtype, digest_of_files(files))


def digest_of_values(*values: object) -> str:
    """Hash values that JSON can hold."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def digest_of_files(paths: Iterable[Path]) -> str:
    """Hash the content of files, in this order.

    Raises:
        InputError: one cannot be read.
    """
    return digest_of_values(*map(digest_of_file, paths))


def digest_of_file(path: Path) -> str:
    """Hash the content of an input.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
