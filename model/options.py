"""What a caller may ask of decoding; needs no torch, so that a command can check it at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tformer.model.errors import UsageError

LengthNormalisation = Literal["paper", "average"]

MAX_BEAM_SIZE = 64
"""More hypotheses than this have only ever been a mistake, and memory grows with them."""


@dataclass(frozen=True)
class DecodingOptions:
    """How one sentence is decoded. Wrong values are refused with a sentence that names the option.

    Raises:
        UsageError: when an option is of the wrong type or out of its range.
    """

    beam_size: int = 4
    """Hypotheses kept at every step; 1 is greedy search."""
    length_penalty: float = 0.6
    """The exponent alpha of lp(Y), which divides log P(Y|X). 0 compares plain probabilities, which
    favours short translations."""
    length_normalisation: LengthNormalisation = "paper"
    """paper: lp(Y) = ((5 + |Y|) / 6)^alpha (Wu et al., 2016, equation 14), as "Attention Is All You
    Need" decodes. average: lp(Y) = |Y|^alpha, which at an alpha of 1 makes the score the average
    log-probability of a token, as Marian and transformers have it. |Y| counts the end of the
    sentence, whose probability is part of P."""
    early_stopping: bool = True
    """True: a sentence is done once it has as many finished hypotheses as its beam is wide. False:
    it goes on until its best running hypothesis, scored at the length it has, does not beat the
    worst of the finished ones that are kept, as transformers does by default."""
    n_best: int = 1
    """Hypotheses returned, the best first; at most ``beam_size``."""
    max_length: int | None = None
    """Most tokens of a translation, the end of the sentence not counted; None stands for the
    length of the source in tokens plus 50, as in section 6.1 of "Attention Is All You Need"."""
    min_length: int = 0
    """Fewest tokens of a translation, the end of the sentence not counted."""
    alignments: bool = False
    """Whether to tell in `Hypothesis.alignment` which words became which."""
    token_scores: bool = False
    """Whether to tell in `Hypothesis.piece_scores` how sure the model was of every piece."""

    def __post_init__(self) -> None:
        """Refuse what cannot be decoded."""
        self._check_types()
        self._check_range("beam_size", 1, MAX_BEAM_SIZE)
        self._check_range("length_penalty", 0, math.inf)
        self._check_range("n_best", 1, self.beam_size, "beam_size")
        self._check_range("min_length", 0, math.inf)
        if self.max_length is not None:
            self._check_range("max_length", max(1, self.min_length), math.inf)

    def target_limit(self, source_length: int) -> int:
        """Most tokens a translation of ``source_length`` tokens may have.

        It looks at nothing but this sentence, so that a translation cannot depend on its batch.
        """
        if self.max_length is not None:
            return self.max_length
        return max(source_length + 50, self.min_length)

    def _check_types(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if get_origin(kind) is Literal:
                if value not in get_args(kind):
                    choices = " or ".join(get_args(kind))
                    raise UsageError(f"{name} must be {choices}, not {value!r}")
            elif not _is_of_type(value, kind):
                expected = getattr(kind, "__name__", kind)
                raise UsageError(f"{name} must be of type {expected}, not {value!r}")

    def _check_range(self, name: str, low: float, high: float, high_name: str = "") -> None:
        value = getattr(self, name)
        if not low <= value <= high or math.isinf(value):
            upper = f"{high_name} ({high})" if high_name else f"{high}"
            wanted = f"at least {low}" if high == math.inf else f"between {low} and {upper}"
            raise UsageError(f"{name} must be {wanted}, not {value}")


def _is_of_type(value: object, kind: Any) -> bool:
    """Like isinstance; but a bool is no number, and an int is as good as a float."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind | int if kind is float else kind)
