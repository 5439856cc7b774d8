"""A translator that keeps a journal, and answers from it what it has been asked before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tformer.cli import console
from tformer.documents.jobs.journal import Earlier, Journal
from tformer.model.pipeline.serialization import record_of, translation_of
from tformer.model.pipeline.wrapper import AnyTranslator, TranslatorWrapper

if TYPE_CHECKING:
    from tformer.model.translation import Translation


class Journaled(TranslatorWrapper):
    """It translates as the translator does, which is asked for what the journal does not have."""

    def __init__(self, translator: AnyTranslator, journal: Journal) -> None:
        super().__init__(translator)
        self._journal = journal

    def translate(self, texts: Iterable[str], **settings: Any) -> Iterator[Translation]:
        """Translate texts; see `tformer.model.pipeline.translator.Translator.translate`."""
        remaining = iter(texts)
        for text in remaining:
            record = self._journal.take(text)
            if record is None:
                yield from self._ask(chain([text], remaining), settings)
            else:
                yield translation_of(record)

    def _ask(self, texts: Iterator[str], settings: dict[str, Any]) -> Iterator[Translation]:
        originals, copies = tee(texts)
        answers = self._translator.translate(copies, **settings)
        for text, answer in zip(originals, answers, strict=True):
            self._journal.append(text, record_of(answer))
            yield answer


@contextmanager
def journal_for(output: Path, identity: dict[str, str], earlier: Earlier) -> Iterator[Journal]:
    """A journal for an output, until it is made.

    Raises:
        UsageError: there is one of an earlier run, and nothing is said about it, or it was made
            with other options.
        OutputError: it cannot be written.
    """
    journal = Journal(output, identity, earlier)
    if journal.is_stale:
        console.warning(f"{output}: begun anew, since the earlier run had another input")
    try:
        yield journal
    except BaseException:
        if num_answers := journal.close():
            console.note(
                f"{output}: not finished; --resume goes on behind {num_answers:,} segments"
            )
        raise
    journal.remove()
