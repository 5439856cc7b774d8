"""A translator whose uncertain translations carry a warning: `--min-confidence`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tformer.model.errors import UsageError
from tformer.model.pipeline.wrapper import AnyTranslator, TranslatorWrapper
from tformer.model.translation import Notice, WarningKind

if TYPE_CHECKING:
    from tformer.model.translation import Translation


def check_minimum(minimum: float | None) -> None:
    """Refuse what is no probability.

    Raises:
        UsageError: it is none.
    """
    if minimum is not None and not 0 <= minimum <= 1:
        raise UsageError(f"--min-confidence must be from 0 to 1, not {minimum:g}")


class MarkingTranslator(TranslatorWrapper):
    """It translates as the translator does, and marks what it is not sure enough of."""

    def __init__(self, translator: AnyTranslator, minimum: float) -> None:
        super().__init__(translator)
        self._minimum = minimum

    def translate(self, texts: Iterable[str], **settings: Any) -> Iterator[Translation]:
        """Translate texts; see `tformer.model.pipeline.translator.Translator.translate`.

        Raises:
            UsageError: the model has no calibrated confidence.
        """
        return map(self._marked, self._translator.translate(texts, **settings))

    def _marked(self, translation: Translation) -> Translation:
        told = translation.confidence
        if told is None:
            if translation.source_tokens and not translation.reused:
                way = f"from {translation.source_language} into {translation.target_language}"
                raise UsageError(
                    f"--min-confidence: the model has no calibrated confidence {way}: "
                    "`tformer calibrate` fits it"
                )
            return translation
        if told >= self._minimum:
            return translation
        note = f"the confidence is {told:.2f}, less than {self._minimum:g}"
        doubt = Notice(WarningKind.CONFIDENCE, note)
        return replace(translation, warnings=(*translation.warnings, doubt))
