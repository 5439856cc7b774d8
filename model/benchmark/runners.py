"""Runners of the systems that are compared, each behind the same few calls.

All search the same way: a score is the average log-probability of a token
(``length_normalisation="average"`` at a penalty of 1, the default of the other two), a sentence is
done once it has as many hypotheses as its beam is wide, and no translation is longer than
``MAX_LENGTH``. All read and write lines of text by the model's own vocabulary."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from tformer.model.benchmark.figures import System
from tformer.model.checkpoint.description import open_vocabulary
from tformer.model.checkpoint.layout import read_config
from tformer.model.options import DecodingOptions

MAX_LENGTH = 256
"""Most tokens of a translation, where nothing else is said; the default of CTranslate2."""


Settings = dict[str, int]


Route = tuple[str, str]
"""Source and target language."""


@dataclass(frozen=True)
class SystemOptions:
    """Decoding options that every system understands."""

    batch: int | None
    beam_size: int
    settings: Settings

    @classmethod
    def of(cls, message: dict[str, Any]) -> SystemOptions:
        """Read a message to a worker."""
        return cls(message["batch"], message["beam_size"], message["settings"])


class Runner(Protocol):
    """One system with one model."""

    def prepare(self, settings: Settings) -> None:
        """Load the model, unless it is loaded with these very settings."""

    def translate(self, lines: Sequence[str], route: Route, call: SystemOptions) -> list[str]:
        """As many translations as lines, in their order."""

    def decode(self, sources: Sequence[list[int]], length: int, call: SystemOptions) -> int:
        """Translate token ids; ``length`` tokens a sentence, counting its end. Tokens of all."""

    def versions(self) -> dict[str, str]:
        """Versions of the packages that matter."""


def runner_of(system: System, model: Path, folder: Path, device: str) -> Runner:
    """A system that has not loaded anything yet.

    Args:
        system: which.
        model: our model directory, for its vocabulary.
        folder: what :func:`export` wrote.
        device: auto, cpu or cuda.
    """
    if system.program == "tformer":
        return Tformer(model, system.dtype, device)
    vocabulary = Tokens(model)
    if system.program == "ctranslate2":
        return CTranslate2(vocabulary, folder, system.dtype, device)
    return Transformers(vocabulary, folder, system.dtype, device)


def _versions(*packages: str) -> dict[str, str]:
    return {package: version(package) for package in packages}


class Tokens:
    """Text to tokens and back, for the systems that know only tokens."""

    def __init__(self, model: Path) -> None:
        """The vocabulary of a model directory of ours."""
        self.config, facts = read_config(model)
        self._vocabulary = open_vocabulary(model, facts)
        self.source = self._vocabulary.source_tokens
        self._target = {token: i for i, token in enumerate(self._vocabulary.target_tokens)}

    def encode(self, text: str, route: Route) -> list[int]:
        """Ids of the encoder's input."""
        return self._vocabulary.encode(text, route[1])

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; those of control symbols vanish."""
        return self._vocabulary.decode(ids)

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """Ids of target tokens."""
        return [self._target[token] for token in tokens]


class Tformer:
    """Ours. Settings: ``threads``, ``max_tokens`` (see `tformer.model.engine.engine`)."""

    def __init__(self, model: Path, dtype: str, device: str) -> None:
        """Ours, not loaded."""
        self._model, self._dtype, self._device = model, dtype, device
        self._threads: int | None = None

    def prepare(self, settings: Settings) -> None:
        """See `Runner.prepare`."""
        from tformer.model.pipeline.translator import Translator

        if settings["threads"] != self._threads:
            self._threads = settings["threads"]
            self._translator = Translator.load(
                self._model, device=self._device, dtype=self._dtype, threads=self._threads
            )
        self._translator.max_tokens = settings["max_tokens"]

    def translate(self, lines: Sequence[str], route: Route, call: SystemOptions) -> list[str]:
        """See `Runner.translate`."""
        source, target = route
        options = _options(call.beam_size, max_length=MAX_LENGTH)
        found = self._translator.translate(lines, source=source, target=target, options=options)
        return [translation.text for translation in found]

    def decode(self, sources: Sequence[list[int]], length: int, call: SystemOptions) -> int:
        """See `Runner.decode`."""
        from tformer.model.passes.draft import Sentence
        from tformer.model.text.segmentation import Piece

        # Our lengths do not count the end of the sentence, which takes a step as well.
        options = _options(call.beam_size, min_length=length - 1, max_length=length - 1)
        sentences = [Sentence(Piece("", ""), tokens, options) for tokens in sources]
        self._translator.complete(sentences, call.beam_size)
        return sum(sentence.target_tokens + 1 for sentence in sentences)

    def versions(self) -> dict[str, str]:
        """See `Runner.versions`."""
        return _versions("tformer", "torch")


def _options(beam_size: int, *, max_length: int, min_length: int = 0) -> DecodingOptions:
    return DecodingOptions(
        guard=False,  # nobody else looks twice
        literals=False,
        beam_size=beam_size,
        length_penalty=1.0,
        length_normalisation="average",
        max_length=max_length,
        min_length=min_length,
    )


class CTranslate2:
    """CTranslate2, with its own weights and arithmetic.

    Settings: ``inter_threads`` batches at a time of ``intra_threads`` threads each, and
    ``max_batch_size``, into which it cuts what it is given after sorting it by length.
    """

    def __init__(self, vocabulary: Tokens, folder: Path, dtype: str, device: str) -> None:
        """CTranslate2, not loaded."""
        self._vocabulary, self._folder = vocabulary, folder
        self._dtype, self._device = dtype, device
        self._threads: tuple[int, int] | None = None

    def prepare(self, settings: Settings) -> None:
        """See `Runner.prepare`."""
        ctranslate2 = importlib.import_module("ctranslate2")
        threads = (settings["inter_threads"], settings["intra_threads"])
        if threads != self._threads:
            self._threads = threads
            self._translator = ctranslate2.Translator(
                str(self._folder),
                device=self._device,
                compute_type=self._dtype,
                inter_threads=threads[0],
                intra_threads=threads[1],
            )

    def translate(self, lines: Sequence[str], route: Route, call: SystemOptions) -> list[str]:
        """See `Runner.translate`."""
        sources = [self._vocabulary.encode(line, route) for line in lines]
        return [self._text(tokens) for tokens in self._decode(sources, call, 1, MAX_LENGTH)]

    def decode(self, sources: Sequence[list[int]], length: int, call: SystemOptions) -> int:
        """See `Runner.decode`."""
        return sum(len(tokens) for tokens in self._decode(sources, call, length, length))

    def versions(self) -> dict[str, str]:
        """See `Runner.versions`."""
        return _versions("ctranslate2")

    def _decode(
        self, sources: Sequence[list[int]], call: SystemOptions, shortest: int, longest: int
    ) -> list[list[str]]:
        """The best hypothesis of each, as tokens."""
        names = self._vocabulary.source
        found = self._translator.translate_batch(
            [[names[token] for token in source] for source in sources],
            beam_size=call.beam_size,
            max_batch_size=call.settings["max_batch_size"],
            min_decoding_length=shortest,
            max_decoding_length=longest,
        )
        return [result.hypotheses[0] for result in found]

    def _text(self, tokens: Sequence[str]) -> str:
        return self._vocabulary.decode(self._vocabulary.ids(tokens))


class Transformers:
    """`generate` of the package transformers, in batches of sentences of similar length.

    Settings: ``threads``, ``max_batch_size``.
    """

    def __init__(self, vocabulary: Tokens, folder: Path, dtype: str, device: str) -> None:
        """Transformers, not loaded."""
        self._vocabulary, self._folder = vocabulary, folder
        self._dtype, self._device = dtype, device
        self._model: Any = None

    def prepare(self, settings: Settings) -> None:
        """See `Runner.prepare`."""
        from tformer.model.convert.huggingface import load_transformers
        from tformer.model.hardware.device import choose_device, choose_dtype, set_threads

        set_threads(settings["threads"])
        if self._model is None:
            self._place = choose_device(self._device)
            dtype = choose_dtype(self._dtype, self._place)
            self._model = load_transformers(self._folder, dtype, self._place)

    def translate(self, lines: Sequence[str], route: Route, call: SystemOptions) -> list[str]:
        """See `Runner.translate`."""
        sources = [self._vocabulary.encode(line, route) for line in lines]
        found = self._decode(sources, call, max_new_tokens=MAX_LENGTH)
        return [self._vocabulary.decode(ids) for ids in found]

    def decode(self, sources: Sequence[list[int]], length: int, call: SystemOptions) -> int:
        """See `Runner.decode`."""
        found = self._decode(sources, call, min_new_tokens=length, max_new_tokens=length)
        return sum(len(ids) - 1 for ids in found)  # the first is what the decoder begins with

    def versions(self) -> dict[str, str]:
        """See `Runner.versions`."""
        return _versions("transformers", "torch")

    def _decode(
        self, sources: Sequence[list[int]], call: SystemOptions, **lengths: int
    ) -> list[list[int]]:
        """The best hypothesis of each, sorted into batches and back."""
        size = call.settings["max_batch_size"]
        waiting = iter(sorted(range(len(sources)), key=lambda i: -len(sources[i])))
        found: dict[int, list[int]] = {}
        while batch := list(islice(waiting, size)):
            generated = self._generate([sources[i] for i in batch], call.beam_size, lengths)
            found |= zip(batch, generated, strict=True)
        return [found[i] for i in range(len(sources))]

    def _generate(
        self, sources: list[list[int]], beam_size: int, lengths: dict[str, int]
    ) -> list[list[int]]:
        import torch

        longest, pad_id = len(sources[0]), self._vocabulary.config.pad_id
        padded = [[*source, *[pad_id] * (longest - len(source))] for source in sources]
        real = [[1] * len(source) + [0] * (longest - len(source)) for source in sources]
        with torch.inference_mode():
            generated: list[list[int]] = self._model.generate(
                input_ids=torch.tensor(padded, device=self._place),
                attention_mask=torch.tensor(real, device=self._place),
                num_beams=beam_size,
                do_sample=False,
                early_stopping=beam_size > 1,
                **lengths,
            ).tolist()
        return generated
