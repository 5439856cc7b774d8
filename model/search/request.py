"""Requests to an engine, in token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tformer.model.datastore.layout import Subset
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions

Term = tuple[tuple[int, ...], ...]
"""Something that must be said, and the ways in which it may be, each in token ids."""


@dataclass(frozen=True)
class Request:
    """One sentence to translate.

    Raises:
        UsageError: when a required term can be said in no way, or in one without a token; or when
            terms are required of samples.
    """

    source: Sequence[int]
    """Token ids as the encoder reads them: target-language tag, pieces, end of sentence."""
    options: DecodingOptions = field(default_factory=DecodingOptions)
    prefix: tuple[int, ...] = ()
    """The first tokens of every translation. They are scored like any others, are part of what is
    returned, and count in ``max_length`` and ``min_length``. With ``prefix_bias`` they are
    recommended and not forced."""
    required: tuple[Term, ...] = ()
    """Terms that every translation contains, each in one of its ways: as these tokens, in this
    order, with none in between. Terms may overlap, and the prefix may contain them; a term that is
    named twice need only be said once. See `tformer.model.search.constraints`."""
    encoder_states: Any = field(default=None, compare=False, repr=False)
    """Encoder states of the source, `Finished.encoder_states` of an earlier answer for the
    same source; it changes no result and saves reading the source again."""
    subset: Subset | None = None
    """Entries of a datastore whose tokens are mixed into the distribution at every step."""
    alternatives: bool = False
    """True to be given every hypothesis that the search has finished, see `Finished`."""

    def __post_init__(self) -> None:
        """Refuse what cannot be said."""
        for term in self.required:
            if not term or not all(term):
                raise UsageError("a required term must have an alternative, and that a token")
        if self.required and self.options.sampling:
            raise UsageError("sampling cannot promise required terms: search for them with a beam")

    @property
    def demanded(self) -> tuple[int, ...]:
        """Tokens that translations are to contain, be they probable or not."""
        ways = (way for term in self.required for way in term)
        return (*self.prefix, *(token for way in ways for token in way))

    @property
    def begins_alike(self) -> bool:
        """True if all hypotheses have the same prefix, so that it can be read at once."""
        options = self.options
        uncertain = options.prefix_bias or options.sampling or options.coverage_penalty
        return bool(self.prefix) and not uncertain


@dataclass(frozen=True)
class Pair:
    """Source and target of teacher forcing."""

    source: Sequence[int]
    """As `Vocabulary.encode` makes it."""
    target: Sequence[int]
    """Without the beginning and the end."""
    encoder_states: Any = None
    """Encoder states of the source, `Finished.encoder_states` of an earlier answer for the"""
