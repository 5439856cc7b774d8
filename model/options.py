"""Decoding options; needs no torch, so that a command can check them at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tformer.model.errors import UsageError

LengthNormalisation = Literal["paper", "average"]

MAX_BEAM_SIZE = 64
"""More hypotheses than this have only ever been a mistake, and memory grows with them."""

MAX_LENGTH = 4096
"""Most tokens of one sentence's translation, whatever the options say; every token is a step."""

LENGTH_PENALTY = 0.6
"""The exponent of the paper (section 6.1), for models that have none of their own."""

MAX_EXPONENT = 10.0
"""Largest ``length_penalty``: a power of it is still a number in single precision."""

MAX_FACTOR = 100.0
"""Largest ``patience``, ``length_ratio``, ``coverage_penalty``, ``repetition_penalty`` and
``temperature``; the last two are at least its inverse."""

MAX_REQUIRED_TERMS = 100

MAX_TERM_CHARACTERS = 1000
"""Longest required term, in characters."""

MAX_PREFIX_CHARACTERS = 10_000
"""Longest ``target_prefix``, in characters."""


@dataclass(frozen=True)
class DecodingOptions:
    """Decoding options of one sentence. Invalid values are refused with the name of the option.

    Raises:
        UsageError: when an option is of the wrong type or out of its range.
    """

    beam_size: int = 4
    """Hypotheses kept at every step; 1 is greedy search."""
    length_penalty: float | None = None
    """The exponent alpha of lp(Y), which divides log P(Y|X). 0 compares plain probabilities, which
    favours short translations. None is the model's own, or 0.6 as in the paper."""
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
    patience: float = 1.0
    """A sentence has as many finished hypotheses as it waits for when they are ``beam_size`` x
    ``patience``, rounded and at least ``n_best`` (Kasai et al., 2022, "A Call for Clarity in Beam
    Search: How It Works and When It Stops"). 1 is the usual rule; more looks longer, less gives up
    sooner."""
    max_length: int | None = None
    """Most tokens of a translation, the end of the sentence not counted; None stands for
    ``length_ratio`` x tokens of the source + ``length_offset``."""
    length_ratio: float = 1.0
    """See ``max_length``; 1, and an offset of 50, are those of section 6.1 of "Attention Is All You
    Need"."""
    length_offset: int = 50
    """See ``max_length``."""
    min_length: int = 0
    """Fewest tokens of a translation, the end of the sentence not counted."""
    coverage_penalty: float = 0.0
    """beta of cp(X; Y) = beta * sum_i log(min(sum_j p_ij, 1)), which is added to the score of a
    finished hypothesis (Wu et al., 2016, equation 14): how much of the source was attended to. p_ij
    is the attention of target token j, the end included, to source token i, in the last decoder
    layer, averaged over its heads. Only networks in plain arithmetic tell."""
    no_repeat_ngram_size: int = 0
    """No n tokens in a row are said twice in a translation (Paulus et al., 2018); 0 allows it."""
    repetition_penalty: float = 1.0
    """theta of Keskar et al. (2019, CTRL, section 4.1): the log-probability of every token that a
    hypothesis has said is multiplied by theta, as transformers does in beam search, that is without
    normalising again. 1 changes nothing, more discourages."""
    target_prefix: str = ""
    """Forced prefix of the translation; in a text of several sentences, of the first that is
    translated. It is scored like what follows, and counts in ``max_length``. White space and the
    composition of characters do not count, and what follows may go on with its last word."""
    required_terms: tuple[str, ...] = ()
    """Terms that the translation of a text must contain, as whole words and as written, but for the
    case of the first letter. A text that lacks one is decoded again with constraints; where that
    fails too, there is a warning."""
    prefix_bias: float = 0.0
    """beta of biased decoding (Arivazhagan et al., 2020, section 3.2), ``prefix_bias_beta`` of
    CTranslate2: the prefix of a request is not forced but recommended. As long as a hypothesis
    follows it, P' = (1 - beta) P + beta [token is the prefix's next]. 0 forces it."""
    sampling: bool = False
    """Draw every token instead of searching for the best: the beam is ``beam_size`` independent
    samples, and ``n_best`` of them are returned, the most probable first. Scores are those of the
    model, at a temperature of 1."""
    temperature: float = 1.0
    """Sampling temperature: tokens are drawn with probabilities proportional to P^(1/temperature).
    Below 1 the distribution is sharper."""
    top_k: int = 0
    """Number of most probable tokens to sample from (Fan et al., 2018); 0 is all."""
    top_p: float = 1.0
    """Nucleus sampling (Holtzman et al., 2020): draw among the fewest most probable tokens that
    together have this probability, after temperature and ``top_k``."""
    seed: int = 0
    """Seed of sampling: the same request and seed give the same translation, in any batch."""
    guard: bool = True
    """True to check for degenerate output: a translation that repeats itself, is far too long or
    short, or is its source again is decoded once more; see `tformer.model.passes.guard`."""
    literals: bool = True
    """True if numbers, addresses, placeholders, emoji and the like are kept as they are, capitals
    and characters that the vocabulary lacks are seen to, and no sentence with words becomes empty;
    see `tformer.model.passes.preparation`."""
    datastore: str = ""
    """Name of a datastore, as it was opened: p = lambda p_knn + (1 - lambda) p_network at every
    step, see `tformer.model.datastore.mixing`. "" is none."""
    datastore_weight: float | None = None
    """lambda, at least 0 and below 1; None follows the distance of the nearest entry."""
    datastore_pairs: bool = False
    """True to name the pairs that helped, in `Translation.recalled`."""
    alignments: bool = False
    """True to compute word alignments, in `Hypothesis.alignment`."""
    token_scores: bool = False
    """True to return the log-probability of every piece, in `Hypothesis.piece_scores`."""

    def __post_init__(self) -> None:
        """Refuse what cannot be decoded."""
        self._check_types()
        self._check_range("beam_size", 1, MAX_BEAM_SIZE)
        if self.length_penalty is not None:
            self._check_range("length_penalty", 0, MAX_EXPONENT)
        self._check_range("n_best", 1, self.beam_size, "beam_size")
        self._check_above("patience", 0)
        self._check_range("min_length", 0, MAX_LENGTH)
        if self.max_length is not None:
            self._check_range("max_length", max(1, self.min_length), MAX_LENGTH)
        for name in ("length_offset", "no_repeat_ngram_size"):
            self._check_range(name, 0, MAX_LENGTH)
        for name in ("patience", "length_ratio", "coverage_penalty"):
            self._check_range(name, 0, MAX_FACTOR)
        self._check_range("repetition_penalty", 1 / MAX_FACTOR, MAX_FACTOR)
        self._check_range("prefix_bias", 0, 1)
        if self.prefix_bias == 1:
            raise UsageError("prefix_bias must be less than 1: 0 forces the prefix")
        if self.datastore_weight is not None:
            self._check_range("datastore_weight", 0, 1)
            if self.datastore_weight == 1:
                raise UsageError("datastore_weight must be less than 1")
        self._check_texts()
        self._check_sampling()

    def target_limit(self, source_length: int) -> int:
        """Most tokens a translation of ``source_length`` tokens may have.

        It looks at nothing but this sentence, so that a translation cannot depend on its batch.
        """
        if self.max_length is not None:
            return self.max_length
        limit = math.floor(self.length_ratio * source_length) + self.length_offset
        return min(max(limit, self.min_length, 1), MAX_LENGTH)

    @property
    def enough(self) -> int:
        """Finished hypotheses for which a sentence waits."""
        return max(self.n_best, math.floor(self.beam_size * self.patience + 0.5))

    def _check_texts(self) -> None:
        if (length := len(self.target_prefix)) > MAX_PREFIX_CHARACTERS:
            raise UsageError(
                f"target_prefix must have at most {MAX_PREFIX_CHARACTERS:,} characters, "
                f"not {length:,}"
            )
        if (number := len(self.required_terms)) > MAX_REQUIRED_TERMS:
            raise UsageError(
                f"required_terms must be at most {MAX_REQUIRED_TERMS}, not {number:,}: "
                "a glossary takes more"
            )
        if not all(map(str.strip, self.required_terms)):
            raise UsageError("required_terms must not be empty or blank")
        if (longest := max(map(len, self.required_terms), default=0)) > MAX_TERM_CHARACTERS:
            raise UsageError(
                f"required_terms must have at most {MAX_TERM_CHARACTERS:,} characters each, "
                f"not {longest:,}"
            )

    def _check_sampling(self) -> None:
        self._check_range("temperature", 1 / MAX_FACTOR, MAX_FACTOR)
        self._check_range("top_k", 0, 2**31 - 1)
        self._check_above("top_p", 0)
        self._check_range("top_p", 1e-6, 1)
        self._check_range("seed", 0, 2**64 - 1)
        for name, default in (("temperature", 1), ("top_k", 0), ("top_p", 1)):
            if getattr(self, name) != default and not self.sampling:
                raise UsageError(f"{name} does nothing without sampling")
        if self.sampling and self.required_terms:
            raise UsageError("sampling cannot promise required_terms: search with a beam")

    def _check_above(self, name: str, low: float) -> None:
        value = getattr(self, name)
        if not low < value < math.inf:
            raise UsageError(f"{name} must be a number above {low}, not {value}")

    def _check_types(self) -> None:
        for name, kind in _kinds().items():
            value = getattr(self, name)
            if get_origin(kind) is Literal:
                if value not in get_args(kind):
                    choices = " or ".join(get_args(kind))
                    raise UsageError(f"{name} must be {choices}, not {value!r}")
            elif not _is_of_type(value, kind):
                expected = kind if get_args(kind) else getattr(kind, "__name__", kind)
                raise UsageError(f"{name} must be of type {expected}, not {value!r}")

    def _check_range(self, name: str, low: float, high: float, high_name: str = "") -> None:
        value = getattr(self, name)
        if not low <= value <= high or math.isinf(value):
            upper = f"{high_name} ({high})" if high_name else f"{high}"
            wanted = f"at least {low}" if high == math.inf else f"between {low} and {upper}"
            raise UsageError(f"{name} must be {wanted}, not {value}")


def _is_of_type(value: object, kind: Any) -> bool:
    """Like isinstance; but a bool is no number, and an int is as good as a float."""
    if get_origin(kind) is tuple:
        of, _ = get_args(kind)
        return isinstance(value, tuple) and all(_is_of_type(item, of) for item in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind | int if float in (kind, *get_args(kind)) else kind)


@cache
def _kinds() -> dict[str, Any]:
    """The types of the options, which take longer to find than to check."""
    return get_type_hints(DecodingOptions)
