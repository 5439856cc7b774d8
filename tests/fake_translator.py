"""A translator that shouts, for tests of the command line that need no network.

As a program it is `tformer` with this translator in the place of the real one:
`python tests/fake_translator.py translate FILE`.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from tformer.cli import loading, main
from tformer.model.errors import ModelError
from tformer.model.options import DecodingOptions
from tformer.model.translation import Hypothesis, Notice, Translation, WarningKind


class Result(NamedTuple):
    """What a call of the command line did."""

    status: int
    out: str
    err: str


Tformer = Callable[..., Result]
"""Calls the command line in the process of the tests: see the fixture `tformer`."""


class FakeVocabulary:
    def encode_target(self, text: str) -> list[int]:
        return [0] * (len(text.split()) + 1)


class FakeTranslator:
    """Upper case is its translation; it looks ahead as far as the real one may."""

    languages: tuple[str, ...] = ("en", "de")
    vocabulary = FakeVocabulary()

    @property
    def source_languages(self) -> tuple[str, ...]:
        return self.languages

    @property
    def target_languages(self) -> tuple[str, ...]:
        return self.languages

    def __init__(self, window: int = 7) -> None:
        self.window = window
        self.directions: list[tuple[str | None, str | None]] = []

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions,
        glossary: object = None,
    ) -> Iterator[Translation]:
        source = source or next(code for code in self.languages if code != target)
        self.directions.append((source, target))
        remaining = iter(texts)
        while window := list(islice(remaining, self.window)):
            for text in window:
                yield self._translation(text, str(source), str(target), options.n_best)

    def _translation(self, text: str, source: str, target: str, n_best: int) -> Translation:
        if "defect" in text:
            raise RuntimeError("a defect")
        if "damaged" in text:
            raise ModelError("model: is damaged, fetch it again")
        shouted = text.upper().replace("LINEBREAK", "\n")
        hypotheses = tuple(Hypothesis(shouted + "!" * i, -0.5 * (i + 1)) for i in range(n_best))
        warnings = (Notice(WarningKind.CUT, "was split"),) if "split" in text else ()
        return Translation(shouted, source, target, hypotheses, warnings)


def install(translator: FakeTranslator) -> None:
    """Let every command of this process use the fake."""
    loading.load_translator = lambda model, device: translator  # type: ignore[assignment,return-value]


class MortalTranslator(FakeTranslator):
    """Dies when it has answered so many texts, and keeps those that it has."""

    def __init__(self, lives: int = 10**9) -> None:
        super().__init__()
        self.lives = lives
        self.answered: list[str] = []

    def translate(self, texts: Iterable[str], **settings: Any) -> Iterator[Translation]:
        for text in texts:
            if len(self.answered) >= self.lives:
                raise KeyboardInterrupt
            self.answered.append(text)
            yield from super().translate([text], **settings)


if __name__ == "__main__":
    install(FakeTranslator())
    main.main()
