"""The passes that follow the search, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tformer.model.datastore.layout import Datastore
from tformer.model.passes.alignment import Aligner, Explanation
from tformer.model.passes.fidelity import Fidelity
from tformer.model.passes.interface import Pass
from tformer.model.passes.preparation import Preparer
from tformer.model.passes.recollection import Recollection
from tformer.model.passes.redecoding import OutputCheck, Redecoding
from tformer.model.passes.restoration import Restoration
from tformer.model.passes.terms import TermEnforcement
from tformer.model.vocabulary.sentencepiece import AnyVocabulary


def passes_in_order(
    vocabulary: AnyVocabulary,
    preparer: Preparer,
    text: Callable[[tuple[int, ...]], str],
    open_aligner: Callable[[], Aligner],
    datastores: Mapping[str, Datastore] | None = None,
) -> tuple[Pass, ...]:
    """Return the passes for one engine.

    Args:
        vocabulary: of the model.
        preparer: of its sentences.
        text: of tokens.
        open_aligner: returns what aligns, or raises a UsageError if nothing does.
        datastores: by the names that options have for them.
    """
    check = OutputCheck(text)
    restoration = Restoration(open_aligner, text)
    return (
        Fidelity(preparer, vocabulary, text),
        Redecoding(check),
        TermEnforcement(vocabulary, text, open_aligner, check, restoration.texts),
        restoration,
        Explanation(open_aligner, text),
        Recollection(datastores or {}),
    )
