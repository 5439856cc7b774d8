"""A translator that asks a translation memory first. No torch here.

What the memory has is reused, and the translator is asked for the rest. To keep the order and the
translator's reading ahead, it gets an empty text in the place of one that is known.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tformer.model.pipeline.wrapper import Translating, TranslatorWrapper
from tformer.model.terms.glossary import Glossary, uses_of, warnings_about
from tformer.model.terms.translation_memory import TranslationMemory, Unit, matched
from tformer.model.translation import Hypothesis, MemoryMatch, Translation

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class _Recalled:
    """A text, and what the memory has for it."""

    text: str
    unit: Unit | None
    near: tuple[MemoryMatch, ...] = ()


class MemoryTranslator(TranslatorWrapper):
    """A translator with a memory; it translates as the translator does."""

    def __init__(
        self,
        translator: Translating,
        memory: TranslationMemory,
        *,
        glossary: Glossary | None = None,
        num_near: int = 0,
    ) -> None:
        """Put a memory before a translator.

        Args:
            translator: asked for what the memory does not have.
            memory: what is reused.
            glossary: what the translator is told; what is reused is checked for its terms.
            num_near: most near matches that are looked for, for every text that is not reused.
        """
        super().__init__(translator)
        self._memory = memory
        self._settings = {"glossary": glossary} if glossary else {}
        self._glossary = glossary
        self._num_near = num_near

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        **settings: Any,
    ) -> Iterator[Translation]:
        """Translate texts; see `tformer.model.pipeline.translator.Translator.translate`.

        Args:
            texts: as the translator takes them.
            source: their language; None for what the memory and the translator find.
            target: the language to translate into.
            settings: all else that the translator is told.
        """
        recalled: deque[_Recalled] = deque()

        def unknown() -> Iterator[str]:
            for text in texts:
                recalled.append(self._recall(text, source, target))
                yield "" if recalled[-1].unit else text

        settings |= self._settings
        answers = self._translator.translate(unknown(), source=source, target=target, **settings)
        return (_with_memory(answer, recalled.popleft(), self._glossary) for answer in answers)

    def _recall(self, text: str, source: str | None, target: str | None) -> _Recalled:
        if not text.strip():
            return _Recalled(text, None)
        unit = self._memory.find(text, source, target)
        if unit or not self._num_near:
            return _Recalled(text, unit)
        return _Recalled(text, None, self._memory.near(text, source, target, most=self._num_near))


def _with_memory(
    answer: Translation, recalled: _Recalled, glossary: Glossary | None
) -> Translation:
    if recalled.unit is None:
        return replace(answer, matches=recalled.near) if recalled.near else answer
    text = _fitted(recalled.unit.target, recalled.text)
    reused = replace(
        answer,
        text=text,
        source_language=recalled.unit.source_language or answer.source_language,
        target_language=recalled.unit.target_language or answer.target_language,
        hypotheses=(Hypothesis(text, 0.0),),
        matches=(matched(recalled.unit, 1.0),),
        confidence=None,
    )
    return reused if glossary is None else _checked(reused, recalled.text, glossary)


def _checked(reused: Translation, source: str, glossary: Glossary) -> Translation:
    """A remembered translation, and which terms it does not say."""
    found = glossary.find(source, reused.source_language, reused.target_language)
    uses = uses_of([one.term for one in found], reused.text)
    return replace(reused, terms=uses, warnings=(*reused.warnings, *warnings_about(uses)))


def _fitted(target: str, source: str) -> str:
    """A remembered translation with the white space around the source.

    It brings no line break of its own into a text that has none.
    """
    target = target.strip()
    if "\n" not in source.strip():
        target = _BREAKS.sub(" ", target)
    start = source[: len(source) - len(source.lstrip())]
    end = source[len(source.rstrip()) :]
    return f"{start}{target}{end}"
