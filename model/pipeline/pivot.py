"""Two translators as one, by way of a third language, such as English. No torch here.

    Pivot(translator_of("de-en"), translator_of("en-pt"), "en").translate(texts, target="pt")

What is told of a translation is told of the whole way: words are linked through those of the
middle, terms are kept from the first text to the last, warnings of both halves are passed on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.wrapper import Translating
from tformer.model.terms.glossary import Entry, Glossary, warnings_about
from tformer.model.translation import Hypothesis, Link, TermUse, Translation, WarningKind, kind_of


class Pivot:
    """A translator of the first's sources into the second's targets."""

    def __init__(self, first: Translating, second: Translating, middle: str) -> None:
        """By way of ``middle``, which the first writes and the second reads.

        Raises:
            UsageError: one of them does not have it.
        """
        if middle not in first.target_languages or middle not in second.source_languages:
            raise UsageError(f"the two models do not meet in {middle!r}")
        self._first, self._second, self._middle = first, second, middle

    @property
    def source_languages(self) -> tuple[str, ...]:
        """Source languages of the first model, without the middle."""
        return tuple(code for code in self._first.source_languages if code != self._middle)

    @property
    def target_languages(self) -> tuple[str, ...]:
        """Target languages of the second model, without the middle."""
        return tuple(code for code in self._second.target_languages if code != self._middle)

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages but the middle."""
        return tuple(dict.fromkeys(self.source_languages + self.target_languages))

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
        glossary: Glossary | None = None,
    ) -> Iterator[Translation]:
        """Translate texts; arguments as of `pipeline.translator.Translator.translate`.

        Of hypotheses, the second's are given, for the best of the first. What must be in the
        translation, and how it begins, is told to the second alone.
        """
        options = options or DecodingOptions()
        started: deque[Translation] = deque()
        half = self._first.translate(
            texts,
            source=source,
            target=self._middle,
            options=_of_first(options),
            **_terms(glossary, self._middle, target),
        )

        def middle_texts() -> Iterator[str]:
            for translation in half:
                started.append(translation)
                yield translation.text

        rest = self._second.translate(
            middle_texts(),
            source=self._middle,
            target=target,
            options=options,
            **_kept(glossary, self._middle, target),
        )
        for translation in rest:
            yield _whole(started.popleft(), translation)


def _of_first(options: DecodingOptions) -> DecodingOptions:
    return replace(
        options, n_best=1, token_scores=False, target_prefix="", prefix_bias=0.0, required_terms=()
    )


def _terms(glossary: Glossary | None, middle: str, target: str | None) -> dict[str, Glossary]:
    """Terms for the first half, which says in the middle what the translation is to say."""
    if glossary is None:
        return {}
    entries = [
        replace(entry, target_language=middle)
        for entry in glossary.entries
        if target is None or entry.target_language in (None, target)
    ]
    return {"glossary": Glossary(entries)}


def _kept(glossary: Glossary | None, middle: str, target: str | None) -> dict[str, Glossary]:
    """Terms for the second half, which keeps what the first has said."""
    if glossary is None:
        return {}
    entries = [
        Entry(entry.target, entry.target, middle, target or entry.target_language)
        for entry in glossary.entries
    ]
    return {"glossary": Glossary(entries)}


def _whole(first: Translation, second: Translation) -> Translation:
    """Translation of a text over both steps."""
    (before, *_) = first.hypotheses
    terms = tuple(_use(use, second.terms) for use in first.terms)
    warnings = (*first.warnings, *second.warnings)
    return replace(
        second,
        source_language=first.source_language,
        hypotheses=tuple(_linked(before, after) for after in second.hypotheses),
        warnings=(
            *(warning for warning in warnings if kind_of(warning) is not WarningKind.TERM),
            *warnings_about(terms),
        ),
        source_tokens=first.source_tokens,
        terms=terms,
        confidence=_of_both(first.confidence, second.confidence),
    )


def _of_both(first: float | None, second: float | None) -> float | None:
    """Confidence that both steps are good, as if they were independent."""
    return None if first is None or second is None else round(first * second, 4)


def _use(first: TermUse, second: Sequence[TermUse]) -> TermUse:
    """Use of a term over both steps."""
    kept = any(use.honoured for use in second if use.target == first.target)
    return replace(first, honoured=first.honoured and kept)


def _linked(before: Hypothesis, after: Hypothesis) -> Hypothesis:
    if before.alignment is None or after.alignment is None:
        return after
    return replace(after, alignment=tuple(composed(before.alignment, after.alignment)))


def composed(first: Sequence[Link], second: Sequence[Link]) -> list[Link]:
    """Links from the first text to the last where both halves name the same of the middle."""
    found = dict.fromkeys(
        Link(one.source, other.target)
        for one in first
        for other in second
        if one.target[0] < other.source[1] and other.source[0] < one.target[1]
    )
    return sorted(found)
