"""Glossaries and translation memories of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from tformer.cli import talk
from tformer.cli.loading import AnyTranslator
from tformer.model.around import Around
from tformer.model.errors import UsageError

if TYPE_CHECKING:
    from tformer.model.glossary import Glossary
    from tformer.model.translation import Translation
    from tformer.model.translation_memory import TranslationMemory

NUM_NEAR = 3
"""Near matches that --json shows for a text."""

GlossaryFiles = Annotated[
    list[Path] | None,
    Option(
        "--glossary",
        metavar="FILE",
        help="Terms and what they must become, .csv, .tsv or .tbx; may be given again.",
    ),
]
MemoryFiles = Annotated[
    list[Path] | None,
    Option(
        "--memory",
        metavar="FILE",
        help="Translations to reuse, .tmx or .tsv; may be given again, the first counts most.",
    ),
]


@dataclass(frozen=True)
class Terms:
    """What the files of a call hold."""

    glossary: Glossary | None = None
    memory: TranslationMemory | None = None
    glossary_files: tuple[Path, ...] = ()
    memory_files: tuple[Path, ...] = ()

    @classmethod
    def read(
        cls, glossaries: Sequence[Path] | None, memories: Sequence[Path] | None, *, remote: bool
    ) -> Terms:
        """Read the files, if there are any.

        Raises:
            UsageError: a server is to translate, which takes no glossary.
            InputError: a file cannot be read or is malformed.
        """
        if glossaries and remote:
            raise UsageError(
                "--glossary is of no use with --server: only a model that is loaded here can be "
                "made to use terms"
            )
        glossary_files, memory_files = tuple(glossaries or ()), tuple(memories or ())
        return cls(
            _read_glossary(glossary_files),
            _read_memory(memory_files),
            glossary_files,
            memory_files,
        )

    def equip(self, translator: AnyTranslator, *, near: bool) -> AnyTranslator:
        """A translator that uses them.

        Args:
            translator: one that takes a glossary, if there is one.
            near: whether near matches of the memory are wanted.
        """
        if self.glossary is None and self.memory is None:
            return translator
        from tformer.model.remembering import Remembering
        from tformer.model.translation_memory import TranslationMemory

        memory = self.memory or TranslationMemory()
        num_near = NUM_NEAR if near else 0
        remembering = Remembering(translator, memory, glossary=self.glossary, num_near=num_near)
        return _Watched(remembering, self)


class _Watched(Around):
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
                talk.warning(f"the {name} has nothing from {source} to {target}")


def _read_glossary(paths: Sequence[Path]) -> Glossary | None:
    if not paths:
        return None
    from tformer.documents.glossaries import read_glossary
    from tformer.model.glossary import Glossary

    return Glossary(entry for path in paths for entry in read_glossary(path))


def _read_memory(paths: Sequence[Path]) -> TranslationMemory | None:
    if not paths:
        return None
    from tformer.documents.memories import read_memory
    from tformer.model.translation_memory import TranslationMemory

    return TranslationMemory(*map(read_memory, paths))
