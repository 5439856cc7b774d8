"""The pass that puts literals back into hypotheses, and warns of those that had to be put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

from tformer.model.errors import UsageError
from tformer.model.literals.repairing import LiteralEdit
from tformer.model.literals.rewriting import rewrite
from tformer.model.passes.alignment import Aligner
from tformer.model.passes.draft import Sentence
from tformer.model.passes.fidelity import invented, is_unreadable
from tformer.model.passes.interface import Asked, Result, Review, attention
from tformer.model.passes.prepared import Restored
from tformer.model.search.request import Pair
from tformer.model.text.casing import Casing
from tformer.model.translation import Link, Notice, WarningKind

UNREADABLE = "an unreadable character was left out"
UNSURE_CAPITALS = "text in capitals, of which the network is not sure"
SURE_SCORE = -3.6
"""Score of a hypothesis for a text in capitals below which it is doubtful: headings and signs are
short, and a word that was taken for another costs much."""
NOTHING_SAID = "the translation was empty; the source is kept"


class Restoration:
    """Turns what the network said into what people read."""

    def __init__(
        self, open_aligner: Callable[[], Aligner], text: Callable[[tuple[int, ...]], str]
    ) -> None:
        """A pass for the model of an aligner; ``text()`` decodes its tokens."""
        self._open_aligner = open_aligner
        self._text = text

    def review(self, sentence: Sentence, result: Result) -> Review:
        """Add the texts of the hypotheses, and warnings; see `Pass.review`."""
        if not sentence.options.literals:
            return result
        said = [self._text(found.tokens) for found in result.hypotheses]
        links = yield from self._links(sentence, result, said)
        restored = tuple(
            _restored(sentence, result, *each)
            for each in zip(said, links, result.restored or [None] * len(said), strict=True)
        )
        notices = tuple(_notices(sentence, result, restored[0], said[0]))
        return replace(result, restored=restored, notices=notices)

    def texts(self, sentence: Sentence, result: Result) -> list[str]:
        """Return the texts of hypotheses, in which emoji and tags may have other places."""
        said = [self._text(found.tokens) for found in result.hypotheses]
        if not sentence.options.literals:
            return said
        return [_restored(sentence, result, each, (), None).text for each in said]

    def _links(
        self, sentence: Sentence, result: Result, said: Sequence[str]
    ) -> Generator[Asked, Any, list[Sequence[Link]]]:
        """Align the hypotheses, if something has to be put between words."""
        nothing: list[Sequence[Link]] = [() for _ in said]
        source = result.input
        if not (source.prepared and source.prepared.needs_links):
            return nothing
        pairs = [
            Pair(source.tokens, found.tokens, result.encoder_states) for found in result.hypotheses
        ]
        try:
            weights = yield from attention(pairs)
        except UsageError:
            return nothing
        aligner = self._open_aligner()
        return [
            aligner.links(pair, source.text, text, weight)
            for pair, text, weight in zip(pairs, said, weights, strict=True)
        ]


def _restored(
    sentence: Sentence, result: Result, said: str, links: Sequence[Link], known: Restored | None
) -> Restored:
    """The text of a hypothesis; ``known`` is what becomes of it without links."""
    if result.is_name or not said:
        return Restored(sentence.piece.text, copies=True)
    prepared = result.input.prepared
    if prepared is None:
        return _readable(said, sentence.piece.text)
    restored = known if known and not links else prepared.restore(said, links)
    return replace(restored, text=prepared.put_in(restored)) if restored.lost else restored


def _readable(said: str, source: str) -> Restored:
    """Return what the network said, without what cannot be decoded."""
    if not is_unreadable(said, source):
        return Restored(said)
    places = [match.span() for match in re.finditer("\ufffd+", said)]
    rewritten = rewrite(said, [LiteralEdit(*place, "") for place in places])
    return Restored(rewritten.text, rewritten)


def _notices(sentence: Sentence, result: Result, restored: Restored, said: str) -> list[Notice]:
    if not said:
        return [Notice(WarningKind.GUARD, NOTHING_SAID)]
    if result.is_name:
        return []
    left_out = is_unreadable(said, sentence.piece.text)
    notes = [Notice(WarningKind.GUARD, UNREADABLE)] if left_out else []
    prepared = result.input.prepared
    if prepared and prepared.casing is Casing.CAPITALS and result.hypotheses[0].score < SURE_SCORE:
        notes.append(Notice(WarningKind.GUARD, UNSURE_CAPITALS))
    notes += [
        Notice(WarningKind.LITERAL, f"{one.text!r} was not said, and was put in")
        for one in restored.lost
    ]
    faults = [*restored.faults, *(f"invents {each}" for each in invented(sentence, restored))]
    notes += [Notice(WarningKind.LITERAL, f"the translation {fault}") for fault in faults]
    return notes
