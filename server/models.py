"""Models by name, each with its workers, and their hot replacement."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tformer.model.datastore.layout import Datastore
from tformer.model.engine.scheduler import Batch
from tformer.model.errors import InputError, ModelError, UsageError
from tformer.model.files import refuse_special, sha256_of
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Route
from tformer.model.pipeline.translator import Translator
from tformer.model.translation import Translation
from tformer.model.vocabulary.language_choice import match_language
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.observability.memory import grown_mib, resident_bytes
from tformer.server.scheduling import AsyncScheduler
from tformer.server.sources import ModelSource, Reloaded, Settings
from tformer.server.status import UnknownModel

logger = logging.getLogger(__name__)

GOLDEN = "The first train to Berlin leaves at 7:45."
"""Sentence that a new model must be able to translate before it replaces another."""

GOLDEN_OPTIONS = DecodingOptions(max_length=32)
"""Room for its translation; a model that ends no sentence holds nobody up."""


@dataclass(frozen=True)
class Way:
    """From which language of a model to which; "" is to be found out for each text."""

    source: str
    target: str
    route: Route


@dataclass(eq=False)
class ServedModel:
    """A model at work."""

    name: str
    translator: Translator
    scheduler: AsyncScheduler
    fingerprint: str
    max_beam_size: int
    memory_mib: float | None = None
    """MiB by which the process grew in loading it, if the system tells."""
    users: int = 0
    """Calls that hold it; it is not closed before they have gone."""
    unused: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Keep what most calls ask for again."""
        self.way = lru_cache(maxsize=256)(self._way)

    def __enter__(self) -> ServedModel:
        """Hold it."""
        self.users += 1
        self.unused.clear()
        return self

    def __exit__(self, *error: object) -> None:
        """Let it go."""
        self.users -= 1
        if not self.users:
            self.unused.set()

    def _way(self, source: str, target: str) -> Way:
        """From which of its languages to which, for BCP-47 codes of which "" is left open.

        Raises:
            UsageError: it knows no such language, or the choice is unclear.
        """
        route = self.translator.route(source or None, target or None)
        return Way(route.choice.source or "", route.choice.target or "", route)

    def knows(self, source: str, target: str) -> bool:
        """Return whether it translates from one language to the other; "" is any."""
        sources, targets = self.translator.source_languages, self.translator.target_languages
        return all(
            not code or match_language(code, languages)
            for code, languages in ((source, sources), (target, targets))
        )

    def describe(self) -> pb.Model:
        """Description for clients."""
        network = self.translator.network
        return pb.Model(
            name=self.name,
            source_language_codes=self.translator.source_languages,
            target_language_codes=self.translator.target_languages,
            max_beam_size=self.max_beam_size,
            max_source_tokens=self.translator.longest_source,
            fingerprint=self.fingerprint,
            device=str(network.device),
            dtype=network.dtype,
        )

    async def close(self, patience: float | None = None) -> None:
        """Wait until nobody holds it, and end its worker."""
        if self.users:
            await self.unused.wait()
        await self.scheduler.close(patience)


class Models:
    """The models of a server, the default first."""

    def __init__(
        self,
        sources: Sequence[ModelSource],
        settings: Settings,
        watch: Callable[[str, Batch], None] = lambda name, batch: None,
    ) -> None:
        """Nothing is loaded yet.

        Raises:
            UsageError: two models have one name.
        """
        names = [source.name for source in sources]
        if twice := {name for name in names if names.count(name) > 1}:
            raise UsageError(f"two models are called {min(twice)}: name one with NAME=DIR")
        self._sources = list(sources)
        self._settings = settings
        self._watch = watch
        self._served: dict[str, ServedModel] = {}
        self._datastores: dict[str, Datastore] = {}
        self._retiring: dict[asyncio.Task[None], ServedModel] = {}
        self._reloading = asyncio.Lock()

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._served.values())

    async def load(self) -> None:
        """Load all models.

        Raises:
            ModelError: when one is missing, damaged, or cannot translate.
            DeviceError: when the device is not there.
            InputError: when a datastore is missing or damaged.
            UsageError: when a datastore belongs to none of them.
        """
        for named in self._settings.datastores:
            datastore = await asyncio.to_thread(Datastore, named.directory)
            self._datastores[named.name] = datastore
        for source in self._sources:
            self._served[source.name] = await asyncio.to_thread(self._start, source)
        self._check_datastores()

    async def reload(self) -> list[Reloaded]:
        """Load again the models whose files have changed.

        A new model first has to translate a sentence. Where it cannot, the old one stays, and the
        log says why. Calls that are under way finish with the model that they began with.
        """
        async with self._reloading:
            return [await self._reloaded(source) for source in self._sources]

    async def _reloaded(self, source: ModelSource) -> Reloaded:
        try:
            return Reloaded(source.name, await self._reload(source))
        except Exception as error:
            facts = {"model": source.name, "error": str(error)}
            logger.error("the model was not replaced", extra=facts)
            return Reloaded(source.name, error=error)

    async def _reload(self, source: ModelSource) -> bool:
        old = self._served[source.name]
        if await asyncio.to_thread(fingerprint, source.directory) == old.fingerprint:
            return False
        new = await asyncio.to_thread(self._start, source)
        if missing := set(old.translator.languages) - set(new.translator.languages):
            await new.close()
            raise ModelError(f"{source.directory}: has lost the languages {sorted(missing)}")
        self._served[source.name] = new
        retiring = asyncio.create_task(old.close())
        self._retiring[retiring] = old
        retiring.add_done_callback(self._retiring.pop)
        return True

    async def close(self, patience: float | None = None) -> None:
        """End all workers, those of replaced models too."""
        retiring = list(self._retiring.items())
        for task, _ in retiring:
            task.cancel()
        for model in (*self._served.values(), *(model for _, model in retiring)):
            await model.scheduler.close(patience)

    def _start(self, source: ModelSource) -> ServedModel:
        """Load a model, see that it translates, and give it a worker."""
        settings = self._settings
        before = resident_bytes()
        mark = fingerprint(source.directory)
        translator = Translator.load(
            source.directory,
            device=settings.device,
            dtype=settings.dtype,
            threads=settings.threads,
            graphs=not settings.datastores,
        )
        self._add_datastores(translator)
        check(translator)
        scheduler = AsyncScheduler(
            translator,
            beam_size=settings.beam_size,
            max_wait=settings.max_wait,
            watch=lambda batch: self._watch(source.name, batch),
            name=source.name,
        )
        memory = grown_mib(before)
        return ServedModel(source.name, translator, scheduler, mark, settings.beam_size, memory)

    def _add_datastores(self, translator: Translator) -> None:
        """Let callers name the datastores that were built with a model."""
        for name, datastore in self._datastores.items():
            if datastore.description.model == translator.fingerprint:
                translator.add_datastore(name, datastore)

    def _check_datastores(self) -> None:
        known = {model.translator.fingerprint for model in self}
        for name, datastore in self._datastores.items():
            if datastore.description.model not in known:
                raise UsageError(
                    f"datastore {name!r} was built with none of the models that are served: "
                    "`tformer memory build` again"
                )

    def find(self, name: str, source: str = "", target: str = "") -> ServedModel:
        """The model of a name, or if that is empty the first that has the languages.

        It may be replaced at any time; within ``with models.find(...) as model`` it can be used.

        Raises:
            UnknownModel: there is none of the name.
            UsageError: there is none with the languages.
        """
        if name:
            if name not in self._served:
                raise UnknownModel(f"no model {name!r}; there are {', '.join(self._served)}")
            return self._served[name]
        for model in self._served.values():
            if model.knows(source, target):
                return model
        wanted = f"from {source or 'any language'!r} to {target or 'any language'!r}"
        raise UsageError(
            f"no model translates {wanted}; ListSupportedLanguages tells what there is"
        )


def fingerprint(directory: Path) -> str:
    """SHA-256 over the files of a model but for its card, in hexadecimal.

    Raises:
        ModelError: when one cannot be read, or is no file, at which loading might wait for ever.
    """
    found = hashlib.sha256()
    try:
        for path in sorted(directory.iterdir()):
            refuse_special(path)
            if path.is_file() and path.name != "README.md":
                found.update(path.name.encode())
                found.update(bytes.fromhex(sha256_of(path)))
    except InputError as error:
        raise ModelError(str(error)) from error
    except OSError as error:
        raise ModelError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return found.hexdigest()


def check(translator: Translator) -> Translation:
    """Let a model translate a sentence.

    Raises:
        ModelError: when what comes out is no translation.
    """
    source = translator.source_languages[0]
    target = next(code for code in translator.target_languages if code != source)
    (translation,) = translator.translate(
        [GOLDEN], source=source, target=target, options=GOLDEN_OPTIONS
    )
    if not math.isfinite(translation.hypotheses[0].score):
        raise ModelError("the model cannot translate: its scores are not finite")
    return translation
