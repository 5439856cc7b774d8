"""The pass that decodes degenerate output again, with a wider beam and without repeated n-grams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tformer.model.passes import guard
from tformer.model.passes.draft import EncoderInput, Sentence
from tformer.model.passes.interface import Result, Review, search
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Request


class OutputCheck:
    """Looks for signs of degenerate output, see `passes.guard`."""

    def __init__(self, text: Callable[[tuple[int, ...]], str]) -> None:
        """A check for a model, whose tokens ``text()`` decodes."""
        self._text = text

    def signs(
        self, sentence: Sentence, source: EncoderInput, best: FinishedHypothesis
    ) -> tuple[guard.Sign, ...]:
        """Return those that a hypothesis shows; none if its sentence is not to be checked."""
        if sentence.languages is None or not guard.is_guarded(sentence.options):
            return ()
        return guard.Attempt(
            source=source.text,
            target=self._text(best.tokens),
            source_language=sentence.languages[0],
            target_language=sentence.languages[1],
            source_tokens=source.tokens,
            target_tokens=best.tokens,
            options=sentence.options,
        ).signs


class Redecoding:
    """Gives a sentence whose best hypothesis shows signs a second search."""

    def __init__(self, check: OutputCheck) -> None:
        """A pass that goes by a check."""
        self._check = check

    def review(self, sentence: Sentence, result: Result) -> Review:
        """Take the second result if it shows fewer signs; see `Pass.review`."""
        source = result.input
        signs = self._check.signs(sentence, source, result.hypotheses[0])
        if not signs:
            return result
        options = guard.retry(sentence.options)
        again = yield from search(
            Request(source.tokens, options, sentence.prefix, encoder_states=result.encoder_states)
        )
        second_signs = self._check.signs(sentence, source, again.hypotheses[0])
        if len(second_signs) >= len(signs):
            return replace(result, signs=signs)
        return replace(
            result,
            hypotheses=again.hypotheses,
            max_length=again.max_length,
            encoder_states=again.encoder_states,
            signs=second_signs,
            restored=None,
        )
