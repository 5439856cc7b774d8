"""Glossaries and translation memories of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from tformer.cli import console
from tformer.model.errors import UsageError
from tformer.model.pipeline.wrapper import AnyTranslator, TranslatorWrapper

if TYPE_CHECKING:
    from tformer.model.terms.glossary import Glossary
    from tformer.model.terms.translation_memory import TranslationMemory
    from tformer.model.translation import Translation

NUM_NEAR = 3
"""Near matches that --json shows for a text."""

GlossaryFiles = Annotated[
    list[str] | None,
    Option(
        "--glossary",
        metavar="FILE|NAME",
        help="Glossary: a file, .csv, .tsv or .tbx, or a name on the server; may be given again. "
        "A term that could not be used is reported.",
    ),
]
MemoryFiles = Annotated[
    list[Path] | None,
    Option(
        "--memory",
        metavar="FILE",
        help="Translation memory, .tmx or .tsv, whose translations of the same text are reused; "
        "may be given again, the first counts most. --json also shows near matches.",
    ),
]


@dataclass(frozen=True)
class Terms:
    """Glossary and translation memory of a call."""

    glossary: Glossary | None = None
    memory: TranslationMemory | None = None
    glossary_files: tuple[Path, ...] = ()
    memory_files: tuple[Path, ...] = ()
    unused: list[str] = field(default_factory=list, compare=False)
    """Warnings about files that have nothing for a direction, as they are found."""

    @classmethod
    def read(
        cls, glossaries: Sequence[str] | None, memories: Sequence[Path] | None, *, remote: bool
    ) -> Terms:
        """Read the files, if there are any.

        Raises:
            UsageError: a glossary is named where no server is, or is too large for a server.
            InputError: a file cannot be read or is malformed.
        """
        files, names = _files_and_names(glossaries or ())
        if names and not remote:
            raise UsageError(
                f"--glossary {names[0]}: only a server has glossaries by name; a file of terms "
                "ends in .csv, .tsv or .tbx"
            )
        if len(names) > 1:
            raise UsageError("a server takes one glossary by name, and files besides")
        memory_files = tuple(memories or ())
        glossary = _read_glossary(files, *names)
        if remote:
            _check_size(glossary)
        return cls(glossary, _read_memory(memory_files), files, memory_files)

    @property
    def glossary_name(self) -> str:
        """Name of the glossary on the server; "" for a local one."""
        return getattr(self.glossary, "name", "")

    @property
    def fits_into_a_request(self) -> bool:
        """True if a server can be told of the glossary."""
        try:
            _check_size(self.glossary)
        except UsageError:
            return False
        return True

    def equip(self, translator: AnyTranslator, *, near: bool) -> AnyTranslator:
        """A translator that uses them.

        Args:
            translator: one that takes a glossary, if there is one.
            near: whether near matches of the memory are wanted.

        Raises:
            UsageError: the server has no such glossary.
        """
        if self.glossary is None and self.memory is None:
            return translator
        if self.glossary_name:
            _look_up(self.glossary, translator)
        from tformer.model.pipeline.tm_translator import MemoryTranslator
        from tformer.model.terms.translation_memory import TranslationMemory

        memory = self.memory or TranslationMemory()
        num_near = NUM_NEAR if near else 0
        remembering = MemoryTranslator(
            translator, memory, glossary=self.glossary, num_near=num_near
        )
        return _Watched(remembering, self)


class _Watched(TranslatorWrapper):
    """A translator that says, once a direction, which files are of no use for it."""

    def __init__(self, translator: AnyTranslator, terms: Terms) -> None:
        super().__init__(translator)
        self._terms = terms
        self._seen: set[tuple[str | None, str | None]] = set()

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        **settings: Any,
    ) -> Iterator[Translation]:
        if (source, target) not in self._seen:
            self._seen.add((source, target))
            self._look_at(source, target)
        return self._translator.translate(texts, source=source, target=target, **settings)

    def _look_at(self, source: str | None, target: str | None) -> None:
        held = {"glossary": self._terms.glossary, "translation memory": self._terms.memory}
        for name, terms in held.items():
            if terms is not None and source and target and not terms.covers(source, target):
                self._terms.unused.append(f"the {name} has nothing from {source} to {target}")
                console.warning(self._terms.unused[-1])


def _files_and_names(given: Sequence[str]) -> tuple[tuple[Path, ...], list[str]]:
    """Files of terms, and glossaries of a server."""
    if not given:
        return (), []
    from tformer.documents.terminology.glossaries import is_file_name

    files = tuple(Path(one) for one in given if is_file_name(one))
    return files, [one for one in given if not is_file_name(one)]


def _look_up(glossary: Glossary | None, translator: AnyTranslator) -> None:
    from tformer.server.client import Client, NamedGlossary

    if isinstance(glossary, NamedGlossary) and isinstance(translator, Client):
        glossary.look_up(translator.glossaries())


def _check_size(glossary: Glossary | None) -> None:
    if glossary is None:
        return
    from tformer.server.glossaries.limits import check_size

    check_size(len(glossary))


def _read_glossary(paths: Sequence[Path], name: str = "") -> Glossary | None:
    if not paths and not name:
        return None
    from tformer.documents.terminology.glossaries import read_glossary
    from tformer.model.terms.glossary import Glossary

    entries = [entry for path in paths for entry in read_glossary(path)]
    if not name:
        return Glossary(entries)
    from tformer.server.glossaries.wire import NamedGlossary

    return NamedGlossary(name, entries)


def _read_memory(paths: Sequence[Path]) -> TranslationMemory | None:
    if not paths:
        return None
    from tformer.documents.terminology.memories import read_memory
    from tformer.model.terms.translation_memory import TranslationMemory

    return TranslationMemory(*map(read_memory, paths))
