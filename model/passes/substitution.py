"""A hypothesis in which terms take the place of what stands for them. No torch here.

    revision = Revision.of(tokens, places)
    settled = revision.settled(log_probs)       # how far it can stand as it is

What stood behind a term stays if it may. It was chosen with other words before it; so the network
reads the whole again, and a token stands if it is then more probable than all others together, as
do those before it. From the first that is not, the sentence is to be said anew.

The piece that follows replaced words stays in any case: a model is tempted to say again what was
replaced, and so it knows that it is behind it, and the term does not become the beginning of a
longer word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tformer.model.options import DecodingOptions
from tformer.model.search.hypotheses import FinishedHypothesis, exponent_and_offset, length_penalty

Tokens = tuple[int, ...]

SURE = math.log(0.5)
"""A token that is more probable has no rival: all others together are less probable."""


@dataclass(frozen=True)
class Replacement:
    """A term and what it replaces."""

    start: int
    """The first replaced token."""
    end: int
    """Behind the last replaced token."""
    said: Tokens
    """The term."""


@dataclass(frozen=True)
class Revision:
    """What a hypothesis becomes."""

    tokens: Tokens
    chosen: tuple[bool, ...]
    """Of every token whether it stays in any case: terms, what follows each, what comes before."""

    @classmethod
    def of(cls, tokens: Tokens, replacements: Sequence[Replacement]) -> Revision:
        """Put terms, from left to right and at least one, in their places."""
        revised = list(tokens[: replacements[0].start])
        chosen = [True] * len(revised)
        at = len(revised)
        for number, one in enumerate(replacements):
            between = tokens[at : one.start]
            revised += [*between, *one.said]
            chosen += [False] * len(between) + [True] * len(one.said)
            at = one.end
            following = replacements[number + 1 : number + 2]
            if at < len(tokens) and not (following and following[0].start <= at):
                revised.append(tokens[at])
                chosen.append(True)
                at += 1
        revised += tokens[at:]
        chosen += [False] * (len(revised) - len(chosen))
        return cls(tuple(revised), tuple(chosen))

    @property
    def num_chosen(self) -> int:
        """First tokens that take what stays in any case to be said."""
        return max(number for number, chosen in enumerate(self.chosen) if chosen) + 1

    def up_to(self, length: int) -> Revision:
        """As much as has at most so many tokens."""
        return Revision(self.tokens[:length], self.chosen[:length])

    def settled(self, log_probs: Sequence[float]) -> int:
        """How many tokens stand; one more than there are if it may end there too.

        Args:
            log_probs: of every token, and of the end.
        """
        stays = (
            chosen or log_prob > SURE
            for chosen, log_prob in zip((*self.chosen, False), log_probs, strict=True)
        )
        return next((number for number, stands in enumerate(stays) if not stands), len(log_probs))

    def finished(self, log_probs: Sequence[float], options: DecodingOptions) -> FinishedHypothesis:
        """The whole as a hypothesis, scored as a search scores it."""
        penalty = length_penalty(len(log_probs), *exponent_and_offset(options))
        return FinishedHypothesis(self.tokens, sum(log_probs) / penalty, tuple(log_probs))
